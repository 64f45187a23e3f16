"""A made-up well to try things on: simulated cells on a round, shaded, noisy membrane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spotcore._arrays import as_count
from spotcore.simulation.simulate import render, simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["plate_like"]

MEMBRANE = 215.0  # grey level of the bare membrane
DENSITY = 0.6  # optical density of the darkest spot
NOISE = 1.5  # standard deviation in grey levels


def plate_like(
    n_cells: int = 250, size: int = 512, seed: int = 0, dark: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Simulate an 8-bit picture of a round well, as a plate reader would take it.

    Cells of the preset "isbi2019" lie in a disc. With `dark`, their image is a dye that absorbs
    light (Beer-Lambert) on a bright membrane, which the light leaves towards the rim, in a white
    surround; else it glows on a dark membrane in a black surround.

    Parameters
    ----------
    n_cells : int
        Number of cells.
    size : int
        Height and width in pixels.
    seed : int
        Seed of cells and noise.
    dark : bool
        Dark spots on bright, or bright ones on dark.

    Returns
    -------
    image : ndarray, uint8, shape [size, size]
    cells : ndarray, int64, shape [n_cells, 2]
        True positions (y, x) in pixels.

    Raises
    ------
    ValueError
        If there is not at least one cell or the size is below 64.
    """
    n_cells, size = as_count(n_cells, "n_cells", minimum=1), as_count(size, "size", minimum=64)
    centre, radius = (size - 1) / 2, 0.45 * size
    y, x = np.ogrid[:size, :size]
    distance = np.hypot(y - centre, x - centre)

    # Half of the square is disc: of so many, enough lie in it.
    everywhere = simulate(4 * n_cells + 50, (size, size), "isbi2019", bits=None, seed=seed)
    inside = distance[everywhere.cells[:, 0], everywhere.cells[:, 1]] < radius - 0.03 * size
    chosen = np.flatnonzero(inside)[:n_cells]
    cells = everywhere.cells[chosen]
    amount = render(cells, everywhere.psdr[chosen], (size, size), "isbi2019").astype(np.float64)
    amount /= amount.max()

    membrane = 1.0 / (1.0 + np.exp((distance - radius) / 1.5))  # 1 inside, a soft edge
    shading = 1.0 - 0.1 * (distance / radius) ** 2
    if dark:
        light = MEMBRANE * shading * 10.0 ** (-DENSITY * amount)
        surround = 255.0
    else:
        light = 20.0 * shading + 200.0 * amount
        surround = 0.0
    clean = membrane * light + (1.0 - membrane) * surround
    noisy = clean + NOISE * np.random.default_rng(seed + 1).standard_normal(clean.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), cells
