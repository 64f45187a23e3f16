"""A plate from its pictures to its tables, resumed where an earlier run ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import asdict, replace
from pathlib import Path

from spotcore._backends import __version__, machine_record
from spotcore._files import remove_files, require_folder
from spotcore.plates.confluent import confluent
from spotcore.plates.files import PlateImages
from spotcore.plates.layout import Layout
from spotcore.plates.local import run_local
from spotcore.plates.used import check_plate_folder, remove_parts
from spotcore.plates.work import Job, finished, refuse
from spotcore.results import PlateFiles, PlateRecord, Record
from spotcore.results.plate import PlateWell, WellRow
from spotcore.results.record import now, read_record
from spotcore.results.write import write_plate
from spotcore.settings import Settings
from spotcore.settings.file import settings_hash, well_settings_hash

__all__ = ["PlateProgress", "run_plate"]

#: Called with the pictures that are done, their number in all, and the record of the last one.
PlateProgress = Callable[[int, int, Record | None], None]


def run_plate(
    images: PlateImages,
    folder: Path,
    settings: Settings,
    *,
    layout: Layout | None = None,
    workers: int = 1,
    dask: str | None = None,
    progress: PlateProgress | None = None,
) -> PlateRecord:
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
    PlateRecord
        What plate.json holds. It is written after all others.

    Raises
    ------
    OutputError
        If an output cannot be written.
    ValueError
        If the Dask cluster cannot be used, or the folder holds the results of another plate.
    """
    files = PlateFiles(folder)
    check_plate_folder(
        folder, {image.name: image.path for image in images.wells}, layout is not None
    )
    unmade = {} if images.make is None else images.make(folder)
    require_folder(files.wells)
    for place in (folder, files.wells, files.pictures):
        remove_parts(place)
    remove_files(
        [
            *files.of_all_wells,
            *files.exports.written,
            *files.wells.glob(files.cells_of_colours("*").name),
        ]
    )
    # Before the work: what the settings name may be another file after it.
    digest, of_wells = settings_hash(settings), well_settings_hash(settings)
    jobs = [
        Job(
            image.path,
            image.page,
            image.file_channel,
            files.well(image.name),
            settings,
            of_wells,
        )
        for image in images.wells
    ]
    for job in jobs:
        if job.files.name in unmade:
            refuse(job, unmade[job.files.name], final=False)
    todo = [job for job in jobs if job.files.name not in unmade and finished(job) is None]
    done = len(jobs) - len(todo)
    if progress is not None:
        progress(done, len(jobs), None)
    with contextlib.closing(_run(todo, workers, dask)) as ended:
        for job in ended:
            done += 1
            if progress is not None:
                progress(done, len(jobs), read_record(job.files.record))
    records = [read_record(job.files.record) for job in jobs]
    if settings.membrane is None:
        records = _judged(records, [image.channel for image in images.wells])
    plate = _summary(images, jobs, records, settings, (digest, of_wells), layout)
    lying = {} if layout is None else {row.well: asdict(row) for row in layout.rows()}
    rows = [
        WellRow.of(record, image.position.name, image.channel, lying.get(image.position.name))
        for image, record in zip(images.wells, records, strict=True)
    ]
    write_plate(files, plate, rows)
    return plate


def _run(jobs: list[Job], workers: int, dask: str | None) -> Generator[Job, None, None]:
    """Analyse pictures here or on a cluster."""
    if dask is None or not jobs:
        return run_local(jobs, workers)
    from spotcore.plates.dask import run_dask

    return run_dask(jobs, dask)


def _summary(
    images: PlateImages,
    jobs: list[Job],
    records: list[Record],
    settings: Settings,
    digests: tuple[str, str],
    layout: Layout | None,
) -> PlateRecord:
    """Record the plate by the records of its pictures."""
    wells = [
        PlateWell(
            well=image.position.name,
            channel=image.channel,
            file=record.file,
            status=record.status,
            count=record.count,
            reason=record.reason,
            name=job.files.name,
            page=job.page,
            file_channel=job.file_channel,
            sha256=record.sha256,
        )
        for image, job, record in zip(images.wells, jobs, records, strict=True)
    ]
    return PlateRecord(
        spotcore=__version__,
        started=min(record.started for record in records),
        finished=now(),
        settings=asdict(settings),
        settings_hash=digests[0],
        well_settings_hash=digests[1],  # the wells' records have it as their settings_hash
        pattern=images.pattern,
        left_out=images.ignored,
        rows=images.plate.rows,
        columns=images.plate.columns,
        channels=tuple(images.channels),
        layout=None if layout is None else [asdict(row) for row in layout.rows()],
        machine=machine_record(),
        wells=tuple(wells),
    )


def _judged(records: list[Record], channels: list[str]) -> list[Record]:
    """Take the counts away that mean nothing by what the plate as a whole shows.

    The records on the disk keep what each picture says by itself.
    """
    judged = list(records)
    for channel in set(channels):
        places = [at for at, name in enumerate(channels) if name == channel]
        reasons = confluent([records[at] for at in places])
        for at, reason in zip(places, reasons, strict=True):
            if reason is not None:
                uncounted = replace(records[at], count=None, interval=None, secretion=None)
                judged[at] = replace(uncounted, status="too_numerous", reason=reason)
    return judged
