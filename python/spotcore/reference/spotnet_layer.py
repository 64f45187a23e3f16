"""Learned iterations: the layers of SpotNet and of ConvNet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spotcore.reference._jit import Array, jit


# u   = Σ_k h_k * z_k − s
# x   = φ_b(z − h̃_k * u)
# z⁺  = x + α (x − x⁻)                                                     (SpotNet, 2019, layer l)
#
# * is the same-size correlation with zeros outside the image, as in every learning framework.
def spotnet_layer(
    z: Array,
    x_prev: Array,
    image: Array,
    analysis: Array,
    synthesis: Array,
    bias: float,
    alpha: float,
    nonlinearity: str,
) -> tuple[Array, Array]:
    """Take one learned iteration.

    Parameters
    ----------
    z, x_prev : ndarray of float64, [K, H, W]
        The extrapolated point and the iterate before.
    image : ndarray of float64, [H, W]
        s.
    analysis, synthesis : ndarray of float64, [K, S, S]
        h̃ and h of this layer, S odd.
    bias : float
        b of the non-linearity.
    alpha : float
        The momentum.
    nonlinearity : str
        ``soft``, ``nonneg``, ``group_nonneg`` or ``shifted_abs``.

    Returns
    -------
    x, z_next : ndarray of float64, [K, H, W]
        The iterate and the next extrapolated point.
    """
    u = correlate(z, synthesis[None])[0] - image
    x = apply_nonlinearity(z - correlate(u[None], analysis[:, None]), bias, nonlinearity)
    return x, x + alpha * (x - x_prev)


def spotnet(
    image: Array,
    analysis: Array,
    synthesis: Array,
    bias: Array,
    alpha: Array,
    nonlinearity: str,
) -> Array:
    """Run the input half-layer and L layers.

    Parameters
    ----------
    image : ndarray of float64, [H, W]
        s.
    analysis : ndarray of float64, [L + 1, K, S, S]
        h̃ of the input half-layer and of each layer.
    synthesis : ndarray of float64, [L, K, S, S]
        h of each layer.
    bias : ndarray of float64, [L + 1]
        b.
    alpha : ndarray of float64, [L]
        α of all but the last layer.
    nonlinearity : str
        As of `spotnet_layer`.

    Returns
    -------
    ndarray of float64, [K, H, W]
        x_L.
    """
    x = apply_nonlinearity(
        correlate(image[None], analysis[0][:, None]), float(bias[0]), nonlinearity
    )
    z = (1 + alpha[0]) * x
    for h_a, h_s, b, momentum in zip(
        analysis[1:], synthesis, bias[1:], [*alpha[1:], 0.0], strict=True
    ):
        x, z = spotnet_layer(z, x, image, h_a, h_s, float(b), float(momentum), nonlinearity)
    return x


def convnet(image: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    """Run the layers of ConvNet, each followed by max(0, ·).

    Parameters
    ----------
    image : ndarray of float64, [H, W]
        The input of the first layer.
    layers : sequence of (kernels, bias)
        Kernels [out, in, S, S] of a full layer, or [m in, 1, S, S] of a depthwise one, whose output
        c m + j sees input c only; bias [out].

    Returns
    -------
    ndarray of float64, [K, H, W]
        Output of the last layer.
    """
    x = image[None]
    for kernels, bias in layers:
        x = convnet_layer(x, kernels, bias)
    return x


def convnet_layer(x: Array, kernels: Array, bias: Array) -> Array:
    """Run one layer of ConvNet.

    Parameters
    ----------
    x : ndarray of float64, [in, H, W]
        What the layer before gave, or the image.
    kernels, bias : ndarray of float64
        As of `convnet`.

    Returns
    -------
    ndarray of float64, [out, H, W]
        ``max(0, kernels * x + bias)``.
    """
    if kernels.shape[1] == len(x):
        y = correlate(x, kernels)
    else:
        m = len(kernels) // len(x)
        pairs = zip(np.repeat(x, m, axis=0), kernels, strict=True)
        y = np.concatenate([correlate(x_k[None], g[None]) for x_k, g in pairs])
    return np.maximum(y + bias[:, None, None], 0)


def apply_nonlinearity(x: Array, bias: float, kind: str) -> Array:
    """Apply φ_b to maps.

    Parameters
    ----------
    x : ndarray of float64, [K, H, W]
        The maps.
    bias : float
        b.
    kind : str
        ``soft``: sign(x) max(|x| − b, 0); ``nonneg``: max(x − b, 0); ``group_nonneg``: Theorem 2 of
        Part II over k, [x]₊ (1 − b / ‖[x]₊‖₂)₊, which magnifies where b < 0; ``shifted_abs``:
        |x + b|.

    Returns
    -------
    ndarray of float64, [K, H, W]
        φ_b(x).
    """
    if kind == "soft":
        return np.sign(x) * np.maximum(np.abs(x) - bias, 0)
    if kind == "nonneg":
        return np.maximum(x - bias, 0)
    if kind == "shifted_abs":
        return np.abs(x + bias)
    positive = np.maximum(x, 0)
    norm = np.sqrt(np.sum(positive**2, axis=0))  # [H, W]
    return positive * np.maximum(1 - bias / np.where(norm > 0, norm, np.inf), 0)


# y_k[m, n] = Σ_c Σ_{u,v} g_kc[u, v] x_c[m + u, n + v],   u, v = −S/2 .. S/2
@jit
def correlate(x: Array, kernels: Array) -> Array:  # [C, H, W], [K, C, S, S] -> [K, H, W]
    """Correlate maps with kernels of odd size and add up over the inputs.

    Parameters
    ----------
    x : ndarray of float64, [C, H, W]
        The inputs.
    kernels : ndarray of float64, [K, C, S, S]
        One kernel per output and input.

    Returns
    -------
    ndarray of float64, [K, H, W]
        The outputs, zeros being seen outside the image.
    """
    channels, height, width = x.shape
    half = kernels.shape[2] // 2
    y = np.zeros((kernels.shape[0], height, width))
    for k in range(kernels.shape[0]):
        for c in range(channels):
            for u in range(-half, half + 1):
                for v in range(-half, half + 1):
                    g = kernels[k, c, half + u, half + v]
                    for m in range(max(0, -u), min(height, height - u)):
                        for n in range(max(0, -v), min(width, width - v)):
                            y[k, m, n] += g * x[c, m + u, n + v]
    return y
