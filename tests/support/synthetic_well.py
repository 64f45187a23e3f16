"""Pictures of wells drawn from known spots and artefacts, by nothing of the package."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import ndimage


def gaussian(shape, y, x, sy, sx):
    yy, xx = np.ogrid[: shape[0], : shape[1]]
    return np.exp(-((yy - y) ** 2) / (2 * sy**2) - (xx - x) ** 2 / (2 * sx**2)).astype(np.float32)


def line(shape, points, width):
    """Density 1 along a polygon of points (y, x), of Gaussian section."""
    drawn = np.zeros(shape)
    for (y0, x0), (y1, x1) in pairwise(points):
        n = 4 * int(max(abs(y1 - y0), abs(x1 - x0)) + 1)
        at = np.rint(np.linspace([y0, x0], [y1, x1], n)).astype(int)
        drawn[tuple(at.T)] = 1.0
    smooth = ndimage.gaussian_filter(drawn, width)
    return smooth / smooth.max()


def picture(density, *, seed=0, noise=1.5, white=215.0, darkest=25.0, bulge=0.0):
    """Grey levels (uint8) of a membrane with this optical density on it.

    Light falls off by 15 % towards the edge, the rim fades to white over some 4 px, what the light
    leaves below `darkest` is lost. `bulge` pixels of the edge stick out at one side.
    """
    h, w = density.shape
    y, x = np.indices(density.shape)
    cy, cx, radius = (h - 1) / 2, (w - 1) / 2, 0.45 * h
    turn = np.arctan2(y - cy, x - cx)
    away = np.hypot(y - cy, x - cx)
    edge = radius + bulge * np.exp(-((turn - 1.0) ** 2) / 0.2)
    light = white * (1 - 0.15 * (away / radius) ** 2) * 10.0**-density
    light = np.maximum(light, darkest)
    member = 1 / (1 + np.exp((away - edge) / 1.2))
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=density.shape), 0.7)
    grey = light * member + 255 * (1 - member) + noise / np.std(grain) * grain * member
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)
