"""Marks that a person corrected: compared with the original, saved beside it, read again."""

from __future__ import annotations

import getpass
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotcore._backends import __version__
from spotcore._files import write_csv, write_json
from spotcore.results.decode import decode
from spotcore.results.names import WellFiles
from spotcore.results.read import file_digest, read_json, read_marks
from spotcore.results.record import now, read_record

__all__ = ["Earlier", "Edit", "EditRecord", "compare", "read_edit", "save_edit"]


@dataclass(frozen=True, eq=False)
class Edit:
    """What became of the original's marks.

    Attributes
    ----------
    kept : numpy.ndarray
        bool ``[n]``: which marks of the original are still there.
    added : numpy.ndarray
        int64 ``[m, 2]``: pixels (y, x) of the marks that the original has not.
    """

    kept: NDArray[np.bool_]
    added: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of marks."""
        return int(self.kept.sum()) + len(self.added)

    @property
    def removed(self) -> int:
        """Number of the original's marks that are gone."""
        return int((~self.kept).sum())


@dataclass(frozen=True)
class Earlier:
    """What an earlier edit said."""

    by: str | None
    edited: str | None
    reason: str | None
    count: int | None
    added: int | None
    removed: int | None
    table_sha256: str | None
    edited_sha256: str | None


@dataclass(frozen=True)
class EditRecord:
    """Who edited, when, why and what, as NAME.edited.run.json holds it.

    Attributes
    ----------
    spotcore : str
        Version.
    original : str
        Name of the original's record.
    file, sha256 : str or None
        The picture, as the original has it.
    table_sha256, edited_sha256 : str
        Digests of NAME.cells.csv and of NAME.edited.cells.csv.
    by, edited, reason : str
        Who, when (ISO 8601, UTC) and why.
    status, count : str, int
        "counted" or "empty", and the number of marks.
    added, removed : int
        How many.
    original_status, original_count : str or None, int or None
        Those of the original.
    history : tuple of Earlier
        Earlier edits, the oldest first.
    """

    spotcore: str
    original: str
    file: str | None
    sha256: str | None
    table_sha256: str
    edited_sha256: str
    by: str
    edited: str
    reason: str
    status: str
    count: int
    added: int
    removed: int
    original_status: str | None
    original_count: int | None
    history: tuple[Earlier, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what NAME.edited.run.json holds."""
        return {**asdict(self), "history": [asdict(earlier) for earlier in self.history]}


def compare(original: ArrayLike, marks: ArrayLike, shape: tuple[int, int]) -> Edit:
    """Tell which marks were kept, removed and added.

    A mark in the pixel of an original's is that mark; one that was moved to another pixel is a
    removed and an added one, because the measures belong to the old place. Several new marks in
    one pixel are one.

    Parameters
    ----------
    original : array_like, shape [n, 2]
        Positions (y, x) [px] of the original, strongest first.
    marks : array_like, shape [m, 2]
        Positions now, in any order.
    shape : tuple of int
        Height and width of the image.

    Returns
    -------
    Edit
        What became of them.

    Raises
    ------
    ValueError
        If a mark is outside the image; the message says where.
    """
    places: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, pixel in enumerate(_pixels(original)):
        places[pixel].append(index)
    kept = np.zeros(sum(map(len, places.values())), dtype=bool)
    added: list[tuple[int, int]] = []
    for pixel in _pixels(marks):
        if not (0 <= pixel[0] < shape[0] and 0 <= pixel[1] < shape[1]):
            raise ValueError(
                f"marks: one at y = {pixel[0]}, x = {pixel[1]} is outside the image of "
                f"{shape[0]} x {shape[1]} pixels"
            )
        left = [index for index in places.get(pixel, ()) if not kept[index]]
        if left:
            kept[left[0]] = True
        elif pixel not in places:
            added.append(pixel)
    pixels = np.array(list(dict.fromkeys(added)), dtype=np.int64).reshape(-1, 2)
    return Edit(kept, pixels)


def save_edit(
    record_path: str | Path,
    marks: ArrayLike,
    *,
    by: str | None = None,
    reason: str = "",
    table_sha256: str | None = None,
) -> EditRecord:
    """Write NAME.edited.cells.csv and, last, NAME.edited.run.json; the original stays as it is.

    The table has all rows of the original, character by character, and those added, whose
    measures are empty; its last column, ``edited``, says ``removed`` or ``added``. The record says
    who, when, why, how many, from which original (by digest), and what earlier edits there were.

    Parameters
    ----------
    record_path : path-like
        NAME.run.json of the original.
    marks : array_like, shape [m, 2]
        Positions (y, x) [px] of all marks that count.
    by : str, optional
        Who edited; the user's name on this machine by default.
    reason : str
        Why.
    table_sha256 : str, optional
        Digest of the NAME.cells.csv that the marks were made from.

    Returns
    -------
    EditRecord
        What NAME.edited.run.json holds.

    Raises
    ------
    ValueError
        If a mark is outside the image, or the original has changed since or was not analysed.
    OSError
        If a file cannot be read or written.
    """
    files = WellFiles.of(record_path)
    record = read_record(files.record)
    if record.image is None:
        raise ValueError(f"{files.record}: the picture was not analysed")
    original = read_marks(files.cells)
    if table_sha256 not in (None, original.sha256):
        raise ValueError(f"{files.cells}: has changed since it was opened; open it again")
    edit = compare(original.yx, marks, (record.image.height, record.image.width))

    earlier = _earlier(files.edited_record)
    said = ["" if kept else "removed" for kept in edit.kept]
    new = [_added_row(pixel, record.image.pixel_size_um) for pixel in edit.added.tolist()]
    rows = (*original.rows, *new)
    cells = {column: [row.get(column, "") for row in rows] for column in original.columns}
    write_csv(files.edited_cells, {**cells, "edited": [*said, *("added" for _ in new)]})
    made = EditRecord(
        spotcore=__version__,
        original=files.record.name,
        file=record.file,
        sha256=record.sha256,
        table_sha256=original.sha256,
        edited_sha256=file_digest(files.edited_cells),
        by=by or getpass.getuser(),
        edited=now(),
        reason=reason,
        status="counted" if edit.count else "empty",
        count=edit.count,
        added=len(edit.added),
        removed=edit.removed,
        original_status=record.status,
        original_count=record.count,
        history=earlier,
    )
    write_json(files.edited_record, made.as_json())
    return made


def read_edit(files: WellFiles) -> EditRecord:
    """Read NAME.edited.run.json and make sure that it belongs to the tables beside it.

    Raises
    ------
    ValueError
        If NAME.cells.csv was made anew since the edit, or NAME.edited.cells.csv is not the one
        that was saved with the record; the message names the file.
    OSError
        If a file is missing.
    """
    edit = _decoded(files.edited_record)
    for digest, table in (
        (edit.table_sha256, files.cells),
        (edit.edited_sha256, files.edited_cells),
    ):
        if digest != file_digest(table):
            raise ValueError(
                f"{files.edited_record}: the edit is not of the {table.name} beside it"
            )
    return edit


def _decoded(path: Path) -> EditRecord:
    value: Mapping[str, Any] = read_json(path)
    try:
        return decode(EditRecord, value)
    except ValueError as error:
        raise ValueError(f"{path}: no record of an edit ({error})") from error


def _pixels(yx: ArrayLike) -> list[tuple[int, int]]:
    """Nearest pixels of positions [n, 2]."""
    points = np.asarray(yx, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("marks: expected finite positions")
    return [(int(y), int(x)) for y, x in np.floor(points + 0.5)]


def _added_row(pixel: list[int], pixel_size: float | None) -> dict[str, str]:
    """Row of a mark that has no measures."""
    row = {"y": str(pixel[0]), "x": str(pixel[1])}
    if pixel_size is not None:
        row |= {f"{axis}_um": f"{float(row[axis]) * pixel_size:.7g}" for axis in "yx"}
    return row


def _earlier(path: Path) -> tuple[Earlier, ...]:
    """List what earlier edits said, the oldest first."""
    if not path.exists():
        return ()
    last = _decoded(path)
    return (*last.history, decode(Earlier, vars(last)))
