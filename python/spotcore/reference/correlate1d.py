"""A correlation along one axis of an image."""

from __future__ import annotations

import numpy as np

from spotcore.reference._jit import Array


# out_p = Σ_t taps_t image_{p + t − r},   r = ⌊L / 2⌋, indices held within the image
def correlate1d(image: Array, taps: Array, axis: int) -> Array:
    """Correlate an image, which goes on with its border's values, along one axis.

    Parameters
    ----------
    image : ndarray of float64, [H, W]
        The image.
    taps : ndarray of float64, [L]
        An odd number of them.
    axis : {0, 1}
        Along y or along x.

    Returns
    -------
    ndarray of float64, [H, W]
        The weighted sums.
    """
    size = image.shape[axis]
    out = np.zeros(image.shape)
    for t, tap in enumerate(taps):
        source = np.clip(np.arange(size) + t - len(taps) // 2, 0, size - 1)
        out += tap * np.take(image, source, axis=axis)
    return out
