"""Gaussian smoothing and its derivatives, by the compiled core: every well needs dozens of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from spotcore import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["gaussian", "gradient_magnitude", "length"]

_TRUNCATE = 4.0  # standard deviations


def gaussian(
    image: NDArray[np.float32], scale: float, order: tuple[int, int] = (0, 0)
) -> NDArray[np.float32]:
    """Smooth an image, which goes on with its border's values, by a Gaussian or its derivatives.

    Parameters
    ----------
    image : ndarray, float32, shape [H, W]
    scale : float
        Standard deviation in pixels.
    order : pair of {0, 1, 2}
        Order of the derivative along y and along x.

    Returns
    -------
    ndarray, float32, shape [H, W]
    """
    along_x = _core.correlate1d(np.ascontiguousarray(image, np.float32), _taps(scale, order[1]), 1)
    return _core.correlate1d(along_x, _taps(scale, order[0]), 0)


def gradient_magnitude(image: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Return the length of the gradient [H, W] of an image smoothed by a Gaussian."""
    return length(gaussian(image, scale, (1, 0)), gaussian(image, scale, (0, 1)))


def length(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``sqrt(a² + b²)``; `numpy.hypot` guards against overflow, which takes its time."""
    squares = a * a
    squares += b * b
    root: NDArray[np.float32] = np.sqrt(squares, out=squares)
    return root


@lru_cache(maxsize=64)
def _taps(scale: float, order: int) -> NDArray[np.float32]:
    """Return samples of a Gaussian's derivative, to be correlated with; order 0 sums to 1."""
    reach = int(_TRUNCATE * scale + 0.5)
    t = np.arange(-reach, reach + 1) / scale
    bell = np.exp(-(t**2) / 2)
    polynomial = (np.ones_like(t), t / scale, (t**2 - 1) / scale**2)[order]
    taps: NDArray[np.float32] = (polynomial * bell / bell.sum()).astype(np.float32)
    taps.setflags(write=False)
    return taps
