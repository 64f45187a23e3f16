"""Kernels as integrals, and the observation model as sums over all pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def omega(sigma: float, m: int) -> float:
    """Integrate the 1-D Gaussian over the source pixel and over the sensor pixel around m.

    The double integral over two unit pixels is a single one against the triangle that is the
    distribution of the difference of two uniform positions; it is cut at the triangle's kinks.
    """
    total = 0.0
    for low, high in ((-1.0, 0.0), (0.0, 1.0)):
        x = low + (high - low) * (_NODES + 1) / 2
        gauss = np.exp(-((m + x) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        total += float(np.sum(_WEIGHTS * (1 - np.abs(x)) * gauss)) * (high - low) / 2
    return total


def gaussian_kernel(sigma_low: float, sigma_high: float, panels: int = 64, reach: int = 3) -> Array:
    """Compute g_k of Part II, section II-C, by Simpson's rule over σ, carried to `reach` σ_k.

    It is [L, L], L = 2⌈reach σ_k⌉ + 1.
    """
    half = math.ceil(reach * sigma_high)
    grid = np.linspace(sigma_low, sigma_high, 2 * panels + 1)
    weight = np.ones(grid.size)
    weight[1:-1:2], weight[2:-1:2] = 4, 2
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    for sigma, c in zip(grid, weight, strict=True):
        profile = np.array([omega(sigma, m) for m in range(half + 1)])
        row = np.concatenate([profile[:0:-1], profile])
        kernel += c * np.outer(row, row)
    step = (sigma_high - sigma_low) / (2 * panels)
    integral: Array = kernel * step / 3
    return integral / math.sqrt(sigma_high - sigma_low)


def kernel_of(factors: Array) -> Array:
    """Compute ``g[m, n] = Σ_r f_r(m) f_r(n)``: [R, L] -> [L, L]."""
    length = factors.shape[1]
    kernel = np.zeros((length, length))
    for factor in factors:
        for m in range(length):
            for n in range(length):
                kernel[m, n] += factor[m] * factor[n]
    return kernel


def convolve(image: Array, kernel: Array) -> Array:
    """Compute ``Σ_{u,v} g[u, v] x[y − u, x − v]``, zeros outside: [H, W] and [L, L] -> [H, W]."""
    height, width = image.shape
    half = kernel.shape[0] // 2
    padded = np.pad(image, half)
    out = np.zeros((height, width))
    for u in range(-half, half + 1):
        for v in range(-half, half + 1):
            window = padded[half - u : half - u + height, half - v : half - v + width]
            out += kernel[half + u, half + v] * window
    return out


def forward(a: Array, kernels: Sequence[Array]) -> Array:
    """Compute A a: [K, H, W] -> [H, W]."""
    total = np.zeros(a.shape[1:])
    for a_k, kernel in zip(a, kernels, strict=True):
        total += convolve(a_k, kernel)
    return total


def dense_matrix(kernels: Sequence[Array], shape: tuple[int, int]) -> Array:
    """Write A as a matrix, ``A[p, (k, q)] = g_k[p − q]`` for pixels p and q: [HW, KHW]."""
    y, x = np.indices(shape).reshape(2, -1)
    dy, dx = y[:, None] - y[None, :], x[:, None] - x[None, :]
    blocks = []
    for kernel in kernels:
        half = kernel.shape[0] // 2
        inside = (np.abs(dy) <= half) & (np.abs(dx) <= half)
        taps = kernel[np.clip(half + dy, 0, 2 * half), np.clip(half + dx, 0, 2 * half)]
        blocks.append(np.where(inside, taps, 0.0))
    return np.hstack(blocks)


def norm_squared(matrix: Array) -> float:
    """Compute ‖A‖², the largest eigenvalue of the dense A Aᵀ."""
    return float(np.linalg.eigvalsh(matrix @ matrix.T)[-1])
