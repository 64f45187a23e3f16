"""The commands of ``spotcore``: detect, simulate, score, convert, train, reproduce, demo, info."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from tqdm import tqdm

import spotcore
from spotcore._backends import backend_info
from spotcore.convert_command import convert
from spotcore.demo import plate_like
from spotcore.io import read_image
from spotcore.output import OutputError, read_columns, require_folder, write_csv, write_png
from spotcore.overlay import draw_overlay
from spotcore.pipeline import Options, detect_file, output_names
from spotcore.train_command import reproduce, train

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find secreting cells in ELISpot and FluoroSpot images.",
)

app.command()(train)
app.command()(reproduce)

_OPTIONAL = ("typer", "tqdm", "tifffile", "imagecodecs", "pillow", "scipy", "numba", "pandas")


class Preset(StrEnum):
    """Settings of the front end."""

    auto = "auto"
    paper = "paper"
    well = "well"


class Polarity(StrEnum):
    """What the spots are."""

    auto = "auto"
    dark = "dark"
    bright = "bright"


class Method(StrEnum):
    """How cells are found."""

    solve = "solve"
    spotnet = "spotnet"


class SimulationPreset(StrEnum):
    """Physics of a simulation: the names in `spotcore.simulate.PRESETS`."""

    part2_2018 = "part2_2018"
    isbi2019 = "isbi2019"


def _positive(value: float | None) -> float | None:
    """Refuse what is not a finite number above 0."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"expected a finite number above 0, got {value}")
    return value


def _not_negative(value: float | None) -> float | None:
    """Refuse what is not a finite number from 0 on."""
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise typer.BadParameter(f"expected a finite number, at least 0, got {value}")
    return value


OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout, nothing else.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Radius = Annotated[
    float, typer.Option(callback=_not_negative, help="Largest distance of a match, in pixels.")
]


def _fail(message: object, code: int = 1) -> typer.Exit:
    """Say on stderr why a command ends."""
    typer.echo(f"spotcore: {message}", err=True)
    return typer.Exit(code)


def _folder(path: Path) -> Path:
    """Make the output folder, or end before any work is done."""
    try:
        return require_folder(path)
    except OutputError as error:
        raise _fail(error) from None


def _version(asked: bool) -> None:
    if asked:
        typer.echo(spotcore.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find secreting cells in ELISpot and FluoroSpot images."""


@app.command()
def detect(
    images: Annotated[list[Path], typer.Argument(help="TIFF, PNG or JPEG files, 8 or 16 bit.")],
    output: OutputFolder,
    preset: Annotated[
        Preset,
        typer.Option(
            help="well: real wells; paper: the papers' settings, for simulated images; "
            "auto: well where the image shows the edge of a round well."
        ),
    ] = Preset.auto,
    method: Annotated[
        Method, typer.Option(help="solve: inverse diffusion; spotnet: a learned network.")
    ] = Method.solve,
    network: Annotated[
        str, typer.Option(help="With --method spotnet: name of shipped weights, or a path.")
    ] = "spotnet",
    polarity: Annotated[
        Polarity, typer.Option(help="Spots dark on bright, or bright on dark.")
    ] = Polarity.auto,
    channel: Annotated[
        str | None, typer.Option(help="red, green, blue or a number from 0; default: luminance.")
    ] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option(callback=_positive, help="Pixel side in µm, instead of the file's."),
    ] = None,
    lam: Annotated[
        float | None,
        typer.Option(callback=_not_negative, help="Weight of the group sparsity (lambda)."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(callback=_not_negative, help="Smallest score of a cell.")
    ] = None,
    max_iter: Annotated[int | None, typer.Option(min=1, help="Iteration limit.")] = None,
    tol: Annotated[
        float | None,
        typer.Option(
            callback=_not_negative,
            help="Stop when ten iterations change the objective by less than this share.",
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all processors.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
) -> None:
    """Find the cells of each image; write NAME.cells.csv, NAME.overlay.png and NAME.run.json.

    A file that fails is reported on stderr and the others go on; the exit status is then 1.
    """
    try:
        names = output_names(images)
    except ValueError as error:
        raise _fail(error, 2) from None
    folder = _folder(output)
    # What tifffile logs about a damaged file comes again, shorter, in the error.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    options = Options(
        preset=preset.value,
        polarity=polarity.value,
        channel=channel,
        pixel_size=pixel_size,
        lam=lam,
        threshold=threshold,
        max_iter=max_iter,
        tol=tol,
        threads=threads,
        method=method.value,
        network=network,
    )
    failed = 0
    for path, name in names.items():
        try:
            with _progress(path.name, quiet or as_json) as progress:
                record = detect_file(path, folder, name, options, progress)
        except KeyboardInterrupt:
            raise _fail("interrupted", 130) from None
        except Exception as error:  # one bad file must never stop the others
            failed += 1
            reason = _reason(path, error)
            typer.echo(f"spotcore: {path}: {reason}", err=True)
            if as_json:
                typer.echo(json.dumps({"file": str(path), "status": "failed", "error": reason}))
            continue
        if as_json:
            typer.echo(json.dumps({"file": str(path), "status": "done", **record}))
        elif not quiet:
            typer.echo(_summary(path, record))
    if failed:
        raise _fail(f"{failed} of {len(names)} images failed")


def _reason(path: Path, error: Exception) -> str:
    """Say what went wrong, without the path (it stands before); unexpected errors by name."""
    text = str(error).removeprefix(f"{path}: ")
    known = isinstance(error, ValueError | TypeError | OSError) and text
    return text if known else f"{type(error).__name__}: {text}"


def _summary(path: Path, record: dict[str, Any]) -> str:
    """One line for a person."""
    well, how, seconds = record["well"], record["solve"], sum(record["seconds"].values())
    edge = "" if well["circle"] else ", no edge of a well found"
    ended = how.get("network") or f"{how['stop_reason']} after {how['iterations']} iterations"
    return (
        f"{path.name}: {record['count']} cells (preset {well['preset']}{edge}; {well['polarity']} "
        f"spots; {ended}, {seconds:.1f} s)"
    )


@contextmanager
def _progress(label: str, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar over the iterations on stderr, if that is a terminal."""
    with tqdm(
        desc=label, unit="it", leave=False, file=sys.stderr, disable=True if hidden else None
    ) as bar:

        def update(iteration: int, limit: int) -> None:
            bar.total = limit
            bar.update(iteration - bar.n)

        yield update


@app.command()
def simulate(
    output: OutputFolder,
    cells: Annotated[int, typer.Option(min=0, help="Number of cells.")] = 750,
    size: Annotated[int, typer.Option(min=1, help="Height and width in pixels.")] = 512,
    preset: Annotated[SimulationPreset, typer.Option(help="Whose physics.")] = (
        SimulationPreset.isbi2019
    ),
    bits: Annotated[
        int, typer.Option(min=0, max=24, help="Noise of a camera of so many bits; 0: none.")
    ] = 6,
    seed: Seed = 0,
    count: Annotated[int, typer.Option(min=1, help="Number of images, seeds one apart.")] = 1,
) -> None:
    """Simulate images with known cells; write NAME.png and NAME.truth.csv.

    The PNG has 16 bits: its 65535 is the papers' 255.
    """
    folder = _folder(output)
    for one_seed in range(seed, seed + count):
        made = spotcore.simulate(
            cells, (size, size), preset.value, bits=bits or None, seed=one_seed
        )
        name = f"{preset.value}_{cells}_seed{one_seed}"
        truth = {
            "y": made.cells[:, 0],
            "x": made.cells[:, 1],
            "secretion": made.secretion,
            "start_s": made.times[:, 0],
            "end_s": made.times[:, 1],
        }
        try:
            write_png(folder / f"{name}.png", np.rint(made.image * 257.0).astype(np.uint16))
            write_csv(folder / f"{name}.truth.csv", truth)
        except OutputError as error:
            raise _fail(error) from None
        typer.echo(folder / f"{name}.png")


@app.command()
def score(
    cells: Annotated[Path, typer.Argument(help="Detections: CSV with columns y, x, score.")],
    truth: Annotated[Path, typer.Argument(help="True cells: CSV with columns y, x.")],
    radius: Radius = 3.0,
    as_json: AsJson = False,
) -> None:
    """Compare detections with true cells: precision, recall, F1."""
    try:
        found = read_columns(cells, ("y", "x", "score"))
        true = read_columns(truth, ("y", "x"))
    except (ValueError, OSError) as error:
        raise _fail(error) from None
    pairs = spotcore.match(
        np.stack([found["y"], found["x"]], axis=1),
        np.stack([true["y"], true["x"]], axis=1),
        radius,
        score=found["score"],
    )
    figures = {"precision": pairs.precision, "recall": pairs.recall, "f1": pairs.f1}
    counts = {"detections": pairs.n_detections, "truth": pairs.n_truth, "pairs": len(pairs.pairs)}
    if as_json:
        typer.echo(json.dumps({"radius": radius, **counts, **figures}))
        return
    typer.echo(", ".join(f"{name} {number}" for name, number in counts.items()))
    typer.echo(", ".join(f"{name} {figure:.4f}" for name, figure in figures.items()))


@app.command()
def demo(
    output: OutputFolder,
    cells: Annotated[int, typer.Option(min=1, help="Number of cells.")] = 250,
    size: Annotated[int, typer.Option(min=64, help="Height and width in pixels.")] = 512,
    seed: Seed = 0,
) -> None:
    """Simulate a picture of a well, find its cells, compare them with the truth."""
    folder = _folder(output)
    start = time.perf_counter()
    image, true = plate_like(cells, size, seed)
    path = folder / "demo.png"
    try:
        write_png(path, image)
        write_csv(folder / "demo.truth.csv", {"y": true[:, 0], "x": true[:, 1]})
        simulated = time.perf_counter()
        with _progress(path.name, False) as progress:
            record = detect_file(path, folder, "demo", Options(), progress)
        found = read_columns(folder / "demo.cells.csv", ("y", "x", "score"))
        yx = np.stack([found["y"], found["x"]], axis=1)
        pairs = spotcore.match(yx, true, score=found["score"])
        detected = time.perf_counter()
        write_png(folder / "demo.figure.png", _figure(path, record, yx, true, pairs.pairs))
    except OutputError as error:
        raise _fail(error) from None
    typer.echo(f"simulated {len(true)} cells in {simulated - start:.1f} s")
    typer.echo(f"found {record['count']} in {detected - simulated:.1f} s")
    typer.echo(f"precision {pairs.precision:.3f}, recall {pairs.recall:.3f}, F1 {pairs.f1:.3f}")
    typer.echo(f"look at {folder / 'demo.figure.png'}")


def _figure(path: Path, record: dict[str, Any], yx: Any, true: Any, pairs: Any) -> Any:
    """Draw the middle of the demo's well, bare and with its marks, side by side."""
    image = read_image(path).pixels
    quarter = image.shape[0] // 4
    window = image[quarter:-quarter, quarter:-quarter]

    def within(points: Any) -> Any:
        moved = np.asarray(points) - quarter
        return moved[((moved >= 0) & (moved < window.shape)).all(axis=1)]

    dark = record["well"]["polarity"] == "dark"
    missed = np.delete(true, pairs[:, 1], axis=0)
    bare = draw_overlay(window, np.zeros((0, 2)), dark_spots=dark, caption="a simulated well")
    marked = draw_overlay(
        window,
        within(yx),
        dark_spots=dark,
        missed_yx=within(missed),
        caption=f"red: {len(within(yx))} cells found; blue: {len(within(missed))} missed",
    )
    return np.concatenate([bare, marked], axis=1)


app.command()(convert)


@app.command()
def info(as_json: AsJson = False) -> None:
    """Print version, instruction sets, threads and the optional packages that are there."""
    record = {"spotcore": spotcore.__version__, **backend_info()}
    packages: dict[str, str | None] = {}
    for package in _OPTIONAL:
        try:
            packages[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            packages[package] = None
    if as_json:
        typer.echo(json.dumps({**record, "packages": packages}))
        return
    for key, value in record.items():
        typer.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    for package, version in packages.items():
        typer.echo(f"{package}: {version or 'not installed'}")
