"""Same-size, zero-padded convolution with kernels given as factors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spotcore.reference._jit import Array, jit


# y_k = g_k ⊛ x_k,   g_k[m, n] = Σ_r f_kr(m) f_kr(n),   m, n = -h_k .. h_k
#
# ⊛ is the same-size convolution with zeros outside the image (Part II, Algorithm 3). A kernel
# of rank one is two one-dimensional passes, so rank R_k costs R_k passes along each axis
# (Part II, section III-A).
def separable_conv(x: Array, factors: Sequence[Array]) -> Array:
    """Convolve each map with its own separable kernel.

    Parameters
    ----------
    x : ndarray of float64, [K, H, W]
        One map per kernel.
    factors : sequence of K ndarrays of float64, [R_k, L_k]
        Row r of entry k is the factor f_kr, of odd length L_k, centred. Ranks and lengths may
        differ between kernels, and L_k may exceed the image.

    Returns
    -------
    ndarray of float64, [K, H, W]
        ``y[k] = g_k ⊛ x[k]``.

    Raises
    ------
    ValueError
        If the number of maps is not the number of kernels.

    Notes
    -----
    Source: Part II, equation (7) and section III-A.
    """
    y = np.zeros(x.shape)
    for x_k, y_k, factors_k in zip(x, y, factors, strict=True):
        for factor in factors_k:  # [L_k]
            y_k += _along_columns(_along_rows(x_k, factor), factor)
    return y


# out[y, x] = Σ_m f(m) image[y, x - m], over the m for which x - m lies inside the image
@jit
def _along_rows(image: Array, factor: Array) -> Array:  # [H, W], [L] -> [H, W]
    height, width = image.shape
    half = factor.size // 2
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            for m in range(max(-half, x - width + 1), min(half, x) + 1):
                out[y, x] += factor[half + m] * image[y, x - m]
    return out


# out[y, x] = Σ_m f(m) image[y - m, x], over the m for which y - m lies inside the image
@jit
def _along_columns(image: Array, factor: Array) -> Array:  # [H, W], [L] -> [H, W]
    height, width = image.shape
    half = factor.size // 2
    out = np.zeros((height, width))
    for y in range(height):
        for m in range(max(-half, y - height + 1), min(half, y) + 1):
            for x in range(width):
                out[y, x] += factor[half + m] * image[y - m, x]
    return out
