"""One default threshold for all images, and a confidence that means what it says.

A rule is a number: the threshold itself ("absolute"), or its share of the image's typical peak
("relative": the median score of all local maxima, each weighted by its own score). The number is
the one with the highest mean F1 on calibration images of all kinds; which rule travels better shows
in how much lower that mean is than with the best threshold of each image.

Confidence: ``1 / (1 + exp(-(a log(score / threshold) + b)))``, a logistic regression of "this peak
is a cell" on peaks of the calibration images, checked on others by `reliability`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spotcore.detections import local_maxima
from spotcore.metrics import take_closest
from spotcore.networks.metadata import ThresholdRule, score_confidence, typical_peak

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Calibration",
    "Peaks",
    "calibrate",
    "fit_confidence",
    "fit_rule",
    "labelled_peaks",
    "reliability",
]

_LOWEST = 0.25
"""Peaks below this share of the threshold take no part in the fit of the confidence: they are many,
none is reported, and they would decide it."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """Local maxima of a score map, strongest first: scores [n], and which are cells [n]."""

    score: NDArray[np.float32]
    hit: NDArray[np.bool_]
    n_cells: int

    def f1(self, threshold: float) -> float:
        """Return F1 of the peaks that reach a threshold."""
        kept = int(np.searchsorted(-self.score, -threshold, side="right"))
        total = kept + self.n_cells
        return 2.0 * float(self.hit[:kept].sum()) / total if total else 1.0

    def best_f1(self) -> float:
        """Return F1 at the best threshold."""
        kept = np.arange(len(self.score) + 1)
        hits = np.concatenate([[0], np.cumsum(self.hit)])
        total = kept + self.n_cells
        return float(np.max(2.0 * hits / np.maximum(total, 1))) if total[-1] else 1.0


def labelled_peaks(score: ArrayLike, cells: ArrayLike, radius: float = 3.0) -> Peaks:
    """Find the peaks of a score map [H, W], and which of them match cells [n, 2]."""
    peaks, value = local_maxima(score)
    truth = np.asarray(cells, dtype=np.float64)
    taken = take_closest(peaks.astype(np.float64), truth, radius)
    return Peaks(value, taken >= 0, len(truth))


def fit_rule(
    kind: Literal["absolute", "relative"], images: Sequence[Peaks]
) -> tuple[ThresholdRule, float]:
    """Fit the number of a rule; return the rule and by how much its mean F1 is below the best."""
    units = np.array([typical_peak(p.score) if kind == "relative" else 1.0 for p in images])
    strongest = max(float(p.score[0]) / u for p, u in zip(images, units, strict=True) if u > 0)
    values = strongest * np.geomspace(1e-3, 1.0, 1200)
    f1 = np.array(
        [[p.f1(value * unit) for p, unit in zip(images, units, strict=True)] for value in values]
    )
    means = f1.mean(axis=1)
    # The middle of all that are as good to 1e-5, so that the choice does not sit at an edge.
    good = np.flatnonzero(means >= means.max() - 1e-5)
    best = float(np.exp(np.log(values[good]).mean()))
    rule = ThresholdRule(kind, best)
    mean = np.mean([p.f1(rule.of_peaks(p.score)) for p in images])
    return rule, float(np.mean([p.best_f1() for p in images]) - mean)


def fit_confidence(images: Sequence[Peaks], rule: ThresholdRule) -> tuple[float, float]:
    """Fit slope and offset (a, b) of the confidence by Newton's method."""
    x, y = _relative_scores(images, rule)
    near = x >= np.log(_LOWEST)
    x, y = x[near], y[near]
    design = np.stack([x, np.ones_like(x)], axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(design @ weights)))
        # One more hit and miss at the threshold: no infinite slope where the two do not mix.
        gradient = design.T @ (p - y) + 1e-3 * weights
        curvature = (design * (p * (1.0 - p))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step * min(1.0, 5.0 / float(np.abs(step).max() + 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def reliability(
    images: Sequence[Peaks], rule: ThresholdRule, calibration: tuple[float, float], n_bins: int = 10
) -> list[dict[str, float]]:
    """Compare confidence and share of cells among the detections of images, bin by bin."""
    x, y = _relative_scores(images, rule)
    kept = x >= 0.0
    stated, hit = score_confidence(np.exp(x[kept]), 1.0, calibration), y[kept]
    bins = np.minimum((stated * n_bins).astype(int), n_bins - 1)
    return [
        {
            "from": index / n_bins,
            "to": (index + 1) / n_bins,
            "detections": float((bins == index).sum()),
            "stated": float(stated[bins == index].mean()),
            "found": float(hit[bins == index].mean()),
        }
        for index in range(n_bins)
        if (bins == index).any()
    ]


@dataclass(frozen=True)
class Calibration:
    """The better of the two rules, its confidence, and what both rules cost."""

    rule: ThresholdRule
    confidence: tuple[float, float]
    cost: dict[str, float]


def calibrate(images: Sequence[Peaks]) -> Calibration:
    """Choose and fit rule and confidence on the peaks of calibration images."""
    absolute = fit_rule("absolute", images)
    relative = fit_rule("relative", images)
    rule = relative[0] if relative[1] <= absolute[1] else absolute[0]
    cost = {"absolute": absolute[1], "relative": relative[1]}
    return Calibration(rule, fit_confidence(images, rule), cost)


def _relative_scores(
    images: Sequence[Peaks], rule: ThresholdRule
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithms of all scores over their image's threshold, and 1 for cells, 0 for others."""
    logs, hits = [], []
    for peaks in images:
        threshold = rule.of_peaks(peaks.score)
        if threshold > 0:
            logs.append(np.log(peaks.score.astype(np.float64) / threshold))
            hits.append(peaks.hit.astype(np.float64))
    return np.concatenate(logs), np.concatenate(hits)
