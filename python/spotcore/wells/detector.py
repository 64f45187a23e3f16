"""Where the cells of a well are, how wide their spots, and what else there is: by a network.

picture -> views of several sizes, of both polarities -> the scale at which its spots are typical ->
a view of that scale -> marks
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spotcore import _core
from spotcore.networks.hourglass import KINDS, LIMITS, Hourglass
from spotcore.wells.view import STRIDE, View, contrast_view, prominence, resampled

__all__ = ["CONTRAST", "TYPICAL_WIDTH", "Marks", "Polarity", "Sight", "look"]

Polarity = Literal["dark", "bright"]

TYPICAL_WIDTH = 1.5
"""Standard deviation of a typical spot in the view that is read, in pixels of the view."""
_WEIGHTS = Path(__file__).parent / "weights" / "wells.safetensors"
_FAINTEST = 0.02  # probability of a mark, below which there is none
CONTRAST = 5.0
"""Contrast from which on a spot counts, unless the user says otherwise."""
_SURE = 28.0  # power of a contrast over its limit that is the odds of being beyond it
_NO_CELLS = ("scratch", "dust", "writing")
_OTHER = 0.8  # probability of one of these, from which on a mark is none
_CROWD = 20  # clear marks
_EVIDENCE, _CLEAR = 0.5, 9.5  # probability and visibility of marks that tell scale and polarity
_FOCUS = 19.0  # visibility of a spot whose grains say nothing
_AS_CLEAR = 0.5  # of the evidence of the clearest view
_DECIDED = 10.0  # evidence for a polarity, and times that for the other, that settle it
_LEAST_EVIDENCE = 1.0  # clear marks that tell a scale
_SHOWN_WELL = 2.5  # times larger or smaller than a typical one, a spot still speaks for a view
_GRAINS_WITHIN, _GRAINS_NARROWER = 2.0, 2.0  # widths of a spot that has grains; times narrower
_SCOUTS = 3.0  # between the sizes of views that are looked at first
# Pixels of a view's shorter side: of one that is looked at first, and of one that is read.
_SCOUT, _SMALLEST = 4 * STRIDE, 8 * STRIDE
_MOST_PIXELS = 1.5e6  # of a view that is looked at first
_LARGEST = 2.0  # factor of a view: an enlarged one shows small spots apart
_STEP = math.sqrt(2.0)  # factors are powers of it: nearly the same spots are seen in the same view
_ENLARGED = 0.2  # of a step, that a view may be larger than its spots ask for: it shows no more
_TRIES = 4  # views until the factor is found


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
        unit, clear = self._roughness, self.clear
        if len(clear) >= _CROWD:
            unit = min(unit, float(np.median(self.prominence_at(clear.yx))) / CONTRAST)
        return max(self.contrast * unit, 1e-30)

    def probability_at(self, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest probability of a cell [n] beside each position [n, 2]."""
        from scipy import ndimage

        near = ndimage.maximum_filter(self.cells[0], 3)
        odds = near[self._pixels(yx)].astype(np.float64)
        return np.asarray(self._counts(yx) / (1 + np.exp(-odds)))

    @property
    def clear(self) -> Marks:
        """Marks of which it can be told how large spots are."""
        marks = self.visible
        return marks[(marks.probability > _EVIDENCE) & (marks.visibility > _CLEAR)]

    def evidence(self, others: Sequence[Sight] = ()) -> float:
        """How much speaks for this view: clear marks of a size that it shows well.

        Only what stands out by much speaks: seen too large, texture looks like many spots.
        Where one of the other views shows one large, clear spot, marks within it that are much
        narrower are its grains: they say nothing.
        """
        marks = self.clear
        apart = np.log(marks.width * self.view.factor / TYPICAL_WIDTH) / math.log(_SHOWN_WELL)
        speaks = marks.probability * np.exp(-0.5 * apart**2)
        speaks[self.prominence_at(marks.yx) < CONTRAST * self._roughness] = 0.0
        for other in others:
            if other.polarity == self.polarity and other.view.factor < self.view.factor:
                speaks[_grains(marks, other.clear)] = 0.0
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

    def _pixels(self, yx: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the pixels of the view at positions [n, 2] of the picture."""
        at = np.rint(self.view.to_view(np.asarray(yx, np.float64))).astype(np.intp)
        y, x = np.clip(at, 0, np.array(self.view.pixels.shape) - 1).T
        return y, x

    @property
    def _roughness(self) -> float:
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


def _factor(width: float, shorter: float) -> float:
    """Return the factor of the view of a picture in which spots of a width are typical."""
    steps = math.log(TYPICAL_WIDTH / width) / math.log(_STEP)
    step = math.floor(steps + _ENLARGED) if steps > 0 else round(steps)
    return min(_LARGEST, max(_STEP**step, min(1.0, _SMALLEST / shorter)))


def _grains(marks: Marks, spots: Marks) -> NDArray[np.bool_]:
    """Tell which marks [n] lie in a spot that is clear and much wider than they are."""
    from scipy.spatial import cKDTree

    spots = spots[spots.visibility > _FOCUS]
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
    contrast: float = CONTRAST,
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
    contrast : float
        From which on a visible spot counts.
    threads : int, optional
    network : Hourglass, optional
        Instead of the one that comes with the package.

    Returns
    -------
    Sight
    """
    how = (contrast, threads, shipped() if network is None else network)
    polarities: tuple[Polarity, ...] = ("dark", "bright") if polarity == "auto" else (polarity,)
    shorter = min(grey.shape)
    if typical_width is not None:
        factor = _factor(typical_width, shorter)
        given = _views(grey, factor, polarities, *how)
        return _seen_twice(grey, max(given, key=lambda sight: sight.evidence()), *how)
    factors = [1.0]
    while factors[-1] / _SCOUTS * shorter >= _SCOUT:
        factors.append(factors[-1] / _SCOUTS)
    scouts = [f for f in factors if f * f * grey.size <= _MOST_PIXELS] or factors[-1:]
    seen: list[Sight] = []
    for factor in reversed(scouts):
        seen = _views(grey, factor, _likely(polarities, seen), *how) + seen
    evidence = [sight.evidence(seen) for sight in seen]
    clearest = seen[int(np.argmax(evidence))]
    # The finest of those in which spots are as clear, by and large: from there on, a picture twice
    # as large ends in a view of the same spots.
    best = next(
        sight
        for sight, spoken in zip(seen, evidence, strict=True)
        if sight.polarity == clearest.polarity and spoken >= _AS_CLEAR * max(evidence)
    )
    if max(evidence) < _LEAST_EVIDENCE:
        # What is faint may be noise, which has no size: as the picture is.
        plain = [sight for sight in seen if sight.view.factor == scouts[0]]
        best = max(plain, key=lambda sight: float(sight.visible.probability.sum()))
        return _seen_twice(grey, best, *how)
    for _ in range(_TRIES):
        factor = best.wanted_factor
        if abs(math.log(factor / best.view.factor)) < 0.01:
            break
        best = _views(grey, factor, (best.polarity,), *how)[0]
    return _seen_twice(grey, best, *how)


def _likely(polarities: tuple[Polarity, ...], seen: list[Sight]) -> tuple[Polarity, ...]:
    """Return the polarities that spots can have by what was seen: a finer view costs much more."""
    evidence = {
        p: sum(sight.evidence() for sight in seen if sight.polarity == p) for p in polarities
    }
    most = max(evidence.values())
    if most < _DECIDED:
        return polarities
    return tuple(p for p in polarities if evidence[p] > most / _DECIDED)


def _seen_twice(
    grey: NDArray[np.float32],
    sight: Sight,
    contrast: float,
    threads: int | None,
    network: Hourglass,
) -> Sight:
    """Return a sight whose answers are the means of two views' of nearly the same size.

    What noise, compression and the pixels' own grid change of them is not the same in both.
    """
    view = sight.view
    size = min(view.pixels.shape) / _STEP
    if size < _SCOUT:
        return sight
    other = _views(grey, view.factor / _STEP, (sight.polarity,), contrast, threads, network)[0]
    cells = _carried(other.cells, other.view, view)
    cells[len(LIMITS)] += np.float32(math.log(view.factor / other.view.factor))  # widths, in pixels
    mean = np.float32(0.5) * (sight.cells + cells)
    return replace(sight, cells=mean)


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
    contrast: float,
    threads: int | None,
    network: Hourglass,
) -> list[Sight]:
    """Look at a view of each polarity."""
    view = resampled(grey, factor)
    seen = contrast_view(view.pixels)
    found = []
    for polarity in polarities:
        cells, kinds = network(seen if polarity == "bright" else -seen, threads)
        shares = np.exp(kinds - kinds.max(axis=0))
        found.append(Sight(view, polarity, cells, shares / shares.sum(axis=0), contrast))
    return found


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
