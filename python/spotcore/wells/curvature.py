"""Second derivatives of a smoothed image: what tells a peak from a ridge and from noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from spotcore import _core
from spotcore.wells.gaussian import gaussian, length

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Curvature",
    "climb",
    "curvature_noise",
    "matched",
    "principal_curvatures",
    "summits",
]


@dataclass(frozen=True, eq=False)
class Curvature:
    """``-scale^2 * Hessian(G_scale * signal)``: Lindeberg's scale-normalised second derivatives.

    Positive at peaks, in the unit of the signal. A Gaussian spot of amplitude A and standard
    deviation `scale` has A/4 in all directions.

    Attributes
    ----------
    yy, xx, yx : ndarray, float32, shape [H, W]
        The three different elements.
    scale : float
        Standard deviation of the smoothing in pixels.

    References
    ----------
    Lindeberg, "Feature detection with automatic scale selection", IJCV 30(2), 1998.
    """

    yy: NDArray[np.float32]
    xx: NDArray[np.float32]
    yx: NDArray[np.float32]
    scale: float

    @classmethod
    def of(cls, signal: NDArray[np.float32], scale: float) -> Curvature:
        """Compute it for an image [H, W], continued by its border's values."""
        yy, yx, xx = (gaussian(signal, scale, order) for order in ((2, 0), (1, 1), (0, 2)))
        for part in (yy, yx, xx):
            part *= np.float32(-(scale**2))
        return cls(yy, xx, yx, scale)

    @cached_property
    def principal(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The weaker and the stronger principal curvature, [H, W] each."""
        mean = (self.yy + self.xx) / np.float32(2)
        spread = length((self.yy - self.xx) / np.float32(2), self.yx)
        return mean - spread, mean + spread

    def continuity(self, yx: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tell how far a ridge runs on from each point, along itself in both directions.

        That is the curvature across the ridge at `_STEPS` scales' distance, the smallest of them,
        relative to the one at the point itself: near 1 on a line, near 0 or below on a spot,
        whatever its own elongation.

        Parameters
        ----------
        yx : ndarray, int64, shape [n, 2]
            Points in pixels.

        Returns
        -------
        ndarray, float64, shape [n]
        """
        y, x = yx[:, 0], yx[:, 1]
        yy, xx, cross = (part[y, x].astype(np.float64) for part in (self.yy, self.xx, self.yx))
        angle = 0.5 * np.arctan2(2 * cross, yy - xx)  # of the stronger curvature, from the y axis
        across_y, across_x = np.cos(angle), np.sin(angle)
        here = (yy + xx) / 2 + np.hypot((yy - xx) / 2, cross)
        least = np.full(len(yx), np.inf)
        for step in _STEPS:
            for way in (-step * self.scale, step * self.scale):
                v = np.clip(np.rint(y - way * across_x).astype(int), 0, self.yy.shape[0] - 1)
                u = np.clip(np.rint(x + way * across_y).astype(int), 0, self.yy.shape[1] - 1)
                there = (
                    across_y**2 * self.yy[v, u]
                    + across_x**2 * self.xx[v, u]
                    + 2 * across_y * across_x * self.yx[v, u]
                )
                least = np.minimum(least, there)
        return np.asarray(least / np.maximum(here, np.finfo(np.float64).tiny))


_STEPS = (3.0, 5.0)


def principal_curvatures(
    signal: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weaker and stronger principal curvature [H, W] of a smoothed image, positive at peaks.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image, spots bright.
    scale : float
        Standard deviation of the smoothing in pixels.

    Returns
    -------
    weaker, stronger : ndarray, float32, shape [H, W]
    """
    return Curvature.of(signal, scale).principal


def curvature_noise(noise: float, scale: float) -> float:
    """Return the standard deviation of a second derivative of smoothed white noise.

    That of ``scale^2 * d^2/dx^2 (G_scale * n)`` is ``noise / scale * sqrt(3 / (16 pi))``, from the
    L2 norm of a Gaussian's second derivative.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise.
    scale : float
        Standard deviation of the smoothing in pixels.

    Returns
    -------
    float
    """
    return noise / scale * float(math.sqrt(3 / (16 * math.pi)))


def matched(
    weaker: NDArray[np.float32], stronger: NDArray[np.float32], noise: float, scale: float
) -> NDArray[np.float32]:
    """Return the mean curvature [H, W] in standard deviations of the noise: the matched filter."""
    # The mean curvature, half the Laplacian, has 2/3 of the variance of one of them.
    unit = 2 * math.sqrt(2 / 3) * curvature_noise(noise, scale)
    strength: NDArray[np.float32] = (weaker + stronger) / max(unit, float(np.finfo(float).tiny))
    return strength


def climb(landscape: NDArray[np.floating]) -> NDArray[np.int64]:
    """Find the maximum that steepest ascent leads to from every pixel.

    Each pixel points to the highest of its 3x3 neighbourhood, and the pointers are followed.

    Parameters
    ----------
    landscape : ndarray, shape [H, W]

    Returns
    -------
    ndarray, int64, shape [H, W]
        Flat index of the maximum.
    """
    return _core.climb(np.ascontiguousarray(landscape, np.float32))


def summits(basin: NDArray[np.int64], seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find the maxima that lie where `seen` holds.

    Parameters
    ----------
    basin : ndarray, int64, shape [H, W]
        From `climb`.
    seen : ndarray, bool, shape [H, W]

    Returns
    -------
    ndarray, int64, shape [n]
        Flat indices, increasing.
    """
    flat = basin.reshape(-1)
    return np.flatnonzero((flat == np.arange(flat.size)) & seen.reshape(-1))
