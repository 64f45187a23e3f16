"""Between which limits the true number of a well's spots lies, and how many hide each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["count_interval", "hidden_spots"]

TOGETHER = 5.0
"""Marks of one picture err together: the variance of a count is V (V + `TOGETHER`), where that of
independent marks would be V. Fitted so that 95 % intervals hold the truth of 95 % of simulated
wells (`bench/wells/rendered.py`)."""
_TWO_SIDED = 1.96  # standard deviations
_FULLEST = 0.9  # of the places with a mark: beyond, the logarithm means nothing


def count_interval(probability: NDArray[np.float64], counted: int) -> tuple[int, int]:
    """Return a 95 % interval of the number of cells that stand out as far as they are counted from.

    Parameters
    ----------
    probability : ndarray, float64, shape [n]
        Of all marks, those that do not count too; NaN of what is said to be a cell, as by a person.
    counted : int
        Number of those that count, which always lies within.

    Returns
    -------
    low, high : int
    """
    probability = np.nan_to_num(probability, nan=1.0)
    expected = float(probability.sum())
    alone = float((probability * (1.0 - probability)).sum())
    reach = _TWO_SIDED * math.sqrt(alone * (alone + TOGETHER))
    low, high = math.floor(max(expected - reach, 0.0)), math.ceil(expected + reach)
    return min(low, counted), max(high, counted)


def hidden_spots(yx: NDArray[np.float64], inside: NDArray[np.bool_], distance: float) -> float:
    """Expect how many spots are hidden behind the marks of stronger ones.

    Where no mark has a stronger spot within `distance` (Matern's second hard core), n marks on
    ``B = area / (π distance²)`` places stand for ``B c`` spots, ``c = -ln(1 - n / B)``. The density
    is taken locally, at each mark, for spots come in clusters.

    Parameters
    ----------
    yx : ndarray, float64, shape [n, 2]
        Marks in pixels.
    inside : ndarray, bool, shape [H, W]
        Pixels where they can lie.
    distance : float
        In pixels.

    Returns
    -------
    float

    References
    ----------
    Matern, "Spatial variation", 1960, chapter 3.6.
    """
    from scipy.spatial import cKDTree

    if len(yx) < 2:
        return 0.0
    place = math.pi * distance**2
    area = float(inside.sum())
    # Ten others of a well's mean density: near enough to see clusters, enough to have a density.
    reach = max(math.sqrt(10 * area / (math.pi * len(yx))), 3 * distance)
    others = cKDTree(yx).query_ball_point(yx, reach, return_length=True) - 1
    used = np.argwhere(inside[::4, ::4]) * 4
    seen = cKDTree(used).query_ball_point(yx, reach, return_length=True) * 16.0
    full = np.clip(others * place / np.maximum(seen, place), 0.0, _FULLEST)
    places = np.where(full > 0, 1 / np.maximum(full, 1e-12), 0.0)  # that each mark stands for
    return float(np.sum(places * -np.log1p(-full) - (full > 0)))
