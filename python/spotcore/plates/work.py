"""The unit of work of a plate: one picture, analysed or refused, and how one tells that it is done.

Where NAME.run.json is, all files of NAME are whole (`spotcore.analysis.detect_file` writes it
last). So a run that was killed anywhere goes on by looking at what is there.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spotcore
from spotcore._files import OutputError, write_json
from spotcore.analysis import detect_file, failure, machine_record
from spotcore.settings import Settings, well_settings

__all__ = ["Job", "analyse", "finished", "read_record", "refuse", "remove_outputs"]

#: Ends of the files of one picture; the record goes first when they are removed.
ENDS = ("run.json", "cells.csv", "artefacts.csv", "overlay.png", "maps.npz")


@dataclass(frozen=True)
class Job:
    """One picture to analyse.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    page : int or None
        Its page, from 0, where it has several.
    folder : pathlib.Path
        Where the outputs go.
    name : str
        NAME of the outputs.
    settings : Settings
        Choices of the user.
    settings_hash : str
        As `spotcore.settings.file.well_settings_hash` has it.
    """

    path: Path
    page: int | None
    folder: Path
    name: str
    settings: Settings
    settings_hash: str

    @property
    def record(self) -> Path:
        """The file that is written last."""
        return self.folder / f"{self.name}.run.json"


def analyse(job: Job) -> None:
    """Analyse one picture and write its files; a picture that cannot be analysed is refused.

    Whatever happens, the files of NAME are afterwards those of this run.

    Raises
    ------
    OutputError
        If an output cannot be written: then no other can be either.
    """
    # What tifffile logs about a damaged file comes again, shorter, in the error.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    remove_outputs(job)
    try:
        detect_file(job.path, job.folder, job.name, job.settings, page=job.page)
    except OutputError:
        raise
    except Exception as error:  # one bad file must never stop the others
        refuse(job, failure(job.path, error), final=isinstance(error, ValueError | TypeError))


def finished(job: Job) -> dict[str, Any] | None:
    """Return the record of a picture that is done, None for one that is still to do.

    It is done if its record is there and comes of the same bytes (the file is read for that),
    the same page, the same settings of a well and the same version. Where the folder has moved
    since, the record gets the new path.

    Raises
    ------
    OutputError
        If the new path cannot be written.
    """
    try:
        record = read_record(job)
        same = (
            record["spotcore"] == spotcore.__version__
            and record["settings_hash"] == job.settings_hash
            and record["page"] == job.page
            and Path(record["file"]).name == job.path.name
            and record["sha256"] == file_digest(job.path)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if same and record["file"] != str(job.path):
        record["file"] = str(job.path)
        write_json(job.record, record)
    return record if same else None


def read_record(job: Job) -> dict[str, Any]:
    """Return the record of a picture that was analysed or refused."""
    record: dict[str, Any] = json.loads(job.record.read_bytes())
    return record


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
    remove_outputs(job)
    try:
        digest = file_digest(job.path) if final else None
    except OSError:
        digest = None
    write_json(
        job.record,
        {
            "spotcore": spotcore.__version__,
            "file": str(job.path),
            "page": job.page,
            "sha256": digest,
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "status": "rejected",
            "reason": reason,
            "count": None,
            "interval": None,
            "secretion": None,
            "artefacts": 0,
            "settings": well_settings(job.settings),
            "settings_hash": job.settings_hash,
            "image": None,
            "well": None,
            "machine": machine_record(),
        },
    )


def remove_outputs(job: Job) -> None:
    """Remove what an earlier run left of a picture, with what one that was killed left unnamed.

    Raises
    ------
    OutputError
        If a file cannot be removed.
    """
    try:
        for end in ENDS:
            (job.folder / f"{job.name}.{end}").unlink(missing_ok=True)
            for part in job.folder.glob(f".{job.name}.{end}.*.part"):
                part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{error.filename}: cannot be removed ({error.strerror})") from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
