"""Crops of simulated images for training, each decided by the recipe's seed and a number alone.

Nothing here has a state that a checkpoint would have to hold: image i and batch i are functions of
the seed, so that a run that goes on after a kill sees what an uninterrupted one sees.
"""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore.simulation.simulate import Simulation, simulate
from spotcore.train.recipes import FIRST_TRAINING_SEED, Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Batch", "Images", "draw_batch", "training_image", "typical_score", "validation_images"]

_FULL_SCALE = 255.0
# A run's seeds start here for each of its seeds, far enough apart for any number of images.
_SEEDS_PER_RUN = 10**6


@dataclass(frozen=True, eq=False)
class Batch:
    """Crops with their truth, images and PSDRs divided by 255.

    Attributes
    ----------
    image : ndarray, float32, shape [B, C, C]
        What the network sees.
    mask : ndarray, float32, shape [B, C, C]
        1 where its output is what it would be on the whole image, 0 elsewhere.
    where : ndarray, int64, shape [n, 3]
        Crop, row and column of each pixel with cells, within the mask, each pixel once.
    psdr : ndarray, float32, shape [n, K]
        PSDRs there, those of cells on one pixel added.
    cells : ndarray, int64, shape [m, 3]
        Crop, row and column of every cell in the crops, within the mask or not.
    heat : ndarray, float32, shape [B, C, C]
        Peaks of height 1 at the cells.
    typical : ndarray, float32, shape [B]
        `typical_score` of the image each crop is from.
    power : ndarray, float32, shape [B]
        Mean square of the PSDR maps of the image each crop is from.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.float32]
    where: NDArray[np.int64]
    psdr: NDArray[np.float32]
    cells: NDArray[np.int64]
    heat: NDArray[np.float32]
    typical: NDArray[np.float32]
    power: NDArray[np.float32]


def training_image(recipe: Recipe, index: int) -> Simulation:
    """Simulate training image `index` of a recipe."""
    seed = FIRST_TRAINING_SEED + _SEEDS_PER_RUN * recipe.seed + index
    rng = np.random.default_rng([seed, 1])
    low, high = recipe.cells
    return simulate(
        round(math.exp(rng.uniform(math.log(low), math.log(high)))),
        (recipe.image_size, recipe.image_size),
        recipe.presets[rng.integers(len(recipe.presets))],
        int(recipe.bits[rng.integers(len(recipe.bits))]),
        seed,
    )


def validation_images(recipe: Recipe) -> list[Simulation]:
    """Simulate the validation images of a recipe, with seeds that no training image has."""
    shape = (recipe.image_size, recipe.image_size)
    first = FIRST_TRAINING_SEED + _SEEDS_PER_RUN * (recipe.seed + 1) - len(recipe.validation)
    return [
        simulate(n_cells, shape, "isbi2019", 6, first + index)
        for index, n_cells in enumerate(recipe.validation)
    ]


def typical_score(psdr: NDArray[np.float64]) -> float:
    """Median of the cells' mean PSDR, each cell weighted by its own; `psdr` [n, K], 0 if empty."""
    score = np.sort(psdr.mean(axis=1))
    mass = np.cumsum(score)
    return float(score[np.searchsorted(mass, mass[-1] / 2.0)]) if len(score) else 0.0


class Images:
    """The images that crops are drawn from, simulated ahead in a thread of its own."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._executor = ThreadPoolExecutor(1)
        self._images: dict[int, Future[Simulation]] = {}

    def at(self, step: int) -> list[Simulation]:
        """Return the images of a step; those of the next refresh are started on the way."""
        recipe = self._recipe
        first = step // recipe.refresh if recipe.refresh else 0
        ahead = 2 if recipe.refresh else 0
        for index in range(first, first + recipe.images + ahead):
            if index not in self._images:
                self._images[index] = self._executor.submit(training_image, recipe, index)
        for index in [index for index in self._images if index < first]:
            del self._images[index]
        return [self._images[index].result() for index in range(first, first + recipe.images)]

    def close(self) -> None:
        """Stop simulating."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def draw_batch(recipe: Recipe, step: int, images: list[Simulation], reach: int) -> Batch:
    """Draw the crops of a step from the images of that step.

    `reach` is how many pixels around an output pixel the network looks. Windows are drawn as if
    they could hang over the image by that much and pushed back inside, so that pixels near the
    border are within the mask as often as others.
    """
    rng = np.random.default_rng([FIRST_TRAINING_SEED, recipe.seed, step])
    crops = []
    for number in range(recipe.batch):
        simulation = images[int(rng.integers(len(images)))]
        space = recipe.image_size - recipe.crop
        hang = min(reach, space)
        y, x = (int(np.clip(rng.integers(-hang, space + hang + 1), 0, space)) for _ in range(2))
        turn = int(rng.integers(8)) if recipe.augment else 0
        crops.append(_crop(simulation, number, (y, x), recipe, reach, turn))
    return Batch(
        image=np.stack([crop.image for crop in crops]),
        mask=np.stack([crop.mask for crop in crops]),
        where=np.concatenate([crop.where for crop in crops]),
        psdr=np.concatenate([crop.psdr for crop in crops]),
        cells=np.concatenate([crop.cells for crop in crops]),
        heat=np.stack([crop.heat for crop in crops]),
        typical=np.array([crop.typical for crop in crops], dtype=np.float32),
        power=np.array([crop.power for crop in crops], dtype=np.float32),
    )


def _crop(
    simulation: Simulation,
    number: int,
    corner: tuple[int, int],
    recipe: Recipe,
    reach: int,
    turn: int,
) -> Batch:
    """Cut crop `number` at `corner` (y, x); fields without the leading axis B."""
    side, size = recipe.crop, recipe.image_size
    y, x = corner
    image = simulation.image[y : y + side, x : x + side] / np.float32(_FULL_SCALE)
    mask = np.zeros((side, side), dtype=np.float32)
    valid = [
        slice(0 if start == 0 else reach, side if start + side == size else side - reach)
        for start in corner
    ]
    mask[valid[0], valid[1]] = 1.0

    cells = simulation.cells - np.array(corner)
    psdr = simulation.psdr / _FULL_SCALE
    near = np.all((cells >= -3) & (cells < side + 3), axis=1)
    heat = _heat(cells[near], side, recipe.target_sigma)
    inside = np.all((cells >= 0) & (cells < side), axis=1)
    cells, amounts = cells[inside], psdr[inside]
    image, mask, heat = (_turned(plane, turn) for plane in (image, mask, heat))
    cells = _turned_cells(cells, side, turn)
    kept = mask[cells[:, 0], cells[:, 1]] > 0
    pixels, owner = np.unique(cells[kept], axis=0, return_inverse=True)
    sums = np.zeros((len(pixels), psdr.shape[1]))
    np.add.at(sums, owner.reshape(-1), amounts[kept])
    where, numbered = (
        np.concatenate([np.full((len(places), 1), number), places], axis=1)
        for places in (pixels, cells)
    )
    power = float((psdr**2).sum()) / (psdr.shape[1] * size * size)
    return Batch(
        image,
        mask,
        where.astype(np.int64),
        sums.astype(np.float32),
        numbered.astype(np.int64),
        heat,
        np.float32(typical_score(psdr)),  # type: ignore[arg-type]
        np.float32(power),  # type: ignore[arg-type]
    )


def _heat(cells: NDArray[np.int64], side: int, sigma: float) -> NDArray[np.float32]:
    """Gaussian peaks of height 1 at cells [n, 2], the larger where they overlap; [C, C]."""
    border = 6
    heat = np.zeros((side + 2 * border,) * 2, dtype=np.float32)
    dy, dx = (d.reshape(-1) for d in np.mgrid[-3:4, -3:4])
    peak = np.exp(-(dy**2 + dx**2) / (2.0 * sigma**2)).astype(np.float32)
    y = cells[:, :1] + dy + border
    x = cells[:, 1:] + dx + border
    np.maximum.at(heat, (y, x), np.broadcast_to(peak, y.shape))
    return heat[border:-border, border:-border]


def _turned(plane: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
    """One of the eight symmetries of the square."""
    turned = plane.T if turn & 4 else plane
    turned = turned[::-1] if turn & 2 else turned
    return np.ascontiguousarray(turned[:, ::-1] if turn & 1 else turned)


def _turned_cells(cells: NDArray[np.int64], side: int, turn: int) -> NDArray[np.int64]:
    """Positions [n, 2] after `_turned`."""
    y, x = cells.T
    if turn & 4:
        y, x = x, y
    if turn & 2:
        y = side - 1 - y
    if turn & 1:
        x = side - 1 - x
    return np.stack([y, x], axis=1)
