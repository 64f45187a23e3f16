"""Which spots of several channels are the same cell, and how many would be by chance.

**Cells.** A cell is a group of spots of different channels, any two of them within the tolerance.
The closest two spots are joined first, then the next closest, as long as the groups that they join
have no channel in common and stay within the tolerance: complete linkage, the same for two, three
or four channels, whatever their order. With two channels this is the greedy one-to-one matching. It
is not the assignment that makes the most pairs, on purpose: that would break up a pair at 0.1 px to
make two at 2.9 px.

**By chance**, two ways.

- From the densities, all channels independent and uniform on the area A: groups of the channels S,
  whatever the others do, number

      I(S) = Π_{c in S} n_c · (π tolerance² / A)^(|S| − 1) · κ_|S|,

  κ_k being the probability that k − 1 points, uniform in a disc, and its centre are all within a
  radius of each other: 1, 1, 1 − 3√3/4π, 0.2746 (the last one simulated). Those of no other channel
  are ``E(S) = Σ_{T ⊇ S} (−1)^{|T| − |S|} I(T)``. It holds where spots are few: n π tolerance² ≪ A.
- From shuffled positions: one channel is turned about the centre of the well by a random angle of
  10 to 350°, which keeps its number, its clumps, and how crowded the centre is; all is counted
  anew. (Given a mask instead of a circle, the channel's spots are strewn over it.) Each channel of
  the combination is shuffled in its turn and the one that explains most is reported: cells that are
  red and green for a reason, and blue by accident, do not make red+green+blue significant.

    p = (1 + shuffles with at least as many) / (1 + shuffles)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore._arrays import as_count, as_number, as_points

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MAX_CHANNELS", "Coincidences", "Combination", "coincidences", "join"]

MAX_CHANNELS = 4
_KAPPA = (math.nan, 1.0, 1.0, 1.0 - 3.0 * math.sqrt(3.0) / (4.0 * math.pi), 0.2746)


@dataclass(frozen=True)
class Combination:
    """Cells that are positive in these channels and in no other.

    Attributes
    ----------
    channels : tuple of str
        In the order given.
    count : int
        Cells.
    expected_density : float
        Number by chance from the densities.
    expected_shuffled, low, high : float
        Number with shuffled positions: mean and 95 % interval.
    p : float or None
        Probability of so many by chance; None of a single channel.
    """

    channels: tuple[str, ...]
    count: int
    expected_density: float
    expected_shuffled: float
    low: float
    high: float
    p: float | None

    @property
    def name(self) -> str:
        """``red+green``."""
        return "+".join(self.channels)


@dataclass(frozen=True, eq=False)
class Coincidences:
    """The cells of a well with several channels.

    Attributes
    ----------
    channels : tuple of str
        In the order given.
    yx : ndarray, float64, shape [n, 2]
        Positions (y, x) of the cells in pixels: the mean of their spots. Cells of more channels
        come first.
    spots : ndarray, int64, shape [n, channels]
        Index of the spot in each channel; -1 where the cell has none.
    combinations : tuple of Combination
        All there can be, single channels first.
    """

    channels: tuple[str, ...]
    yx: NDArray[np.float64]
    spots: NDArray[np.int64]
    combinations: tuple[Combination, ...]


def coincidences(
    points: Mapping[str, ArrayLike],
    area: tuple[float, float, float] | ArrayLike,
    tolerance: float = 3.0,
    *,
    shuffles: int = 199,
    seed: int = 0,
) -> Coincidences:
    """Find the cells that are positive in several channels.

    Parameters
    ----------
    points : mapping of str to array_like [n, 2]
        Positions (y, x) in pixels of the spots of each of two to four channels, in one frame.
    area : (y, x, radius) or array_like, bool, shape [H, W]
        Where spots can be: the well's circle, in pixels, or a mask.
    tolerance : float
        Largest distance of two spots of one cell in pixels.
    shuffles : int
        Number of shuffles per channel; p is at least ``1 / (shuffles + 1)``.
    seed : int
        Of the shuffles.

    Returns
    -------
    Coincidences
        Cells, and the exclusive number of every combination of channels.

    Raises
    ------
    ValueError
        If there are not two to four channels, or an argument is out of range.
    """
    channels = tuple(points)
    if not 2 <= len(channels) <= MAX_CHANNELS:
        raise ValueError(f"points: expected 2 to {MAX_CHANNELS} channels, got {len(channels)}")
    yx = [as_points(points[channel], f"points[{channel!r}]") for channel in channels]
    tolerance = as_number(tolerance, "tolerance", minimum=0.0, strict=True)
    shuffles = as_count(shuffles, "shuffles", minimum=1)
    place = _Place.of(area)
    spots = join(yx, tolerance)
    counts = _counts(spots)
    rng = np.random.default_rng(seed)
    # Of two channels it does not matter which one is turned against the other.
    shuffled = range(len(yx)) if len(yx) > 2 else (1,)
    by_chance = {
        c: np.array(
            [
                _counts(join([*yx[:c], place.shuffle(yx[c], rng), *yx[c + 1 :]], tolerance))
                for _ in range(shuffles)
            ]
        )
        for c in shuffled
    }
    combinations = tuple(
        _combination(members, channels, yx, counts, by_chance, math.pi * tolerance**2 / place.size)
        for size in range(1, len(channels) + 1)
        for members in itertools.combinations(range(len(channels)), size)
    )
    sums, number = np.zeros((len(spots), 2)), (spots >= 0).sum(axis=1)
    for c, positions in enumerate(yx):
        has = spots[:, c] >= 0
        sums[has] += positions[spots[has, c]]
    return Coincidences(channels, sums / np.maximum(number, 1)[:, None], spots, combinations)


def join(yx: Sequence[NDArray[np.float64]], tolerance: float) -> NDArray[np.int64]:
    """Join the spots of several channels to cells, the closest first.

    Parameters
    ----------
    yx : sequence of ndarray, float64, each [n, 2]
        Positions by channel.
    tolerance : float
        Largest distance of any two spots of a cell, inclusive.

    Returns
    -------
    ndarray, int64, shape [cells, channels]
        Index of the spot in each channel, -1 for none. Every spot is in one cell.
    """
    n = [len(positions) for positions in yx]
    channel = np.repeat(np.arange(len(yx)), n)
    first = np.cumsum([0, *n])  # spots are numbered through, channel by channel
    distance, u, v = _close_pairs(yx, first, tolerance)
    degree = np.bincount(np.concatenate([u, v]), minlength=first[-1])
    label = np.arange(first[-1])  # spots of a cell have the same
    alone = (degree[u] == 1) & (degree[v] == 1)
    label[v[alone]] = u[alone]
    crowd = np.flatnonzero(~alone)
    crowd = crowd[np.lexsort([v[crowd], u[crowd], distance[crowd]])]
    close = set(zip(u[crowd].tolist(), v[crowd].tolist(), strict=True))
    group: dict[int, frozenset[int]] = {}
    for i, j in zip(u[crowd].tolist(), v[crowd].tolist(), strict=True):
        one, other = group.get(i, frozenset((i,))), group.get(j, frozenset((j,)))
        # Spots of one channel are never close in this sense: no cell gets two of them.
        if one is not other and all((min(k, m), max(k, m)) in close for k in one for m in other):
            group.update(dict.fromkeys(one | other, one | other))
    for spot, members in group.items():
        label[spot] = min(members)
    labels, row = np.unique(label, return_inverse=True)
    spots = np.full((len(labels), len(yx)), -1, dtype=np.int64)
    spots[row, channel] = np.arange(first[-1]) - first[channel]
    return spots[np.argsort(-(spots >= 0).sum(axis=1), kind="stable")]


def _close_pairs(
    yx: Sequence[NDArray[np.float64]], first: NDArray[np.int64], tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Find spots of different channels within the tolerance: distance and numbers u < v, [m]."""
    from scipy.spatial import cKDTree

    trees = [cKDTree(positions) for positions in yx]
    parts = [(np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))]
    for a, b in itertools.combinations(range(len(yx)), 2):
        if len(yx[a]) and len(yx[b]):
            near = trees[a].sparse_distance_matrix(trees[b], tolerance, output_type="ndarray")
            parts.append((near["v"], near["i"] + first[a], near["j"] + first[b]))
    distance, u, v = (np.concatenate(column) for column in zip(*parts, strict=True))
    return distance, u, v


def _counts(spots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count cells by combination, channel c being bit c: int64 [2 ** channels]."""
    n = spots.shape[1]
    codes = ((spots >= 0) << np.arange(n)).sum(axis=1)
    return np.bincount(codes, minlength=1 << n)


def _combination(
    members: tuple[int, ...],
    channels: tuple[str, ...],
    yx: Sequence[NDArray[np.float64]],
    counts: NDArray[np.int64],
    by_chance: Mapping[int, NDArray[np.int64]],
    disc: float,
) -> Combination:
    """Count one combination, and by chance; `disc` is the tolerance's share of the area."""
    code = sum(1 << c for c in members)
    count = int(counts[code])
    nulls = [by_chance[c][:, code] for c in members if c in by_chance]
    nulls = nulls or [null[:, code] for null in by_chance.values()]
    most = max(nulls, key=lambda null: float(null.mean()))
    low, high = np.percentile(most, [2.5, 97.5])
    p = max((1 + np.count_nonzero(null >= count)) / (1 + len(null)) for null in nulls)
    rest = [c for c in range(len(channels)) if c not in members]
    density = 0.0
    for extra in range(len(rest) + 1):
        for more in itertools.combinations(rest, extra):
            k = len(members) + extra
            number = math.prod(len(yx[c]) for c in (*members, *more))
            density += (-1) ** extra * number * disc ** (k - 1) * _KAPPA[k]
    return Combination(
        channels=tuple(channels[c] for c in members),
        count=count,
        expected_density=max(0.0, density),
        expected_shuffled=float(most.mean()),
        low=float(low),
        high=float(high),
        p=float(p) if len(members) > 1 else None,
    )


@dataclass(frozen=True, eq=False)
class _Place:
    """Where spots can be, and how to shuffle them there."""

    size: float  # px²
    centre: NDArray[np.float64]  # (y, x)
    pixels: NDArray[np.int64] | None

    @classmethod
    def of(cls, area: tuple[float, float, float] | ArrayLike) -> _Place:
        array = np.asarray(area)
        if array.dtype == bool and array.ndim == 2:
            pixels = np.argwhere(array)
            if not len(pixels):
                raise ValueError("area: the mask holds no pixel")
            return cls(float(len(pixels)), pixels.mean(axis=0), pixels)
        if array.shape != (3,) or array.dtype.kind not in "iuf":
            raise ValueError(
                "area: expected a circle (y, x, radius) or a bool mask [H, W], "
                f"got {array.dtype} of shape {array.shape}"
            )
        y, x = (as_number(v, f"area[{i}]") for i, v in enumerate(array[:2].tolist()))
        radius = as_number(float(array[2]), "area[2]", minimum=0.0, strict=True)
        return cls(math.pi * radius**2, np.array([y, x]), None)

    def shuffle(self, yx: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Turn positions about the centre, or strew as many over the mask."""
        if self.pixels is not None:
            chosen = self.pixels[rng.integers(len(self.pixels), size=len(yx))]
            return chosen + rng.uniform(-0.5, 0.5, chosen.shape)
        angle = math.radians(rng.uniform(10.0, 350.0))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        turned: NDArray[np.float64] = (yx - self.centre) @ turn.T + self.centre
        return turned
