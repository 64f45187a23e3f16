"""Probabilities that mean what they say: fitted to what is true of marks of simulated wells."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.metrics import match
from spotcore.networks.hourglass import LIMITS, Hourglass
from spotcore.simulation.render import SimulatedWell
from spotcore.train.wells.data import Shown
from spotcore.wells.detector import look
from spotcore.wells.sight import Marks, Sight

__all__ = ["Judged", "calibrated", "fit", "judged", "radius_of", "truth", "visible"]

VISIBLE = 5.5
"""Visibility of cells that an eye sees at all."""
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
    cells : ndarray, float64, shape [m, 2]
        All cells that count, from `truth`.
    """

    marks: Marks
    hit: NDArray[np.bool_]
    cells: NDArray[np.float64]

    @property
    def true(self) -> int:
        """Return the number of cells that count."""
        return len(self.cells)

    def f1(self, threshold: float) -> float:
        """Return F1 of the marks that are at least as probable."""
        kept = self.marks.probability >= threshold
        total = int(kept.sum()) + self.true
        return 2.0 * float(self.hit[kept].sum()) / total if total else 1.0


def truth(well: SimulatedWell, sight: Sight) -> NDArray[np.float64]:
    """Return the cells [n, 2] that count: with a peak of their own, visible, prominent enough.

    How far each stands out is read from the picture, at its true place.
    """
    cells = well.cells[visible(well)]
    return cells[sight.prominence_at(cells) >= sight.limit]


def judged(network: Hourglass, picture: Shown) -> Judged:
    """Look at a picture of a simulated well."""
    sight = look(picture.grey, network=network)
    true = truth(picture.well, sight)
    return Judged(sight.marks, _hits(sight.marks, picture.well, true), true)


def visible(well: SimulatedWell) -> NDArray[np.bool_]:
    """Tell which cells [n] show a peak of their own and can be seen, however faint."""
    return np.asarray((well.hidden_by < 0) & (well.visibility >= VISIBLE))


def radius_of(well: SimulatedWell) -> float:
    """Return the largest distance of a mark of a well from its cell, in pixels."""
    return max(RADIUS, float(np.median(well.width)) if len(well.width) else 0.0)


def _hits(marks: Marks, well: SimulatedWell, true: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which marks [n] are at cells [m, 2]."""
    hit = np.zeros(len(marks), bool)
    hit[match(marks.yx, true, radius_of(well)).pairs[:, 0]] = True
    return hit


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
    pictures: Iterable[Shown],
    progress: Callable[[int], None] = lambda _: None,
) -> Hourglass:
    """Return the network with its log-odds of visible cells made true on simulated wells.

    Parameters
    ----------
    network : Hourglass
    pictures : iterable of Shown
        Of wells that it was not trained on.
    progress : callable
        Called with 1 for each.

    Returns
    -------
    Hourglass
        Whose record says by how much.
    """
    odds, hits = [], []
    for picture in pictures:
        marks, well = look(picture.grey, network=network).visible, picture.well
        p = np.clip(marks.probability, 1e-9, 1 - 1e-9)
        odds.append(np.log(p / (1 - p)))
        hits.append(_hits(marks, well, well.cells[visible(well)]))
        progress(1)
    a, b = fit(np.concatenate(odds), np.concatenate(hits))
    tensors = copy.deepcopy(network.tensors)
    rows = slice(0, len(LIMITS))
    tensors["cells.weight"][rows] *= np.float32(a)
    tensors["cells.bias"][rows] = np.float32(a) * tensors["cells.bias"][rows] + np.float32(b)
    return Hourglass(tensors, {**network.record, "calibration": [round(a, 4), round(b, 4)]})
