"""An image with its true cells, as training and evaluation need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Truth", "squared_error"]


@dataclass(frozen=True, eq=False)
class Truth:
    """An image with its true cells.

    Attributes
    ----------
    image : ndarray, float32, shape [H, W]
        In [0, 255].
    cells : ndarray, int64, shape [n, 2]
        Positions (y, x) in pixels.
    psdr : ndarray, shape [n, K]
        PSDR of each cell, in the image's unit.
    """

    image: NDArray[np.float32]
    cells: NDArray[np.int64]
    psdr: NDArray[np.float32] | NDArray[np.float64]


def squared_error(maps: NDArray[np.float32], truth: Truth) -> float:
    """Mean over pixels and maps of the squared error of maps [K, H, W]: the papers' MSE.

    The true maps hold the PSDRs at the cells, added where cells share a pixel, and 0 elsewhere.
    """
    width = maps.shape[2]
    pixels, owner = np.unique(truth.cells @ np.array([width, 1]), return_inverse=True)
    true = np.zeros((len(pixels), len(maps)))
    np.add.at(true, owner.reshape(-1), truth.psdr)
    found = maps.reshape(len(maps), -1)[:, pixels].T.astype(np.float64)
    energy = float(sum(np.vdot(plane, plane.astype(np.float64)) for plane in maps))
    return (energy + float((true * (true - 2.0 * found)).sum())) / maps.size
