"""Names and positions of the wells of a plate (ANSI/SLAS 4: letters down, numbers across)."""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import NamedTuple

__all__ = [
    "FORMATS",
    "PlateFormat",
    "Position",
    "parse_row",
    "parse_well",
    "plate_format",
    "well_name",
]


class Position(NamedTuple):
    """A well's place, counted from 0: A1 is (0, 0). Positions sort row by row."""

    row: int
    column: int

    @property
    def name(self) -> str:
        """The usual name, "A1"."""
        return well_name(self.row, self.column)


class PlateFormat(NamedTuple):
    """The shape of a plate."""

    rows: int
    columns: int

    @property
    def wells(self) -> int:
        """Number of wells."""
        return self.rows * self.columns

    def holds(self, position: Position) -> bool:
        """Tell whether a plate of this format has a position."""
        return 0 <= position.row < self.rows and 0 <= position.column < self.columns

    def position(self, index: int) -> Position:
        """Return the position of a number counted from 1, row by row.

        Raises
        ------
        ValueError
            If the plate has no such well.
        """
        if not 1 <= index <= self.wells:
            raise ValueError(f"expected a well's number from 1 to {self.wells}, got {index}")
        return Position(*divmod(index - 1, self.columns))

    def parse(self, name: str) -> Position:
        """Return the position of "A1", "A01" or "a1" on a plate of this format.

        Raises
        ------
        ValueError
            If it is no well's name, or none of this format.
        """
        position = parse_well(name)
        self.require(position, name)
        return position

    def require(self, position: Position, name: str) -> None:
        """Refuse a position that the plate does not have.

        Raises
        ------
        ValueError
            If it has none such; the message calls it by the name given.
        """
        if not self.holds(position):
            last = well_name(self.rows - 1, self.columns - 1)
            raise ValueError(f"expected a well from A1 to {last}, got {name!r}")


#: Rows and columns by the number of wells.
FORMATS = {
    6: PlateFormat(2, 3),
    12: PlateFormat(3, 4),
    24: PlateFormat(4, 6),
    48: PlateFormat(6, 8),
    96: PlateFormat(8, 12),
    384: PlateFormat(16, 24),
    1536: PlateFormat(32, 48),
}
#: Names of the rows of the largest plate: A to Z, then AA to AF.
_ROWS = [*ascii_uppercase, *("A" + letter for letter in "ABCDEF")]


def plate_format(wells: int) -> PlateFormat:
    """Return the format with so many wells.

    Raises
    ------
    ValueError
        If there is none.
    """
    try:
        return FORMATS[wells]
    except KeyError:
        known = ", ".join(map(str, FORMATS))
        raise ValueError(f"format: expected one of {known} wells, got {wells}") from None


def parse_row(name: str) -> int:
    """Return a row, counted from 0, by its letters ("B", "aa") or its number from 1 ("02").

    Raises
    ------
    ValueError
        If it is neither.
    """
    if re.fullmatch(r"0*[1-9][0-9]?", name, re.ASCII):
        return int(name) - 1
    if name.upper() not in _ROWS:
        raise ValueError(f"expected a row from A to Z, AA to AF, or its number, got {name!r}")
    return _ROWS.index(name.upper())


def parse_well(name: str) -> Position:
    """Return the position of "A1", "A01", "a1" or "AF48", on whichever plate.

    Raises
    ------
    ValueError
        If it is no well's name.
    """
    parts = re.fullmatch(r"([A-Za-z]{1,2})0*([1-9][0-9]{0,2})", name, re.ASCII)
    if parts is None or parts[1].upper() not in _ROWS:
        raise ValueError(f"expected a well's name such as A1 or H12, got {name!r}")
    return Position(parse_row(parts[1]), int(parts[2]) - 1)


def well_name(row: int, column: int) -> str:
    """Return the usual name of a position counted from 0: "A1" for (0, 0), "AA1" for (26, 0).

    Raises
    ------
    ValueError
        If the row has no letter or the column is negative.
    """
    if not (0 <= row < len(_ROWS) and column >= 0):
        raise ValueError(
            f"expected a row from 0 to {len(_ROWS) - 1} and a column from 0, got ({row}, {column})"
        )
    return f"{_ROWS[row]}{column + 1}"
