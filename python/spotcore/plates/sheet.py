"""Tables as people and spreadsheet programs write them: text of many kinds, and workbooks."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Sheet", "read_sheets"]

_DELIMITERS = (",", ";", "\t")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # zipped ones, and those of before
#: A layout has some kilobytes.
_MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class Sheet:
    """Rows of texts, stripped.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    rows : list of (int, list of str)
        Each with its line, or its row in the workbook, from 1; blank ones are left out.
    delimiter : str or None
        Of a text file; None in a workbook.
    """

    path: Path
    rows: list[tuple[int, list[str]]]
    delimiter: str | None

    def where(self, row: int, column: int | None = None) -> str:
        """Say where something stands, as a person would look for it."""
        if self.delimiter is not None or column is None:
            return f"{self.path}, {'line' if self.delimiter is not None else 'row'} {row}"
        letters = ""
        while column >= 0:
            column, letter = column // 26 - 1, column % 26
            letters = chr(ord("A") + letter) + letters
        return f"{self.path}, cell {letters}{row}"


def read_sheets(path: Path) -> list[Sheet]:
    """Read the table of a text file, or those of a workbook (needs python-calamine).

    The fields of a text are separated by commas, semicolons or tabs, whichever its first line has
    most of (or says, as ``sep=;``). Its encoding is what its byte order mark says, else UTF-8, else
    Windows-1252.

    Raises
    ------
    ValueError
        If it is no such file; the message names it.
    ImportError
        If python-calamine is not installed.
    OSError
        If it cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path}: expected a table of at most {_MOST_BYTES:,} bytes")
    data = path.read_bytes()
    if data.startswith(_WORKBOOKS):
        return [Sheet(path, list(rows), None) for rows in _of_workbook(path, data)]
    return [_of_text(path, _decoded(path, data))]


def _decoded(path: Path, data: bytes) -> str:
    """Decode a text file."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        names = ["utf-16"]
    else:
        names = ["utf-8-sig", "cp1252"]
    for name in names:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ValueError(f"{path}: expected a text (UTF-8, UTF-16 or Windows-1252) or a workbook")


def _of_text(path: Path, text: str) -> Sheet:
    """Split a text into fields."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    said = first.strip().casefold()
    if said.startswith("sep=") and len(said) <= 5:
        delimiter = said[4:] or "\t"
        text = text.replace(first, "", 1)
    else:
        delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for values in reader:
            fields = [value.strip() for value in values]
            if any(fields):
                rows.append((reader.line_num, fields))
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: expected CSV, got {error}") from None
    return Sheet(path, rows, delimiter)


def _of_workbook(path: Path, data: bytes) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Yield the rows of each sheet."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise ImportError(
            f"{path}: a workbook needs python-calamine: pip install 'spotcore[cli]'"
        ) from None
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for name in book.sheet_names:
            yield _rows(book.get_sheet_by_name(name).to_python(skip_empty_area=False))
    except (CalamineError, OSError) as error:
        raise ValueError(f"{path}: expected a workbook ({error})") from error


def _rows(values: list[list[Any]]) -> Iterator[tuple[int, list[str]]]:
    """Word the cells: whole numbers without a fraction, as they are shown."""
    for number, row in enumerate(values, start=1):
        fields = [
            str(int(value))
            if isinstance(value, float) and value.is_integer()
            else str(value).strip()
            for value in row
        ]
        if any(fields):
            yield number, fields
