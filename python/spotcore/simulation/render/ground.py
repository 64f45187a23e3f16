"""What a well looks like without cells: the lamp, the membrane, its edge and what is around it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.simulation.render.look import WellLook

__all__ = ["Ground", "draw_ground", "smooth_noise"]


class Ground(NamedTuple):
    """The well without cells.

    Attributes
    ----------
    lamp : ndarray, float32, shape [H, W]
        Light, about 1.
    texture : ndarray, float32, shape [H, W]
        Level of the membrane, about 1.
    inside : ndarray, float32, shape [H, W]
        1 on the membrane, 0 around the well, soft between.
    rim : ndarray, float32, shape [H, W]
        Optical density of the rim.
    """

    lamp: NDArray[np.float32]
    texture: NDArray[np.float32]
    inside: NDArray[np.float32]
    rim: NDArray[np.float32]


def draw_ground(rng: np.random.Generator, shape: tuple[int, int], look: WellLook) -> Ground:
    """Draw the well without cells.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of two ints
        Height and width in pixels.
    look : WellLook

    Returns
    -------
    Ground
    """
    height, width = shape
    y = (np.arange(height, dtype=np.float32) - np.float32(look.centre[0]))[:, None]
    x = (np.arange(width, dtype=np.float32) - np.float32(look.centre[1]))[None]
    turn = rng.uniform(0, np.pi)
    along, across = np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y
    stretched = np.hypot(along * (1 + look.ellipticity), across * (1 - look.ellipticity))
    distance = stretched / np.float32(look.radius)
    lamp = 1.0 + look.slope[0] * y / height + look.slope[1] * x / width
    lamp = np.maximum(lamp - look.vignette * np.minimum(distance, 1.3) ** 2, 0.05)
    texture = (
        1.0
        + look.grain * _skewed(smooth_noise(rng, shape, look.grain_size), look.specks)
        + look.mottle * smooth_noise(rng, shape, look.mottle_size)
    )
    if look.edge == 0:
        inside = np.ones(shape, np.float32)
        rim = np.zeros(shape, np.float32)
    else:
        # Uneven, as what is stained of a rim is.
        uneven = 1.0 + 0.4 * smooth_noise(rng, shape, look.radius / 8)
        beyond = np.clip((stretched - look.radius) / look.edge, -30.0, 30.0)
        inside = 1.0 / (1.0 + np.exp(beyond))
        rim = look.rim * np.exp(-0.5 * ((stretched - look.radius) / look.rim_width) ** 2) * uneven
        if look.ring:
            inner = stretched - look.radius + 2.0 * look.rim_width
            rim = rim + look.ring * np.exp(-0.5 * (inner / (0.5 * look.rim_width)) ** 2)
    return Ground(*(np.asarray(each, np.float32) for each in (lamp, texture, inside, rim)))


def _skewed(noise: NDArray[np.float32], skew: float) -> NDArray[np.float32]:
    """Return noise of mean 0 and variance 1 with bright specks, or dark ones where skew < 0."""
    if abs(skew) < 1e-3:
        return noise
    # Of exp(s n): mean exp(s^2 / 2), variance exp(s^2) (exp(s^2) - 1).
    of_mean = np.exp(skew**2 / 2)
    spread = of_mean * np.sqrt(np.expm1(skew**2))
    return np.asarray(np.sign(skew) * (np.exp(skew * noise) - of_mean) / spread, np.float32)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], sigma: float
) -> NDArray[np.float32]:
    """Return Gaussian noise of variance 1, correlated over `sigma` pixels, [H, W]."""
    from scipy import ndimage

    step = max(1, int(sigma / 2))
    small = tuple(-(-size // step) + 1 for size in shape)
    noise = rng.standard_normal(small, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma / step, mode="wrap")
    noise /= max(float(noise.std()), 1e-12)
    if step > 1:
        noise = ndimage.zoom(noise, step, order=1, grid_mode=True, mode="nearest")
    return np.asarray(noise[: shape[0], : shape[1]], np.float32)
