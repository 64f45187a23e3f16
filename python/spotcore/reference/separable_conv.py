"""Same-size, zero-padded convolution with kernels given as factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spotcore.reference._jit import Array, jit
from spotcore.reference.resampler import decimate, interpolate

Real: TypeAlias = NDArray[np.floating[Any]]
# Factors [R, L] on the image's grid, or (factors, scale, lowpass): on every `scale`-th pixel.
Kernel: TypeAlias = Real | tuple[Real, int, Real]


# y_k = g_k ⊛ x_k,   g_k[m, n] = Σ_r f_kr(m) f_kr(n),   m, n = -h_k .. h_k
#
# ⊛ is the same-size convolution with zeros outside the image (Part II, Algorithm 3). A kernel
# of rank one is two one-dimensional passes, so rank R_k costs R_k passes along each axis
# (Part II, section III-A). A smooth kernel may be given on the grid of every s-th pixel:
#   y_k = Dᵀ (Σ_r f_kr f_krᵀ ⊛ D x_k)                          (spotcore.model.decimation)
def separable_conv(x: Array, kernels: Sequence[Kernel]) -> Array:
    """Convolve each map with its own separable kernel.

    Parameters
    ----------
    x : ndarray of float64, [K, H, W]
        One map per kernel.
    kernels : sequence of K ndarrays [R_k, L_k], or of K (factors [R_k, L_k], scale, lowpass [P])
        Row r of the factors of entry k is f_kr, of odd length L_k, centred. Ranks and lengths may
        differ between kernels, and L_k may exceed the image. With a scale above 1 the factors are
        on that grid, and `lowpass` is that of `decimate`.

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
    for x_k, y_k, kernel in zip(x, y, kernels, strict=True):
        factors, scale, lowpass = parts(kernel)
        if scale == 1:
            y_k[:] = _conv(x_k, factors)
        else:
            coarse = _conv(decimate(x_k, lowpass, scale), factors)
            y_k[:] = interpolate(coarse, lowpass, scale, (x.shape[1], x.shape[2]))
    return y


def parts(kernel: Kernel) -> tuple[Array, int, Array]:
    """Take a kernel apart into factors, scale and low-pass, in float64."""
    factors, scale, lowpass = kernel if isinstance(kernel, tuple) else (kernel, 1, np.zeros(0))
    return np.asarray(factors, np.float64), scale, np.asarray(lowpass, np.float64)


def _conv(image: Array, factors: Array) -> Array:  # [H, W], [R, L] -> [H, W]
    out = np.zeros(image.shape)
    for factor in factors:
        out += _along_columns(_along_rows(image, factor), factor)
    return out


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
