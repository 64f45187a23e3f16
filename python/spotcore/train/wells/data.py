"""Crops of simulated wells as the network sees them, and what it is asked of each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spotcore.images.picture import LUMINANCE
from spotcore.networks.hourglass import KINDS
from spotcore.simulation.render import ARTEFACTS, DYES, SimulatedWell, simulate_well
from spotcore.simulation.render.well import ANSWER, white_passed
from spotcore.wells.detector import TYPICAL_WIDTH
from spotcore.wells.view import View, contrast_view, resampled

__all__ = ["CROP", "HELD_OUT", "SEEN", "UNSEEN", "Crop", "Crops", "Shown", "crops", "cut", "shown"]

Image = NDArray[np.float32]

CROP = 128
"""Pixels of a crop's side."""
SEEN, UNSEEN = 7.0, 4.0
"""Visibility of cells that tell a typical width, and below which none is listed."""
HELD_OUT = 10_000_000
"""First seed of wells that nothing is trained on."""
_FINEST = 0.6  # pixels of a view: width of a spot that it still shows
_BEYOND = 8  # pixels around a crop, in which cells are listed
_FEWEST = 3  # cells that tell a typical width
_KIND_OF = {
    "scratch": "scratch", "hair": "scratch", "fibre": "scratch", "arc": "scratch",
    "dust": "dust", "bubble": "dust", "smear": "blotch", "blotch": "blotch", "bar": "writing",
}  # fmt: skip


class Shown(NamedTuple):
    """The grey picture of a simulated well as it was saved, perhaps more than once.

    Attributes
    ----------
    grey : ndarray, float32, shape [H, W]
        Spots are bright in it.
    well : SimulatedWell
        Whose `visibility` is that in this picture.
    kinds : ndarray, uint8, shape [H, W]
        Numbers of `KINDS`.
    """

    grey: Image
    well: SimulatedWell
    kinds: NDArray[np.uint8]

    @property
    def typical_width(self) -> float | None:
        """Median width of the spots that can be seen, in pixels."""
        seen = self.well.width[(self.well.hidden_by < 0) & (self.well.visibility > SEEN)]
        return float(np.median(seen)) if len(seen) >= _FEWEST else None


class Crop(NamedTuple):
    """A part of a view.

    Attributes
    ----------
    view : ndarray, float16, shape [2, CROP, CROP]
    cells : ndarray, float32, shape [n, 4]
        Of each near it: y, x, the logarithms of its width in pixels of the view and of its
        visibility; the latter is 0 where it is not to be said whether it is one.
    kinds : ndarray, uint8, shape [CROP / 2, CROP / 2]
        Numbers of `KINDS`.
    """

    view: NDArray[np.float16]
    cells: Image
    kinds: NDArray[np.uint8]


class Crops(Protocol):
    """What a run needs of its crops."""

    def __len__(self) -> int:
        """Return their number."""

    def __getitem__(self, number: int, /) -> Crop:
        """Return one."""


def shown(seed: int, n_cells: int | None = None) -> Shown:
    """Simulate a well and save it as readers and people do."""
    rng = np.random.default_rng([seed, 1])
    side = int(rng.integers(200, 513))
    well = simulate_well(n_cells, shape=(side, side), seed=seed)
    grey, share = _grey(rng, well)
    outside = ~well.membrane
    error = 0.0
    if rng.random() < 0.5:
        grey, error = _saved_again(rng, grey, outside)
    kinds = np.zeros(well.kinds.shape, np.uint8)
    for number, name in enumerate(ARTEFACTS, start=1):
        kinds[well.kinds == number] = KINDS.index(_KIND_OF[name])
    kinds[outside] = KINDS.index("outside")
    # What is known of a spot's visibility, less what was lost since.
    error /= (2**well.look.bits - 1) * well.look.gain
    white = white_passed(well.width**2) * error**2
    around = ANSWER * well.contrast / np.maximum(well.visibility, 1e-9)
    left = ANSWER * share * well.contrast / np.sqrt(np.maximum(around**2 + white, 1e-18))
    seen = replace(well, visibility=left)
    return Shown(grey if well.look.glows else -grey, seen, kinds)


def _grey(rng: np.random.Generator, well: SimulatedWell) -> tuple[Image, float]:
    """Return a picture in shades of grey, and how much of the dye's contrast is left in it."""
    levels = well.image.astype(np.float32)
    if levels.ndim == 2:
        return levels, 1.0
    mixed = rng.dirichlet(np.ones(3))
    share = rng.random()
    weights = share * mixed + (1 - share) * LUMINANCE.astype(np.float64)
    absorbed = np.array(DYES[well.look.dye])
    return levels @ weights.astype(np.float32), float(weights @ absorbed / absorbed.max())


def _saved_again(
    rng: np.random.Generator, grey: Image, outside: NDArray[np.bool_]
) -> tuple[Image, float]:
    """Change a picture [H, W] as it is changed on its way: what is on it stays the same.

    Returns, too, by how much at most two thirds of the pixels were changed besides gain and offset,
    in the grey levels of before.
    """
    from PIL import Image as Pillow

    low, high = float(grey.min()), max(float(grey.max()), float(grey.min()) + 1.0)
    gain = float(np.exp(rng.uniform(np.log(0.25), 0.0)))
    total = gain * 200.0 / (high - low)
    ideal = (grey - low) * total + 20.0 * gain + rng.uniform(0.0, 220.0 * (1.0 - gain))
    levels = ideal
    if outside.any() and rng.random() < 0.4:
        levels = np.where(outside, np.float32(rng.choice([0.0, 255.0, 20.0])), levels)
    if rng.random() < 0.4:
        levels = levels + rng.normal(0.0, rng.uniform(0.3, 2.5), levels.shape)
    eight = np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)
    if rng.random() < 0.4:
        file = io.BytesIO()
        Pillow.fromarray(eight).save(file, "JPEG", quality=int(rng.integers(50, 97)))
        eight = np.asarray(Pillow.open(file))
    changed = np.abs(eight - ideal)[~outside]
    error = float(np.quantile(changed, 0.68)) / total if changed.size else 0.0
    return eight.astype(np.float32), error


def crops(seed: int, views: int = 3, each: int = 3) -> Iterator[Crop]:
    """Cut crops from some views of a simulated well."""
    rng = np.random.default_rng([seed, 2])
    picture = shown(seed)
    crowded = len(picture.well.cells) > 1500
    for _ in range(1 if crowded else views):
        yield from _of_view(rng, picture, each)


def _of_view(rng: np.random.Generator, picture: Shown, count: int) -> Iterator[Crop]:
    typical = picture.typical_width or float(np.exp(rng.uniform(np.log(0.7), np.log(8.0))))
    if rng.random() < 0.7:
        wanted = TYPICAL_WIDTH * float(np.exp(rng.normal(0.0, 0.4)))
    else:
        wanted = float(np.exp(rng.uniform(np.log(0.8), np.log(8.0))))
    side = min(picture.grey.shape)
    factor = float(np.clip(wanted / typical, CROP / side, 2.0))
    view = resampled(picture.grey, factor)
    pixels = contrast_view(view.pixels).astype(np.float16)
    well = picture.well
    # What is smaller than a pixel of the view is spread over one.
    width = well.width * factor
    visibility = well.visibility * np.minimum(1.0, (width / _FINEST) ** 2)
    used = (well.hidden_by < 0) & (visibility > UNSEEN)
    places = view.to_view(well.cells[used])
    columns = [
        places,
        np.log(np.maximum(width[used, None], 0.1)),
        np.log(visibility[used, None]),
    ]
    bleed = view.to_view(well.bleed)
    cells = np.concatenate(columns, axis=1)
    # Spots of another colour are no cells, but nothing in one channel says so.
    others = np.concatenate([bleed, np.zeros((len(bleed), 2))], axis=1)
    cells = np.concatenate([cells, others]).astype(np.float32)
    kinds = _at(picture.kinds, view.pixels.shape, view)
    height, width = view.pixels.shape
    for _ in range(count):
        y, x = (int(rng.integers(0, (size - CROP) // 2 + 1)) * 2 for size in (height, width))
        yield cut(pixels, cells, kinds, y, x)


def cut(view: NDArray[np.float16], cells: Image, kinds: NDArray[np.uint8], y: int, x: int) -> Crop:
    """Cut the crop that begins at a row and a column out of a view [2, h, w]."""
    local = cells - np.array([y, x, 0, 0], np.float32)
    near = ((local[:, :2] > -_BEYOND) & (local[:, :2] < CROP + _BEYOND)).all(axis=1)
    rows, columns = (slice(first // 2, first // 2 + CROP // 2) for first in (y, x))
    return Crop(view[:, y : y + CROP, x : x + CROP], local[near], kinds[rows, columns])


def _at(kinds: NDArray[np.uint8], shape: tuple[int, ...], view: View) -> NDArray[np.uint8]:
    """Return kinds at half of a view's size."""
    rows, columns = (np.arange(size // 2) * 2.0 + 0.5 for size in shape)
    y = view.to_picture(np.stack([rows, rows], 1))[:, 0]
    x = view.to_picture(np.stack([columns, columns], 1))[:, 1]
    y, x = (
        np.clip(np.rint(at), 0, size - 1).astype(int)
        for at, size in zip((y, x), kinds.shape, strict=True)
    )
    return kinds[np.ix_(y, x)]
