"""A result as a workbook, through openpyxl."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from spotcore.export.result import ResultFolder, Table
from spotcore.output import atomic_file

__all__ = ["MAX_ROWS", "write"]

#: Rows of a sheet, the header among them (limits of Excel 2007 and later; so is MAX_TEXT).
MAX_ROWS = 1_048_576
MAX_TEXT = 32_767
_EXACT = 2**53  # spreadsheets keep numbers as doubles
_WIDTHS = (9, 60)  # narrowest and widest column, in characters
_LOOKED_AT = 200  # rows that decide on a column's width
# What a spreadsheet takes for a formula, or openpyxl for an error value.
_SUSPECT = tuple("=+-@#\t\r\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # no XML file can hold them


def write(result: ResultFolder, folder: Path) -> list[Path]:
    """Write result.xlsx: a sheet per table (wells first, spots) and one with the provenance.

    Text stays text, also where it begins as a formula would; what is missing is an empty cell. A
    table of more rows than a sheet can hold goes on in ``spots 2``, ``spots 3``. Rows are written
    as they are read, so that memory does not grow with the number of spots.

    Parameters
    ----------
    result : ResultFolder
        What to write.
    folder : pathlib.Path
        Existing folder to write to.

    Returns
    -------
    list of pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If a text is longer than a cell can hold.
    ModuleNotFoundError
        If openpyxl is not installed.
    """
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    wells, *others = result.tables
    provenance = Table("provenance", {"key": str, "value": str}, list(_flat(result.provenance)))
    path = folder / "result.xlsx"
    try:
        for table in (wells, result.spots, *others, provenance):
            _write_table(book, table)
        with atomic_file(path) as file:
            book.save(file)
    except BaseException:
        for sheet in book:  # each has a file open
            sheet.close()
        raise
    return [path]


def _write_table(book: Any, table: Table) -> None:
    """Write one table to as many sheets as it needs."""
    from openpyxl.utils import get_column_letter

    widths = _column_widths(table)
    rows = iter(table.rows)
    first = next(rows, None)
    number = 0
    while number == 0 or first is not None:
        number += 1
        sheet = book.create_sheet(table.name if number == 1 else f"{table.name} {number}")
        sheet.freeze_panes = "A2"
        for column, width in enumerate(widths, start=1):
            sheet.column_dimensions[get_column_letter(column)].width = width
        sheet.append([_header_cell(sheet, name) for name in table.columns])
        if first is not None:
            sheet.append([_cell(sheet, value) for value in first])
            for row in islice(rows, MAX_ROWS - 2):
                sheet.append([_cell(sheet, value) for value in row])
        first = next(rows, None)


def _header_cell(sheet: Any, name: str) -> Any:
    from openpyxl.styles import Font

    cell = _text_cell(sheet, name)
    cell.font = Font(bold=True)
    return cell


def _cell(sheet: Any, value: Any) -> Any:
    """Return what stands for a value: numbers as numbers, text as text and nothing else."""
    if isinstance(value, str):
        return _text_cell(sheet, value) if value.startswith(_SUSPECT) else _printable(value)
    if isinstance(value, int) and abs(value) > _EXACT:
        return str(value)
    return value


def _text_cell(sheet: Any, text: str) -> Any:
    """Text that is never calculated, not even after someone opened the cell for editing."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, _printable(text))
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(_SUSPECT)
    return cell


def _printable(text: str) -> str:
    """Replace what XML cannot hold; refuse what a cell cannot."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"text {text[:40]!r}...: {len(text)} characters, a cell holds {MAX_TEXT}")
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


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
