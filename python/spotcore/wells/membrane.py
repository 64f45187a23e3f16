"""The membrane of a well: where it is, its edge, its shading and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.wells.sight import Sight

__all__ = ["Circle", "background", "find_circle", "find_membrane", "pixel_noise"]

#: An edge is a circle if so many of its pixels lie within so many of it [px, or share of the
#: radius], and if they go round so much of it.
_FEWEST, _ON_CIRCLE, _ROUGH, _TRIMMED, _ROUNDS = 30, 1.5, 0.03, 2.5, 20
_LEAST_TURN = 1 / 6
_RIDGE = 0.02  # of a window's variance 1: keeps slopes finite where few pixels are in sight


@dataclass(frozen=True)
class Circle:
    """A round well.

    Attributes
    ----------
    y, x : float
        Centre in pixels.
    radius : float
        Radius of the edge in pixels.
    rim : float
        Width of what is left out inside of the edge, in pixels.
    """

    y: float
    x: float
    radius: float
    rim: float = 0.0

    def inside(self, shape: tuple[int, int], margin: float = 0.0) -> NDArray[np.bool_]:
        """Return the pixels that lie more than `margin` inside the edge, bool [H, W]."""
        y, x = np.ogrid[: shape[0], : shape[1]]
        limit = max(self.radius - margin, 0.0)
        return np.asarray((y - self.y) ** 2 + (x - self.x) ** 2 < limit**2)


def find_membrane(sight: Sight, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where a picture shows membrane, whatever lies on it.

    The largest part that is not outside of a well, with its holes filled.

    Parameters
    ----------
    sight : Sight
    shape : tuple of two ints
        Of the picture.

    Returns
    -------
    ndarray, bool, shape [H, W]
    """
    from scipy import ndimage

    outside = sight.probability_of("outside") > 0.5
    labels, count = ndimage.label(~outside)
    if count == 0:
        return np.zeros(shape, bool)
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    kept = ndimage.binary_fill_holes(labels == largest)
    rows, columns = (np.arange(size, dtype=np.float64) for size in shape)
    y = (sight.view.to_view(np.stack([rows, rows], 1))[:, 0] - 0.5) / 2
    x = (sight.view.to_view(np.stack([columns, columns], 1))[:, 1] - 0.5) / 2
    smooth = np.asarray(kept, np.float32)
    grid = np.meshgrid(y, x, indexing="ij")
    return np.asarray(ndimage.map_coordinates(smooth, grid, order=1, mode="nearest") > 0.5)


def find_circle(membrane: NDArray[np.bool_]) -> Circle | None:
    """Fit a circle to the edge of a membrane, without what hides it (Kasa, 1976, trimmed).

    Parameters
    ----------
    membrane : ndarray, bool, shape [H, W]

    Returns
    -------
    Circle or None
        None where the picture shows less than a sixth of an edge, or a ragged one.
    """
    from scipy import ndimage

    edge = membrane & ~ndimage.binary_erosion(membrane, border_value=1)
    edge[:2] = edge[-2:] = edge[:, :2] = edge[:, -2:] = False
    points = np.argwhere(edge).astype(np.float64)
    kept = np.ones(len(points), bool)
    y = x = radius = 0.0
    miss = np.zeros(len(points))
    for _ in range(_ROUNDS):
        if kept.sum() < _FEWEST:
            return None
        p = points[kept]
        design = np.column_stack([2 * p, np.ones(len(p))])
        (y, x, c), *_ = np.linalg.lstsq(design, (p**2).sum(axis=1), rcond=None)
        radius = math.sqrt(max(c + y**2 + x**2, 0.0))
        miss = np.abs(np.hypot(points[:, 0] - y, points[:, 1] - x) - radius)
        kept = miss <= max(_ON_CIRCLE, _TRIMMED * float(np.median(miss)))
    if float(np.median(miss)) > max(_ON_CIRCLE, _ROUGH * radius):
        return None
    turns = np.arctan2(*(points[kept] - (y, x)).T)
    seen = len(np.unique((turns * (180 / np.pi)).astype(int))) / 360
    return Circle(float(y), float(x), radius) if seen >= _LEAST_TURN else None


def background(
    signal: NDArray[np.float32],
    inside: NDArray[np.bool_],
    sigma: float,
    noise: float,
    rounds: int = 12,
) -> NDArray[np.float32]:
    """Fit the shading of the membrane locally by planes that spots cannot pull up.

    At each pixel a plane is fitted to the inside pixels under a Gaussian window; a plane, because
    near the rim a mean would be biased by the slope of the vignetting. What lies more than one
    `noise` above the fit is cut down to there, and the fit repeated.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image, spots bright.
    inside : ndarray, bool, shape [H, W]
        Pixels of the membrane.
    sigma : float
        Standard deviation of the window in pixels.
    noise : float
        Standard deviation of the noise.
    rounds : int
        How often the fit is repeated.

    Returns
    -------
    ndarray, float32, shape [H, W]
        The background; beyond the reach of the window from any inside pixel it means nothing.
    """
    from scipy import ndimage

    # Sums over blocks of pixels serve a window of three blocks as well, and much faster.
    block = max(1, int(sigma / 3))
    h, w = signal.shape
    sum_rows, sum_columns = _block_sums(h, block), _block_sums(w, block)
    rows, columns = _interpolation(h, block), _interpolation(w, block)

    def window(values: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = ndimage.gaussian_filter(values, sigma / block, mode="constant")
        return out

    def blocks(values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(sum_rows @ values @ sum_columns.T, np.float64)

    m = inside.astype(np.float32)
    count = blocks(m)
    # Coordinates in windows, from the image's centre: the moments below stay of order 1.
    centre = np.array(count.shape).reshape(2, 1, 1) / 2
    y, x = (np.indices(count.shape) - centre) * (block / sigma)
    mass = np.maximum(window(count), 1e-6)
    y0, x0 = window(count * y) / mass, window(count * x) / mass
    yy = window(count * y * y) / mass - y0**2 + _RIDGE
    xx = window(count * x * x) / mass - x0**2 + _RIDGE
    yx = window(count * y * x) / mass - y0 * x0
    determinant = yy * xx - yx**2
    cut = m * signal
    for _ in range(rounds):
        v = blocks(cut)
        mean = window(v) / mass
        vy, vx = window(v * y) / mass - mean * y0, window(v * x) / mass - mean * x0
        slope_y, slope_x = (vy * xx - vx * yx) / determinant, (vx * yy - vy * yx) / determinant
        at_blocks = (mean + slope_y * (y - y0) + slope_x * (x - x0)).astype(np.float32)
        plane: NDArray[np.float32] = rows @ at_blocks @ columns.T
        np.minimum(signal, plane + np.float32(noise), out=cut)
        cut *= m
    return plane


def _block_sums(n: int, block: int) -> NDArray[np.float32]:
    """Return the matrix [n blocks, n] that adds up n pixels block by block."""
    within = np.arange(n) // block == np.arange(-(-n // block))[:, None]
    return np.asarray(within, np.float32)


def _interpolation(n: int, block: int) -> NDArray[np.float32]:
    """Linear interpolation from the centres of blocks to n pixels, as a matrix [n, n blocks]."""
    centres = np.arange(-(-n // block)) * block + (block - 1) / 2
    each = [np.interp(np.arange(n), centres, e) for e in np.eye(len(centres))]
    return np.stack(each, axis=1).astype(np.float32)


def pixel_noise(signal: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Return the standard deviation of white noise, from second differences both ways.

    The mask is blind to planes and to most of a spot.

    References
    ----------
    Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996; with a median for the mean.
    """
    from scipy import ndimage

    once = signal[2:] - 2 * signal[1:-1] + signal[:-2]
    difference = (once[:, 2:] - 2 * once[:, 1:-1] + once[:, :-2]) / 6
    whole = ndimage.binary_erosion(inside, np.ones((3, 3), bool))[1:-1, 1:-1]
    return 1.4826 * float(np.median(np.abs(difference[whole]))) if whole.any() else 0.0
