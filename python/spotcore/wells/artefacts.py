"""What looks like a spot and is none: scratches, fibres, dust, the rim; told by its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.detections import Cells
    from spotcore.wells.curvature import Curvature
    from spotcore.wells.measure import Measures

__all__ = ["Artefacts", "Shape", "is_doubtful", "is_ridge", "long_ridges", "residual_of_fit"]

#: A ridge runs on in both directions: there it is still bent by this share of what it is here.
CONTINUITY = 0.25
#: Below this ratio of its principal curvatures a peak is round, whatever lies beside it.
ROUND = 1.3
#: Above this ratio it is a ridge, even where it ends,
RIDGE = 3.0
#: above this one, too, if there is no other peak within so many scales to make it long.
RIDGE_ALONE, ALONE = 2.3, 6.0
#: Shortest line that is listed for itself, and how near a peak has to be to lie on it, in scales.
LINE_LENGTH, LINE_REACH = 10.0, 3.0
#: A peak on a line belongs to it unless it is this many times as sharp: then it is a spot on it.
LINE_SHARE = 2.0
#: Largest residual of the local fit of a Gaussian, relative to its amplitude.
RESIDUAL = 0.3
_WIDTHS = (1.0, 1.3, 1.7, 2.2, 3.0, 4.0)  # of the Gaussians that are tried, in scales


class Faint(NamedTuple):
    """A peak fainter (in standard deviations of the noise) and longer than this is doubtful."""

    distance: float  # in scales
    strength: float
    ratio: float  # of the principal curvatures


#: With no other peak within a distance, and with a ridge within one.
FAINT_ALONE = Faint(8.0, 14.0, 1.6)
FAINT_BESIDE = (Faint(13.0, 24.0, 2.0), Faint(7.0, 16.0, ROUND))


@dataclass(frozen=True, eq=False)
class Artefacts:
    """Table of what was seen and not counted.

    Attributes
    ----------
    y, x : ndarray, int64, shape [n]
        Centres in pixels, row and column.
    reason : tuple of str, length n
        "scratch" (a straight ridge), "fibre" (a bent one), "rim" (a ridge along the well's edge),
        "dust" (compact, but not of a spot's shape), "gate" (a spot beyond the user's limits).
    length : ndarray, float64, shape [n]
        Length in pixels.
    area : ndarray, float64, shape [n]
        Area in pixels.
    """

    y: NDArray[np.int64]
    x: NDArray[np.int64]
    reason: tuple[str, ...]
    length: NDArray[np.float64]
    area: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of artefacts."""
        return len(self.y)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the table column by column, each [n]."""
        reason = np.array(self.reason, dtype=np.str_)
        return {
            "y": self.y,
            "x": self.x,
            "reason": reason,
            "length": self.length,
            "area": self.area,
        }

    def and_gated(self, cells: Cells, measures: Measures) -> Artefacts:
        """Append spots beyond the user's limits; the length of each is its diameter."""
        return Artefacts(
            np.concatenate([self.y, cells.y]),
            np.concatenate([self.x, cells.x]),
            (*self.reason, *["gate"] * len(cells)),
            np.concatenate([self.length, measures.diameter]),
            np.concatenate([self.area, measures.area]),
        )

    @classmethod
    def of(cls, found: list[tuple[str, Shape]]) -> Artefacts:
        """Make the table of reasons and shapes, the longest first."""
        found = sorted(found, key=lambda one: -one[1].length)
        return cls(
            np.array([round(shape.y) for _, shape in found], dtype=np.int64),
            np.array([round(shape.x) for _, shape in found], dtype=np.int64),
            tuple(reason for reason, _ in found),
            np.array([shape.length for _, shape in found], dtype=np.float64),
            np.array([shape.area for _, shape in found], dtype=np.float64),
        )


class Shape(NamedTuple):
    """A region's centre of mass, length, width and area, in pixels.

    Length and width are those of the straight bar with the same second moments, so that a bent
    region is wider than its area over its length.
    """

    y: float
    x: float
    length: float
    width: float
    area: float

    @classmethod
    def of(cls, yx: NDArray[np.integer]) -> Shape:
        """Measure the pixels of a region, [n, 2]."""
        y, x = yx.mean(axis=0)
        # A pixel is itself 1 wide: its own second moment is 1/12.
        spread = np.cov(yx.T, bias=True) + np.eye(2) / 12
        width, length = np.sqrt(12 * np.linalg.eigvalsh(spread))
        return cls(float(y), float(x), float(length), float(width), float(len(yx)))

    @property
    def kind(self) -> str:
        """Name of a ridge: "scratch" if straight, "fibre" if bent."""
        return "fibre" if self.width > 2 * self.area / self.length else "scratch"


def is_ridge(
    weaker: NDArray[np.floating],
    stronger: NDArray[np.floating],
    continuity: NDArray[np.floating],
    to_next: NDArray[np.floating],
) -> NDArray[np.bool_]:
    """Tell the peaks of a ridge's texture from spots, bool [n].

    Such a peak is much sharper across than along the ridge, or somewhat sharper and the ridge runs
    on from there. Two touching spots make each other long, but end after the other one.

    Parameters
    ----------
    weaker, stronger : ndarray, shape [n]
        Principal curvatures at the peaks, > 0.
    continuity : ndarray, shape [n]
        From `Curvature.continuity`.
    to_next : ndarray, shape [n]
        Distance to the nearest other peak, in scales.

    Returns
    -------
    ndarray, bool, shape [n]
    """
    runs_on = (continuity > CONTINUITY) & (stronger > ROUND * weaker)
    limit = np.where(to_next > ALONE, RIDGE_ALONE, RIDGE)
    return np.asarray(runs_on | (stronger > limit * weaker))


def is_doubtful(
    strength: NDArray[np.floating],
    ratio: NDArray[np.floating],
    to_next: NDArray[np.floating],
    to_ridge: NDArray[np.floating],
) -> NDArray[np.bool_]:
    """Tell faint, long peaks that are alone, or in the company of ridges, bool [n].

    A faint stretch of a scratch shows as one peak that hardly runs on. Two touching spots are long,
    too, but each has the other one, and no scratch is near.

    Parameters
    ----------
    strength : ndarray, shape [n]
        In standard deviations of the noise.
    ratio : ndarray, shape [n]
        Of the stronger principal curvature to the weaker one.
    to_next, to_ridge : ndarray, shape [n]
        Distance to the nearest other peak, and to the nearest long line or peak that is none of a
        spot's, in scales.

    Returns
    -------
    ndarray, bool, shape [n]
    """
    doubtful = to_next > FAINT_ALONE.distance
    doubtful &= (strength < FAINT_ALONE.strength) & (ratio > FAINT_ALONE.ratio)
    for rule in FAINT_BESIDE:
        beside = to_ridge < rule.distance
        doubtful |= beside & (strength < rule.strength) & (ratio > rule.ratio)
    return np.asarray(doubtful)


def long_ridges(
    curvature: Curvature, inside: NDArray[np.bool_], limit: float
) -> list[NDArray[np.int64]]:
    """Find the lines in an image that are long enough to be scratches, fibres or the rim.

    Parameters
    ----------
    curvature : Curvature
        Of the image.
    inside : ndarray, bool, shape [H, W]
        Pixels of the membrane.
    limit : float
        Smallest curvature across a line.

    Returns
    -------
    list of ndarray, int64, shape [n, 2]
        Pixels (y, x) of each line's crest.
    """
    from scipy import ndimage

    weaker, stronger = curvature.principal
    crest = inside & (stronger >= limit) & (np.abs(weaker) * RIDGE < stronger)
    points = np.argwhere(crest)
    runs_on = np.zeros_like(crest)
    runs_on[tuple(points[curvature.continuity(points) > CONTINUITY].T)] = True
    around = np.ones((3, 3), bool)
    # A line does not run on at its ends: they are what of the crest hangs together with it.
    labels, _ = ndimage.label(ndimage.binary_propagation(runs_on, around, mask=crest), around)
    pieces = ndimage.value_indices(labels, ignore_value=0).values()
    lines = (np.stack(piece, axis=1) for piece in pieces if len(piece[0]) > LINE_LENGTH)
    shortest = LINE_LENGTH * curvature.scale
    return [line for line in lines if Shape.of(line).length >= shortest]


def residual_of_fit(
    signal: NDArray[np.float32],
    yx: NDArray[np.int64],
    basin: NDArray[np.int64],
    scale: float,
) -> NDArray[np.float64]:
    """Fit a round Gaussian on a plane to each spot; what it leaves, relative to its amplitude.

    The best of a few widths, by linear least squares over the pixels within 3 `scale` of the spot
    that belong to no other one.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image, spots bright.
    yx : ndarray, int64, shape [n, 2]
        Positions in pixels.
    basin : ndarray, int64, shape [H, W]
        What each pixel belongs to (`spotcore.wells.curvature.climb`).
    scale : float
        Standard deviation of a small spot in pixels.

    Returns
    -------
    ndarray, float64, shape [n]
        Root mean square over amplitude, infinite where the amplitude is not positive.
    """
    reach = int(np.ceil(3 * scale))
    dy, dx = (d.reshape(-1) for d in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    near = np.hypot(dy, dx) <= 3 * scale
    dy, dx = dy[near], dx[near]
    at = yx[:, 0, None] + reach + dy, yx[:, 1, None] + reach + dx
    values = np.pad(signal.astype(np.float64), reach, mode="edge")[at]  # [n, pixels]
    owner = np.pad(basin, reach, constant_values=-1)[at]
    weight = (owner == basin[yx[:, 0], yx[:, 1]][:, None]).astype(np.float64)
    count = weight.sum(axis=1)
    least = np.full(len(yx), np.inf)
    amplitude = np.zeros(len(yx))
    for sigma in scale * np.array(_WIDTHS):
        design = np.stack(
            [np.exp(-(dy**2 + dx**2) / (2 * sigma**2)), np.ones(len(dy)), dy / reach, dx / reach],
            axis=1,
        )
        # The ridge keeps it solvable where a spot owns hardly any pixels.
        normal = np.einsum("np,pi,pj->nij", weight, design, design) + 1e-9 * np.eye(4)
        right = np.einsum("np,pi->ni", weight * values, design)
        fit = np.linalg.solve(normal, right[..., None])[..., 0]
        left = (weight * (values - fit @ design.T) ** 2).sum(axis=1) / count
        better = left < least
        least[better], amplitude[better] = left[better], fit[better, 0]
    with np.errstate(divide="ignore"):
        return np.where(amplitude > 0, np.sqrt(least) / amplitude, np.inf)
