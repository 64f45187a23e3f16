"""Counts as ImmunoSpot writes them to text: a header, then grids of the plate.

The layout is that of the text files of ImmunoSpot 7.0.38 (Cellular Technology Limited), which
laboratory systems read: keys with values, blank lines, and grids between two rules. Its codes are
those that stand below its grids.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

from spotcore._files import one_line
from spotcore.export.grids import (
    Codes,
    grid,
    header_line,
    require_plate,
    row_lines,
    write_channels,
)
from spotcore.results import ResultFolder
from spotcore.results.names import ExportFiles
from spotcore.results.plate import PlateRecord, WellRow

__all__ = ["CODES", "write"]

#: Off scale, rejected in quality control, not done, not available.
CODES = Codes(too_numerous="-2", rejected="-3", absent="-4", unknown="-5")
_LEGEND = (
    "\t-1 = Well is not counted\t\t\t-2 = Off scale well\t\t-3 = Rejected in QC\t\t-4 = Not Done"
    "\t\t-5 = N/A"
)
#: Readers of the layout look for it.
_LAYOUT = "ImmunoSpot 7.0.38"
_RULE = "\t" + "_" * 120


def write(result: ResultFolder, files: ExportFiles) -> list[Path]:
    """Write ctl.txt, or ctl.CHANNEL.txt for each of several channels.

    The grids: spot counts, mean spot sizes [10⁻³ mm²] where the pictures have a calibration, and
    the share of the well that is covered [%]. A well that is too numerous to count is -2, one that
    could not be analysed -3, one without a picture -4; of edited wells only the count is known.

    Parameters
    ----------
    result : ResultFolder
        What to write.
    files : ExportFiles
        Where to write; the folder exists.

    Returns
    -------
    list of pathlib.Path
        The files, by channel.

    Raises
    ------
    ValueError
        If the result is not that of a plate.
    """
    plate = require_plate(result)

    def lines(channel: str) -> Iterator[str]:
        yield from _header(result, plate, channel)
        yield from _grids(result, plate, channel)

    return write_channels(plate, files.ctl, lines)


def _header(result: ResultFolder, plate: PlateRecord, channel: str) -> Iterator[str]:
    made = f"spotcore {one_line(plate.spotcore)}"
    name = ".".join(filter(None, (result.folder.resolve().name, channel))).replace(";", ",")
    yield f"Software version: {_LAYOUT}"  # that of the layout: the next lines say what counted
    yield f"Counted: {_moment(plate.finished)}; Authenticated user: '{made}'"
    yield f"Analyzer Serial number: {made.replace(' ', '-')}; Computer name: unknown"
    yield f"{one_line(name)}.txt"
    yield f"Counting software: {made}, in the layout of {_LAYOUT}"
    yield ""
    yield f"Assay: {one_line(channel) or '1'}"
    yield f"Settings hash: {one_line(plate.settings_hash)}"
    yield ""
    yield ""


def _grids(result: ResultFolder, plate: PlateRecord, channel: str) -> Iterator[str]:
    numbers: dict[str, Callable[[WellRow], float | None]] = {
        "Spot Counts": lambda row: row.count,
        "Mean spot sizes (1E-3 Sq.mm)": _mean_size,
        "Well areas covered by spots (% of counted area)": _covered,
    }
    counted = [row for row in result.rows() if row.channel == (channel or None) and row.count]
    for title, number in numbers.items():
        if counted and all(number(row) is None for row in counted):
            continue  # without a calibration, or of an old version
        yield from (f"\t{title}", "", header_line(plate), _RULE, "")
        yield from row_lines(grid(result, channel, number, CODES))
        yield from (_RULE, _LEGEND, "", "")


def _mean_size(row: WellRow) -> float | None:
    if row.count == 0:
        return 0.0
    return None if row.mean_area_mm2 is None else 1000 * row.mean_area_mm2


def _covered(row: WellRow) -> float | None:
    return None if row.covered is None else 100 * row.covered


def _moment(text: str) -> str:
    """Word an ISO time as the C library does, in English whatever the locale, in UTC."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return one_line(text)
    return moment.astimezone(datetime.UTC).ctime()
