"""The wells' network, step by step: levels down, and up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["hourglass"]

Array = NDArray[np.float64]
Layer = tuple[Array, Array | None]


# x_0 = relu(lift * views + bias);   y = relu(down_l * mean2(x_{l-1}) + bias),
# x_l = relu(y + deepen_l * y);      back:  y = relu(x_{l-1} + twice(lower_l * z_l + bias)),
# z_{l-1} = relu(y + refine_l * y),  z_L = x_L;  head: read * relu(hidden * z + bias) + bias.
def hourglass(
    view: NDArray[np.float32], layers: Mapping[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run the network.

    Parameters
    ----------
    view : ndarray, [C, H, W]
        Sides are multiples of 2 to the number of levels.
    layers : mapping
        ``lift``: (kernels [outputs, inputs, S, S], bias [outputs] or None); ``down``, ``deepen``,
        ``lower``, ``refine``: a list of such, one a level; ``cells``, ``kinds``: a hidden layer and
        one that reads it.

    Returns
    -------
    cells : ndarray of float64, [outputs, H, W]
    kinds : ndarray of float64, [outputs, H / 2, W / 2]

    References
    ----------
    Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015.
    """
    kept = [_relu(_convolved(np.asarray(view, np.float64), layers["lift"]))]
    for down, deepen in zip(layers["down"], layers["deepen"], strict=True):
        y = _relu(_convolved(_mean2(kept[-1]), down))
        kept.append(_relu(y + _convolved(y, deepen)))
    z = kept[-1]
    kinds = np.zeros(0)
    for level in reversed(range(len(layers["down"]))):
        if level == 0:
            kinds = _head(z, layers["kinds"])
        y = _relu(kept[level] + _twice(_convolved(z, layers["lower"][level])))
        z = _relu(y + _convolved(y, layers["refine"][level]))
    return _head(z, layers["cells"]), kinds


def _relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def _convolved(x: Array, layer: Layer) -> Array:
    """Correlate [C, H, W] with kernels [K, C, S, S], zeros outside, and add the bias."""
    kernels, bias = layer
    half = kernels.shape[-1] // 2
    height, width = x.shape[1:]
    padded = np.pad(x, ((0, 0), (half, half), (half, half)))
    out = np.zeros((len(kernels), height, width))
    for dy in range(kernels.shape[2]):
        for dx in range(kernels.shape[3]):
            part = padded[:, dy : dy + height, dx : dx + width]
            out += np.einsum("kc,chw->khw", kernels[:, :, dy, dx].astype(np.float64), part)
    return out if bias is None else out + np.asarray(bias, np.float64)[:, None, None]


def _mean2(x: Array) -> Array:
    channels, height, width = x.shape
    return np.asarray(x.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4)))


def _twice(x: Array) -> Array:
    """Interpolate, three quarters of the nearer of two pixels along each axis."""
    for axis in (1, 2):
        last = x.shape[axis] - 1
        index = np.arange(last + 1)
        before, after = (np.take(x, np.clip(index + step, 0, last), axis=axis) for step in (-1, 1))
        pair = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape)
    return x


def _head(x: Array, layers: Sequence[Layer]) -> Array:
    hidden, read = layers
    return _convolved(_relu(_convolved(x, hidden)), read)
