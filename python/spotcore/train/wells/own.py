"""Crops of a user's own wells, whose marks were corrected: to go on from the shipped weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.metrics import match
from spotcore.networks.hourglass import LIMITS, Hourglass
from spotcore.results import open_folder
from spotcore.settings import Settings
from spotcore.train.wells.data import CROP, Crop, Crops, cut
from spotcore.train.wells.losses import UNKNOWN
from spotcore.wells.detector import TYPICAL_WIDTH, look
from spotcore.wells.from_picture import prepare_picture
from spotcore.wells.prepare import PROBABLE
from spotcore.wells.view import contrast_view, resampled

__all__ = ["Mixed", "OwnWell", "mean_f1", "own_crops", "own_wells"]

_RADIUS = 3.0  # pixels, or widths of a typical spot
_SIZES = (0.7, 0.85, 1.0, 1.2)  # of the views that crops are cut from, by the typical one
_SEEN = 1.5 * LIMITS[0]  # visibility of what a person marked, at least
_HELD_OUT = 4  # every so many-th well is not trained on


class OwnWell(NamedTuple):
    """A picture, grey, and the cells that a person left in it.

    Attributes
    ----------
    name : str
    grey : ndarray, float32, shape [H, W]
        Spots are bright.
    cells : ndarray, float64, shape [n, 2]
    """

    name: str
    grey: NDArray[np.float32]
    cells: NDArray[np.float64]


def own_wells(folder: Path) -> tuple[list[OwnWell], list[OwnWell]]:
    """Read the edited wells of a result: those to learn from, and those to judge by.

    Parameters
    ----------
    folder : Path
        Of `spotcore detect` or `spotcore plate`, with edits saved from napari.

    Returns
    -------
    training, held_out : list of OwnWell

    Raises
    ------
    ValueError
        If fewer than `_HELD_OUT` wells were edited, or one cannot be read.
    """
    wells = []
    for well in open_folder(folder).wells:
        if not well.edited:
            continue
        seen, _, prepared = prepare_picture(well.picture(), Settings())
        grey = seen.pixels if prepared.polarity == "bright" else -seen.pixels
        wells.append(OwnWell(well.name, grey, well.marks().counted.yx))
    if len(wells) < _HELD_OUT:
        raise ValueError(
            f"{folder}: expected at least {_HELD_OUT} wells with saved edits, got {len(wells)}"
        )
    held_out = wells[_HELD_OUT - 1 :: _HELD_OUT]
    return [well for well in wells if well not in held_out], held_out


def own_crops(wells: Sequence[OwnWell], network: Hourglass, seed: int) -> list[Crop]:
    """Cut crops from views of several sizes; what an eye did not mark is no cell."""
    rng = np.random.default_rng(seed)
    made = []
    for well in wells:
        sight = look(well.grey, "bright", network=network)
        marks = sight.marks
        width = float(np.median(marks.width)) if len(marks) else TYPICAL_WIDTH
        widths = np.full(len(well.cells), width)
        seen = np.full(len(well.cells), _SEEN)
        pairs = match(marks.yx, well.cells, radius=max(_RADIUS, width)).pairs
        widths[pairs[:, 1]] = marks.width[pairs[:, 0]]
        seen[pairs[:, 1]] = np.maximum(marks.visibility[pairs[:, 0]], _SEEN)
        for size in _SIZES:
            factor = max(size * sight.view.factor, CROP / min(well.grey.shape))
            view = resampled(well.grey, factor)
            pixels = contrast_view(view.pixels).astype(np.float16)
            places = view.to_view(well.cells)
            columns = [np.log(widths * factor), np.log(seen)]
            cells = np.column_stack([places, *columns]).astype(np.float32)
            height, breadth = view.pixels.shape
            unknown = np.full((height // 2, breadth // 2), UNKNOWN, np.uint8)
            for _ in range(max(1, height * breadth // CROP**2)):
                y, x = (int(rng.integers(0, side - CROP + 1)) for side in (height, breadth))
                made.append(cut(pixels, cells, unknown, y, x))
    return made


class Mixed:
    """A user's crops and simulated ones, one for each: what was known is not to be forgotten."""

    def __init__(self, own: Sequence[Crop], simulated: Crops) -> None:
        self._own, self._simulated = own, simulated

    def __len__(self) -> int:
        """Return the number of crops."""
        return 2 * len(self._simulated)

    def __getitem__(self, number: int) -> Crop:
        """Return a simulated one for an even number, one of the user's for an odd one."""
        half = number // 2
        return self._own[half % len(self._own)] if number % 2 else self._simulated[half]


def mean_f1(wells: Sequence[OwnWell], network: Hourglass) -> float:
    """Return the mean F1 of a network's marks with a user's."""
    scores = []
    for well in wells:
        marks = look(well.grey, "bright", network=network).marks
        found = marks.yx[marks.probability >= PROBABLE]
        width = float(np.median(marks.width)) if len(marks) else 1.0
        scores.append(match(found, well.cells, radius=max(_RADIUS, width)).f1)
    return float(np.mean(scores))
