"""What the wells' network sees of a picture: resampled, and in units that a camera cannot change.

Gain, offset, bit depth and inversion drop out by construction: from the grey levels a median of
their neighbourhood is taken off, and what is left is divided by its own typical size. Every step
treats rows as columns and beginnings as ends, so that a turned or flipped picture is seen turned or
flipped.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEAR", "STRIDE", "View", "contrast_view", "prominence", "resampled"]

STRIDE = 16
"""Sides of views are multiples of it, for the levels of the network."""
NEAR = 4.0
"""Standard deviation in pixels of a view: wider than a typical spot, narrower than a rim."""
BLUR = 0.75
"""Standard deviation in pixels of a view, over which a spot's prominence is measured."""
_BLOCK = 8  # pixels of a view: medians and typical sizes are of blocks
_AROUND = 9  # blocks, whose median is the background
_FINE, _COARSE = 1.0, 2.5  # pixels: the texture's scales
_QUIET = 0.1  # of the median texture: below, a block is no picture, but blackened
_UNIT = 4.0  # typical textures that are one unit of a view
_BESIDE = 5  # pairs of pixels, whose median is the level beside a spot
_GRAIN = 0.5  # pixels: blur of what is measured of the membrane
_INNER = 8  # pixels from what is no membrane


class View(NamedTuple):
    """A resampled picture.

    Attributes
    ----------
    pixels : ndarray, float32, shape [h, w]
        Multiples of `STRIDE`; the picture is in the middle, its edge continued.
    factor : float
        Pixels of the view for one of the picture.
    start : tuple of two floats
        Where the view begins, in pixels of the picture.
    """

    pixels: NDArray[np.float32]
    factor: float
    start: tuple[float, float]

    def to_picture(self, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions [n, 2] of the view in the picture."""
        return (yx + 0.5) / self.factor - 0.5 + self.start

    def to_view(self, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return positions [n, 2] of the picture in the view."""
        return (yx + 0.5 - self.start) * self.factor - 0.5


def resampled(grey: NDArray[np.float32], factor: float) -> View:
    """Return a picture [H, W] at another size, its middle in the middle.

    Parameters
    ----------
    grey : ndarray, float32, shape [H, W]
    factor : float
        Pixels of the view for one of the picture.

    Returns
    -------
    View
    """
    from PIL import Image

    sides = [STRIDE * math.ceil(size * factor / STRIDE - 1e-9) for size in grey.shape]
    start = [(size - side / factor) / 2 for size, side in zip(grey.shape, sides, strict=True)]
    margin = [math.ceil(max(0.0, -first)) for first in start]
    padded = np.pad(grey, [(m, m) for m in margin], mode="edge")
    low = [max(0.0, first + m) for first, m in zip(start, margin, strict=True)]
    high = [
        min(float(size), first + side / factor)
        for size, first, side in zip(padded.shape, low, sides, strict=True)
    ]
    pixels = padded
    if factor != 1.0 or any(first % 1.0 for first in low) or padded.shape != tuple(sides):
        box = (low[1], low[0], high[1], high[0])
        turned = Image.fromarray(padded).resize(tuple(sides[::-1]), Image.Resampling.BICUBIC, box)
        pixels = np.asarray(turned, np.float32)
    return View(pixels, factor, (start[0], start[1]))


def contrast_view(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what stands out of a view, in units of its typical texture, compressed.

    Far and near: over the median of the neighbourhood, and over the view blurred by `NEAR` pixels,
    for which a spot on the flank of a rim is still a spot.

    Parameters
    ----------
    pixels : ndarray, float32, shape [h, w]
        Grey levels; sides are multiples of `STRIDE`.

    Returns
    -------
    ndarray, float32, shape [2, h, w]
        ``asinh`` of both contrasts. Those of ``gain * pixels + offset`` are the same, their sign
        that of the gain.
    """
    from scipy import ndimage

    # About its own middle: what is added to all levels does not cost digits.
    middle = np.float32((float(pixels.min()) + float(pixels.max())) / 2)
    levels = pixels - middle
    ground = ndimage.median_filter(_blocks(levels), _AROUND, mode="nearest")
    ground = ndimage.gaussian_filter(ground, 1.0, mode="nearest")
    far = levels - ndimage.zoom(ground, _BLOCK, order=1, grid_mode=True, mode="nearest")
    fine, coarse, blurred = (
        ndimage.gaussian_filter(levels, scale, mode="nearest") for scale in (_FINE, _COARSE, NEAR)
    )
    texture = _blocks(np.abs(fine - coarse)).ravel()
    typical = float(np.median(texture[texture > 0.0])) if texture.any() else 0.0
    if typical == 0.0:
        return np.zeros((2, *levels.shape), np.float32)
    unit = _UNIT * float(np.median(texture[texture > _QUIET * typical]))
    contrast = np.stack([far, levels - blurred])
    return np.asarray(np.arcsinh(contrast / np.float32(unit)), np.float32)


def prominence(
    pixels: NDArray[np.float32], membrane: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], float]:
    """Return how far each pixel stands out of its neighbourhood, and the membrane's roughness.

    The roughness is the root mean square of what lies below its neighbourhood: there are no spots,
    whatever their number. The ratio of both is the same for ``gain * pixels + offset`` with a
    positive gain.

    Parameters
    ----------
    pixels : ndarray, float32, shape [h, w]
        Grey levels of a view, spots bright; sides are multiples of `STRIDE`.
    membrane : ndarray, bool, shape [h, w]
        Where to measure the roughness.

    Returns
    -------
    prominence : ndarray, float32, shape [h, w]
        In grey levels, blurred by `BLUR` pixels.
    roughness : float
        0 if nothing lies below.
    """
    from scipy import ndimage

    beside = ndimage.median_filter(_blocks(pixels, 2), _BESIDE, mode="nearest")
    over = pixels - ndimage.zoom(beside, 2, order=1, grid_mode=True, mode="nearest")
    grain = ndimage.gaussian_filter(over, _GRAIN, mode="nearest")
    inner = ndimage.binary_erosion(membrane, iterations=_INNER, border_value=1)
    below = grain[(inner if inner.any() else np.ones_like(inner)) & (grain < 0)]
    roughness = math.sqrt(np.mean(np.square(below, dtype=np.float64))) if below.size else 0.0
    return ndimage.gaussian_filter(over, BLUR, mode="nearest"), roughness


def _blocks(pixels: NDArray[np.float32], side: int = _BLOCK) -> NDArray[np.float32]:
    """Return means of blocks."""
    height, width = (size // side for size in pixels.shape)
    means = pixels.reshape(height, side, width, side).mean(axis=(1, 3))
    return np.asarray(means, np.float32)
