"""Local maxima and basins by labels and SciPy's graphs."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import scipy.sparse.csgraph
from numpy.typing import NDArray

Array = NDArray[np.float64]


def local_maxima(score: Array) -> tuple[NDArray[np.int64], Array]:
    """Find the regional maxima by labelling the plateaus of each value in turn."""
    eight = np.ones((3, 3), dtype=bool)
    found = []
    for value in np.unique(score[score > 0]):
        labels, count = scipy.ndimage.label(score == value, structure=eight)
        for label in range(1, count + 1):
            plateau = labels == label
            around = scipy.ndimage.binary_dilation(plateau, structure=eight)
            if score[around].max() == value:
                y, x = np.argwhere(plateau)[0]
                found.append((-value, y, x))
    found.sort()
    yx = np.array([(y, x) for _, y, x in found], dtype=np.int64).reshape(-1, 2)
    return yx, np.array([-value for value, _, _ in found], dtype=np.float64)


def watershed(
    landscape: Array, marks: NDArray[np.int64], used: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Cut SciPy's minimum spanning tree of all used pixels and one that stands for all marks."""
    size = int(used.sum())
    number = np.full(used.shape, -1)
    number[used] = np.arange(size)
    ends = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        h, w = used.shape
        here = number[: h - dy, max(-dx, 0) : w - max(dx, 0)]
        there = number[dy:, max(dx, 0) : w + min(dx, 0)]
        both = (here >= 0) & (there >= 0)
        ends.append(np.stack([here[both], there[both]]))
    p, q = np.concatenate(ends, axis=1)
    rank = np.empty(size)
    rank[np.argsort(landscape[used], kind="stable")] = np.arange(size)
    low, high = np.minimum(rank[p], rank[q]), np.maximum(rank[p], rank[q])
    weight = (size - low) * size + (size - high) + 1.0  # SciPy takes 0 for no edge
    roots = number.reshape(-1)[marks]
    graph = scipy.sparse.coo_array(
        (
            np.concatenate([weight, np.full(len(roots), 0.5)]),
            (np.concatenate([p, roots]), np.concatenate([q, np.full(len(roots), size)])),
        ),
        shape=(size + 1, size + 1),
    ).tocsr()
    forest = scipy.sparse.csgraph.minimum_spanning_tree(graph)[:size, :size]
    _, tree = scipy.sparse.csgraph.connected_components(forest, directed=False)
    mark_of = np.zeros(tree.max() + 1, np.int32)
    mark_of[tree[roots]] = np.arange(1, len(roots) + 1)
    owner = np.zeros(used.shape, np.int32)
    owner[used] = mark_of[tree]
    return owner
