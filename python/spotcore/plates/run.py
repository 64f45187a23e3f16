"""A plate from its pictures to its tables, resumed where an earlier run ended."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spotcore._backends import __version__, machine_record
from spotcore._files import OutputError, require_folder, write_csv, write_json
from spotcore.plates.files import PlateImages
from spotcore.plates.layout import Layout
from spotcore.plates.local import run_local
from spotcore.plates.membrane import confluent
from spotcore.plates.work import Job, finished, read_record
from spotcore.results.names import WellFiles
from spotcore.settings import Settings
from spotcore.settings.file import settings_hash, well_settings_hash

__all__ = ["PLATE_FILES", "Progress", "run_plate"]

#: Files of a plate that are made of all its wells: none outlives the start of another run.
PLATE_FILES = (
    "plate.json",
    "wells.csv",
    "replicates.csv",
    "responses.csv",
    "colours.csv",
    "registration.csv",
    "report.html",
    "mosaic.png",
    "heatmap.png",
)

#: Columns of wells.csv.
WELL_COLUMNS = (
    "well",
    "file",
    "status",
    "count",
    "channel",
    "low",
    "high",
    "secretion",
    "artefacts",
    "reason",
)

#: Called with the pictures that are done, their number in all, and the record of the last one.
Progress = Callable[[int, int, "dict[str, Any] | None"], None]


def run_plate(
    images: PlateImages,
    folder: Path,
    settings: Settings,
    *,
    layout: Layout | None = None,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Analyse a plate's pictures and write wells/NAME.*, wells.csv and plate.json.

    Pictures that an earlier run finished in the same folder, with the same settings of a well and
    the same version, are not analysed again. A picture that cannot be analysed gets the status
    ``rejected``.

    Parameters
    ----------
    images : PlateImages
        The pictures.
    folder : Path
        OUT, made if need be.
    settings : Settings
        Choices of the user, one for all wells.
    layout : Layout, optional
        What lies in the wells, for the record.
    workers : int
        Pictures at a time, each in a process of its own.
    dask : str, optional
        Address of a Dask scheduler, to analyse the pictures there instead.
    progress : callable, optional
        Called at the start, and after each picture.

    Returns
    -------
    dict
        What plate.json holds. It is written after all others.

    Raises
    ------
    OutputError
        If an output cannot be written.
    ValueError
        If the Dask cluster cannot be used.
    """
    wells = require_folder(folder / "wells")
    _remove(folder, PLATE_FILES)
    # Before the work: what the settings name may be another file after it.
    digest, of_wells = settings_hash(settings), well_settings_hash(settings)
    jobs = [
        Job(image.path, image.page, WellFiles(wells, image.name), settings, of_wells)
        for image in images.wells
    ]
    todo = [job for job in jobs if finished(job) is None]
    done = len(jobs) - len(todo)
    if progress is not None:
        progress(done, len(jobs), None)
    with contextlib.closing(_run(todo, workers, dask)) as ended:
        for job in ended:
            done += 1
            if progress is not None:
                progress(done, len(jobs), read_record(job))
    return _write_tables(images, jobs, folder, settings, (digest, of_wells), layout)


def _run(jobs: list[Job], workers: int, dask: str | None) -> Generator[Job, None, None]:
    """Analyse pictures here or on a cluster."""
    if dask is None or not jobs:
        return run_local(jobs, workers)
    from spotcore.plates.dask import run_dask

    return run_dask(jobs, dask)


def _write_tables(
    images: PlateImages,
    jobs: list[Job],
    folder: Path,
    settings: Settings,
    digests: tuple[str, str],
    layout: Layout | None,
) -> dict[str, Any]:
    """Write wells.csv and plate.json from the records that are on the disk."""
    table: dict[str, list[Any]] = {name: [] for name in WELL_COLUMNS}
    summary: list[dict[str, Any]] = []
    started = ""
    records = [read_record(job) for job in jobs]
    if settings.membrane is None:
        _judge(records, [image.channel for image in images.wells])
    for image, job, record in zip(images.wells, jobs, records, strict=True):
        low, high = record["interval"] or (None, None)
        row = {
            **{name: record.get(name) for name in WELL_COLUMNS},
            "well": image.position.name,
            "channel": image.channel,
            "low": low,
            "high": high,
        }
        for name, values in table.items():
            values.append(row[name])
        keys = ("well", "channel", "file", "status", "count", "reason")
        kept = {"name": job.files.name, "page": job.page, "sha256": record["sha256"]}
        summary.append({key: row[key] for key in keys} | kept)
        started = min(started or record["started"], record["started"])
    write_csv(folder / "wells.csv", table)
    plate = {
        "spotcore": __version__,
        "started": started,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": asdict(settings),
        "settings_hash": digests[0],
        "well_settings_hash": digests[1],  # the wells' records have it as their settings_hash
        "pattern": images.pattern,
        "rows": images.plate.rows,
        "columns": images.plate.columns,
        "channels": images.channels,
        "layout": None if layout is None else [asdict(row) for row in layout.rows()],
        "machine": machine_record(),
        "wells": summary,
    }
    write_json(folder / "plate.json", plate)
    return plate


def _judge(records: list[dict[str, Any]], channels: list[str]) -> None:
    """Take the counts away that mean nothing by what the plate as a whole shows.

    The records on the disk keep what each picture says by itself.
    """
    for channel in set(channels):
        of_channel = [r for r, name in zip(records, channels, strict=True) if name == channel]
        for record, reason in zip(of_channel, confluent(of_channel), strict=True):
            if reason is not None:
                record |= {"status": "too_numerous", "reason": reason}
                record |= {"count": None, "interval": None, "secretion": None}


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files that are there."""
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{folder / name}: cannot be removed ({error.strerror})") from error
