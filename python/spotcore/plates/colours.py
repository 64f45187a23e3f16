"""The colours of a plate: channels registered, spots joined to cells, tables written.

`spotcore.plates.registration` and `spotcore.plates.coincidence` do the work.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore._files import read_columns, write_csv
from spotcore.plates.coincidence import MAX_CHANNELS, Coincidences, Combination, coincidences
from spotcore.plates.registration import Registration, register

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Coincidences", "Combination", "coincidences", "write_colours"]

_COUNTED = ("counted", "empty")


def write_colours(
    folder: str | os.PathLike[str],
    tolerance: float = 3.0,
    *,
    reach: float = 20.0,
    shuffles: int = 199,
    seed: int = 0,
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
    tolerance : float
        Largest distance of two spots of one cell in pixels.
    reach : float
        Largest shift between channels in pixels.
    shuffles, seed : int
        Number of shuffles per well and channel, and their seed.

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
    folder = Path(folder)
    plate = _read_json(folder / "plate.json")
    try:
        channels = list(plate["channels"] or [])
        names: dict[str, dict[str, tuple[str, str]]] = {}
        for entry in plate["wells"]:
            names.setdefault(entry["well"], {})[entry["channel"]] = entry["name"], entry["status"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'plate.json'}: no record of a plate ({error!r})") from error
    if not 2 <= len(channels) <= MAX_CHANNELS:
        return None
    notes = {well: _missing(channels, of_well) for well, of_well in names.items()}
    wells = {
        well: {
            c: _read_spots(folder / "wells" / f"{names[well][c][0]}.cells.csv") for c in channels
        }
        for well, note in notes.items()
        if not note
    }
    shifts = _register(wells, channels, tolerance, reach)
    rows: list[tuple[Any, ...]] = []
    for well, note in notes.items():
        if note:
            rows.append((well, "+".join(channels), *[""] * 6, note))
            (folder / "wells" / f"{well}.colours.csv").unlink(missing_ok=True)  # an earlier run's
            continue
        yx = {c: shifts[well, c][0].apply(wells[well][c]["yx"]) for c in channels[1:]}
        points = {channels[0]: wells[well][channels[0]]["yx"]} | yx
        area = _area(folder / "wells" / f"{names[well][channels[0]][0]}.run.json")
        found = coincidences(points, area, tolerance, shuffles=shuffles, seed=seed)
        _write_cells(folder / "wells" / f"{well}.colours.csv", found, wells[well])
        rows += [
            (
                well,
                c.name,
                c.count,
                c.expected_density,
                c.expected_shuffled,
                c.low,
                c.high,
                "" if c.p is None else c.p,
                "",
            )
            for c in found.combinations
        ]
    _write_registration(folder / "registration.csv", shifts)
    header = (
        "well",
        "combination",
        "count",
        "expected_density",
        "expected_shuffled",
        "low",
        "high",
        "p",
        "note",
    )
    path = folder / "colours.csv"
    write_csv(path, {name: [row[i] for row in rows] for i, name in enumerate(header)})
    return path


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: no JSON ({error})") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected a record, got {type(record).__name__}")
    return record


def _missing(channels: Sequence[str], of_well: Mapping[str, tuple[str, str]]) -> str:
    """Say which channels were not counted and why; empty if all were."""
    status = {c: of_well[c][1] if c in of_well else "no image" for c in channels}
    return ", ".join(f"{c}: {s}" for c, s in status.items() if s not in _COUNTED)


def _read_spots(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read positions ``yx`` [n, 2] and, where the table has it, ``secretion`` [n]."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), [])
    columns = read_columns(path, ["y", "x", *(["secretion"] if "secretion" in header else [])])
    return {"yx": np.stack([columns.pop("y"), columns.pop("x")], axis=1), **columns}


def _area(path: Path) -> tuple[float, float, float] | NDArray[np.bool_]:
    """Where spots can be, from a well's record: its circle, or the whole image."""
    record = _read_json(path)
    try:
        circle = (record["well"] or {}).get("circle")
        if circle:
            return circle["y"], circle["x"], circle["radius"]
        return np.ones((record["image"]["height"], record["image"]["width"]), dtype=bool)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: neither a circle nor the image's size ({error!r})") from error


def _register(
    wells: Mapping[str, Mapping[str, Mapping[str, NDArray[np.float64]]]],
    channels: Sequence[str],
    tolerance: float,
    reach: float,
) -> dict[tuple[str, str], tuple[Registration, str]]:
    """Register each further channel to the first, by well: and whose shift it is."""
    shifts = {}
    fixed = [spots[channels[0]]["yx"] for spots in wells.values()]
    for channel in channels[1:]:
        moving = [spots[channel]["yx"] for spots in wells.values()]
        plate = register(fixed, moving, tolerance, reach)
        for well, p, q in zip(wells, fixed, moving, strict=True):
            own = register([p], [q], tolerance, reach)
            whose = "well" if own.significant else "plate" if plate.significant else "none"
            shifts[well, channel] = (own if own.significant else plate), whose
    return shifts


def _write_registration(
    path: Path, shifts: Mapping[tuple[str, str], tuple[Registration, str]]
) -> None:
    found = [registration for registration, _ in shifts.values()]
    columns: dict[str, list[Any]] = {
        "well": [well for well, _ in shifts],
        "channel": [channel for _, channel in shifts],
        "shift_y": [float(r.offset[0]) for r in found],
        "shift_x": [float(r.offset[1]) for r in found],
        "pairs": [r.pairs for r in found],
        "p": [r.p for r in found],
        "from": [whose for _, whose in shifts.values()],
    }
    write_csv(path, columns)


def _write_cells(
    path: Path, found: Coincidences, spots: Mapping[str, Mapping[str, NDArray[np.float64]]]
) -> None:
    """Write a row per cell, those of most channels first."""
    names = [
        "+".join(c for c, i in zip(found.channels, row, strict=True) if i >= 0)
        for row in found.spots
    ]
    columns: dict[str, Any] = {"y": found.yx[:, 0], "x": found.yx[:, 1], "channels": names}
    for c, channel in enumerate(found.channels):
        index = found.spots[:, c]
        columns[f"row_{channel}"] = ["" if i < 0 else int(i) for i in index]
        if "secretion" in spots[channel]:
            secretion = spots[channel]["secretion"]
            columns[f"secretion_{channel}"] = ["" if i < 0 else secretion[i] for i in index]
    write_csv(path, columns)
