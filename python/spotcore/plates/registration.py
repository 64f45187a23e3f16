"""The shift between two channels, found from the wells' own spots.

Cells that secrete both substances leave a spot in either channel, at the same place but for the
shift of the optics. So among all differences ``q − p`` of a spot q of the moving and a spot p of
the fixed channel those of common cells agree, and all others lie anywhere: the shift is where most
of them meet (a vote), refined by least squares over the pairs that it brings together.

Whether so many could have met by chance is asked of a Poisson process. Were there no common cells,
each of the N differences within `reach` would have about ``μ = density · π tolerance²`` others
within the tolerance, so that

    P(any one has k or more) <= N · P(Poisson(μ) >= k),

μ taken from all differences or from those around the peak, whichever is more: a crowded centre of
the well makes differences crowd round 0. Spots that were marked twice would vote twice; a vote
therefore counts a spot once. Not significant, or fewer than `FEWEST` pairs: there is no shift.

All wells of a plate were seen by the same optics: given together they vote together, so that wells
with few common cells are registered too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore._arrays import as_number, as_points

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["FEWEST", "Registration", "register"]

#: Pairs that a shift needs at least.
FEWEST = 5
#: Pairs that rotation and scale need at least: four numbers from them instead of two.
FEWEST_SIMILAR = 12


@dataclass(frozen=True, eq=False)
class Registration:
    """What takes the moving channel's positions to the fixed channel's.

    Attributes
    ----------
    matrix : ndarray, float64, shape [2, 2]
        Rotation and scale; the identity where only a shift was sought.
    offset : ndarray, float64, shape [2]
        (y, x) in pixels: ``fixed = matrix @ moving + offset``.
    pairs : int
        Pairs that it rests on; 0 where there is none.
    p : float
        Bound on the probability that so many meet by chance.
    significant : bool
        Whether a shift was found. If not, matrix and offset change nothing.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    pairs: int
    p: float
    significant: bool

    def apply(self, yx: ArrayLike) -> NDArray[np.float64]:
        """Move positions (y, x) of the moving channel, [n, 2], to the fixed one's frame."""
        moved: NDArray[np.float64] = as_points(yx, "yx") @ self.matrix.T + self.offset
        return moved


def register(
    fixed: Sequence[ArrayLike],
    moving: Sequence[ArrayLike],
    tolerance: float = 3.0,
    reach: float = 20.0,
    *,
    alpha: float = 1e-3,
    similarity: bool = False,
) -> Registration:
    """Estimate the shift between two channels.

    Parameters
    ----------
    fixed, moving : sequence of array_like, each [n, 2]
        Positions (y, x) in pixels of the spots of each well in either channel, well by well.
    tolerance : float
        Largest distance in pixels of the spots of one cell once the shift is taken out.
    reach : float
        Largest shift in pixels that is looked for; more than twice the tolerance.
    alpha : float
        Largest p of a shift.
    similarity : bool
        Whether to fit rotation and scale too. They have to be small: at first the shift alone must
        bring the pairs within the tolerance.

    Returns
    -------
    Registration
        Nothing but the identity where no shift is significant.

    Raises
    ------
    ValueError
        If the channels differ in the number of wells, or a number is out of range.
    """
    from scipy.spatial import cKDTree

    if len(fixed) != len(moving):
        raise ValueError(f"moving: expected {len(fixed)} wells, as fixed has, got {len(moving)}")
    tolerance = as_number(tolerance, "tolerance", minimum=0.0)
    reach = as_number(reach, "reach", minimum=0.0)
    if not (0 < 2 * tolerance < reach):
        raise ValueError(f"reach: expected more than twice the tolerance, {tolerance}, got {reach}")
    wells = [
        (as_points(p, f"fixed[{i}]"), as_points(q, f"moving[{i}]"))
        for i, (p, q) in enumerate(zip(fixed, moving, strict=True))
    ]
    wells = [(p, q) for p, q in wells if len(p) and len(q)]
    differences, spots = _differences(wells, reach)
    identity = Registration(np.eye(2), np.zeros(2), 0, 1.0, False)
    if len(differences) < FEWEST:
        return identity
    tree = cKDTree(differences)
    near = tree.query_ball_point(differences, tolerance, return_length=True)
    # The peak: of the few places with the most differences, the one with the most spots.
    best = max(
        np.argsort(-near, kind="stable")[:20], key=lambda i: _votes(tree, i, spots, tolerance)
    )
    centre = differences[best]
    for _ in range(5):  # mean shift: the vote was at one of the differences, the truth is amidst
        centre = differences[tree.query_ball_point(centre, tolerance)].mean(axis=0)
    votes = _votes(tree, best, spots, tolerance)
    p_value = _chance(votes, differences, differences[best], tolerance, reach)
    if votes < FEWEST or p_value > alpha:
        return Registration(np.eye(2), np.zeros(2), 0, p_value, False)
    matrix, offset, within = np.eye(2), -centre, tolerance
    pairs = 0
    for _ in range(10):
        p, q = _pairs(wells, matrix, offset, within)
        if len(p) < FEWEST:
            return Registration(np.eye(2), np.zeros(2), 0, p_value, False)
        pairs = len(p)
        before = offset
        if similarity and pairs >= FEWEST_SIMILAR:
            matrix, offset = _similar(p, q)
        else:
            offset = (p - q @ matrix.T).mean(axis=0)
        if np.abs(offset - before).max() < 1e-6:
            break
        # Pairs by chance lie anywhere within the tolerance, common cells nearer: 2.5 medians of the
        # distance hold 99 % of those.
        apart = np.hypot(*(p - q @ matrix.T - offset).T)
        within = min(tolerance, max(0.5, 2.5 * float(np.median(apart))))
    return Registration(matrix, offset, pairs, p_value, True)


def _differences(
    wells: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Differences q − p within reach, [N, 2], and whose they are: numbers of p and q, [N, 2]."""
    from scipy.spatial import cKDTree

    parts, owners = [np.zeros((0, 2))], [np.zeros((0, 2), dtype=np.int64)]
    first = np.zeros(2, dtype=np.int64)
    for p, q in wells:
        found = cKDTree(p).sparse_distance_matrix(cKDTree(q), reach, output_type="ndarray")
        parts.append(q[found["j"]] - p[found["i"]])
        owners.append(np.stack([found["i"], found["j"]], axis=1) + first)
        first += (len(p), len(q))
    return np.concatenate(parts), np.concatenate(owners)


def _votes(tree: object, i: int, spots: NDArray[np.int64], tolerance: float) -> int:
    """Count the differences that meet difference i, each spot once."""
    near = tree.query_ball_point(tree.data[i], tolerance)  # type: ignore[attr-defined]
    return min(len(np.unique(spots[near, 0])), len(np.unique(spots[near, 1])))


def _chance(
    votes: int,
    differences: NDArray[np.float64],
    peak: NDArray[np.float64],
    tolerance: float,
    reach: float,
) -> float:
    """Bound the probability that some difference has so many others around it by chance."""
    from scipy.stats import poisson

    distance = np.hypot(*(differences - peak).T)
    outer = min(4 * tolerance, reach)
    around = np.count_nonzero((distance > tolerance) & (distance <= outer))
    inside = np.count_nonzero(distance <= tolerance)
    # Densities in units of the tolerance's disc. The annulus reaches over the border, if the peak
    # is near it: then it is thinner than the truth, and the mean of all decides.
    local = around / ((outer / tolerance) ** 2 - 1)
    overall = (len(differences) - inside) / ((reach / tolerance) ** 2 - 1)
    chance = len(differences) * poisson.sf(votes - 2, max(local, overall))  # votes − 1 others
    return float(min(1.0, chance))


def _pairs(
    wells: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spots that are each other's nearest, within the tolerance, in all wells: [m, 2] each."""
    from scipy.spatial import cKDTree

    chosen_p, chosen_q = [np.zeros((0, 2))], [np.zeros((0, 2))]
    for p, q in wells:
        moved = q @ matrix.T + offset
        distance, to_p = cKDTree(p).query(moved)
        _, to_q = cKDTree(moved).query(p)
        mutual = (to_q[to_p] == np.arange(len(q))) & (distance <= tolerance)
        chosen_p.append(p[to_p[mutual]])
        chosen_q.append(q[mutual])
    return np.concatenate(chosen_p), np.concatenate(chosen_q)


def _similar(
    p: NDArray[np.float64], q: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least squares of ``p = [[a, −b], [b, a]] q + t``: rotation, scale and shift."""
    mean_p, mean_q = p.mean(axis=0), q.mean(axis=0)
    y, x = (q - mean_q).T
    v, u = (p - mean_p).T
    norm = math.fsum(y * y + x * x)
    a, b = math.fsum(y * v + x * u) / norm, math.fsum(y * u - x * v) / norm
    matrix = np.array([[a, -b], [b, a]])
    return matrix, mean_p - matrix @ mean_q
