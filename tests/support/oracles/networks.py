"""Learned iterations, as printed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def correlate(maps: Array, kernels: Array) -> Array:
    """Sum ``g[k, c, u, v] x[c, y + u, x + v]``, zeros outside: [C, H, W] -> [K, H, W]."""
    height, width = maps.shape[1:]
    half = kernels.shape[-1] // 2
    padded = np.pad(maps, ((0, 0), (half, half), (half, half)))
    out = np.zeros((len(kernels), height, width))
    for u in range(2 * half + 1):
        for v in range(2 * half + 1):
            window = padded[:, u : u + height, v : v + width]
            out += np.tensordot(kernels[:, :, u, v], window, axes=1)
    return out


def nonlinearity(x: Array, b: float, kind: str) -> Array:
    """Apply a non-linearity of SpotNet to maps [K, H, W], pixel by pixel."""
    out = np.zeros(x.shape)
    for m in range(x.shape[1]):
        for n in range(x.shape[2]):
            v = x[:, m, n]
            if kind == "soft":
                out[:, m, n] = np.sign(v) * np.maximum(np.abs(v) - b, 0)
            elif kind == "nonneg":
                out[:, m, n] = np.maximum(v - b, 0)
            elif kind == "shifted_abs":
                out[:, m, n] = np.abs(v + b)
            else:
                positive = np.maximum(v, 0)
                norm = math.sqrt(float(positive @ positive))
                out[:, m, n] = positive * max(1 - b / norm, 0) if norm > 0 else 0
    return out


def spotnet(
    image: Array,
    analysis: Array,
    synthesis: Array,
    bias: Array,
    alpha: Array,
    kind: str,
) -> Array:
    """Run SpotNet as printed: [H, W] -> x_L, [K, H, W]."""
    x = nonlinearity(correlate(image[None], analysis[0][:, None]), bias[0], kind)
    z = (1 + alpha[0]) * x
    for layer in range(1, len(analysis)):
        u = correlate(z, synthesis[layer - 1][None]) - image
        previous, x = x, nonlinearity(z - correlate(u, analysis[layer][:, None]), bias[layer], kind)
        if layer < len(alpha):
            z = x + alpha[layer] * (x - previous)
    return x


def convnet(image: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    """Run full and depthwise layers (kernels, bias), each with a ReLU: [H, W] -> [K, H, W]."""
    x = image[None]
    for kernels, bias in layers:
        if kernels.shape[1] == len(x):
            y = correlate(x, kernels)
        else:
            of_each = len(kernels) // len(x)
            parts = [correlate(x[k // of_each][None], g[None]) for k, g in enumerate(kernels)]
            y = np.concatenate(parts)
        x = np.maximum(y + bias[:, None, None], 0)
    return x
