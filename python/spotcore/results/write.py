"""Write a result: a picture's files, its record last; a plate's tables and its record."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotcore._files import remove_files, write_csv, write_json, write_npz, write_png
from spotcore.analysis import WellAnalysis, timed
from spotcore.images.overlay import overlay_picture
from spotcore.results.columns import COLUMNS, WELLS
from spotcore.results.names import PlateFiles, WellFiles
from spotcore.results.plate import PlateRecord, WellRow
from spotcore.results.read import file_digest
from spotcore.results.record import Record, mark_radius
from spotcore.wells.measure import Measures, nearest_neighbour

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PIL.Image import Image

    from spotcore.detections import Cells

__all__ = ["cell_columns", "draw_cells", "write_plate", "write_record", "write_table", "write_well"]


def write_well(
    files: WellFiles,
    analysis: WellAnalysis,
    file: Path,
    page: int | None,
    file_channel: int | None,
    started: str,
) -> Record:
    """Write the files of a picture.

    Parameters
    ----------
    files : WellFiles
        Where to write; the folder exists.
    analysis : WellAnalysis
        What was found.
    file, page, file_channel : pathlib.Path, int or None, int or None
        Where the picture is from.
    started : str
        When the analysis began.

    Returns
    -------
    Record
        What NAME.run.json holds. It is written last: where it is, the others are whole.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    with timed(analysis.seconds, "write"):
        columns = cell_columns(analysis.cells, analysis.measures, analysis.pixel_size)
        write_csv(files.cells, columns)
        write_csv(files.artefacts, analysis.artefacts.columns())
        well = analysis.well
        found = f"{_in_words(analysis)}   ({well.preset}, {well.polarity} spots)"
        write_png(files.overlay, draw_cells(analysis, f"{file.name}   {found}"))
        if analysis.maps:
            write_npz(files.maps, analysis.maps)
        else:
            remove_files([files.maps])  # of an earlier analysis
    digests = {path.name: file_digest(path) for path in files.written[1:] if path.exists()}
    record = Record.of(analysis, file, page, file_channel, started, digests)
    write_record(files, record)
    return record


def write_record(files: WellFiles, record: Record) -> None:
    """Write NAME.run.json.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_json(files.record, record.as_json())


def write_plate(files: PlateFiles, record: PlateRecord, rows: Sequence[WellRow]) -> None:
    """Write wells.csv and, after it, plate.json.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    write_csv(files.table("wells"), {name: [getattr(row, name) for row in rows] for name in WELLS})
    write_json(files.record, record.as_json())


def write_table(files: PlateFiles, name: str, columns: Mapping[str, Iterable[Any]]) -> Path:
    """Write one of the tables that compare the wells of a plate.

    Parameters
    ----------
    files : PlateFiles
        Where to write.
    name : str
        What the rows are: "replicates", "responses", "colours" or "registration".
    columns : mapping of str to iterable
        Those of `spotcore.results.columns.COLUMNS`, in this order.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the columns are others.
    OutputError
        If it cannot be written.
    """
    if list(columns) != list(COLUMNS[name]):
        raise ValueError(f"{name}: expected columns {list(COLUMNS[name])}, got {list(columns)}")
    path = files.table(name)
    write_csv(path, columns)
    return path


def _in_words(analysis: WellAnalysis) -> str:
    """Say in a few words what came out."""
    status = analysis.status
    if status.count is None:
        return f"{status.status.replace('_', ' ')} ({status.reason})"
    return f"{status.count} cells"


def draw_cells(analysis: WellAnalysis, caption: str) -> Image:
    """Draw the cells on the picture they were found in, with the border of the used pixels."""
    well, circle = analysis.well, analysis.well.circle
    return overlay_picture(
        analysis.picture.pixels,
        analysis.cells.yx,
        mark_radius(well.spot_scale),
        dark_spots=well.polarity == "dark",
        well=None if circle is None else (circle.y, circle.x, circle.radius - circle.rim),
        caption=caption,
    )


def cell_columns(cells: Cells, measures: Measures, pixel_size: float | None) -> dict[str, Any]:
    """Return the columns of NAME.cells.csv.

    Parameters
    ----------
    cells : Cells
    measures : Measures
        Of the same spots.
    pixel_size : float or None
        Pixel side in µm: then positions, diameter and distance come in µm and the area in mm² too.

    Returns
    -------
    dict
        Columns of length n by name, in the order of the file. ``nearest`` is empty where a spot is
        alone.
    """
    own = replace(cells, confidence=None).columns()
    distance = nearest_neighbour(cells.yx)
    table: dict[str, Any] = {"y": own.pop("y"), "x": own.pop("x")}
    shares = {name: own.pop(name) for name in list(own) if name.startswith("share_")}
    micrometres = pixel_size is not None
    side = pixel_size or 1.0
    if micrometres:
        table |= {"y_um": cells.y * side, "x_um": cells.x * side}
    table |= own  # score and, of a solver, secretion
    table["area"] = measures.area
    if micrometres:
        table["area_mm2"] = measures.area * (side * 1e-3) ** 2
    table["diameter"] = measures.diameter
    if micrometres:
        table["diameter_um"] = measures.diameter * side
    for name in ("peak", "density", "sharpness", "confidence"):
        table[name] = getattr(measures, name)
    table["nearest"] = [d if math.isfinite(d) else "" for d in distance.tolist()]
    if micrometres:
        table["nearest_um"] = [d * side if math.isfinite(d) else "" for d in distance.tolist()]
    return table | shares
