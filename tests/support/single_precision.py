"""Error bounds for float32 results, from operation counts and sizes, never from measurements.

A sum of n products in any order is off by at most ``γ_n Σ|f||x|`` with ``γ_n = n u / (1 − n u)``
and u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1);
fused multiplication only lowers n. The sizes ``Σ|f||x|`` come from the same operation on absolute
values, so that each output has its own bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spotcore import reference
from spotcore.reference.spotnet_layer import apply_nonlinearity

Array = NDArray[np.float64]

U = 2.0**-24
TINY = float(np.finfo(np.float32).tiny)  # below it, products lose digits: n of them lose n TINY


def gamma_n(n: int) -> float:
    """Compute γ_n."""
    return n * U / (1 - n * U)


def operations(factors: Sequence[Array]) -> int:
    """Count the roundings on the way from an input of A or A* to an output.

    Two passes of L products each, then a sum over the R_k parts of each of K kernels.
    """
    return 2 * max(f.shape[1] for f in factors) + sum(f.shape[0] for f in factors)


def conv_bound(x: Array, factors: Sequence[Array]) -> Array:
    """Bound the error of each output of `separable_conv`: [K, H, W]."""
    n = operations(factors)
    size = reference.separable_conv(np.abs(x), [np.abs(f) for f in factors])
    return gamma_n(n) * size + n * TINY


def forward_bound(a: Array, factors: Sequence[Array]) -> Array:
    """Bound the error of each output of `forward`: [H, W]."""
    n = operations(factors)
    return gamma_n(n) * reference.forward(np.abs(a), [np.abs(f) for f in factors]) + n * TINY


def adjoint_bound(d: Array, factors: Sequence[Array]) -> Array:
    """Bound the error of each output of `adjoint`: [K, H, W]."""
    n = operations(factors)
    return gamma_n(n) * reference.adjoint(np.abs(d), [np.abs(f) for f in factors]) + n * TINY


def shrink_bound(x: Array) -> Array:
    """Bound the error of each output of `group_shrink` at x, and of ‖ξ⊙y‖₂ / max ξ: [H, W].

    Theorem 2: the norm r is off by (K/2 + 2) u r, hence ``r − γ`` by (K/2 + 3) u r, and each
    output, at most ``(r − γ) x / r``, by (K/2 + 6) u x.
    Theorem 1: let N be off by δ relative at the t that is taken for the root. With
    ``q = t/(ξ² + t)``, ``y = x q`` moves by ``δ x q(1 − q) Σ x²q(1 − q) / Σ x²q²(1 − q)``, which
    by Cauchy and Schwarz is at most ``δ ‖x‖₂``; δ is the rounding of N and of γ, (K/2 + 4) u, and
    the products that follow add 4 u.
    Both are below (K/2 + 10) u ‖[x]₊‖₂. Squares underflow below the root of TINY.
    """
    bins = x.shape[0]
    norm = np.sqrt((np.maximum(x, 0) ** 2).sum(axis=0))
    bound: Array = gamma_n(bins // 2 + 10) * norm + np.sqrt(bins * TINY)
    return bound


def spotnet_bound(
    image: Array, analysis: Array, synthesis: Array, bias: Array, alpha: Array, kind: str
) -> Array:
    """Bound the error of each output of SpotNet with ``b >= 0``: [K, H, W].

    Errors travel with the layers: a correlation adds ``γ_n Σ|g||x|`` and passes on what its input
    was off by with |g|. No non-linearity of one number expands distances. Group shrinkage scales by
    ``c = (1 − b/r)₊``, and ``|c' − c| <= |r' − r| / r``: off by e it moves x_k by
    ``e_k + x_k ‖e‖ / r`` at most. Each rounds a few times more.
    """
    bins, side = analysis.shape[1:3]
    u_roundings, x_roundings = gamma_n(bins * side**2 + 2), gamma_n(side**2 + 2)

    def through(x: Array, error: Array, b: float) -> Array:
        """Error after the non-linearity at x of what is off by `error`."""
        if kind != "group_nonneg":
            return error + gamma_n(4) * (np.abs(x) + error + abs(b))
        positive = np.maximum(x, 0)
        r = np.sqrt((positive**2).sum(axis=0))
        share = positive / np.where(r > 0, r, np.inf)
        moved = error + share * np.sqrt((error**2).sum(axis=0))
        return moved + gamma_n(bins // 2 + 10) * (positive + error)

    error = x_roundings * reference.correlate(np.abs(image)[None], np.abs(analysis[0])[:, None])
    x = reference.correlate(image[None], analysis[0][:, None])
    error = through(x, error, bias[0])
    x = apply_nonlinearity(x, bias[0], kind)
    z, z_error = (1 + alpha[0]) * x, (1 + abs(alpha[0])) * (error + gamma_n(3) * np.abs(x))
    for layer in range(1, len(analysis)):
        g, h = np.abs(analysis[layer])[:, None], np.abs(synthesis[layer - 1])[None]
        u = reference.correlate(z, synthesis[layer - 1][None]) - image
        u_error = reference.correlate(z_error, h)
        u_error += u_roundings * (reference.correlate(np.abs(z) + z_error, h) + np.abs(image))
        size = np.abs(z) + z_error + reference.correlate(np.abs(u) + u_error, g)
        next_error = z_error + reference.correlate(u_error, g) + x_roundings * size
        previous, previous_error = x, error
        x = z - reference.correlate(u, analysis[layer][:, None])
        error = through(x, next_error, bias[layer])
        x = apply_nonlinearity(x, bias[layer], kind)
        if layer < len(alpha):
            z = x + alpha[layer] * (x - previous)
            z_error = (1 + abs(alpha[layer])) * (error + gamma_n(3) * np.abs(x))
            z_error += abs(alpha[layer]) * (previous_error + gamma_n(6) * np.abs(previous))
    return error + TINY


def convnet_bound(image: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    """Bound the error of each output of ConvNet: [K, H, W]; errors travel as in SpotNet."""
    x, error = image[None], np.zeros((1, *image.shape))
    for kernels, bias in layers:
        n = kernels.shape[1] * kernels.shape[2] ** 2 + 1
        flat, size = np.abs(kernels), np.abs(x) + error
        # The kernels' absolute values on what is positive already: max(0, .) does nothing.
        rounding = gamma_n(n) * reference.convnet_layer(size, flat, np.abs(bias))
        error = reference.convnet_layer(error, flat, 0 * bias) + rounding
        x = reference.convnet_layer(x, kernels, bias)
    return error + TINY
