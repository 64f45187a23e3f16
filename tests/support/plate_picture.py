"""Pictures of whole plates, rendered: where the wells are is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spotcore.plates.wells import PlateFormat


def plate_picture(
    plate: PlateFormat,
    pitch: float,
    *,
    angle: float = 0.0,
    margin: tuple[float, float] = (1.0, 1.0),
    cut: tuple[float, float] = (0.0, 0.0),
    noise: float = 3.0,
    radius: float = 0.36,
    spots: int = 12,
    wells: tuple[float, float] = (190.0, 120.0),
    seed: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Render a plate and return it with its wells' centres [n, 2], row by row.

    `margin` is what lies around the first well's centre, `cut` what is missing at the right and at
    the bottom, in pitches; `wells` the grey levels of membrane and plastic.
    """
    rng = np.random.default_rng(seed)
    turn = math.radians(angle)
    rows, columns = np.mgrid[: plate.rows, : plate.columns]
    steps = np.stack([rows.ravel(), columns.ravel()], axis=1) * pitch
    across = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    centres = steps @ across  # a step right goes down by sin
    low, high = centres.min(axis=0), centres.max(axis=0)
    centres = centres - low + np.array(margin) * pitch
    size = np.ceil(high - low + (2 * np.array(margin) - np.array(cut)) * pitch).astype(int)
    y, x = np.mgrid[: size[0], : size[1]]
    picture = np.full(tuple(size), float(wells[1]))
    for centre in centres:
        reach = math.ceil(0.5 * pitch)
        top, left = (max(0, math.floor(c) - reach) for c in centre)
        box = np.s_[top : math.ceil(centre[0]) + reach + 1, left : math.ceil(centre[1]) + reach + 1]
        if picture[box].size == 0:
            continue
        distance = np.hypot(y[box] - centre[0], x[box] - centre[1])
        disc = 1 / (1 + np.exp((distance - radius * pitch) / (0.012 * pitch + 0.3)))
        level = np.full(disc.shape, float(wells[0]))
        for _ in range(spots):
            r, a = radius * pitch * 0.85 * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
            at = centre + r * np.array([math.sin(a), math.cos(a)])
            far = np.hypot(y[box] - at[0], x[box] - at[1])
            level -= 90 * np.exp(-0.5 * (far / (0.02 * pitch)) ** 2)
        picture[box] = picture[box] * (1 - disc) + np.maximum(level, 20) * disc
    shading = 1 - 0.2 * ((y / size[0] - 0.4) ** 2 + (x / size[1] - 0.6) ** 2)
    noisy = ndimage.gaussian_filter(picture * shading, 0.6) + rng.normal(0, noise, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), centres


def negatives(seed: int = 0) -> dict[str, NDArray[Any]]:
    """Pictures without a grid."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:700, :1000]
    text = np.full((700, 1000), 235.0)
    for line in range(20, 680, 26):
        for at in range(30, 960, 11):
            if rng.random() < 0.8:
                text[line : line + 12, at : at + rng.integers(3, 9)] = 30
    one = np.where(np.hypot(y - 350, x - 500) < 300, 190.0, 60.0)
    for _ in range(60):
        at = rng.uniform(200, 500), rng.uniform(300, 700)
        one -= 80 * np.exp(-0.5 * (np.hypot(y - at[0], x - at[1]) / 6) ** 2)
    return {
        "uniform": np.full((700, 1000), 128.0),
        "noise": rng.normal(128, 30, (700, 1000)),
        "gradient": 0.2 * x + 0.1 * y,
        "text": text,
        "one well": one,
        "waves": 128 + 60 * np.sin(x / 17),
    }
