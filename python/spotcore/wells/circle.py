"""Where the round well is: its edge, its rim, its inside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore.wells.gaussian import gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Circle", "find_well", "flat_part", "well_depth"]

_SMALLEST = 32  # pixels across: below, there is no telling a rim from a spot


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
        Width of the edge's blur in pixels: so far inside of the edge the membrane begins.
    """

    y: float
    x: float
    radius: float
    rim: float

    def inside(self, shape: tuple[int, int], margin: float = 0.0) -> NDArray[np.bool_]:
        """Return the pixels that lie more than `margin` inside the edge, bool [H, W]."""
        y, x = np.ogrid[: shape[0], : shape[1]]
        limit = max(self.radius - margin, 0.0)
        return np.asarray((y - self.y) ** 2 + (x - self.x) ** 2 < limit**2)


def find_well(image: NDArray[np.float32]) -> Circle | None:
    """Find the round well in an image, or None where there is none.

    Rays run inwards from outside the image; on each, the edge is where the grey level first
    departs from the level of the image's corners. A circle is fitted to these points, dropping
    what does not lie on it (spots and hairs on the rim). It is a well only if a third of the rays
    agree within 2 px and hardly anything but the corners' level lies outside of it.

    Parameters
    ----------
    image : ndarray, float32, shape [H, W]
        Grey levels.

    Returns
    -------
    Circle or None
    """
    if min(image.shape) < _SMALLEST:
        return None
    smooth = gaussian(image, 1.5)
    outside, inside = _corner_level(image), _central_level(image)
    contrast = inside - outside
    if contrast == 0:
        return None
    points = _edge_points((smooth - outside) / contrast, 0.25)
    fit = _fit_circle(points)
    if fit is None:
        return None
    y, x, radius, on_circle = fit
    away = ~Circle(y, x, radius, 0.0).inside((image.shape[0], image.shape[1]), -4.0)
    departs = (smooth - outside) / contrast > 0.5
    if on_circle < len(_ANGLES) / 3 or not away.any() or departs[away].mean() > 0.02:
        return None
    return Circle(y, x, radius, _rim_width(image, y, x, radius))


def flat_part(shape: tuple[int, int], circle: Circle | None) -> NDArray[np.bool_]:
    """Return the pixels [H, W] of the membrane without its rim; all of them without a circle."""
    return np.ones(shape, bool) if circle is None else circle.inside(shape, circle.rim)


def well_depth(image: NDArray[np.float32], circle: Circle | None) -> NDArray[np.float32]:
    """Distance of each pixel from the well's true edge, which is a circle only roughly.

    The well is all that departs from the corners' level, at most `_RAGGED` of the radius away from
    the circle, without what sticks out of it thinner than 5 px.

    Parameters
    ----------
    image : ndarray, float32, shape [H, W]
        Grey levels.
    circle : Circle or None
        From `find_well`.

    Returns
    -------
    ndarray, float32, shape [H, W]
        Depth below the edge in pixels, 0 outside. Where the image cuts the well off there is no
        edge; where there is no circle, the depth is infinite.
    """
    from scipy import ndimage

    if circle is None:
        return np.full(image.shape, np.inf, np.float32)
    shape = (image.shape[0], image.shape[1])
    outside, inside = _corner_level(image), _central_level(image)
    smooth = gaussian(image, 1.0)
    departs = (smooth - outside) / (inside - outside) > _EDGE_LEVEL
    ragged = _RAGGED * circle.radius
    well = (departs | circle.inside(shape, ragged)) & circle.inside(shape, -ragged)
    well = ndimage.binary_opening(np.pad(well, 2, mode="edge"), iterations=2)
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(well)
    return depth[2:-2, 2:-2].astype(np.float32)


_RAGGED = 0.05
_EDGE_LEVEL = 0.1  # of the contrast between well and surround: the rim is bright where it ends


def _corner_level(image: NDArray[np.float32]) -> float:
    """Median grey level of the four corners: outside of any well that is wholly in the image."""
    n = max(2, min(image.shape) // 32)
    return float(np.median([image[:n, :n], image[:n, -n:], image[-n:, :n], image[-n:, -n:]]))


def _central_level(image: NDArray[np.float32]) -> float:
    """Median grey level of the middle of the image."""
    h, w = image.shape
    return float(np.median(image[h // 4 : h - h // 4, w // 4 : w - w // 4]))


_ANGLES = np.linspace(0.0, 2 * np.pi, 360, endpoint=False)


def _polar(
    image: NDArray[np.float32], y: float, x: float, radii: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Sample an image on rays [360, n radii], NaN outside of it."""
    from scipy import ndimage

    at = [y + np.outer(np.sin(_ANGLES), radii), x + np.outer(np.cos(_ANGLES), radii)]
    sampled: NDArray[np.float32] = ndimage.map_coordinates(image, at, order=1, cval=np.nan)
    return sampled


def _edge_points(relative: NDArray[np.float32], level: float) -> NDArray[np.float64]:
    """Return the first point above `level` of each inward ray that does not start above, [n, 2]."""
    y, x = (relative.shape[0] - 1) / 2, (relative.shape[1] - 1) / 2
    radii = np.arange(math.hypot(y, x), 0.2 * min(y, x), -0.5)
    rays = _polar(relative, y, x, radii)
    known = ~np.isnan(rays)
    first = np.argmax(known & (np.nan_to_num(rays) > level), axis=1)
    start = np.argmax(known, axis=1)
    edge = first > start  # argmax gives 0 where nothing was found
    r = radii[first[edge]]
    return np.stack([y + r * np.sin(_ANGLES[edge]), x + r * np.cos(_ANGLES[edge])], axis=1)


def _fit_circle(points: NDArray[np.float64]) -> tuple[float, float, float, int] | None:
    """Fit a circle by least squares, trimming outliers; return it with the number of points on it.

    The algebraic fit (Kasa, 1976) ``y^2 + x^2 = 2 y yc + 2 x xc + c`` is linear, and unbiased
    enough where the points go round most of the circle, which the caller demands.
    """
    kept = np.ones(len(points), dtype=bool)
    y = x = radius = 0.0
    for _ in range(20):
        if kept.sum() < 3:
            return None
        p = points[kept]
        design = np.column_stack([2 * p, np.ones(len(p))])
        (y, x, c), *_ = np.linalg.lstsq(design, (p**2).sum(axis=1), rcond=None)
        radius = math.sqrt(max(c + y**2 + x**2, 0.0))
        miss = np.abs(np.hypot(points[:, 0] - y, points[:, 1] - x) - radius)
        kept = miss <= max(2.0, 2.5 * float(np.median(miss)))
    return float(y), float(x), radius, int((miss <= 2.0).sum())


def _rim_width(image: NDArray[np.float32], y: float, x: float, radius: float) -> float:
    """Distance from the edge to where the mean radial profile has flattened out, in pixels."""
    depth = np.arange(-0.03 * radius, 0.15 * radius, 0.5)
    with np.errstate(all="ignore"):
        profile = np.nanmedian(_polar(image, y, x, radius - depth), axis=0)
    slope = np.abs(np.gradient(profile))
    steepest = int(np.nanargmax(slope))
    flat = np.nonzero(slope[steepest:] <= 0.1 * slope[steepest])[0]
    return float(max(depth[steepest + flat[0]] if len(flat) else depth[-1], 1.0))
