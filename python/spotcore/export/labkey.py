"""Counts as the grid of text that the ELISpot assay of LabKey Server imports."""

from __future__ import annotations

from collections.abc import Iterator
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

__all__ = ["CODES", "write"]

#: LabKey's codes: TNTC, rejected in quality control, not performed.
CODES = Codes(too_numerous="-1", rejected="-3", absent="-4", unknown="-4")


def write(result: ResultFolder, files: ExportFiles) -> list[Path]:
    """Write labkey.txt, or labkey.CHANNEL.txt for each of several channels.

    A line of the columns' numbers, then one for every row: its letter and its counts, with tabs
    between them. LabKey shows -1 as TNTC and leaves all negative numbers out of means: a well that
    is too numerous to count is -1, one that could not be analysed -3, one without a picture -4.

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
        title = " ".join(filter(None, (one_line(result.folder.resolve().name), channel)))
        yield f"{title}, counted by spotcore {one_line(plate.spotcore)}"
        yield ""
        yield header_line(plate)
        yield from row_lines(grid(result, channel, lambda row: row.count, CODES))

    return write_channels(plate, files.labkey, lines)
