"""The command ``spotcore detect``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from spotcore.analysis import Network
from spotcore.commands.options import (
    AsJson,
    OutputFolder,
    fail,
    make_folder,
    not_negative,
    positive,
    progress_bar,
)
from spotcore.plates.work import analyse_file, failure
from spotcore.results.names import WellFiles, output_names
from spotcore.results.record import Record
from spotcore.settings.file import choose

__all__ = ["Method", "Polarity", "Preset", "detect"]


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
        typer.Option(callback=positive, help="Pixel side in µm, instead of the file's."),
    ] = None,
    lam: Annotated[
        float | None,
        typer.Option(callback=not_negative, help="Weight of the group sparsity (lambda)."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(callback=not_negative, help="Smallest score of a cell.")
    ] = None,
    stain: Annotated[
        str,
        typer.Option(
            help="Spots' colour in a colour picture: auto (found), luminance, aec, or R,G,B."
        ),
    ] = "auto",
    gamma: Annotated[
        str, typer.Option(help="Tone curve to undo: none, srgb or a number.")
    ] = "none",
    flat_field: Annotated[
        Path | None, typer.Option(help="Image of the lamp's pattern, to be divided out.")
    ] = None,
    dark_frame: Annotated[
        Path | None, typer.Option(help="Image without light, beside --flat-field.")
    ] = None,
    membrane: Annotated[
        float | None,
        typer.Option(callback=not_negative, help="Grey level of a bare membrane."),
    ] = None,
    min_diameter: Annotated[
        float | None,
        typer.Option(callback=positive, help="Smallest spot, in µm if the pixel size is known."),
    ] = None,
    max_diameter: Annotated[
        float | None,
        typer.Option(callback=positive, help="Largest spot, in µm if the pixel size is known."),
    ] = None,
    save_maps: Annotated[
        bool, typer.Option("--save-maps", help="Write signal, score and fit as NAME.maps.npz.")
    ] = False,
    max_iter: Annotated[int | None, typer.Option(min=1, help="Iteration limit.")] = None,
    tol: Annotated[
        float | None,
        typer.Option(
            callback=not_negative,
            help="Stop when ten iterations change the objective by less than this share.",
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all processors.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
) -> None:
    """Find the cells of each image; write NAME.cells.csv, .artefacts.csv, .overlay.png, .run.json.

    A file that fails is reported on stderr and the others go on; the exit status is then 1.
    """
    try:
        names = output_names(images)
    except ValueError as error:
        raise fail(error, 2) from None
    folder = make_folder(output)
    given = dict(
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
        stain=stain,
        gamma=gamma,
        flat_field=flat_field,
        dark_frame=dark_frame,
        membrane=membrane,
        min_diameter=min_diameter,
        max_diameter=max_diameter,
        save_maps=save_maps,
    )
    try:
        settings = choose(None, {name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise fail(error, 2) from None
    failed = 0
    for path, name in names.items():
        try:
            with progress_bar(path.name, quiet or as_json) as progress:
                files = WellFiles(folder, name)
                record = analyse_file(path, files, settings, progress=progress)
        except KeyboardInterrupt:
            raise fail("interrupted", 130) from None
        except Exception as error:  # one bad file must never stop the others
            failed += 1
            why = failure(path, error)
            typer.echo(f"spotcore: {path}: {why}", err=True)
            if as_json:
                typer.echo(json.dumps({"file": str(path), "status": "failed", "error": why}))
            continue
        if as_json:
            typer.echo(json.dumps(record.as_json()))
        elif not quiet:
            typer.echo(_summary(path, record))
    if failed:
        raise fail(f"{failed} of {len(names)} images failed")


def _summary(path: Path, record: Record) -> str:
    """One line for a person."""
    assert record.well and record.solve and record.seconds  # those of a picture that was analysed
    well, how, seconds = record.well, record.solve, sum(record.seconds.values())
    edge = "" if well.circle else ", no edge of a well found"
    if isinstance(how, Network):
        ended = how.network
    else:
        ended = f"{how.stop_reason} after {how.iterations} iterations"
    if record.count is None or record.interval is None:
        found = f"{record.status}: {record.reason}"
    else:
        low, high = record.interval
        found = f"{record.count} cells, {low} to {high} at 95 %"
        if record.artefacts:
            found += f", {record.artefacts} artefacts"
    return (
        f"{path.name}: {found} (preset {well.preset}{edge}; {well.polarity} "
        f"spots; {ended}, {seconds:.1f} s)"
    )
