"""An image as a landscape: where each pixel's water comes from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotcore.reference._jit import Array, jit


# Prim's algorithm from all marks at once: of the edges that lead from a basin to a pixel of none,
# the lightest is taken. Lightest is the edge whose lower end is the highest, and of equal ones that
# whose other end is; of equally high pixels the later one in raster order counts as the higher.
def watershed(
    landscape: Array, marks: NDArray[np.int64], used: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Share pixels out among marks, to each those of its tree in the minimum spanning forest.

    Parameters
    ----------
    landscape : ndarray of float64, [H, W]
        Heights.
    marks : ndarray of int64, [n]
        Indices in the flattened image of different used pixels.
    used : ndarray of bool, [H, W]
        Pixels to share out.

    Returns
    -------
    ndarray of int32, [H, W]
        i + 1 in the basin of the i-th mark, 0 where none reaches.
    """
    order = np.argsort(landscape.reshape(-1), kind="stable")
    rank = np.empty(landscape.size, dtype=np.int64)
    rank[order] = np.arange(landscape.size)
    return _grown(rank.reshape(landscape.shape), marks, used)


@jit
def _grown(
    rank: NDArray[np.int64], marks: NDArray[np.int64], used: NDArray[np.bool_]
) -> NDArray[np.int32]:
    height, width = rank.shape
    owner = np.zeros((height, width), dtype=np.int32)
    for i, mark in enumerate(marks):
        owner[mark // width, mark % width] = i + 1
    while True:
        low, high = -1, -1  # ranks of the ends of the lightest edge
        to_v = to_u = of = 0
        for y in range(height):
            for x in range(width):
                if owner[y, x] == 0:
                    continue
                for v in range(max(y - 1, 0), min(y + 2, height)):
                    for u in range(max(x - 1, 0), min(x + 2, width)):
                        if owner[v, u] != 0 or not used[v, u]:
                            continue
                        lower, higher = min(rank[y, x], rank[v, u]), max(rank[y, x], rank[v, u])
                        if lower > low or (lower == low and higher > high):
                            low, high, to_v, to_u, of = lower, higher, v, u, owner[y, x]
        if low < 0:
            return owner
        owner[to_v, to_u] = of
