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
#: Levels, shares of the contrast between the well and what is around it, and smoothing [px] before
#: they are compared: the edge of the circle, and the true edge (the rim is bright where it ends).
_CIRCLE_LEVEL, _CIRCLE_SMOOTHING = 0.25, 1.5
_EDGE_LEVEL, _EDGE_SMOOTHING = 0.1, 1.0
#: A picture shows a well if at most this share of what lies so far outside [px] has such a level.
_AROUND_SHARE, _AROUND_FROM, _AROUND_LEVEL = 0.02, 4.0, 0.5
_ANGLES = np.linspace(0.0, 2 * np.pi, 360, endpoint=False)  # of the rays
_FEWEST = len(_ANGLES) / 3  # rays that agree on a circle
#: Rays go in steps of so many pixels, as far in as this share of the half picture.
_STEP, _INNERMOST = 0.5, 0.2
#: A point so near [px] lies on the circle. One within this many times the median distance stays in
#: the fit, which is made so often.
_ON_CIRCLE, _TRIMMED, _FITS = 2.0, 2.5, 20
#: The rim is looked for from outside the edge to inside, in shares of the radius; it ends where the
#: profile has this share of its steepest slope, and is so many pixels wide at least.
_RIM, _RIM_FLAT, _THINNEST_RIM = (-0.03, 0.15), 0.1, 1.0
_RAGGED = 0.05  # of the radius: the true edge is no farther from the circle
_THIN = 2  # pixels, half of what sticks out too thin to be the well
#: The picture's side over that of the squares in its corners, and over the margin of its middle.
_CORNER, _MIDDLE = 32, 4


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
    smooth = gaussian(image, _CIRCLE_SMOOTHING)
    outside, inside = _corner_level(image), _central_level(image)
    contrast = inside - outside
    if contrast == 0:
        return None
    relative = (smooth - outside) / contrast
    fit = _fit_circle(_edge_points(relative, _CIRCLE_LEVEL))
    if fit is None:
        return None
    y, x, radius, on_circle = fit
    away = ~Circle(y, x, radius, 0.0).inside((image.shape[0], image.shape[1]), -_AROUND_FROM)
    departs = relative > _AROUND_LEVEL
    if on_circle < _FEWEST or not away.any() or departs[away].mean() > _AROUND_SHARE:
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
    smooth = gaussian(image, _EDGE_SMOOTHING)
    departs = (smooth - outside) / (inside - outside) > _EDGE_LEVEL
    ragged = _RAGGED * circle.radius
    well = (departs | circle.inside(shape, ragged)) & circle.inside(shape, -ragged)
    well = ndimage.binary_opening(np.pad(well, _THIN, mode="edge"), iterations=_THIN)
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(well)
    return depth[_THIN:-_THIN, _THIN:-_THIN].astype(np.float32)


def _corner_level(image: NDArray[np.float32]) -> float:
    """Median grey level of the four corners: outside of any well that is wholly in the image."""
    n = max(2, min(image.shape) // _CORNER)
    return float(np.median([image[:n, :n], image[:n, -n:], image[-n:, :n], image[-n:, -n:]]))


def _central_level(image: NDArray[np.float32]) -> float:
    """Median grey level of the middle of the image."""
    h, w = image.shape
    top, left = h // _MIDDLE, w // _MIDDLE
    return float(np.median(image[top : h - top, left : w - left]))


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
    radii = np.arange(math.hypot(y, x), _INNERMOST * min(y, x), -_STEP)
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
    for _ in range(_FITS):
        if kept.sum() < 3:
            return None
        p = points[kept]
        design = np.column_stack([2 * p, np.ones(len(p))])
        (y, x, c), *_ = np.linalg.lstsq(design, (p**2).sum(axis=1), rcond=None)
        radius = math.sqrt(max(c + y**2 + x**2, 0.0))
        miss = np.abs(np.hypot(points[:, 0] - y, points[:, 1] - x) - radius)
        kept = miss <= max(_ON_CIRCLE, _TRIMMED * float(np.median(miss)))
    return float(y), float(x), radius, int((miss <= _ON_CIRCLE).sum())


def _rim_width(image: NDArray[np.float32], y: float, x: float, radius: float) -> float:
    """Distance from the edge to where the mean radial profile has flattened out, in pixels."""
    depth = np.arange(_RIM[0] * radius, _RIM[1] * radius, _STEP)
    with np.errstate(all="ignore"):
        profile = np.nanmedian(_polar(image, y, x, radius - depth), axis=0)
    slope = np.abs(np.gradient(profile))
    steepest = int(np.nanargmax(slope))
    flat = np.nonzero(slope[steepest:] <= _RIM_FLAT * slope[steepest])[0]
    return float(max(depth[steepest + flat[0]] if len(flat) else depth[-1], _THINNEST_RIM))
