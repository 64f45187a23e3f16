"""How well detections agree with the truth: matching, precision, recall and F1.

Conventions. Precision is the share of detections that are cells, recall the share of cells that
are detected, F1 their harmonic mean ``2 TP / (detections + cells)``. A share of nothing is 1: no
detections have precision 1, no cells are recalled with 1, and if there are neither, F1 is 1 (there
was nothing to find, and nothing was found). F1 stays the harmonic mean in all these cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore._arrays import as_image, as_number, as_points, as_vector
from spotcore.detections import Cells, detect, local_maxima

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["BestF1", "Match", "best_f1", "f1_at", "match", "take_closest"]


@dataclass(frozen=True, eq=False)
class Match:
    """Detections paired with true cells.

    Attributes
    ----------
    pairs : ndarray, int64, shape [m, 2]
        Indices (detection, true cell) of the pairs, in decreasing score of the detection.
    n_detections, n_truth : int
        Number of detections and of true cells.
    """

    pairs: NDArray[np.int64]
    n_detections: int
    n_truth: int

    @property
    def precision(self) -> float:
        """Share of the detections that are cells; 1 without detections."""
        return len(self.pairs) / self.n_detections if self.n_detections else 1.0

    @property
    def recall(self) -> float:
        """Share of the cells that are detected; 1 without cells."""
        return len(self.pairs) / self.n_truth if self.n_truth else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 with neither detections nor cells."""
        total = self.n_detections + self.n_truth
        return 2.0 * len(self.pairs) / total if total else 1.0


@dataclass(frozen=True)
class BestF1:
    """Best F1 over all thresholds of a score map.

    Attributes
    ----------
    f1, precision, recall : float
        Figures at that threshold.
    threshold : float
        Smallest score kept, `spotcore.detect` at it gives the same detections; the highest
        of several equally good ones. Infinite where keeping nothing is best.
    """

    f1: float
    threshold: float
    precision: float
    recall: float


def match(
    cells: Cells | ArrayLike,
    truth_yx: ArrayLike,
    radius: float = 3.0,
    score: ArrayLike | None = None,
) -> Match:
    """Match detections with true cells, greedily in decreasing score.

    Each detection takes the closest true cell that is still free within the radius. Of detections
    with the same score the earlier goes first, of cells at the same distance the earlier is taken.

    Parameters
    ----------
    cells : Cells or array_like, shape [n, 2]
        Detections: a table, or positions (y, x) in pixels.
    truth_yx : array_like, shape [m, 2]
        True positions (y, x) in pixels.
    radius : float
        Largest distance in pixels, inclusive; a radius, not a diameter.
    score : array_like, shape [n], optional
        Scores of detections that are given as positions. By default these are taken in order.

    Returns
    -------
    Match
        Pairs, precision, recall and F1.

    Raises
    ------
    ValueError
        If a position is not finite, shapes do not agree, the radius is negative, or scores are
        given twice.

    References
    ----------
    del Aguila Pla and Jalden, IEEE TSP 66(20), 2018 (Part II), Section III-C1; the text says
    "diameter", the code published in 2019 uses a radius.
    """
    if isinstance(cells, Cells):
        if score is not None:
            raise ValueError("score: expected None beside Cells, which have scores, got an array")
        score = cells.score
        positions = cells.yx.astype(np.float64)
    else:
        positions = as_points(cells, "cells")
    truth = as_points(truth_yx, "truth_yx")
    radius = as_number(radius, "radius", minimum=0.0)
    order = np.arange(len(positions))
    if score is not None and len(positions):
        order = np.argsort(-as_vector(score, "score", len(positions)), kind="stable")
    taken = take_closest(positions[order], truth, radius)
    return _as_match(order, taken, len(truth))


def best_f1(score: ArrayLike, truth_yx: ArrayLike, radius: float = 3.0) -> BestF1:
    """Best F1 over all thresholds of a score map.

    Detections are matched in decreasing score, so that those above a threshold are matched the
    same whatever lies below it: one matching gives F1 at every threshold. Peaks with equal scores
    enter together.

    Parameters
    ----------
    score : array_like, shape [H, W]
        Score map.
    truth_yx : array_like, shape [m, 2]
        True positions (y, x) in pixels.
    radius : float
        Largest distance of a match in pixels.

    Returns
    -------
    BestF1
        F1, threshold, precision and recall.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or is not finite.

    Notes
    -----
    This is the papers' figure. It needs the truth: report F1 at a threshold chosen without it
    (`f1_at`) beside it.
    """
    peaks, value = local_maxima(score)
    truth = as_points(truth_yx, "truth_yx")
    radius = as_number(radius, "radius", minimum=0.0)
    taken = take_closest(peaks.astype(np.float64), truth, radius)
    hits = np.append(0, np.cumsum(taken >= 0))
    # How many peaks a threshold can keep: none, or all down to the last one of an equal score.
    kept = np.append(0, np.flatnonzero(np.diff(value, append=-1.0) < 0) + 1)
    total = kept + len(truth)
    f1 = np.divide(2.0 * hits[kept], total, out=np.ones(len(kept)), where=total > 0)
    n_kept = int(kept[f1.argmax()])
    if n_kept:
        threshold = float(value[n_kept - 1])
    else:
        threshold = float(np.nextafter(value[0], np.float32(np.inf))) if len(value) else 0.0
    best = _as_match(np.arange(n_kept), taken[:n_kept], len(truth))
    return BestF1(best.f1, threshold, best.precision, best.recall)


def f1_at(score: ArrayLike, truth_yx: ArrayLike, threshold: float, radius: float = 3.0) -> Match:
    """Match the detections of a score map at one threshold with true cells.

    Parameters
    ----------
    score : array_like, shape [H, W]
        Score map.
    truth_yx : array_like, shape [m, 2]
        True positions (y, x) in pixels.
    threshold : float
        Smallest score kept.
    radius : float
        Largest distance of a match in pixels.

    Returns
    -------
    Match
        F1 and what it is made of.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or is not finite.
    """
    return match(detect(as_image(score, "score"), threshold), truth_yx, radius)


def _as_match(order: NDArray[np.intp], taken: NDArray[np.int64], n_truth: int) -> Match:
    """Make a `Match` of detections `order` [n] and the true cells they took (-1: none), [n]."""
    hit = taken >= 0
    return Match(np.stack([order[hit], taken[hit]], axis=1), len(order), n_truth)


def take_closest(
    positions: NDArray[np.float64], truth: NDArray[np.float64], radius: float
) -> NDArray[np.int64]:
    """Let each position [n, 2] in turn take the closest free true cell; its index, or -1, [n]."""
    by_y = np.argsort(truth[:, 0], kind="stable")
    sorted_y = truth[by_y, 0]
    # Only cells in a band of rows can be near; it is a pixel too wide, so that rounding costs none.
    first = np.searchsorted(sorted_y, positions[:, 0] - radius - 1.0)
    last = np.searchsorted(sorted_y, positions[:, 0] + radius + 1.0)
    free = np.ones(len(truth), dtype=bool)
    taken = np.full(len(positions), -1, dtype=np.int64)
    for i, (y, x) in enumerate(positions):
        band = by_y[first[i] : last[i]]
        candidates = band[free[band]]
        distance = np.hypot(truth[candidates, 0] - y, truth[candidates, 1] - x)
        if distance.min(initial=np.inf) <= radius:
            taken[i] = candidates[distance == distance.min()].min()
            free[taken[i]] = False
    return taken
