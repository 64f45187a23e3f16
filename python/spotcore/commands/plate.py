"""The command ``spotcore plate``."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from spotcore._backends import backend_info
from spotcore._files import sole_writer
from spotcore.commands.options import (
    AsJson,
    OutputFolder,
    check_network,
    fail,
    make_folder,
    takes_settings,
)
from spotcore.export import export_folder, read_formats
from spotcore.plates.compare import compare_wells
from spotcore.plates.cut import PlatePicture, is_plate_picture, read_plate_picture
from spotcore.plates.dask import check_scheduler
from spotcore.plates.files import PlateImages, find_images, same_pictures
from spotcore.plates.hcs import is_hcs_plate, read_hcs_plate
from spotcore.plates.layout import read_layout
from spotcore.plates.replicates import find_background
from spotcore.plates.run import PlateProgress, run_plate
from spotcore.plates.wells import plate_format
from spotcore.report import write_report
from spotcore.results import PlateFiles, PlateRecord, Record
from spotcore.settings import Settings

__all__ = ["plate"]


@takes_settings("well", "comparison", "how")
def plate(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of images, a plate of OME-Zarr, a file whose pages are the wells, or one "
            "picture of a whole plate (with --format): its wells are cut out into OUT/pictures.",
        ),
    ],
    output: OutputFolder,
    settings: Settings,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="How the names are made: {well} (A1, A01), or {row} and {column}, or {index} "
            "(from 1, row by row); {channel}, or {wave} for its number; {site}, {z}, {t}; * for "
            "anything; such as 'image1_Well_{index}.png'. Default: found out.",
        ),
    ] = None,
    wells: Annotated[
        int | None,
        typer.Option(
            "--format",
            help="Wells of the plate: 6, 12, 24, 48, 96, 384 or 1536. Default: 96, or more if "
            "the names say so.",
        ),
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(
            help="Table (CSV, XLSX): well, sample, stimulus, replicate, cells_per_well.",
        ),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(help="Stimulus of the negative control. Default: medium, negative, ..."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Wells at a time. Default: as many as threads allow."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Analyse the wells on the Dask cluster with this scheduler address."),
    ] = None,
    export: Annotated[
        str | None, typer.Option(help="Other formats too, such as xlsx,parquet.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html and its pictures.")
    ] = True,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")] = False,
) -> None:
    """Find the cells of all wells of a plate; write wells.csv, plate.json and wells/NAME.*.

    Wells that are done already, with the same settings, are not done again: after an
    interruption the same command goes on. Other --response or --colour settings compare the wells
    anew, without analysing them again. A well that cannot be analysed is in wells.csv with the
    status rejected and why; the exit status is 1 only if that is so for all of them.
    """
    try:
        if source.resolve() == output.resolve():
            raise ValueError(f"{output}: expected another folder than that of the images")
        shape = None if wells is None else plate_format(wells)
        whole = None
        of_one, of_zarr = is_plate_picture(source), is_hcs_plate(source)
        if pattern is not None and (of_one or of_zarr):
            raise ValueError(f"{source}: is no folder of pictures; no --pattern fits")
        if of_one:
            whole = read_plate_picture(source, shape, settings.channel)
            images = whole.images(output)
        elif of_zarr:
            hcs = read_hcs_plate(source, shape, settings.channel, settings.projection)
            images = hcs.images(output)
            for note in hcs.notes:
                typer.echo(f"spotcore: {note}", err=True)
        else:
            images = find_images(source, pattern, shape, settings.projection, settings.channel)
        lying = None if layout is None else read_layout(layout, images.plate)
        if lying is not None:  # a misspelt control is worth knowing before the work
            find_background((row.stimulus for row in lying.rows()), background)
        elif background is not None:
            raise ValueError("--background names a stimulus of the --layout, which is not given")
        formats = [] if export is None else read_formats([export], "--export")
        check_network(settings)
        if dask is not None and find_spec("distributed") is None:
            raise ValueError("--dask needs distributed: pip install 'spotcore[dask]'")
        if dask is not None:
            check_scheduler(dask)
    except (ValueError, OSError, ImportError) as error:
        raise fail(error, 2) from None
    folder = make_folder(output)
    silent = quiet or as_json
    if not silent:
        _introduce(images, pattern, whole)
    _warn(images)
    threads = settings.threads or 1
    workers = workers or max(1, int(str(backend_info()["threads"])) // threads)
    start = time.monotonic()
    try:
        with sole_writer(folder):
            with _progress(silent) as progress:
                record = run_plate(
                    images,
                    folder,
                    replace(settings, threads=threads),
                    layout=lying,
                    workers=workers,
                    dask=dask,
                    progress=progress,
                )
            compare_wells(folder, lying, background, settings)
            if report:
                write_report(folder)
            for format in formats:
                export_folder(folder, format)
    except KeyboardInterrupt:
        raise fail("interrupted; the same command goes on from here", 130) from None
    except (ValueError, OSError, ImportError) as error:
        raise fail(error) from None
    if as_json:
        for well in record.wells:
            typer.echo(json.dumps(well.as_json()))
    elif not quiet:
        _conclude(record, folder, time.monotonic() - start)
    if all(well.status == "rejected" for well in record.wells):
        raise fail("no image could be analysed")


@contextmanager
def _progress(hidden: bool) -> Iterator[PlateProgress]:
    """Show a bar over the wells on stderr, if that is a terminal, and say what was refused."""
    with tqdm(unit="well", leave=False, file=sys.stderr, disable=True if hidden else None) as bar:

        def update(done: int, total: int, record: Record | None) -> None:
            bar.total = total
            if record is None:  # what was done before says nothing about the time left
                bar.initial = bar.n = done
                bar.refresh()
                return
            bar.update(done - bar.n)
            if record.status == "rejected":
                with tqdm.external_write_mode(file=sys.stderr):
                    typer.echo(f"spotcore: {record.file}: {record.reason}", err=True)

        yield update


def _introduce(images: PlateImages, pattern: str | None, whole: PlatePicture | None) -> None:
    """Say how the source was understood, before the work."""
    if whole is not None:
        grid = whole.grid
        typer.echo(
            f"wells {grid.pitch:.1f} pixels apart, {2 * grid.radius:.0f} across, turned by "
            f"{grid.angle:.1f}°, are cut out; grid.overlay.png shows where"
        )
        if whole.outside:
            typer.echo(f"not whole in the picture, left out: {_listed(whole.outside)}")
    elif images.make is not None:
        typer.echo(f"{len(images.wells)} pictures of OME-Zarr are written out")
    elif images.pattern is None:
        typer.echo(f"{len(images.wells)} pages are the wells, row by row")
    elif pattern is None:
        first = images.wells[0]
        whose = f" (names of {images.scheme})" if images.scheme else ""
        typer.echo(f"names read as {images.pattern!r}{whose}: {first.path.name} is {first.name}")
    if images.channels:
        typer.echo(f"channels: {', '.join(images.channels)}")
    if images.missing:
        typer.echo(
            f"{len(images.missing)} of {images.plate.wells * max(1, len(images.channels))} "
            f"have no image: {_listed(images.missing)}"
        )


def _warn(images: PlateImages) -> None:
    """Say what is odd about the folder, on stderr."""
    if images.ignored:
        left_out = _listed(images.ignored)
        why = "they hold no picture" if images.make else "their names are of no well"
        typer.echo(f"spotcore: left out, {why}: {left_out}", err=True)
    for names in same_pictures(images):
        typer.echo(f"spotcore: the same picture, byte by byte: {_listed(names)}", err=True)


def _listed(names: Sequence[str], most: int = 6) -> str:
    """Name the first few and the last of a list."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])}, ... {names[-1]}"


def _conclude(record: PlateRecord, folder: Path, seconds: float) -> None:
    """Say what came out."""
    statuses = Counter(well.status for well in record.wells)
    spots = sum(well.count or 0 for well in record.wells)
    counted = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
    typer.echo(f"{counted}; {spots} spots, {seconds:.0f} s: {PlateFiles(folder).table('wells')}")
