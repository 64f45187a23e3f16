"""The one reader of a result's JSON and CSV files; what is wrong in one is said with its name."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore._files import of_cell

__all__ = [
    "Marks",
    "file_digest",
    "read_header",
    "read_json",
    "read_marks",
    "read_numbers",
    "read_rows",
]


class Marks(NamedTuple):
    """A table of spots or artefacts as text.

    Attributes
    ----------
    columns : list of str
        y and x among them.
    rows : list of dict
        Text by column.
    sha256 : str
        Digest of the file.
    """

    columns: list[str]
    rows: list[dict[str, str]]
    sha256: str

    @property
    def yx(self) -> NDArray[np.float64]:
        """Positions (y, x) [px], [n, 2]."""
        positions = [(row["y"], row["x"]) for row in self.rows]
        return np.array(positions, dtype=np.float64).reshape(-1, 2)

    @property
    def counted(self) -> Marks:
        """Those that count: without the ones that a person removed."""
        return self._replace(rows=[row for row in self.rows if row.get("edited") != "removed"])


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ValueError
        If the file holds something else; the message names it.
    OSError
        If it cannot be read.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which JSON has not and no record is written with."""
    raise ValueError(f"got {constant}")


def read_header(path: Path) -> list[str]:
    """Read the columns of a CSV file.

    Raises
    ------
    ValueError
        If there are none, two have one name, or the file is no text; the message names it.
    OSError
        If it cannot be read.
    """
    _, header = next(_lines(path))
    return header


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV file with a header row by row, as line number and text by column.

    Raises
    ------
    ValueError
        If the file is empty or no text, or a row has more or fewer fields than the header; the
        message names file and line.
    OSError
        If it cannot be read.
    """
    lines = _lines(path)
    _, header = next(lines)
    for number, fields in lines:
        if len(fields) != len(header):
            raise ValueError(
                f"{path}, line {number}: expected {len(header)} fields, got {len(fields)}"
            )
        yield number, dict(zip(header, map(of_cell, fields), strict=True))


def read_marks(path: Path) -> Marks:
    """Read a table of spots or artefacts as text.

    Raises
    ------
    ValueError
        If it has no y and x, one of them is no finite number, or it is no table; the message names
        the file.
    OSError
        If it cannot be read.
    """
    columns, digest = read_header(path), file_digest(path)
    if not {"y", "x"} <= set(columns):
        raise ValueError(f"{path}: expected columns y and x, got {columns}")
    rows = []
    for line, row in read_rows(path):
        for name in ("y", "x"):
            if not math.isfinite(_number(row[name], f"{path}, line {line}, {name}")):
                raise ValueError(
                    f"{path}, line {line}, {name}: expected a position, got {row[name]!r}"
                )
        rows.append(row)
    return Marks(columns, rows, digest)


def read_numbers(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read a table of numbers, float64 [n] by column; NaN where a field is empty.

    Raises
    ------
    ValueError
        If a field is no number, or the file no table; the message names file and line.
    OSError
        If it cannot be read.
    """
    columns: dict[str, list[float]] = {name: [] for name in read_header(path)}
    for line, row in read_rows(path):
        for name, text in row.items():
            columns[name].append(_number(text, f"{path}, line {line}, {name}"))
    return {name: np.array(values, dtype=np.float64) for name, values in columns.items()}


def _number(text: str, where: str) -> float:
    """Read a number, NaN of an empty field, or say where there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        raise ValueError(f"{where}: expected a number, got {text!r}") from None


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not blank, the header first."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            fields = next(reader, None)
            if not fields:
                raise ValueError(f"{path}: expected a table with a header, got none")
            if len(set(fields)) < len(fields):
                raise ValueError(f"{path}: expected columns of different names, got {fields}")
            yield reader.line_num, fields
            for fields in reader:
                if fields:
                    yield reader.line_num, fields
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path}: expected a CSV table ({error})") from error


def file_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file, as records have it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
