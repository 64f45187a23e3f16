"""The wells of a plate compared: its folder read, replicates, responses and colours written.

The science is in `spotcore.plates.replicates`, `responses` and `colours`, which know no files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spotcore._files import read_columns, write_csv
from spotcore.plates.coincidence import MAX_CHANNELS, coincidences
from spotcore.plates.colours import (
    Spots,
    cell_columns,
    colour_columns,
    register_wells,
    registration_columns,
)
from spotcore.plates.layout import Layout, LayoutRow
from spotcore.plates.replicates import Replicates, WellCount, replicate_columns, summarise
from spotcore.plates.responses import Rules, judge, response_columns
from spotcore.results.names import PlateFiles, WellFiles
from spotcore.results.plate import PlateRecord, PlateWell, read_plate
from spotcore.results.read import read_header
from spotcore.results.record import read_record
from spotcore.results.write import write_table
from spotcore.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compare_wells", "well_counts", "write_colours", "write_replicates", "write_responses"]

_COUNTED = ("counted", "empty")


def compare_wells(
    folder: Path, layout: Layout | None, background: str | None, settings: Settings
) -> None:
    """Write the tables that compare wells and channels.

    Parameters
    ----------
    folder : pathlib.Path
        OUT, with the plate's record and its wells.
    layout : Layout or None
        What lies in the wells; without it there are no replicates.
    background : str or None
        The stimulus of the negative control wells.
    settings : Settings
        Limits of a response, and how channels are brought together.

    Raises
    ------
    ValueError
        If a file is not what the plate's record says; the message names it.
    OSError
        If one cannot be read or written.
    """
    if layout is not None:
        rules = Rules(settings.response_alpha, settings.response_fold, settings.response_threshold)
        write_replicates(folder, layout.rows(), background)
        write_responses(folder, layout.rows(), background, rules)
    write_colours(folder, settings)


def well_counts(plate: PlateRecord) -> list[WellCount]:
    """Return the counts of a plate's wells."""
    return [WellCount(w.well, w.status, w.count, w.channel) for w in plate.wells]


def _groups(
    files: PlateFiles, layout: Iterable[LayoutRow], background: str | None
) -> list[Replicates]:
    """Bring the counts of a plate's wells together by what lies in them."""
    return summarise(well_counts(read_plate(files.record)), layout, background)


def write_replicates(
    folder: str | os.PathLike[str], layout: Iterable[LayoutRow], background: str | None = None
) -> Path:
    """Write ``replicates.csv`` of a plate's folder.

    Parameters
    ----------
    folder : path-like
        OUT, with ``plate.json``.
    layout : iterable of LayoutRow
        What lies in the wells.
    background : str, optional
        The stimulus of the negative control wells; see `find_background`.

    Returns
    -------
    pathlib.Path
        The file.
    """
    files = PlateFiles(Path(folder))
    groups = _groups(files, layout, background)
    return write_table(files, "replicates", replicate_columns(groups))


def write_responses(
    folder: str | os.PathLike[str],
    layout: Iterable[LayoutRow],
    background: str | None = None,
    rules: Rules | None = None,
) -> Path:
    """Write ``responses.csv`` of a plate's folder.

    Parameters
    ----------
    folder : path-like
        OUT, with ``plate.json``.
    layout : iterable of LayoutRow
        What lies in the wells.
    background : str, optional
        The stimulus of the negative control wells; see `find_background`.
    rules : Rules, optional
        Limits; the sources' own by default.

    Returns
    -------
    pathlib.Path
        The file.
    """
    files = PlateFiles(Path(folder))
    groups = _groups(files, layout, background)
    return write_table(files, "responses", response_columns(judge(groups, rules), rules))


def write_colours(
    folder: str | os.PathLike[str], settings: Settings | None = None, *, seed: int = 0
) -> Path | None:
    """Write the tables of a plate with several channels.

    ``wells/A1.colours.csv`` has a row per cell: where it is, in the frame of the first channel, its
    channels, and per channel the row of its spot in ``A1.CHANNEL.cells.csv`` (from 0) and its
    secretion. ``registration.csv`` has what was added to the positions of each further channel: the
    well's own shift where that is significant, else the plate's, else nothing. ``colours.csv``,
    written last, has a row per well and combination of channels. Wells that were not counted in
    every channel have one row without a count, and a note that says why.

    Parameters
    ----------
    folder : path-like
        OUT, with ``plate.json`` and ``wells/NAME.cells.csv`` and ``NAME.run.json``.
    settings : Settings, optional
        Those of colours: tolerance, reach, shuffles.
    seed : int
        Of the shuffles.

    Returns
    -------
    pathlib.Path or None
        ``colours.csv``; None where there are not two to four channels.

    Raises
    ------
    ValueError
        If a file is not what the plate's record says.
    OSError
        If one cannot be read or written.
    """
    files, settings = PlateFiles(Path(folder)), settings or Settings()
    tolerance, shuffles = settings.colour_tolerance, settings.colour_shuffles
    plate = read_plate(files.record)
    channels = plate.channels
    if not 2 <= len(channels) <= MAX_CHANNELS:
        return None
    entries: dict[str, dict[str, PlateWell]] = {}
    for entry in plate.wells:
        entries.setdefault(entry.well, {})[entry.channel] = entry
    notes = {well: _not_counted(channels, of_well) for well, of_well in entries.items()}
    wells = {
        well: {c: _read_spots(files.well(entries[well][c].name).cells) for c in channels}
        for well, note in notes.items()
        if not note
    }
    shifts = register_wells(wells, channels, tolerance, settings.colour_reach)
    cells = {}
    for well, note in notes.items():
        if note:
            files.cells_of_colours(well).unlink(missing_ok=True)  # an earlier run's
            continue
        points = {c: wells[well][c].yx for c in channels[:1]}
        points |= {c: shifts[well, c][0].apply(wells[well][c].yx) for c in channels[1:]}
        area = _area(files.well(entries[well][channels[0]].name))
        cells[well] = coincidences(points, area, tolerance, shuffles=shuffles, seed=seed)
        write_csv(files.cells_of_colours(well), cell_columns(cells[well], wells[well]))
    write_table(files, "registration", registration_columns(shifts))
    return write_table(files, "colours", colour_columns(channels, notes, cells))


def _not_counted(channels: Sequence[str], entries: Mapping[str, PlateWell]) -> str:
    """Say which channels were not counted and why; empty if all were."""
    status = {c: entries[c].status if c in entries else "no image" for c in channels}
    return ", ".join(f"{c}: {s}" for c, s in status.items() if s not in _COUNTED)


def _read_spots(path: Path) -> Spots:
    """Read positions and, where the table has it, the secretion."""
    known = "secretion" in read_header(path)
    columns = read_columns(path, ["y", "x", *(["secretion"] if known else [])])
    return Spots(np.stack([columns["y"], columns["x"]], axis=1), columns.get("secretion"))


def _area(files: WellFiles) -> tuple[float, float, float] | NDArray[np.bool_]:
    """Where spots can be, from a well's record: its circle, or the whole image."""
    record = read_record(files.record)
    circle = None if record.well is None else record.well.circle
    if circle is not None:
        return circle.y, circle.x, circle.radius
    if record.image is None:
        raise ValueError(f"{files.record}: neither a circle nor the image's size")
    return np.ones((record.image.height, record.image.width), dtype=bool)
