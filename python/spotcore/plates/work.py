"""The unit of work of a plate: one picture, analysed or refused, and how one tells that it is done.

Where NAME.run.json is, all files of NAME are whole (`spotcore.results.write.write_well` writes it
last). So a run that was killed anywhere goes on by looking at what is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from spotcore._backends import __version__
from spotcore._files import OutputError, remove_files
from spotcore.analysis import Progress, analyse, timed
from spotcore.results.names import WellFiles
from spotcore.results.read import file_digest
from spotcore.results.record import Record, now, read_record
from spotcore.results.write import write_record, write_well
from spotcore.settings import Settings
from spotcore.wells.from_picture import read_picture

__all__ = [
    "Job",
    "analyse_file",
    "analyse_or_refuse",
    "failure",
    "finished",
    "refuse",
    "remove_outputs",
]


@dataclass(frozen=True)
class Job:
    """One picture to analyse.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    page : int or None
        Its page, from 0, where it has several.
    file_channel : int or None
        Its channel, from 0, where each of them is one of the plate's.
    files : WellFiles
        Where the outputs go.
    settings : Settings
        Choices of the user.
    settings_hash : str
        As `spotcore.settings.file.well_settings_hash` has it.
    """

    path: Path
    page: int | None
    file_channel: int | None
    files: WellFiles
    settings: Settings
    settings_hash: str


def analyse_file(
    path: Path,
    files: WellFiles,
    settings: Settings,
    *,
    page: int | None = None,
    file_channel: int | None = None,
    progress: Progress | None = None,
) -> Record:
    """Read a picture, find its cells, write what was found.

    Parameters
    ----------
    path : pathlib.Path
        Image file.
    files : WellFiles
        Where to write; the folder exists.
    settings : Settings
        Choices of the user.
    page : int, optional
        Page of a file of several, from 0; by default it has to have one only.
    file_channel : int, optional
        Its channel, from 0; by default that of the settings.
    progress : callable, optional
        Called with iteration and iteration limit as the solver goes.

    Returns
    -------
    Record
        What NAME.run.json holds.

    Raises
    ------
    ImageError
        If an image cannot be read.
    OutputError
        If an output cannot be written.
    ValueError
        If a setting does not fit the image.
    """
    started, reading = now(), dict[str, float]()
    with timed(reading, "read"):
        picture = read_picture(path, settings, page, file_channel)
    analysis = analyse(picture, settings, progress=progress)
    analysis = replace(analysis, seconds=reading | analysis.seconds)
    return write_well(files, analysis, path, page, file_channel, started)


def analyse_or_refuse(job: Job) -> None:
    """Analyse one picture and write its files; a picture that cannot be analysed is refused.

    Whatever happens, the files of NAME are afterwards those of this run.

    Raises
    ------
    OutputError
        If an output cannot be written: then no other can be either.
    """
    remove_outputs(job.files)
    try:
        analyse_file(
            job.path, job.files, job.settings, page=job.page, file_channel=job.file_channel
        )
    except OutputError:
        raise
    except Exception as error:  # one bad file must never stop the others
        refuse(job, failure(job.path, error), final=isinstance(error, ValueError | TypeError))


def failure(path: Path, error: Exception) -> str:
    """Say what went wrong, without the path (it stands before); unexpected errors by name."""
    text = str(error).removeprefix(f"{path}: ")
    known = isinstance(error, ValueError | TypeError | OSError | ImportError) and text
    return text if known else f"{type(error).__name__}: {text}"


def finished(job: Job) -> Record | None:
    """Return the record of a picture that is done, None for one that is still to do.

    It is done if its record is there and comes of the same bytes (the file is read for that),
    the same page and channel, the same settings of a well and the same version, and its files are
    those that it vouches for. Where the folder has moved since, the record gets the new path.

    Raises
    ------
    OutputError
        If the new path cannot be written.
    """
    try:
        record = read_record(job.files.record)
        same = (
            record.spotcore == __version__
            and record.settings_hash == job.settings_hash
            and (record.page, record.file_channel) == (job.page, job.file_channel)
            and Path(record.file).name == job.path.name
            and record.sha256 == file_digest(job.path)
            and all(
                file_digest(job.files.folder / name) == digest
                for name, digest in (record.files or {}).items()
            )
        )
    except (OSError, ValueError):
        return None
    if same and record.file != str(job.path):
        record = replace(record, file=str(job.path))
        write_record(job.files, record)
    return record if same else None


def refuse(job: Job, reason: str, final: bool) -> None:
    """Write the record of a picture that could not be analysed: status ``rejected``, no count.

    Parameters
    ----------
    job : Job
        The picture.
    reason : str
        Why.
    final : bool
        Whether the next run may believe it. Without, it tries again: memory or a disk may be
        there by then.

    Raises
    ------
    OutputError
        If the record cannot be written.
    """
    remove_outputs(job.files)
    try:
        digest = file_digest(job.path) if final else None
    except OSError:
        digest = None
    part = job.page, job.file_channel
    record = Record.refused(job.path, *part, digest, reason, job.settings, job.settings_hash)
    write_record(job.files, record)


def remove_outputs(files: WellFiles) -> None:
    """Remove what an earlier run left of a picture, with what one that was killed left unnamed.

    Raises
    ------
    OutputError
        If a file cannot be removed.
    """
    for path in files.written:
        remove_files([path, *path.parent.glob(f".{path.name}.*.part")])
