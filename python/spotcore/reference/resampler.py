"""From the image's grid to a coarser one and back."""

from __future__ import annotations

import numpy as np

from spotcore.reference._jit import Array


# Along one axis   (D x)[n] = Σ_x p(x − s (n − c)) x,   c = ⌊h / s⌋,   h = ⌊P / 2⌋,
# for every n that some pixel reaches: the grid goes on beyond the image by c at either end.
def decimation(size: int, lowpass: Array, scale: int) -> Array:
    """Write D along one axis as a matrix.

    Parameters
    ----------
    size : int
        Pixels of the axis.
    lowpass : ndarray of float64, [P]
        p, symmetric, of odd length.
    scale : int
        s, pixels of the image per pixel of the grid.

    Returns
    -------
    ndarray of float64, [N, size]
        D.
    """
    half = len(lowpass) // 2
    margin = half // scale
    count = margin + (size - 1 + half) // scale + 1
    offset = np.arange(size) - scale * (np.arange(count)[:, None] - margin)
    return np.where(np.abs(offset) <= half, lowpass[np.clip(offset + half, 0, 2 * half)], 0.0)


# D x along both axes
def decimate(image: Array, lowpass: Array, scale: int) -> Array:
    """Filter an image and keep every s-th pixel along both axes.

    Parameters
    ----------
    image : ndarray of float64, [H, W]
        The image, with zeros outside.
    lowpass, scale
        As of `decimation`.

    Returns
    -------
    ndarray of float64, [M, N]
        The coarse image.
    """
    height, width = image.shape
    coarse: Array = decimation(height, lowpass, scale) @ image @ decimation(width, lowpass, scale).T
    return coarse


# Dᵀ z along both axes
def interpolate(coarse: Array, lowpass: Array, scale: int, shape: tuple[int, int]) -> Array:
    """Apply the adjoint of `decimate`.

    Parameters
    ----------
    coarse : ndarray of float64, [M, N]
        The coarse image.
    lowpass, scale
        As of `decimation`.
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    ndarray of float64, [H, W]
        The image.
    """
    height, width = shape
    image: Array = decimation(height, lowpass, scale).T @ coarse @ decimation(width, lowpass, scale)
    return image
