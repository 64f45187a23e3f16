"""The command ``spotcore detect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from spotcore._files import OutputError, one_line
from spotcore.analysis import Network
from spotcore.commands.options import (
    AsJson,
    OutputFolder,
    check_network,
    fail,
    make_folder,
    progress_bar,
    takes_settings,
)
from spotcore.plates.used import check_detect_folder
from spotcore.plates.work import analyse_file, failure
from spotcore.results.names import WellFiles, output_names
from spotcore.results.record import Record
from spotcore.settings import Settings

__all__ = ["detect"]


@takes_settings("well", "how")
def detect(
    images: Annotated[list[Path], typer.Argument(help="Pictures of wells: TIFF, PNG, JPEG, ...")],
    output: OutputFolder,
    settings: Settings,
    page: Annotated[
        int | None,
        typer.Option(min=0, help="Which picture of files of several: a page, from 0."),
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
) -> None:
    """Find the cells of each image; write NAME.cells.csv, .artefacts.csv, .overlay.png, .run.json.

    A file that fails is reported on stderr and the others go on; the exit status is then 1.
    """
    try:
        for path in images:
            if path.is_dir():
                raise ValueError(
                    f"{path}: expected a picture, got a folder: spotcore plate {path} -o OUT "
                    "analyses all that are in it"
                )
        names = output_names(images)
        check_network(settings)
        check_detect_folder(output, names)
    except ValueError as error:
        raise fail(error, 2) from None
    folder = make_folder(output)
    failed = 0
    for path, name in names.items():
        try:
            with progress_bar(path.name, quiet or as_json) as progress:
                files = WellFiles(folder, name)
                record = analyse_file(path, files, settings, page=page, progress=progress)
        except KeyboardInterrupt:
            raise fail("interrupted", 130) from None
        except OutputError as error:  # then no other can be written either
            raise fail(error) from None
        except Exception as error:  # one bad file must never stop the others
            failed += 1
            why = failure(path, error)
            typer.echo(f"spotcore: {one_line(str(path))}: {why}", err=True)
            if as_json:
                typer.echo(json.dumps({"file": str(path), "status": "failed", "error": why}))
            continue
        if as_json:
            typer.echo(json.dumps(record.as_json()))
        elif not quiet:
            typer.echo(_summary(path, record))
        for note in record.image.notes if record.image and not quiet else ():
            typer.echo(f"spotcore: {path}: {note}", err=True)
    if failed:
        raise fail(f"{failed} of {len(names)} images failed")


def _summary(path: Path, record: Record) -> str:
    """One line for a person."""
    assert record.well and record.solve and record.seconds  # those of a picture that was analysed
    well, how, seconds = record.well, record.solve, sum(record.seconds.values())
    edge = "" if well.circle else ", no edge of a well found"
    ended = how.network if isinstance(how, Network) else f"{how.iterations} iterations"
    if record.count is None or record.interval is None:
        found = f"{record.status}: {record.reason}"
    else:
        low, high = record.interval
        found = f"{record.count} cells, {low} to {high} at 95 %"
        if record.artefacts:
            found += f", {record.artefacts} artefacts"
    return (
        f"{one_line(path.name)}: {found} (preset {well.preset}{edge}; {well.polarity} "
        f"spots; {ended}, {seconds:.1f} s)"
    )
