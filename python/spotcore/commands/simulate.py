"""The commands ``spotcore simulate``, ``spotcore score`` and ``spotcore demo``."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import spotcore
from spotcore._files import OutputError, read_columns, write_csv, write_png
from spotcore.commands.options import (
    AsJson,
    OutputFolder,
    Radius,
    Seed,
    fail,
    make_folder,
    progress_bar,
)
from spotcore.images.overlay import draw_overlay
from spotcore.images.read import read_image
from spotcore.plates.work import analyse_file
from spotcore.results.names import WellFiles
from spotcore.results.record import Record
from spotcore.settings import Settings
from spotcore.simulation.demo import plate_like

__all__ = ["SimulationPreset", "demo", "score", "simulate"]

#: What is simulated in less than 3 GB: about 24 kB a cell, 0.6 kB a pixel.
MOST_CELLS, LONGEST_SIDE = 100_000, 2048


class SimulationPreset(StrEnum):
    """The names in `spotcore.simulation.simulate.PRESETS`, and pictures as readers save them."""

    part2_2018 = "part2_2018"
    isbi2019 = "isbi2019"
    well = "well"


def simulate(
    output: OutputFolder,
    cells: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_CELLS, help="Number of cells. Default: 750; of well, drawn."),
    ] = None,
    size: Annotated[
        int, typer.Option(min=1, max=LONGEST_SIDE, help="Height and width in pixels.")
    ] = 512,
    preset: Annotated[
        SimulationPreset,
        typer.Option(
            help="part2_2018, isbi2019: the papers' images; well: a picture as a reader saves it."
        ),
    ] = SimulationPreset.isbi2019,
    bits: Annotated[
        int, typer.Option(min=0, max=24, help="Noise of a camera of so many bits; 0: none.")
    ] = 6,
    seed: Seed = 0,
    count: Annotated[int, typer.Option(min=1, help="Number of images, seeds one apart.")] = 1,
) -> None:
    """Simulate images with known cells; write NAME.png and NAME.truth.csv.

    The PNG of the papers' images has 16 bits: its 65535 is their 255. Of well, everything that a
    reader and a laboratory add is drawn, too; NAME.artefacts.csv says what there is that is no
    cell, and --bits has no effect.
    """
    if seed + count > 2**31:
        raise typer.BadParameter(
            f"expected seeds below 2^31, got {seed} to {seed + count - 1}", param_hint="--count"
        )
    folder = make_folder(output)
    for one_seed in range(seed, seed + count):
        try:
            if preset is SimulationPreset.well:
                path = _write_well(folder, cells, size, one_seed)
            else:
                path = _write_simulation(folder, cells, size, preset.value, bits, one_seed)
        except (ValueError, OutputError) as error:
            raise fail(error) from None
        typer.echo(path)


def _write_simulation(
    folder: Path, cells: int | None, size: int, preset: str, bits: int, seed: int
) -> Path:
    """Write one of the papers' images, and its cells."""
    cells = 750 if cells is None else cells
    made = spotcore.simulate(cells, (size, size), preset, bits=bits or None, seed=seed)
    path = folder / f"{preset}_{cells}_seed{seed}.png"
    truth = {
        "y": made.cells[:, 0],
        "x": made.cells[:, 1],
        "secretion": made.secretion,
        "start_s": made.times[:, 0],
        "end_s": made.times[:, 1],
    }
    write_png(path, np.rint(made.image * 257.0).astype(np.uint16))
    write_csv(path.with_suffix(".truth.csv"), truth)
    return path


def _write_well(folder: Path, cells: int | None, size: int, seed: int) -> Path:
    """Write a picture of a well, its cells, and what is none."""
    made = spotcore.simulate_well(cells, (size, size), seed=seed)
    path = folder / f"well_seed{seed}.png"
    truth = {
        "y": made.cells[:, 0],
        "x": made.cells[:, 1],
        "secretion": made.secretion,
        "width": made.width,
        "snr": made.snr,
        "visibility": made.visibility,
        "hidden_by": made.hidden_by,
    }
    others = {name: [getattr(a, name) for a in made.artefacts] for name in ("y", "x", "kind")}
    write_png(path, made.image)
    write_csv(path.with_suffix(".truth.csv"), truth)
    write_csv(WellFiles(folder, path.stem).artefacts, others)
    return path


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
        raise fail(error) from None
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


def demo(
    output: OutputFolder,
    cells: Annotated[int, typer.Option(min=1, max=MOST_CELLS // 5, help="Number of cells.")] = 250,
    size: Annotated[
        int, typer.Option(min=64, max=LONGEST_SIDE, help="Height and width in pixels.")
    ] = 512,
    seed: Seed = 0,
) -> None:
    """Simulate a picture of a well, find its cells, compare them with the truth."""
    folder = make_folder(output)
    start = time.perf_counter()
    image, true = plate_like(cells, size, seed)
    path = folder / "demo.png"
    try:
        write_png(path, image)
        write_csv(folder / "demo.truth.csv", {"y": true[:, 0], "x": true[:, 1]})
        simulated = time.perf_counter()
        with progress_bar(path.name, False) as progress:
            files = WellFiles(folder, path.stem)
            record = analyse_file(path, files, Settings(), progress=progress)
        found = read_columns(files.cells, ("y", "x", "score"))
        yx = np.stack([found["y"], found["x"]], axis=1)
        pairs = spotcore.match(yx, true, score=found["score"])
        detected = time.perf_counter()
        write_png(folder / "demo.figure.png", _figure(path, record, yx, true, pairs.pairs))
    except OutputError as error:
        raise fail(error) from None
    typer.echo(f"simulated {len(true)} cells in {simulated - start:.1f} s")
    typer.echo(f"found {record.count} in {detected - simulated:.1f} s")
    typer.echo(f"precision {pairs.precision:.3f}, recall {pairs.recall:.3f}, F1 {pairs.f1:.3f}")
    typer.echo(f"look at {folder / 'demo.figure.png'}")


def _figure(path: Path, record: Record, yx: Any, true: Any, pairs: Any) -> Any:
    """Draw the middle of the demo's well, bare and with its marks, side by side."""
    image = read_image(path).pixels
    quarter = image.shape[0] // 4
    window = image[quarter:-quarter, quarter:-quarter]

    def within(points: Any) -> Any:
        moved = np.asarray(points) - quarter
        return moved[((moved >= 0) & (moved < window.shape)).all(axis=1)]

    assert record.well
    dark = record.well.polarity == "dark"
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
