"""Wells as Apex lists them in a workbook: a sheet about the plate, and one with a row per well.

The layout is that of the workbooks of Apex, the program of Mabtech's readers, which laboratory
systems read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spotcore._files import atomic_file, readable
from spotcore.export.grids import require_plate
from spotcore.export.xlsx import write_cell
from spotcore.results import ResultFolder
from spotcore.results.names import ExportFiles
from spotcore.results.plate import PlateRecord, WellRow
from spotcore.results.table import Value

__all__ = ["TNTC", "write"]

#: What stands for a count that is too large.
TNTC = "TNTC"


def write(result: ResultFolder, files: ExportFiles) -> list[Path]:
    """Write apex.xlsx: the sheets Plate Information and Plate Database.

    A row for every well and channel that has a picture. Spots are "Spot Forming Units (SFU)", TNTC
    where they are too numerous to count, an empty cell where the well could not be analysed; the
    channel is the "Analyte Secreting Population". In place of the relative spot volume (RSV) stands
    spotcore's secretion, in its own units, which the first sheet says too. "Read Date" is when the
    well was analysed.

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
        If the result is not that of a plate.
    ModuleNotFoundError
        If XlsxWriter is not installed.
    """
    import xlsxwriter

    plate = require_plate(result)
    started = {
        (well.well, well.channel): well.record().started
        for well in result.wells
        if well.files.record.exists()
    }
    rows = [
        _row(result, plate, row, started.get((row.well, row.channel or ""), plate.started))
        for row in result.rows()
    ]
    path = files.apex
    with atomic_file(path) as file, xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        about = book.add_worksheet("Plate Information")
        about.set_column(0, 1, 40)
        _write_rows(about, [("Plate Information", ""), *_about(result, plate)])
        wells = book.add_worksheet("Plate Database")
        _write_rows(wells, [tuple(rows[0]), *(tuple(row.values()) for row in rows)])
    return [path]


def _about(result: ResultFolder, plate: PlateRecord) -> Iterator[tuple[str, str]]:
    yield "Plate:", result.folder.resolve().name
    yield "Path:", readable(str(result.folder.resolve()))
    yield "Machine ID:", _made(plate)
    yield "Software Version:", _made(plate)
    yield "Wells:", f"{plate.rows * plate.columns}"
    yield "Spot volume:", "the secretion by inverse diffusion, in units of spotcore, not of Apex"
    yield "Settings hash:", plate.settings_hash


def _row(result: ResultFolder, plate: PlateRecord, row: WellRow, started: str) -> dict[str, Value]:
    """Make a row of the second sheet, by the names of its columns."""
    too_many = row.count is None and row.status == "too_numerous"
    none = 0.0 if row.count == 0 else None
    return {
        "Well": row.well,
        "Plate": result.folder.resolve().name,
        "Read Date": started,
        "Machine ID": _made(plate),
        "Analyte Secreting Population": row.channel or None,
        "Spot Forming Units (SFU)": TNTC if too_many else row.count,
        "Sum of Spot Volume (RSV)": none if row.secretion is None else row.secretion,
        "Average Relative Spot Volume (RSV)": row.mean_secretion,
        "Sample": row.sample,
        "Stimulus": row.stimulus,
        "Status": row.status,
        "Comment": row.reason,
    }


def _made(plate: PlateRecord) -> str:
    return f"spotcore {plate.spotcore}"


def _write_rows(sheet: Any, rows: Iterable[tuple[Value, ...]]) -> None:
    for line, row in enumerate(rows):
        for column, value in enumerate(row):
            write_cell(sheet, line, column, value)
