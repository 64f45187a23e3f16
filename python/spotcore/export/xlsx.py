"""A result as a workbook, through XlsxWriter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from spotcore._files import atomic_file, readable
from spotcore.results import ResultFolder
from spotcore.results.names import ExportFiles
from spotcore.results.table import Table, Value

__all__ = ["MAX_ROWS", "write", "write_cell"]

#: Rows of a sheet, the header among them (limits of Excel 2007 and later; so is MAX_TEXT).
MAX_ROWS = 1_048_576
MAX_TEXT = 32_767
_EXACT = 2**53  # spreadsheets keep numbers as doubles; beyond it integers go as text
_WIDTHS = (9, 60)  # narrowest and widest column, in characters
_LOOKED_AT = 200  # rows that decide on a column's width
# What a spreadsheet takes for a formula or an error value.
_SUSPECT = tuple("=+-@#\t\r\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # no XML file can hold them


def write(result: ResultFolder, files: ExportFiles) -> list[Path]:
    """Write result.xlsx: a sheet per table (wells first, spots) and one with the provenance.

    Text stays text, also where it begins as a formula would; what is missing is an empty cell. A
    table of more rows than a sheet can hold goes on in ``spots 2``, ``spots 3``. Rows are written
    as they are read, so that memory does not grow with the number of spots.

    Parameters
    ----------
    result : ResultFolder
        What to write.
    files : ExportFiles
        Where to write; the folder exists.

    Returns
    -------
    list of pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If a text is longer than a cell can hold.
    ModuleNotFoundError
        If XlsxWriter is not installed.
    """
    import xlsxwriter

    wells, *others = result.tables
    provenance = Table("provenance", {"key": str, "value": str}, list(_flat(result.provenance)))
    path = files.workbook
    options = {"constant_memory": True}
    with atomic_file(path) as file, xlsxwriter.Workbook(file, options) as book:
        formats = _Formats(book.add_format({"bold": True}), book.add_format({"quote_prefix": True}))
        for table in (wells, result.spots, *others, provenance):
            _write_table(book, table, formats)
    return [path]


class _Formats(NamedTuple):
    """Looks of cells."""

    header: Any
    text: Any  # is not calculated even after someone opened the cell for editing


def _write_table(book: Any, table: Table, formats: _Formats) -> None:
    """Write one table to as many sheets as it needs."""
    widths = _column_widths(table)
    rows = iter(table.rows)
    first = next(rows, None)
    number = 0
    while number == 0 or first is not None:
        number += 1
        sheet = book.add_worksheet(table.name if number == 1 else f"{table.name} {number}")
        sheet.freeze_panes(1, 0)
        for column, (name, width) in enumerate(zip(table.columns, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, _printable(name), formats.header)
        here = () if first is None else chain([first], islice(rows, MAX_ROWS - 2))
        for line, row in enumerate(here, start=1):
            for column, value in enumerate(row):
                write_cell(sheet, line, column, value, formats.text)
        first = next(rows, None)


def write_cell(sheet: Any, line: int, column: int, value: Value, suspect: Any = None) -> None:
    """Write numbers as numbers, and text as text whatever it looks like.

    Parameters
    ----------
    sheet : xlsxwriter.worksheet.Worksheet
        Where to write.
    line, column : int
        The cell, counted from 0.
    value : str, int, float, bool or None
        What is written; nothing where it is None.
    suspect : xlsxwriter.format.Format, optional
        Look of text that begins as a formula would.

    Raises
    ------
    ValueError
        If a text is longer than a cell can hold.
    """
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(line, column, value)
    elif isinstance(value, str) or abs(value) > _EXACT:
        text = _printable(str(value))
        sheet.write_string(line, column, text, suspect if text.startswith(_SUSPECT) else None)
    else:
        sheet.write_number(line, column, value)


def _printable(text: str) -> str:
    """Replace what XML cannot hold; refuse what a cell cannot."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"text {text[:40]!r}...: {len(text)} characters, a cell holds {MAX_TEXT}")
    # XlsxWriter takes what begins with <r> for XML that is ready.
    blank = " " if text.startswith("<r>") else ""
    return blank + _CONTROL.sub("\N{REPLACEMENT CHARACTER}", readable(text))


def _column_widths(table: Table) -> list[int]:
    """Widths that show the header and most values, in characters."""
    least, most = _WIDTHS
    widths = [len(name) + 2 for name in table.columns]
    for row in islice(table.rows, _LOOKED_AT):
        widths = [
            max(width, len("" if value is None else str(value)) + 1)
            for width, value in zip(widths, row, strict=True)
        ]
    return [min(max(width, least), most) for width in widths]


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a record with their paths, as ``settings.lam`` or ``wells.0.file``."""
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in items:
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value if not isinstance(value, dict | list) else None
