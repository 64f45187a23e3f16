"""Spots too broad and too faint for the scale that peaks are looked for at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spotcore.wells.curvature import Curvature, climb, matched, summits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BroadSpots", "broad_spots"]

#: The scale of broad spots, relative to that of peaks.
BROAD = 2.2
#: They stand out this many times as far: what a membrane has at this scale is not white noise.
BROAD_FACTOR = 2.4
#: They are rounder than this ratio of their principal curvatures: a stain is not.
BROAD_ROUND = 1.6
#: No peak is within so many of their scales: it would be the same spot, or what it lies on.
BROAD_CLEAR = 2.0


class BroadSpots(NamedTuple):
    """Positions [n, 2] in pixels, and scores [n] that compare with those of peaks."""

    yx: NDArray[np.int64]
    score: NDArray[np.float64]


def broad_spots(
    signal: NDArray[np.float32],
    inside: NDArray[np.bool_],
    noise: float,
    scale: float,
    peaks: NDArray[np.int64],
    limit: float,
) -> tuple[BroadSpots, NDArray[np.int64]]:
    """Find the spots of a well that show at a coarser scale only.

    Parameters
    ----------
    signal : ndarray, float32, shape [H, W]
        Image, spots bright.
    inside : ndarray, bool, shape [H, W]
        Pixels where spots can lie.
    noise : float
        Standard deviation of the noise.
    scale : float
        That of the peaks, in pixels.
    peaks : ndarray, int64, shape [m, 2]
        All that is seen at that scale.
    limit : float
        Smallest score.

    Returns
    -------
    spots : BroadSpots
    region : ndarray, int64, shape [H, W]
        Number of the broad spot whose summit each pixel climbs to, -1 for none.
    """
    from scipy.spatial import cKDTree

    scale = BROAD * scale
    weaker, stronger = Curvature.of(signal, scale).principal
    score = matched(weaker, stronger, noise, scale) / BROAD_FACTOR
    basin = climb(weaker)
    seen = inside & (weaker > 0) & (score >= limit)
    seen &= stronger < BROAD_ROUND * weaker
    found = summits(basin, seen)
    yx = np.stack(np.unravel_index(found, basin.shape), axis=1)
    if len(peaks) and len(yx):
        clear = cKDTree(peaks).query(yx)[0] > BROAD_CLEAR * scale
        found, yx = found[clear], yx[clear]
    number = np.full(basin.size, -1)
    number[found] = np.arange(len(found))
    return BroadSpots(yx, score[tuple(yx.T)].astype(np.float64)), number[basin]
