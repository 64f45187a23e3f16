"""Spots of cells by the physics of the assay, at any scale, and what can be seen of each."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.model.observation import ObservationModel
from spotcore.simulation.diffusion import secretion_matrix, sigma_grid
from spotcore.simulation.simulate import ISBI2019, pulses

__all__ = ["Spots", "blurred", "draw_spots"]

_BINS = (0, 1, 2, 3, 5, 8, 12, 18, 24, 30)  # of the assay's grid: fine where spots are narrow
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_LARGEST = 0.9  # of the logarithm of a spot's size
_GRAIN = 0.2  # of a spot's scale: a grain is a stained cell, around which little spreads
_STEP = 1.05  # scales are rounded to powers of it: wells share what a scale prepares


class Spots(NamedTuple):
    """Cells and the dye around them.

    Attributes
    ----------
    amount : ndarray, float32, shape [H, W]
        Dye per pixel; the strongest spot in its middle has a strength of about 1.
    cells : ndarray, float64, shape [n, 2]
        Positions (y, x), in pixels and parts of them.
    secretion : ndarray, float64, shape [n]
        Dye of each cell: the integral of its spot.
    psdr : ndarray, float64, shape [n, K]
        On the bins of `sigma_limits`.
    sigma_limits : ndarray, float64, shape [K + 1]
        In pixels.
    spread : float
        Standard deviation of the core and of the grains of a spot.
    """

    amount: NDArray[np.float32]
    cells: NDArray[np.float64]
    secretion: NDArray[np.float64]
    psdr: NDArray[np.float64]
    sigma_limits: NDArray[np.float64]
    spread: float = 0.0

    def profile(self, squared: NDArray[np.float64], blur: float) -> NDArray[np.float64]:
        """Return the dye of each cell [n] at a squared distance [n] from it, blurred."""
        variance, mass = self._gaussians(blur)
        falling = np.exp(-squared[:, None] / (2 * variance))
        return np.asarray(np.sum(mass / (2 * np.pi * variance) * falling, axis=1))

    def width(self, blur: float) -> NDArray[np.float64]:
        """Return the standard deviation [n] of a Gaussian as pointed as each spot."""
        variance, mass = self._gaussians(blur)
        peak = np.sum(mass / variance, axis=1)
        return np.asarray(np.sqrt(peak / np.maximum(np.sum(mass / variance**2, axis=1), 1e-300)))

    def _gaussians(self, blur: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Variances and dye of the Gaussians that each spot is made of, both [n, K * nodes].

        Within a bin the dye is even in sigma. A pixel of the source and one of the picture add a
        sixth of a square pixel, and so much more is added as a cell lies between pixels, which
        share it.
        """
        low, high = self.sigma_limits[:-1, None], self.sigma_limits[1:, None]
        sigma = ((low + high) / 2 + (high - low) / 2 * _NODES).ravel()
        mass = (self.psdr * np.sqrt(high - low).T)[:, :, None] * (_WEIGHTS / 2)
        part = self.cells - np.floor(self.cells)
        shared = np.mean(part * (1 - part), axis=1)[:, None]
        variance = sigma**2 + blur**2 + self.spread**2 + 1 / 6 + shared
        return variance, mass.reshape(len(mass), sigma.size)


def draw_spots(
    rng: np.random.Generator,
    inside: NDArray[np.bool_],
    n_cells: int,
    scale: float,
    spread: float,
    clustered: float = 0.0,
    grains: float = 0.0,
    sizes: float = 0.0,
    core: float = 0.0,
) -> Spots:
    """Place cells and let them secrete.

    Parameters
    ----------
    rng : numpy.random.Generator
    inside : ndarray of bool, shape [H, W]
        Where cells can lie.
    n_cells : int
        How many.
    scale : float
        Size of a spot, as a multiple of that in the SpotNet paper's images.
    spread : float
        Standard deviation of the logarithm of secretion.
    clustered : float
        Share of cells that lie near others.
    grains : float
        Mean number of further grains of a spot.
    sizes : float
        Standard deviation of the logarithm of a spot's size: particles spread further around some
        cells than around others.
    core : float
        Standard deviation of what a point becomes in the dye, in pixels.

    Returns
    -------
    Spots
    """
    cells = _positions(rng, inside, n_cells, clustered, 12.0 * scale)
    reach = 5.0 * scale if grains else 0.0
    scale = _rounded(scale * _GRAIN if grains else scale)
    n_cells = len(cells)
    assay = ISBI2019.assay
    times = np.sort(rng.uniform(*ISBI2019.pulse_window, size=(n_cells, 2)), axis=1)
    released = np.exp(rng.normal(0.0, spread, n_cells))
    fine = pulses(assay, times, released) @ secretion_matrix(assay)
    grid = sigma_grid(assay)
    factors = np.exp(np.clip(rng.normal(0.0, sizes, n_cells), -_LARGEST, _LARGEST))
    limits = grid[list(_BINS)] * scale * np.exp(_LARGEST if sizes else 0.0)
    # Dye within a limit, of a cell by its own grid.
    within = np.pad(np.cumsum(fine * np.sqrt(np.diff(grid)), axis=1), ((0, 0), (1, 0)))
    own = limits / (scale * factors[:, None])
    inside_limits = [np.interp(at, grid, total) for at, total in zip(own, within, strict=True)]
    mass = np.diff(np.reshape(inside_limits, (n_cells, len(limits))), axis=1)
    psdr = mass / np.sqrt(np.diff(limits))
    stack = _stack(*_grains(rng, cells, psdr, grains, reach), inside.shape)
    amount = blurred(_model(tuple(limits)).forward(stack, threads=1), core)
    spots = Spots(amount, cells, mass.sum(axis=1), psdr, limits, float(np.hypot(reach, core)))
    strongest = np.quantile(spots.profile(np.zeros(n_cells), 0.0), 0.95) if n_cells else 1.0
    return spots._replace(
        amount=amount / np.float32(strongest),
        secretion=spots.secretion / strongest,
        psdr=psdr / strongest,
    )


def _positions(
    rng: np.random.Generator,
    inside: NDArray[np.bool_],
    n_cells: int,
    clustered: float,
    reach: float,
) -> NDArray[np.float64]:
    """Draw positions inside, some of them near earlier ones."""
    free = np.flatnonzero(inside)
    if n_cells == 0 or len(free) == 0:
        return np.zeros((0, 2))
    height, width = inside.shape
    places = np.stack(np.divmod(rng.choice(free, n_cells), width), axis=1)
    cells = places + rng.uniform(-0.5, 0.5, (n_cells, 2))
    near = np.flatnonzero(rng.random(n_cells) < clustered)
    near = near[near > 0]
    moved = cells[(rng.random(len(near)) * near).astype(int)] + rng.normal(0, reach, (len(near), 2))
    y, x = np.clip(np.rint(moved), 0, (height - 1, width - 1)).astype(int).T
    there = inside[y, x]
    cells[near[there]] = moved[there]
    return np.clip(cells, 0, (height - 1, width - 1))


def _grains(
    rng: np.random.Generator,
    cells: NDArray[np.float64],
    psdr: NDArray[np.float64],
    mean: float,
    reach: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share each cell between grains around it: their positions and PSDRs."""
    if mean == 0:
        return cells, psdr
    counts = 1 + rng.poisson(mean, len(cells))
    of = np.repeat(np.arange(len(cells)), counts)
    share = rng.exponential(1.0, len(of))
    share /= np.bincount(of, share, minlength=len(cells))[of]
    return cells[of] + rng.normal(0.0, reach, (len(of), 2)), psdr[of] * share[:, None]


def _stack(
    cells: NDArray[np.float64], psdr: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Share each cell between the four pixels around it, [K, H, W]."""
    stack = np.zeros((psdr.shape[1], *shape), np.float32)
    cells = np.clip(cells, 0, np.array(shape) - 1)
    corner = np.floor(cells).astype(int)
    part = cells - corner
    for dy in (0, 1):
        for dx in (0, 1):
            y = np.minimum(corner[:, 0] + dy, shape[0] - 1)
            x = np.minimum(corner[:, 1] + dx, shape[1] - 1)
            weight = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            for plane, values in zip(stack, psdr.T, strict=True):
                np.add.at(plane, (y, x), values * weight)
    return stack


def blurred(plane: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return a plane [H, W] blurred by a Gaussian."""
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(plane, sigma, mode="nearest"), np.float32)


def _rounded(scale: float) -> float:
    return float(_STEP ** round(np.log(scale) / np.log(_STEP)))


@functools.lru_cache(maxsize=128)
def _model(limits: tuple[float, ...]) -> ObservationModel:
    return ObservationModel.gaussian(limits)
