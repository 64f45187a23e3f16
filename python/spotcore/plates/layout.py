"""The layout of a plate: which sample, stimulus and replicate lies in which well."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from spotcore.plates.sheet import Sheet, read_sheets
from spotcore.plates.wells import PlateFormat, Position, plate_format

__all__ = ["COLUMNS", "Layout", "LayoutRow", "read_layout"]

#: Columns of a layout file; all but the first may be left out.
COLUMNS = ("well", "sample", "stimulus", "replicate", "cells_per_well")

_WORD = re.compile(r"[^\W_]+")
_BLANK = re.compile(r"\s")
_THOUSANDS = re.compile(r"[0-9]{1,3}([.,])[0-9]{3}(\1[0-9]{3})*")


@dataclass(frozen=True)
class LayoutRow:
    """What lies in one well; an empty text or None where the file does not say.

    Attributes
    ----------
    well : str
        Its name as `well_name` writes it ("A1", never "a01").
    sample, stimulus, replicate : str
        As the file names them, without surrounding blanks.
    cells_per_well : float or None
        Number of cells that were put in.
    """

    well: str
    sample: str = ""
    stimulus: str = ""
    replicate: str = ""
    cells_per_well: float | None = None


@dataclass(frozen=True)
class Layout:
    """The rows of a layout file, in the order of the plate's wells."""

    wells: tuple[LayoutRow, ...]

    def rows(self) -> list[LayoutRow]:
        """Return the rows, A1 first, row by row."""
        return list(self.wells)


def read_layout(path: str | os.PathLike[str], plate: PlateFormat | None = None) -> Layout:
    """Read a layout from a table with a header, as spreadsheet programs write it.

    A text (`spotcore.plates.sheet.read_sheets` says of what kinds) or the first sheet of a workbook
    that has the columns. The header has ``well`` and any of ``sample``, ``stimulus``,
    ``replicate`` and ``cells_per_well``, in any order, in upper or lower case, with blanks for
    underscores. A well may be missing; a row whose fields are all empty is passed over. Numbers may
    have a decimal comma.

    Parameters
    ----------
    path : path-like
        The file.
    plate : PlateFormat, optional
        Shape of the plate; 96 wells by default.

    Returns
    -------
    Layout
        Its rows in the order of the wells.

    Raises
    ------
    ValueError
        If a column is unknown, missing or there twice, a well does not exist on the plate or is
        there twice, a number of cells is not a finite number above 0, or a row has too many or
        too few fields; the message names file, place and column.
    ImportError
        If a workbook cannot be read for want of python-calamine.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    plate = plate or plate_format(96)
    sheets = read_sheets(path)
    sheet = next((one for one in sheets if "well" in _header(one)), sheets[0])
    header = _header(sheet)
    _check_header(sheet, header)
    rows: dict[Position, LayoutRow] = {}
    lines: dict[Position, int] = {}
    for line, values in sheet.rows[1:]:
        fields = _fields(sheet, line, header, values)

        def where(name: str, line: int = line) -> str:
            return f"{sheet.where(line, header.index(name))}, {name}"

        try:
            position = plate.parse(fields["well"])
        except ValueError as error:
            raise ValueError(f"{where('well')}: {error}") from None
        if position in rows:
            raise ValueError(
                f"{where('well')}: {fields['well']!r} is in line {lines[position]} already"
            )
        lines[position] = line
        count = fields.get("cells_per_well", "")
        rows[position] = LayoutRow(
            well=position.name,
            sample=fields.get("sample", ""),
            stimulus=fields.get("stimulus", ""),
            replicate=fields.get("replicate", ""),
            cells_per_well=_cells(count, sheet, where("cells_per_well")) if count else None,
        )
    if not rows:
        raise ValueError(f"{path}: expected a line for each well, got none")
    return Layout(tuple(rows[position] for position in sorted(rows)))


def _header(sheet: Sheet) -> list[str]:
    """Return the names of the columns as `COLUMNS` has them; those of blank columns stay blank."""
    names = sheet.rows[0][1] if sheet.rows else []
    return ["_".join(_WORD.findall(name.casefold())) for name in names]


def _check_header(sheet: Sheet, header: list[str]) -> None:
    """Refuse a header with other columns than `COLUMNS`, with one twice, or without wells."""
    at = sheet.where(sheet.rows[0][0]) if sheet.rows else str(sheet.path)
    for name in filter(None, header):
        if name not in COLUMNS:
            raise ValueError(f"{at}: unknown column {name!r}; expected {', '.join(COLUMNS)}")
        if header.count(name) > 1:
            raise ValueError(f"{at}: column {name!r} is there twice")
    if "well" not in header:
        raise ValueError(f"{at}: expected a column 'well', got {header}")


def _fields(sheet: Sheet, line: int, header: list[str], values: list[str]) -> dict[str, str]:
    """Return a row's fields by column; blank ones beyond the header are nothing."""
    named = max(number for number, name in enumerate(header, start=1) if name)
    if len(values) < named or any(values[named:]):
        raise ValueError(
            f"{sheet.where(line)}: expected {named} fields ({', '.join(header[:named])}), "
            f"got {len(values)}"
        )
    return {name: value for name, value in zip(header, values, strict=False) if name}


def _cells(text: str, sheet: Sheet, where: str) -> float:
    """Parse a number of cells, with a decimal point or a decimal comma.

    Refuses what may as well be a thousand times as many.
    """
    digits = _BLANK.sub("", text)
    points = sheet.delimiter in (None, ",")  # in a table of semicolons a point parts thousands
    if _THOUSANDS.fullmatch(digits) and not (points and "." in digits):
        raise ValueError(
            f"{where}: expected a number without marks between its thousands, got {text!r}"
        )
    try:
        number = float(digits.replace(",", "."))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{where}: expected a finite number above 0, got {text!r}")
    return number
