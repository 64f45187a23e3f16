"""Kernels that treat the eight orientations of a square alike, from their base kernels.

A feature has a channel for each orientation g: four turns, and the same mirrored. Cohen, Welling,
"Group equivariant convolutional networks", ICML 2016.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORIENTATIONS", "group_table", "lifting_table"]

ORIENTATIONS = 8


def _act(kernel: NDArray[np.int64], element: int) -> NDArray[np.int64]:
    """Turn a kernel [S, S], and flip it from the fifth element on."""
    turned = np.rot90(kernel, element % 4)
    return turned if element < 4 else turned[:, ::-1]


def lifting_table(size: int) -> NDArray[np.int64]:
    """Return where the taps of each orientation of a kernel lie in it, [8, S * S]."""
    grid = np.arange(size * size).reshape(size, size)
    return np.stack([_act(grid, g).ravel() for g in range(ORIENTATIONS)])


def group_table(size: int) -> NDArray[np.int64]:
    """Return where the taps from orientation h to orientation g lie in a base, [8 g, 8 h, S * S].

    The base, [8, S * S], holds the kernels from each orientation to the first: from h to g it is
    the one from g^-1 h, turned by g.
    """
    lifting = lifting_table(size)
    probe = np.arange(9).reshape(3, 3)
    number = {_act(probe, g).tobytes(): g for g in range(ORIENTATIONS)}
    table = np.empty((ORIENTATIONS, ORIENTATIONS, size * size), np.int64)
    for g, before in itertools.product(range(ORIENTATIONS), repeat=2):
        h = number[_act(_act(probe, before), g).tobytes()]
        table[g, h] = before * size * size + lifting[g]
    return table
