"""Points in a round well."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def disc(rng: np.random.Generator, n: int, radius: float = 240.0, power: float = 0.5) -> Points:
    """Points in a disc round (256, 256), uniform; with a larger power the centre is crowded."""
    angle, r = rng.uniform(0, 2 * np.pi, n), radius * rng.random(n) ** power
    return np.stack([256 + r * np.sin(angle), 256 + r * np.cos(angle)], axis=1)
