"""The layout of a plate: which sample, stimulus and replicate lies in which well."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spotcore.plates.wells import PlateFormat, Position, plate_format

__all__ = ["COLUMNS", "Layout", "LayoutRow", "read_layout"]

#: Columns of a layout file; all but the first may be left out.
COLUMNS = ("well", "sample", "stimulus", "replicate", "cells_per_well")


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
    """Read a layout from a CSV file (comma-separated, UTF-8, with a header).

    The header has ``well`` and any of ``sample``, ``stimulus``, ``replicate`` and
    ``cells_per_well``, in any order. A well may be missing; a line whose fields are all empty is
    passed over.

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
        there twice, a number of cells is not a finite number above 0, or a line has too many or
        too few fields; the message names file, line and column.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    plate = plate or plate_format(96)
    rows: dict[Position, LayoutRow] = {}
    lines: dict[Position, int] = {}
    for line, fields in _lines(path):
        well, count = fields["well"], fields.get("cells_per_well", "")
        try:
            position = plate.parse(well)
        except ValueError as error:
            raise ValueError(f"{path}, line {line}, well: {error}") from None
        if position in rows:
            raise ValueError(
                f"{path}, line {line}, well: {well!r} is in line {lines[position]} already"
            )
        lines[position] = line
        rows[position] = LayoutRow(
            well=position.name,
            sample=fields.get("sample", ""),
            stimulus=fields.get("stimulus", ""),
            replicate=fields.get("replicate", ""),
            cells_per_well=_cells(count, f"{path}, line {line}, cells_per_well"),
        )
    if not rows:
        raise ValueError(f"{path}: expected a line for each well, got none")
    return Layout(tuple(rows[position] for position in sorted(rows)))


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line numbers and fields by column, stripped; refuse what is not such a table."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            for values in reader:
                fields = [value.strip() for value in values]
                if not any(fields):
                    continue
                if len(fields) != len(header):
                    raise ValueError(
                        f"{path}, line {reader.line_num}: expected {len(header)} fields "
                        f"({', '.join(header)}), got {len(fields)}"
                    )
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got {error.reason}") from None
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: expected CSV, got {error}") from None


def _check_header(path: Path, header: list[str]) -> None:
    """Refuse a header with other columns than `COLUMNS`, with one twice, or without wells."""
    for name in header:
        if name not in COLUMNS:
            raise ValueError(
                f"{path}, line 1: unknown column {name!r}; expected {', '.join(COLUMNS)}"
            )
        if header.count(name) > 1:
            raise ValueError(f"{path}, line 1: column {name!r} is there twice")
    if "well" not in header:
        raise ValueError(f"{path}, line 1: expected a column 'well', got {header}")


def _cells(text: str, where: str) -> float | None:
    """Parse a number of cells; None where the field is empty."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{where}: expected a finite number above 0, got {text!r}")
    return number
