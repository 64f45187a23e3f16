"""Spots that no peak of the picture shows by itself, and that the solver parts from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spotcore.detections import Cells, default_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.wells.curvature import Curvature

__all__ = ["parted_spots"]

#: They secrete at least so many standard deviations of the noise, times the square of the scale.
SECRETING = 200.0
#: A spot lies on a summit, or a shoulder: the curvature along it is no less than this part of that
#: across it. What is flatter is a ridge.
SHOULDER = 3.5
#: Peaks nearer than this many scales are the same spot; ridges and dust so near make the solver
#: place cells that are none.
SAME, NEAR_ARTEFACT = 5.0, 8.0
#: So near there is another spot: what hides a spot. A stain by itself is what the model makes up.
NEIGHBOUR = 20.0


def parted_spots(
    marks: Cells,
    curvature: Curvature,
    inside: NDArray[np.bool_],
    noise: float,
    spots: NDArray[np.floating],
    artefacts: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose the marks of a solver that stand for spots of their own.

    Two cells near each other may make one summit, of which the weaker one is a shoulder; a broad
    and faint cell may be lost in the light of its neighbours. The solver, which knows the shapes
    that diffusion makes, tells them apart. What the model does not know, such as scratches and an
    uneven membrane, it makes up of cells too: those near a ridge, or secreting little, do not
    count.

    Parameters
    ----------
    marks : Cells
        All of `spotcore.detect`, with a threshold of 0.
    curvature : Curvature
        Of the picture.
    inside : ndarray, bool, shape [H, W]
        Pixels where spots can lie.
    noise : float
        Standard deviation of the noise.
    spots : ndarray, shape [n, 2]
        Spots that were found in the picture.
    artefacts : ndarray, int64, shape [m, 2]
        Pixels of what is no spot.

    Returns
    -------
    index : ndarray, int64, shape [k]
        Which of the marks.
    strength : ndarray, float64, shape [k]
        Secretion by the smallest that counts, at least 1.
    """
    from scipy.spatial import cKDTree

    if len(marks) == 0 or marks.secretion is None:
        return np.zeros(0, np.int64), np.zeros(0)
    yx = marks.yx
    strength = marks.secretion / max(SECRETING * noise * curvature.scale**2, 1e-30)
    weaker, stronger = (part[tuple(yx.T)] for part in curvature.principal)
    kept = (strength >= 1) & (marks.score >= default_threshold(marks.score))
    kept &= inside[tuple(yx.T)] & (stronger < SHOULDER * weaker)
    to_spot, to_artefact = (
        cKDTree(others).query(yx)[0] / curvature.scale if len(others) else np.full(len(yx), np.inf)
        for others in (spots, artefacts)
    )
    kept &= (to_spot > SAME) & (to_spot < NEIGHBOUR) & (to_artefact > NEAR_ARTEFACT)
    index = np.flatnonzero(kept)
    return index, strength[index]
