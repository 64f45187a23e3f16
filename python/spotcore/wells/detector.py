"""Where the cells of a well are, how wide their spots, and what else there is: by a network.

picture -> views of several sizes, of both polarities -> the scale at which its spots are typical ->
a view of that scale -> marks
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore import _core
from spotcore.networks.hourglass import COUNTED, KINDS, LIMITS, Hourglass
from spotcore.wells.view import STRIDE, View, contrast_view, resampled

__all__ = ["TYPICAL_WIDTH", "Marks", "Polarity", "Sight", "look", "probability"]

Polarity = Literal["dark", "bright"]

TYPICAL_WIDTH = 1.5
"""Standard deviation of a typical spot in the view that is read, in pixels of the view."""
_WEIGHTS = Path(__file__).parent / "weights" / "wells.safetensors"
_FAINTEST = 0.02  # probability of a mark, below which there is none
_EVIDENCE = 0.5  # of marks that tell scale and polarity
_SPEAKS = 3.0, 4.5  # times the limit: visibility from which a mark speaks for a view, and fully
_LEAST_EVIDENCE = 1.0  # clear marks that tell a scale
_SHOWN_WELL = 2.5  # times larger or smaller than a typical one, a spot still speaks for a view
_GRAINS_WITHIN, _GRAINS_NARROWER = 2.0, 2.0  # widths of a spot that has grains; times narrower
_SCOUTS = 3.0  # between the sizes of views that are looked at first
# Pixels of a view's shorter side: of one that is looked at first, and of one that is read.
_SCOUT, _SMALLEST = 4 * STRIDE, 8 * STRIDE
_MOST_PIXELS = 1.5e6  # of a view that is looked at first
_LARGEST = 2.0  # factor of a view: an enlarged one shows small spots apart
_STEP = math.sqrt(2.0)  # factors are powers of it: nearly the same spots are seen in the same view
_TRIES = 4  # views until the factor is found


@dataclass(frozen=True, eq=False)
class Marks:
    """Marks of a view, most probable first.

    Attributes
    ----------
    yx : ndarray, float64, shape [n, 2]
        In pixels of the picture, and parts of them.
    probability : ndarray, float64, shape [n]
        That a cell is there.
    width : ndarray, float64, shape [n]
        Standard deviation of the spot, in pixels of the picture.
    visibility : ndarray, float64, shape [n]
        As `SimulatedWell.visibility`: the limit at which the probability would be a half.
    """

    yx: NDArray[np.float64]
    probability: NDArray[np.float64]
    width: NDArray[np.float64]
    visibility: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of marks."""
        return len(self.yx)

    def __getitem__(self, kept: NDArray[np.bool_]) -> Marks:
        """Return some of them."""
        return Marks(**{name: values[kept] for name, values in vars(self).items()})


class Sight(NamedTuple):
    """What was seen in a view.

    Attributes
    ----------
    view : View
    polarity : {"dark", "bright"}
    marks : Marks
    cells : ndarray, float32, shape [4, h, w]
        The network's answers for cells, see `spotcore.networks.hourglass.CELLS`.
    kinds : ndarray, float32, shape [6, h / 2, w / 2]
        Probability of each of `KINDS` at half the view's size.
    limit : float
        Visibility from which on a spot is a mark.
    """

    view: View
    polarity: Polarity
    marks: Marks
    cells: NDArray[np.float32]
    kinds: NDArray[np.float32]
    limit: float

    @classmethod
    def of(
        cls,
        view: View,
        polarity: Polarity,
        cells: NDArray[np.float32],
        kinds: NDArray[np.float32],
        limit: float,
    ) -> Sight:
        """Read the network's answers."""
        return cls(view, polarity, _marks(cells, view, limit), cells, kinds, limit)

    @property
    def clear(self) -> Marks:
        """Marks of which it can be told how large spots are."""
        return self.marks[self.marks.probability > _EVIDENCE]

    def evidence(self, others: Sequence[Sight] = ()) -> float:
        """How much speaks for this view: clear marks of a size that it shows well.

        Only what stands out by much speaks: seen too large, texture looks like many faint spots.
        Where one of the other views shows one large, clear spot, marks within it that are much
        narrower are its grains: they say nothing.
        """
        marks = self.clear
        low, high = _SPEAKS
        above = np.clip((marks.visibility / self.limit - low) / (high - low), 0.0, 1.0)
        apart = np.log(marks.width * self.view.factor / TYPICAL_WIDTH) / math.log(_SHOWN_WELL)
        speaks = marks.probability * above * np.exp(-0.5 * apart**2)
        for other in others:
            if other.polarity == self.polarity and other.view.factor < self.view.factor:
                speaks[_grains(marks, other.clear, 2.0 * self.limit)] = 0.0
        return float(speaks.sum())

    @property
    def wanted_factor(self) -> float:
        """Factor of the view in which these spots are typical."""
        marks = self.clear
        if len(marks) == 0:
            return self.view.factor
        order = np.argsort(marks.width)
        total = np.cumsum(marks.probability[order])
        width = float(marks.width[order][np.searchsorted(total, total[-1] / 2)])
        size = np.array(self.view.pixels.shape) / self.view.factor
        return _factor(width, float(size.min()))

    def probability_of(self, kind: str) -> NDArray[np.float32]:
        """Return the probability of one of `KINDS`, [h / 2, w / 2]."""
        return np.asarray(self.kinds[KINDS.index(kind)])

    def number_of(self, kind: str) -> int:
        """Return the number of a kind in `kinds`."""
        return KINDS.index(kind)


def probability(sight: Sight, yx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest probability of a cell [n] beside each position [n, 2] of the picture."""
    from scipy import ndimage

    near = ndimage.maximum_filter(_at_limit(sight.cells[: len(LIMITS)], sight.limit), 3)
    y, x = np.rint(sight.view.to_view(np.asarray(yx, np.float64))).astype(int).T
    at = near[np.clip(y, 0, near.shape[0] - 1), np.clip(x, 0, near.shape[1] - 1)]
    return np.asarray(1 / (1 + np.exp(-at.astype(np.float64))))


def _factor(width: float, shorter: float) -> float:
    """Return the factor of the view of a picture in which spots of a width are typical."""
    step = round(math.log(TYPICAL_WIDTH / width) / math.log(_STEP))
    return min(_LARGEST, max(_STEP**step, min(1.0, _SMALLEST / shorter)))


def _grains(marks: Marks, spots: Marks, limit: float) -> NDArray[np.bool_]:
    """Tell which marks [n] lie in a spot that is clear and much wider than they are."""
    from scipy.spatial import cKDTree

    spots = spots[spots.visibility > limit]
    inside = np.zeros(len(marks), bool)
    if len(marks) and len(spots):
        near = cKDTree(marks.yx).query_ball_point(spots.yx, _GRAINS_WITHIN * spots.width)
        for width, found in zip(spots.width, near, strict=True):
            members = np.array(found, np.int64)
            inside[members[marks.width[members] < width / _GRAINS_NARROWER]] = True
    return inside


@functools.cache
def shipped() -> Hourglass:
    """Return the network that comes with the package."""
    return Hourglass.load(_WEIGHTS)


def look(
    grey: NDArray[np.float32],
    polarity: Literal["auto", "dark", "bright"] = "auto",
    typical_width: float | None = None,
    limit: float = COUNTED,
    threads: int | None = None,
    network: Hourglass | None = None,
) -> Sight:
    """Find the marks of a picture.

    Parameters
    ----------
    grey : ndarray, float32, shape [H, W]
        In any unit.
    polarity : {"auto", "dark", "bright"}
        What the spots are.
    typical_width : float, optional
        Standard deviation of a typical spot in pixels; by default found.
    limit : float
        Visibility from which on a spot is a mark.
    threads : int, optional
    network : Hourglass, optional
        Instead of the one that comes with the package.

    Returns
    -------
    Sight
    """
    how = (limit, threads, shipped() if network is None else network)
    polarities: tuple[Polarity, ...] = ("dark", "bright") if polarity == "auto" else (polarity,)
    shorter = min(grey.shape)
    if typical_width is not None:
        factor = _factor(typical_width, shorter)
        seen = _views(grey, factor, polarities, *how)
        return _seen_twice(grey, max(seen, key=lambda sight: sight.evidence()), *how)
    factors = [1.0]
    while factors[-1] / _SCOUTS * shorter >= _SCOUT:
        factors.append(factors[-1] / _SCOUTS)
    scouts = [f for f in factors if f * f * grey.size <= _MOST_PIXELS] or factors[-1:]
    seen = [sight for f in scouts for sight in _views(grey, f, polarities, *how)]
    evidence = [sight.evidence(seen) for sight in seen]
    best = seen[int(np.argmax(evidence))]
    if max(evidence) < _LEAST_EVIDENCE:
        # What is faint may be noise, which has no size: as the picture is.
        plain = [sight for sight in seen if sight.view.factor == scouts[0]]
        best = max(plain, key=lambda sight: float(sight.marks.probability.sum()))
        return _seen_twice(grey, best, *how)
    for _ in range(_TRIES):
        factor = best.wanted_factor
        if abs(math.log(factor / best.view.factor)) < 0.01:
            break
        best = _views(grey, factor, (best.polarity,), *how)[0]
    return _seen_twice(grey, best, *how)


def _seen_twice(
    grey: NDArray[np.float32], sight: Sight, limit: float, threads: int | None, network: Hourglass
) -> Sight:
    """Return a sight whose answers are the means of two views' of nearly the same size.

    What noise, compression and the pixels' own grid change of them is not the same in both.
    """
    view = sight.view
    size = min(view.pixels.shape) / _STEP
    if size < _SCOUT:
        return sight
    other = _views(grey, view.factor / _STEP, (sight.polarity,), limit, threads, network)[0]
    cells = _carried(other.cells, other.view, view)
    cells[len(LIMITS)] += np.float32(math.log(view.factor / other.view.factor))  # widths, in pixels
    mean = np.float32(0.5) * (sight.cells + cells)
    return Sight.of(view, sight.polarity, mean, sight.kinds, limit)


def _carried(answers: NDArray[np.float32], of: View, to: View) -> NDArray[np.float32]:
    """Return the answers [K, h, w] of a view for another one of the same picture, interpolated."""
    for axis in (0, 1):
        pixels = np.arange(to.pixels.shape[axis], dtype=np.float64)
        at = of.to_view(to.to_picture(np.stack([pixels, pixels], axis=1)))[:, axis]
        last = answers.shape[axis + 1] - 1
        before = np.clip(np.floor(at), 0, max(last - 1, 0)).astype(int)
        share = np.clip(at - before, 0.0, 1.0).astype(np.float32)
        share = share[:, None] if axis == 0 else share
        low = np.take(answers, before, axis=axis + 1)
        high = np.take(answers, np.minimum(before + 1, last), axis=axis + 1)
        answers = low + share * (high - low)
    return answers


def _views(
    grey: NDArray[np.float32],
    factor: float,
    polarities: tuple[Polarity, ...],
    limit: float,
    threads: int | None,
    network: Hourglass,
) -> list[Sight]:
    """Look at a view of each polarity."""
    view = resampled(grey, factor)
    contrast = contrast_view(view.pixels)
    found = []
    for polarity in polarities:
        cells, kinds = network(contrast if polarity == "bright" else -contrast, threads)
        shares = np.exp(kinds - kinds.max(axis=0))
        found.append(Sight.of(view, polarity, cells, shares / shares.sum(axis=0), limit))
    return found


def _marks(cells: NDArray[np.float32], view: View, limit: float) -> Marks:
    """Read the maxima of a view's answers."""
    odds = _at_limit(cells[: len(LIMITS)], limit)
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
        shifts.append(np.clip(0.5 * (after - before) / bend, -0.5, 0.5))
    yx = view.to_picture(points.astype(np.float64) + np.stack(shifts, axis=1))
    marks = Marks(
        yx,
        1 / (1 + np.exp(-middle.astype(np.float64))),
        np.exp(cells[len(LIMITS), y, x].astype(np.float64)) / view.factor,
        _visibility(cells[: len(LIMITS), y, x].astype(np.float64)),
    )
    shape = np.array(odds.shape) / view.factor + 2 * np.array(view.start)  # of the picture
    return marks[((yx > -0.5) & (yx < shape - 0.5)).all(axis=1)]


def _at_limit(odds: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    """Return log-odds [H, W] of a limit from those of `LIMITS`, linear in its logarithm."""
    number = int(np.clip(np.searchsorted(LIMITS, limit) - 1, 0, len(LIMITS) - 2))
    low, high = math.log(LIMITS[number]), math.log(LIMITS[number + 1])
    share = np.float32((math.log(limit) - low) / (high - low))
    return np.asarray(odds[number] + share * (odds[number + 1] - odds[number]))


def _visibility(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the limits [n] at which log-odds [3, n] are 0; at most a step beyond `LIMITS`."""
    odds = np.minimum.accumulate(odds, axis=0)
    log = np.log(LIMITS)
    steps = np.maximum(odds[:-1] - odds[1:], 1e-3)
    # Of the piece in which they change their sign.
    piece = np.clip(np.sum(odds > 0, axis=0) - 1, 0, len(log) - 2)
    each = np.arange(odds.shape[1])
    share = np.clip(odds[piece, each] / steps[piece, each], -1.0, 2.0)
    return np.asarray(np.exp(log[piece] + share * (log[piece + 1] - log[piece])), np.float64)
