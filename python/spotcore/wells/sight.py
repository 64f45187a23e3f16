"""What was seen in a view of a picture: marks, which of them count, and what else there is."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spotcore import _core
from spotcore.networks.hourglass import KINDS, LIMITS
from spotcore.wells.view import View, prominence

__all__ = ["CONTRAST", "Marks", "Polarity", "Sight"]

Polarity = Literal["dark", "bright"]

CONTRAST = 5.0
"""Contrast from which on a spot counts, unless the user says otherwise."""
_FAINTEST = 0.02  # probability of a mark, below which there is none
_SURE = 28.0  # power of a contrast over its limit that is the odds of being beyond it
_NO_CELLS = ("outside", "scratch", "dust", "writing")
_OTHER = 0.8  # probability of one of these, from which on a mark is none
_PROBABLE, _CLEAR = 0.5, 9.5  # probability and visibility of marks that tell scale and polarity
_CROWD = 20  # clear marks
_SHIFT = 0.49  # pixels that a mark is off its maximum at most: its pixel stays the nearest


@dataclass(frozen=True, eq=False)
class Marks:
    """Marks of a view, most probable first.

    Attributes
    ----------
    yx : ndarray, float64, shape [n, 2]
        In pixels of the picture, and parts of them.
    probability : ndarray, float64, shape [n]
        That a cell is there that counts.
    width : ndarray, float64, shape [n]
        Standard deviation of the spot, in pixels of the picture.
    visibility : ndarray, float64, shape [n]
        As `SimulatedWell.visibility`.
    """

    yx: NDArray[np.float64]
    probability: NDArray[np.float64]
    width: NDArray[np.float64]
    visibility: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of marks."""
        return len(self.yx)

    def __getitem__(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Marks:
        """Return some of them."""
        return Marks(**{name: values[kept] for name, values in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Sight:
    """What was seen in a view.

    Attributes
    ----------
    view : View
    polarity : {"dark", "bright"}
    cells : ndarray, float32, shape [5, h, w]
        The network's answers for cells, see `spotcore.networks.hourglass.CELLS`.
    kinds : ndarray, float32, shape [6, h / 2, w / 2]
        Probability of each of `KINDS` at half the view's size.
    contrast : float
        From which on a visible spot counts.
    """

    view: View
    polarity: Polarity
    cells: NDArray[np.float32]
    kinds: NDArray[np.float32]
    contrast: float

    @functools.cached_property
    def visible(self) -> Marks:
        """What the network takes for cells, however faint."""
        return _marks(self.cells, self.view)

    @functools.cached_property
    def marks(self) -> Marks:
        """What counts, and how probably."""
        seen = self.visible
        counts = seen.probability * self._counts(seen.yx) * (self._other_at(seen.yx) < _OTHER)
        return replace(seen, probability=counts)[np.argsort(-counts, kind="stable")]

    @functools.cached_property
    def limit(self) -> float:
        """Prominence from which on a visible spot counts, in grey levels.

        Where spots leave no membrane between them, what is rough are the spots: with the usual
        contrast at least half of those that are clear count.
        """
        unit, clear = self.roughness, self.clear
        if len(clear) >= _CROWD:
            unit = min(unit, float(np.median(self.prominence_at(clear.yx))) / CONTRAST)
        return max(self.contrast * unit, 1e-30)

    def probability_at(self, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest probability of a cell [n] beside each position [n, 2]."""
        from scipy import ndimage

        near = ndimage.maximum_filter(self.cells[0], 3)
        odds = near[self._pixels(yx)].astype(np.float64)
        return np.asarray(self._counts(yx) / (1 + np.exp(-odds)))

    @functools.cached_property
    def clear(self) -> Marks:
        """Marks of which it can be told how large spots are."""
        marks = self.visible
        return marks[(marks.probability > _PROBABLE) & (marks.visibility > _CLEAR)]

    def probability_of(self, kind: str) -> NDArray[np.float32]:
        """Return the probability of one of `KINDS`, [h / 2, w / 2]."""
        return np.asarray(self.kinds[KINDS.index(kind)])

    def number_of(self, kind: str) -> int:
        """Return the number of a kind in `kinds`."""
        return KINDS.index(kind)

    def _pixels(self, yx: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the pixels of the view at positions [n, 2] of the picture."""
        at = np.rint(self.view.to_view(np.asarray(yx, np.float64))).astype(np.intp)
        y, x = np.clip(at, 0, np.array(self.view.pixels.shape) - 1).T
        return y, x

    @property
    def roughness(self) -> float:
        """Of the membrane, in grey levels; see `spotcore.wells.view.prominence`."""
        return self._prominence[1]

    @functools.cached_property
    def _prominence(self) -> tuple[NDArray[np.float32], float]:
        pixels = self.view.pixels if self.polarity == "bright" else -self.view.pixels
        inside = self.probability_of("outside") <= 0.5
        return prominence(pixels, inside.repeat(2, axis=0).repeat(2, axis=1))

    def prominence_at(self, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far the picture stands out [n] at positions [n, 2], in grey levels."""
        levels, _ = self._prominence
        return levels[self._pixels(yx)].astype(np.float64)

    def _other_at(self, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how probably something else than a spot is at positions [n, 2]."""
        y, x = self._pixels(yx)
        other = sum(self.probability_of(kind)[y // 2, x // 2] for kind in _NO_CELLS)
        return np.asarray(other, np.float64)

    def _counts(self, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how probably spots at positions [n, 2] stand out by more than the limit."""
        ratio = np.maximum(self.prominence_at(yx) / self.limit, 1e-3)
        return np.asarray(1 / (1 + ratio**-_SURE))


def _marks(cells: NDArray[np.float32], view: View) -> Marks:
    """Read the maxima of a view's answers for what can be seen at all."""
    odds = cells[0]
    floor = math.log(_FAINTEST / (1 - _FAINTEST))
    points, _ = _core.local_maxima(np.maximum(odds - np.float32(floor), 0.0))
    y, x = points.T
    # Where a parabola through the maximum and its neighbours has its top.
    padded = np.pad(odds, 1, mode="edge")
    middle = padded[y + 1, x + 1]
    shifts = []
    for before, after in (
        (padded[y, x + 1], padded[y + 2, x + 1]),
        (padded[y + 1, x], padded[y + 1, x + 2]),
    ):
        bend = np.maximum(2 * middle - before - after, 1e-6)
        shifts.append(np.clip(0.5 * (after - before) / bend, -_SHIFT, _SHIFT))
    yx = view.to_picture(points.astype(np.float64) + np.stack(shifts, axis=1))
    marks = Marks(
        yx,
        1 / (1 + np.exp(-middle.astype(np.float64))),
        np.exp(cells[len(LIMITS), y, x].astype(np.float64)) / view.factor,
        _visibility(cells[: len(LIMITS), y, x].astype(np.float64)),
    )
    shape = np.array(odds.shape) / view.factor + 2 * np.array(view.start)  # of the picture
    return marks[((yx > -0.5) & (yx < shape - 0.5)).all(axis=1)]


def _visibility(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the limits [n] at which log-odds [4, n] are 0; at most a step beyond `LIMITS`."""
    odds = np.minimum.accumulate(odds, axis=0)
    log = np.log(LIMITS)
    steps = np.maximum(odds[:-1] - odds[1:], 1e-3)
    # Of the piece in which they change their sign.
    piece = np.clip(np.sum(odds > 0, axis=0) - 1, 0, len(log) - 2)
    each = np.arange(odds.shape[1])
    share = np.clip(odds[piece, each] / steps[piece, each], -1.0, 2.0)
    return np.asarray(np.exp(log[piece] + share * (log[piece + 1] - log[piece])), np.float64)
