"""A plate's wells as a grid of numbers, and the codes of readers for what is no number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from spotcore._files import atomic_file
from spotcore.plates.wells import PlateFormat, well_name
from spotcore.results import ResultFolder
from spotcore.results.plate import PlateRecord, WellRow

__all__ = ["Codes", "channels_of", "grid", "require_plate", "row_letters", "write_lines"]


class Codes(NamedTuple):
    """What stands in place of a number.

    Attributes
    ----------
    too_numerous, rejected : str
        The well has spots that could not be counted; it could not be analysed.
    absent : str
        It has no picture.
    unknown : str
        It was counted, but this is not known of it.
    """

    too_numerous: str
    rejected: str
    absent: str
    unknown: str


def require_plate(result: ResultFolder) -> PlateRecord:
    """Return the record of the plate.

    Raises
    ------
    ValueError
        If the result is that of pictures, which have no place on a plate.
    """
    if result.plate is None:
        raise ValueError(
            f"{result.folder}: expected the result of a plate, whose wells make a grid, got that "
            "of pictures; xlsx, json, parquet and fcs are for both"
        )
    return result.plate


def channels_of(plate: PlateRecord) -> tuple[str, ...]:
    """Return the channels of a plate, "" for the one that has no name."""
    return plate.channels or ("",)


def grid(
    result: ResultFolder,
    channel: str,
    number: Callable[[WellRow], float | None],
    codes: Codes,
) -> list[list[str]]:
    """Return one number of every well in a channel, by row and column of the plate.

    Parameters
    ----------
    result : ResultFolder
        Of a plate.
    channel : str
        Its name, "" where there is one.
    number : callable
        What to take of a well that has a count, or None.
    codes : Codes
        For all others.

    Returns
    -------
    list of list of str
        Floats to 7 significant digits, as ``wells.csv`` has them.
    """
    plate = require_plate(result)
    shape = PlateFormat(plate.rows, plate.columns)
    texts = [[codes.absent] * shape.columns for _ in range(shape.rows)]
    for row in result.rows():
        if (row.channel or "") == channel:
            place = shape.parse(row.well)
            texts[place.row][place.column] = _text(row, number(row), codes)
    return texts


def _text(row: WellRow, number: float | None, codes: Codes) -> str:
    if row.count is None:
        return codes.too_numerous if row.status == "too_numerous" else codes.rejected
    if number is None:
        return codes.unknown
    return str(number) if isinstance(number, int) else f"{number:.7g}"


def row_letters(plate: PlateRecord) -> list[str]:
    """Return the names of a plate's rows."""
    return [well_name(row, 0).rstrip("1") for row in range(plate.rows)]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text as the readers' programs do, whole or not at all."""
    with atomic_file(path) as file:
        file.write("".join(f"{line}\r\n" for line in lines).encode())
