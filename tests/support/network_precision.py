"""Error bounds for networks in float32, as those of `single_precision`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spotcore import reference
from spotcore.reference.spotnet_layer import apply_nonlinearity
from support.single_precision import TINY, Array, gamma_n


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
