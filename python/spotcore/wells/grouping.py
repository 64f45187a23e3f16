"""Which peaks of the curvature are one spot: noise on a broad summit, the edge of a flat top."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spotcore.wells.artefacts import Shape
from spotcore.wells.curvature import curvature_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["join_peaks", "members_of", "split_long_tops"]

#: Between two spots the weaker curvature falls this many of them below the weaker one's.
SADDLE_FACTOR = 4.0
#: Peaks on the edge of one flat top are nearer than this many scales, and have this share of it.
FLAT_TOP_REACH, FLAT_TOP_SHARE = 12.0, 0.7
#: A flat top that is this much longer than wide is two spots'.
FLAT_TOP_LENGTH = 1.35


def join_peaks(
    yx: NDArray[np.int64],
    weaker: NDArray[np.float32],
    smooth: NDArray[np.float32],
    basin: NDArray[np.int64],
    scale: float,
    noise: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Tell which peaks of the curvature lie on one spot.

    Two peaks are one spot if on the straight line between them the curvature hardly falls: its
    summit is broad and the peaks are noise. They also are if the picture rises between them
    without another peak there, and not by much: they lie on the edge of one saturated, flat top.

    Parameters
    ----------
    yx : ndarray, int64, shape [n, 2]
        Peaks of `weaker`.
    weaker, smooth : ndarray, shape [H, W]
        Weaker curvature, and the picture smoothed alike.
    basin : ndarray, int64, shape [H, W]
        Flat index of the peak that each pixel climbs to.
    scale : float
        Standard deviation of the smoothing in pixels.
    noise : ndarray, shape [H, W]
        Standard deviation of the noise of the picture.

    Returns
    -------
    ndarray, int64, shape [n]
        Number of the spot of each peak, from 0.
    """
    from scipy.ndimage import map_coordinates
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n = len(yx)
    pairs = (
        cKDTree(yx).query_pairs(FLAT_TOP_REACH * scale, output_type="ndarray")
        if n
        else np.empty((0, 2), np.int64)
    )
    a, b = yx[pairs[:, 0]], yx[pairs[:, 1]]
    share = np.linspace(0, 1, 2 * int(FLAT_TOP_REACH * scale) + 1)
    line = a[:, None] + (b - a)[:, None] * share[:, None]  # [pairs, steps, 2]
    at = line.reshape(-1, 2).T

    def noise_at(step: NDArray[np.intp]) -> NDArray[np.float32]:
        local: NDArray[np.float32] = noise[tuple(np.rint(line[rows, step]).astype(np.int64).T)]
        return local

    bend = map_coordinates(weaker, at, order=1).reshape(line.shape[:2])
    level = map_coordinates(smooth, at, order=1).reshape(line.shape[:2])
    rows = np.arange(len(pairs))
    saddle = bend.argmin(axis=1)
    fall = np.minimum(bend[:, 0], bend[:, -1]) - bend[rows, saddle]
    broad = fall < SADDLE_FACTOR * curvature_noise(1.0, scale) * noise_at(saddle)

    top = level.argmax(axis=1)
    ends = np.maximum(level[:, 0], level[:, -1])
    rise = level[rows, top] - ends
    # The standard deviation of white noise after the smoothing is noise / (2 sqrt(pi) scale).
    visible = SADDLE_FACTOR * noise_at(top) / (2 * np.sqrt(np.pi) * scale)
    flat = np.minimum(level[:, 0], level[:, -1]) > FLAT_TOP_SHARE * level[rows, top]
    # The top is another spot's if that one's peak is as high; one on the edge is lower, too.
    summit = basin[tuple(np.rint(line[rows, top]).astype(np.int64).T)]
    other = np.isin(summit, yx[:, 0] * basin.shape[1] + yx[:, 1])
    other &= smooth.reshape(-1)[summit] > level[rows, top] - visible
    joined = pairs[broad | ((rise > visible) & flat & ~other)]
    links = coo_array((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def split_long_tops(
    yx: NDArray[np.int64], group: NDArray[np.int64], smooth: NDArray[np.float32], scale: float
) -> NDArray[np.int64]:
    """Take a flat top for two spots where it is long: a saturated spot by itself is round.

    Parameters
    ----------
    yx : ndarray, int64, shape [n, 2]
        Peaks.
    group : ndarray, int64, shape [n]
        From `join_peaks`.
    smooth : ndarray, shape [H, W]
        The smoothed picture.
    scale : float
        Standard deviation of the smoothing in pixels.

    Returns
    -------
    ndarray, int64, shape [n]
        Number of the spot of each peak.
    """
    from scipy import ndimage

    group = group.copy()
    reach = int(FLAT_TOP_REACH * scale)
    for members in members_of(group):
        offset = yx[members] - yx[members].mean(axis=0)
        if np.sqrt((offset**2).sum(axis=1).mean()) <= scale:
            continue
        y, x = np.rint(yx[members].mean(axis=0)).astype(int)
        top, left = max(y - reach, 0), max(x - reach, 0)
        window = smooth[top : y + reach + 1, left : x + reach + 1]
        level = max(smooth[y, x], smooth[tuple(yx[members].T)].max())
        labels, _ = ndimage.label(window >= FLAT_TOP_SHARE * level)
        region = np.argwhere((labels == labels[y - top, x - left]) & (labels > 0))
        if len(region) == 0:  # the middle is no top
            region = yx[members]
        shape = Shape.of(region)
        if shape.length > FLAT_TOP_LENGTH * shape.width:
            axis = np.linalg.eigh(np.cov(region.T, bias=True))[1][:, 1]
            group[members[offset @ axis > 0]] = group.max() + 1
    return group


def members_of(group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split the indices of the peaks by group."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(group) else []
