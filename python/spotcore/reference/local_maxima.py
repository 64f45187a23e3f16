"""The regional maxima of a score map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotcore.reference._jit import Array, jit


# A plateau is an 8-connected set of pixels of one value that no neighbour of the same value can
# extend. It is a regional maximum if its value is positive and all pixels around it are lower.
def local_maxima(score: Array) -> tuple[NDArray[np.int64], Array]:
    """Find the 8-connected regional maxima with a positive value.

    Parameters
    ----------
    score : ndarray of float64, [H, W]
        The map; in spotcore, the pseudo-likelihood ``p = (Σ_{k∈ℵ} a_k²)^½`` of Part II.

    Returns
    -------
    yx : ndarray of int64, [n, 2]
        Row and column of each maximum; a plateau counts once, at its first pixel in raster order.
    value : ndarray of float64, [n]
        The values there, in decreasing order; equal values stay in raster order.
    """
    yx = _raster_maxima(score)
    value = score[yx[:, 0], yx[:, 1]]
    order = np.argsort(-value, kind="stable")
    return yx[order], value[order]


@jit
def _raster_maxima(score: Array) -> NDArray[np.int64]:  # [H, W] -> [n, 2], in raster order
    height, width = score.shape
    seen = np.zeros((height, width), dtype=np.bool_)
    stack = np.empty((height * width, 2), dtype=np.int64)
    found = np.empty((height * width, 2), dtype=np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            if not seen[y, x] and _plateau_is_maximum(score, seen, stack, y, x):
                found[count, 0], found[count, 1] = y, x
                count += 1
    return found[:count].copy()


# Visits the plateau of (y, x) once, marks it as seen, and says whether it is a maximum.
@jit
def _plateau_is_maximum(
    score: Array, seen: NDArray[np.bool_], stack: NDArray[np.int64], y: int, x: int
) -> bool:
    height, width = score.shape
    level = score[y, x]
    maximum = bool(level > 0.0)
    seen[y, x] = True
    stack[0, 0], stack[0, 1] = y, x
    size = 1
    while size > 0:
        size -= 1
        row, column = stack[size, 0], stack[size, 1]
        for v in range(max(row - 1, 0), min(row + 2, height)):
            for u in range(max(column - 1, 0), min(column + 2, width)):
                if score[v, u] > level:
                    maximum = False
                elif score[v, u] == level and not seen[v, u]:
                    seen[v, u] = True
                    stack[size, 0], stack[size, 1] = v, u
                    size += 1
    return maximum
