"""The colours of a plate: channels registered, spots joined to cells, tabulated.

`spotcore.plates.registration` and `spotcore.plates.coincidence` do the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from spotcore.plates.coincidence import Coincidences
from spotcore.plates.registration import Registration, register
from spotcore.results.columns import COLOURS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Shifts",
    "Spots",
    "cell_columns",
    "colour_columns",
    "register_wells",
    "registration_columns",
]


class Spots(NamedTuple):
    """Spots of one well in one channel.

    Attributes
    ----------
    yx : ndarray, float64, shape [n, 2]
        Positions in pixels.
    secretion : ndarray, float64, shape [n], or None
        Where it is known.
    """

    yx: NDArray[np.float64]
    secretion: NDArray[np.float64] | None


#: What takes a channel of a well to the first one, by well and channel; and whose shift that is.
Shifts = dict[tuple[str, str], tuple[Registration, str]]


def register_wells(
    wells: Mapping[str, Mapping[str, Spots]],
    channels: Sequence[str],
    tolerance: float,
    reach: float,
) -> Shifts:
    """Register each further channel to the first one, well by well.

    Parameters
    ----------
    wells : mapping
        Spots by well and channel.
    channels : sequence of str
        The first one is that which the others are moved to.
    tolerance, reach : float
        As of `spotcore.plates.registration.register`, in pixels.

    Returns
    -------
    Shifts
        The "well"'s own where that is significant, else the "plate"'s, else "none".
    """
    shifts: Shifts = {}
    fixed = [spots[channels[0]].yx for spots in wells.values()]
    for channel in channels[1:]:
        moving = [spots[channel].yx for spots in wells.values()]
        plate = register(fixed, moving, tolerance, reach)
        for well, p, q in zip(wells, fixed, moving, strict=True):
            own = register([p], [q], tolerance, reach)
            whose = "well" if own.significant else "plate" if plate.significant else "none"
            shifts[well, channel] = (own if own.significant else plate), whose
    return shifts


def registration_columns(shifts: Shifts) -> dict[str, list[Any]]:
    """Tabulate shifts as the columns of registration.csv: what was added to the positions."""
    found = [registration for registration, _ in shifts.values()]
    return {
        "well": [well for well, _ in shifts],
        "channel": [channel for _, channel in shifts],
        "shift_y": [float(r.offset[0]) for r in found],
        "shift_x": [float(r.offset[1]) for r in found],
        "pairs": [r.pairs for r in found],
        "p": [r.p for r in found],
        "from": [whose for _, whose in shifts.values()],
    }


def colour_columns(
    channels: Sequence[str], notes: Mapping[str, str], cells: Mapping[str, Coincidences]
) -> dict[str, list[Any]]:
    """Tabulate cells as the columns of colours.csv, a row per well and combination of channels.

    Parameters
    ----------
    channels : sequence of str
        Those of the plate.
    notes : mapping
        By well, in the order of the rows: why it has no cells, "" where it has.
    cells : mapping
        Cells of those that have.

    Returns
    -------
    dict of list
        A well with a note has one row, without a count.
    """
    rows: list[tuple[Any, ...]] = []
    for well, note in notes.items():
        if note:
            rows.append((well, "+".join(channels), *[""] * 6, note))
            continue
        for c in cells[well].combinations:
            p = "" if c.p is None else c.p
            chance = c.expected_density, c.expected_shuffled, c.low, c.high, p
            rows.append((well, c.name, c.count, *chance, ""))
    return {name: [row[at] for row in rows] for at, name in enumerate(COLOURS)}


def cell_columns(found: Coincidences, spots: Mapping[str, Spots]) -> dict[str, Any]:
    """Tabulate the cells of a well, those of most channels first.

    Parameters
    ----------
    found : Coincidences
        The cells.
    spots : mapping
        The spots by channel that they were found from.

    Returns
    -------
    dict
        Place and channels of each cell; per channel the row of its spot (from 0) and its
        secretion, empty where it has none.
    """
    names = [
        "+".join(c for c, i in zip(found.channels, row, strict=True) if i >= 0)
        for row in found.spots
    ]
    columns: dict[str, Any] = {"y": found.yx[:, 0], "x": found.yx[:, 1], "channels": names}
    for c, channel in enumerate(found.channels):
        index = found.spots[:, c]
        columns[f"row_{channel}"] = ["" if i < 0 else int(i) for i in index]
        secretion = spots[channel].secretion
        if secretion is not None:
            columns[f"secretion_{channel}"] = ["" if i < 0 else secretion[i] for i in index]
    return columns
