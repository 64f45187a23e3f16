"""Finds the view in which a picture's spots are typical, and looks at it by a network.

picture -> views of several sizes, of both polarities -> the scale at which its spots are typical ->
a view of that scale -> marks
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.networks.hourglass import LIMITS, Hourglass
from spotcore.wells.sight import CONTRAST, Marks, Polarity, Sight
from spotcore.wells.view import STRIDE, View, contrast_view, resampled

__all__ = ["TYPICAL_WIDTH", "look", "shipped"]

TYPICAL_WIDTH = 1.5
"""Standard deviation of a typical spot in the view that is read, in pixels of the view."""
_WEIGHTS = Path(__file__).parent / "weights" / "wells.safetensors"
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
    eye = _Eye(grey, contrast, threads, shipped() if network is None else network)
    polarities: tuple[Polarity, ...] = ("dark", "bright") if polarity == "auto" else (polarity,)
    shorter = min(grey.shape)
    if typical_width is not None:
        given = eye.views(_factor(typical_width, shorter), polarities)
        return eye.twice(max(given, key=_evidence))
    factors = [1.0]
    while factors[-1] / _SCOUTS * shorter >= _SCOUT:
        factors.append(factors[-1] / _SCOUTS)
    scouts = [f for f in factors if f * f * grey.size <= _MOST_PIXELS] or factors[-1:]
    seen: list[Sight] = []
    for factor in reversed(scouts):
        seen = eye.views(factor, _likely(polarities, seen)) + seen
    evidence = [_evidence(sight, seen) for sight in seen]
    most = max(evidence)
    if most < _LEAST_EVIDENCE:
        # What is faint may be noise, which has no size: as the picture is.
        plain = [sight for sight in seen if sight.view.factor == scouts[0]]
        return eye.twice(max(plain, key=lambda sight: float(sight.marks.probability.sum())))
    # The finest of those in which spots are as clear, by and large: from there on, a picture twice
    # as large ends in a view of the same spots.
    clearest = seen[int(np.argmax(evidence))].polarity
    best = next(
        sight
        for sight, spoken in zip(seen, evidence, strict=True)
        if sight.polarity == clearest and spoken >= _AS_CLEAR * most
    )
    for _ in range(_TRIES):
        factor = _wanted_factor(best)
        if abs(math.log(factor / best.view.factor)) < 0.01:
            break
        best = eye.views(factor, (best.polarity,))[0]
    return eye.twice(best)


class _Eye(NamedTuple):
    """What looks at a picture [H, W]."""

    grey: NDArray[np.float32]
    contrast: float
    threads: int | None
    network: Hourglass

    def views(self, factor: float, polarities: tuple[Polarity, ...]) -> list[Sight]:
        """Look at a view of each polarity."""
        view = resampled(self.grey, factor)
        seen = contrast_view(view.pixels)
        found = []
        for polarity in polarities:
            cells, kinds = self.network(seen if polarity == "bright" else -seen, self.threads)
            shares = np.exp(kinds - kinds.max(axis=0))
            shares /= shares.sum(axis=0)
            found.append(Sight(view, polarity, cells, shares, self.contrast))
        return found

    def twice(self, sight: Sight) -> Sight:
        """Return a sight whose answers are the means of two views' of nearly the same size.

        What noise, compression and the pixels' own grid change of them is not the same in both.
        """
        view = sight.view
        if min(view.pixels.shape) / _STEP < _SCOUT:
            return sight
        (other,) = self.views(view.factor / _STEP, (sight.polarity,))
        cells = _carried(other.cells, other.view, view)
        # Widths are in pixels of the view.
        cells[len(LIMITS)] += np.float32(math.log(view.factor / other.view.factor))
        return replace(sight, cells=np.float32(0.5) * (sight.cells + cells))


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


def _likely(polarities: tuple[Polarity, ...], seen: list[Sight]) -> tuple[Polarity, ...]:
    """Return the polarities that spots can have by what was seen: a finer view costs much more."""
    evidence = {
        p: sum(_evidence(sight) for sight in seen if sight.polarity == p) for p in polarities
    }
    most = max(evidence.values())
    if most < _DECIDED:
        return polarities
    return tuple(p for p in polarities if evidence[p] > most / _DECIDED)


def _evidence(sight: Sight, others: Sequence[Sight] = ()) -> float:
    """Return how much speaks for a view: clear marks of a size that it shows well.

    Only what stands out by much speaks: seen too large, texture looks like many spots. Where one of
    the other views shows one large, clear spot, marks within it that are much narrower are its
    grains: they say nothing.
    """
    marks = sight.clear
    apart = np.log(marks.width * sight.view.factor / TYPICAL_WIDTH) / math.log(_SHOWN_WELL)
    speaks = marks.probability * np.exp(-0.5 * apart**2)
    speaks[sight.prominence_at(marks.yx) < CONTRAST * sight.roughness] = 0.0
    for other in others:
        if other.polarity == sight.polarity and other.view.factor < sight.view.factor:
            speaks[_grains(marks, other.clear)] = 0.0
    return float(speaks.sum())


def _wanted_factor(sight: Sight) -> float:
    """Return the factor of the view in which the spots of a sight are typical."""
    marks = sight.clear
    if len(marks) == 0:
        return sight.view.factor
    order = np.argsort(marks.width)
    total = np.cumsum(marks.probability[order])
    width = float(marks.width[order][np.searchsorted(total, total[-1] / 2)])
    return _factor(width, min(sight.view.pixels.shape) / sight.view.factor)


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
