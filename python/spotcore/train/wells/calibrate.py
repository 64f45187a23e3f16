"""Probabilities that mean what they say: fitted to what is true of marks of simulated wells."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.metrics import match
from spotcore.networks.hourglass import COUNTED, LIMITS, Hourglass
from spotcore.simulation.render import SimulatedWell
from spotcore.wells.detector import Marks, look

__all__ = ["Judged", "calibrated", "fit", "judged", "truth"]

RADIUS = 3.0
"""Largest distance of a mark from its cell, in pixels, or in widths of the typical spot."""
_ROUNDS = 30  # of Newton's method
_RIDGE = 1e-3


class Judged(NamedTuple):
    """Marks of a simulated well beside its truth.

    Attributes
    ----------
    marks : Marks
    hit : ndarray, bool, shape [n]
        Which of them are cells that count.
    true : int
        Number of those.
    """

    marks: Marks
    hit: NDArray[np.bool_]
    true: int

    def f1(self, threshold: float) -> float:
        """Return F1 of the marks that are at least as probable."""
        kept = self.marks.probability >= threshold
        total = int(kept.sum()) + self.true
        return 2.0 * float(self.hit[kept].sum()) / total if total else 1.0


def truth(well: SimulatedWell, limit: float = COUNTED) -> NDArray[np.float64]:
    """Return the cells [n, 2] that show a peak of their own and stand out far enough."""
    return well.cells[(well.hidden_by < 0) & (well.visibility >= limit)]


def judged(
    network: Hourglass, well: SimulatedWell, grey: NDArray[np.float32], limit: float = COUNTED
) -> Judged:
    """Look at a picture of a simulated well."""
    sight = look(grey, limit=limit, network=network)
    true = truth(well, limit)
    width = float(np.median(well.width)) if len(well.width) else 1.0
    marks = sight.marks
    hit = np.zeros(len(marks), bool)
    hit[match(marks.yx, true, radius=max(RADIUS, width)).pairs[:, 0]] = True
    return Judged(marks, hit, len(true))


def fit(odds: NDArray[np.float64], hit: NDArray[np.bool_]) -> tuple[float, float]:
    """Return (a, b) of ``1 / (1 + exp(-(a odds + b)))``, the likeliest for what is true (Platt)."""
    design = np.stack([odds, np.ones_like(odds)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (hit - p) - _RIDGE * (weights - (1.0, 0.0))
        curvature = (design * (p * (1 - p))[:, None]).T @ design + _RIDGE * np.eye(2)
        weights = weights + np.linalg.solve(curvature, gradient)
    return float(weights[0]), float(weights[1])


def calibrated(
    network: Hourglass,
    wells: Iterable[tuple[SimulatedWell, NDArray[np.float32]]],
    progress: Callable[[int], None] = lambda _: None,
) -> Hourglass:
    """Return the network with its log-odds made true on simulated wells.

    Parameters
    ----------
    network : Hourglass
    wells : iterable of (SimulatedWell, ndarray)
        That it was not trained on, and their grey pictures.
    progress : callable
        Called with 1 for each.

    Returns
    -------
    Hourglass
        Whose record says by how much.
    """
    odds, hits = [], []
    for well, grey in wells:
        found = judged(network, well, grey)
        p = np.clip(found.marks.probability, 1e-9, 1 - 1e-9)
        odds.append(np.log(p / (1 - p)))
        hits.append(found.hit)
        progress(1)
    a, b = fit(np.concatenate(odds), np.concatenate(hits))
    tensors = copy.deepcopy(network.tensors)
    rows = slice(0, len(LIMITS))
    tensors["cells.weight"][rows] *= np.float32(a)
    tensors["cells.bias"][rows] = np.float32(a) * tensors["cells.bias"][rows] + np.float32(b)
    return Hourglass(tensors, {**network.record, "calibration": [round(a, 4), round(b, 4)]})
