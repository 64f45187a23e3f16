"""A plate's wells as a grid of numbers, and the codes of readers for what is no number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from spotcore._files import atomic_file
from spotcore.plates.wells import PlateFormat, well_name
from spotcore.results import ResultFolder
from spotcore.results.plate import PlateRecord, WellRow

__all__ = ["Codes", "grid", "header_line", "require_plate", "row_lines", "write_channels"]


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


def header_line(plate: PlateRecord) -> str:
    """Return the line of the columns' numbers above a grid."""
    return "\t" + "\t".join(map(str, range(1, plate.columns + 1)))


def row_lines(grid: list[list[str]]) -> list[str]:
    """Return the lines of a grid's rows: a letter, and what stands in the columns."""
    return ["\t".join((well_name(row, 0).rstrip("1"), *texts)) for row, texts in enumerate(grid)]


def write_channels(
    plate: PlateRecord, path_of: Callable[[str], Path], lines_of: Callable[[str], Iterable[str]]
) -> list[Path]:
    """Write the text of each channel, "" where there is one, as the readers' programs do.

    Returns
    -------
    list of pathlib.Path
        The files, each written whole or not at all.
    """
    paths = []
    for channel in plate.channels or ("",):
        text = "".join(f"{line}\r\n" for line in lines_of(channel))
        with atomic_file(path_of(channel)) as file:
            file.write(text.encode())
        paths.append(path_of(channel))
    return paths
