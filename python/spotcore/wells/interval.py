"""Between which limits the true number of a well's spots lies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.wells.measure import Measures
    from spotcore.wells.prepare import Well

__all__ = ["RESOLUTION", "Hidden", "count_interval", "hidden_spots", "resolution"]

#: Two spots nearer than this share of their diameter are marked as one (`bench/` has the fit).
RESOLUTION = 1.0
RESOLUTION_ERROR = 0.2  # relative
_FULLEST = 0.9  # of the places with a mark: beyond, the logarithm means nothing


def resolution(well: Well, measures: Measures) -> float:
    """Return the distance below which two spots are marked as one, in pixels."""
    typical = float(np.median(measures.diameter)) if len(measures) else 0.0
    return RESOLUTION * max(typical, 2.35 * well.spot_scale / 2)


class Hidden(NamedTuple):
    """How many spots are hidden behind the marks of stronger ones: mean and variance."""

    mean: float
    variance: float


def hidden_spots(yx: NDArray[np.int64], inside: NDArray[np.bool_], distance: float) -> Hidden:
    """Expect how many spots are hidden behind the marks of stronger ones, and its variance.

    Where no mark has a stronger spot within `distance` (Matern's second hard core), n marks on
    ``B = area / (π distance²)`` places stand for ``B c`` spots, ``c = -ln(1 - n / B)``; that
    number has the variance ``B (exp(c) - c - 1)`` of linear counting, and what comes of the error
    of `distance`, whose square it goes with. The density is taken locally, at each mark, for spots
    come in clusters.

    Parameters
    ----------
    yx : ndarray, int64, shape [n, 2]
        Marks in pixels.
    inside : ndarray, bool, shape [H, W]
        Pixels where they can lie.
    distance : float
        In pixels.

    Returns
    -------
    Hidden

    References
    ----------
    Matern, "Spatial variation", 1960, chapter 3.6; Whang, Vander-Zanden and Taylor, "A linear-time
    probabilistic counting algorithm for database applications", ACM TODS 15(2), 1990.
    """
    from scipy.spatial import cKDTree

    if len(yx) < 2:
        return Hidden(0.0, 0.0)
    place = math.pi * distance**2
    area = float(inside.sum())
    # Ten others of a well's mean density: near enough to see clusters, enough to have a density.
    reach = max(math.sqrt(10 * area / (math.pi * len(yx))), 3 * distance)
    others = cKDTree(yx).query_ball_point(yx, reach, return_length=True) - 1
    used = np.argwhere(inside[::4, ::4]) * 4
    seen = cKDTree(used).query_ball_point(yx, reach, return_length=True) * 16.0
    full = np.clip(others * place / np.maximum(seen, place), 0.0, _FULLEST)
    c = -np.log1p(-full)
    places = np.where(full > 0, 1 / np.maximum(full, 1e-12), 0.0)  # that each mark stands for
    mean = float(np.sum(places * c - (full > 0)))
    counting = float(np.sum(places * (np.exp(c) - c - 1)))
    return Hidden(mean, counting + (2 * RESOLUTION_ERROR * mean) ** 2)


def count_interval(confidence: NDArray[np.float64], hidden: Hidden) -> tuple[int, int]:
    """Return a 95 % interval of the number of spots above the limit of detection.

    The marks that are spots have a Poisson binomial distribution, by their confidences; to them
    come those hidden behind others (`hidden_spots`), negative binomial with that mean and variance
    (Poisson where the variance is not larger). The count itself always lies within.

    Parameters
    ----------
    confidence : ndarray, float64, shape [n]
        Probability that each mark is a spot.
    hidden : Hidden
        From `hidden_spots`.

    Returns
    -------
    low, high : int

    References
    ----------
    Le Cam, "An approximation theorem for the Poisson binomial distribution", Pacific J. Math.
    10(4), 1960 (here the distribution itself, by convolution).
    """
    from scipy import special  # scipy.stats, which has these, takes a second to import

    n = len(confidence)
    p = np.ones(1)
    for probability in confidence:
        p = np.convolve(p, [1.0 - probability, probability])
    mean, variance = hidden
    if mean > 1e-9:
        most = np.arange(int(mean + 10 * math.sqrt(max(variance, mean)) + 10))
        log_p = most * math.log(mean) - mean - special.gammaln(most + 1)  # Poisson
        if variance > mean * (1 + 1e-9):  # negative binomial
            size, share = mean**2 / (variance - mean), mean / variance
            log_p = special.gammaln(most + size) - special.gammaln(size) - special.gammaln(most + 1)
            log_p += size * math.log(share) + special.xlog1py(most, -share)
        p = np.convolve(p, np.exp(log_p))
    total = np.cumsum(p) / p.sum()
    low, high = (int(np.searchsorted(total, q)) for q in (0.025, 0.975))
    return min(low, n), max(high, n)
