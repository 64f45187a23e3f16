"""Marks that a person corrected: compared with the original, saved beside it; no need of napari."""

from __future__ import annotations

import datetime
import getpass
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import spotcore
from spotcore._files import write_csv, write_json
from spotcore.export.result import read_record
from spotcore.napari_plugin.result import read_table

__all__ = ["Edit", "compare", "save_edit"]


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
) -> dict[str, Any]:
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
    dict
        The record.

    Raises
    ------
    ValueError
        If a mark is outside the image, or the original has changed since.
    OSError
        If a file cannot be read or written.
    """
    record_path = Path(record_path)
    name = record_path.name.removesuffix(".run.json")
    record = read_record(record_path)
    original = record_path.with_name(f"{name}.cells.csv")
    columns, rows, digest = read_table(original)
    if table_sha256 not in (None, digest):
        raise ValueError(f"{original}: has changed since it was opened; open it again")
    image = record["image"]
    yx = np.array([(row["y"], row["x"]) for row in rows], dtype=np.float64).reshape(-1, 2)
    edit = compare(yx, marks, (image["height"], image["width"]))

    table = record_path.with_name(f"{name}.edited.cells.csv")
    earlier = _earlier(record_path.with_name(f"{name}.edited.run.json"))
    said = ["" if kept else "removed" for kept in edit.kept]
    new = [_added_row(pixel, image.get("pixel_size_um")) for pixel in edit.added.tolist()]
    cells = {column: [row.get(column, "") for row in (*rows, *new)] for column in columns}
    write_csv(table, {**cells, "edited": [*said, *("added" for _ in new)]})
    made = {
        "spotcore": spotcore.__version__,
        "original": record_path.name,
        "file": record.get("file"),
        "sha256": record.get("sha256"),
        "table_sha256": digest,
        "edited_sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
        "by": by or getpass.getuser(),
        "edited": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "reason": reason,
        "status": "counted" if edit.count else "empty",
        "count": edit.count,
        "added": len(edit.added),
        "removed": edit.removed,
        "original_status": record.get("status"),
        "original_count": record.get("count"),
        "history": earlier,
    }
    write_json(record_path.with_name(f"{name}.edited.run.json"), made)
    return made


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


def _earlier(path: Path) -> list[dict[str, Any]]:
    """List what earlier edits said, the oldest first."""
    if not path.exists():
        return []
    last = read_record(path)
    keys = ("by", "edited", "reason", "count", "added", "removed", "table_sha256", "edited_sha256")
    return [*last.get("history", ()), {key: last.get(key) for key in keys}]
