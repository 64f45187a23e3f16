"""What is measured on each spot of a well: size, strength, sharpness, confidence, neighbours.

All lengths are in pixels, all strengths in the unit of `Well.signal`: optical density for dark
spots, grey levels for bright ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.detections import Cells
    from spotcore.wells.prepare import Well

__all__ = [
    "Limits",
    "Measures",
    "basins",
    "measure_cells",
    "nearest_neighbour",
    "within",
]

#: Signal is smoothed by this share of a typical spot's width before it is measured.
_SMOOTHING = 0.4
_NEIGHBOURS = np.ones((3, 3), int)


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured on n spots.

    Attributes
    ----------
    area : ndarray, float64, shape [n]
        Pixels of the spot above half of its peak: those that hang together with the spot's middle
        within its basin (`basins`), so that a neighbour's are not counted.
    diameter : ndarray, float64, shape [n]
        Of the circle of that area, ``2 sqrt(area / pi)``. A Gaussian's is 2.35 standard deviations.
    peak : ndarray, float64, shape [n]
        Largest signal over the membrane's background, lightly smoothed.
    density : ndarray, float64, shape [n]
        Signal over the background, summed up over the area. Half of a whole Gaussian's.
    sharpness : ndarray, float64, shape [n]
        Largest gradient within the area by the peak, in 1/px. A Gaussian of standard deviation s,
        smoothing included, has ``exp(-1/2) / s``.
    confidence : ndarray, float64, shape [n]
        Probability that the mark is a cell, as a network says.
    """

    area: NDArray[np.float64]
    diameter: NDArray[np.float64]
    peak: NDArray[np.float64]
    density: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    confidence: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of spots."""
        return len(self.area)

    def __getitem__(self, kept: NDArray[np.bool_]) -> Measures:
        """Return the measures of some of the spots."""
        return Measures(**{name: values[kept] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Limits:
    """Smallest and largest value that a spot may have; None stands for no limit.

    Attributes
    ----------
    diameter : pair of float or None
        In pixels.
    density : pair of float or None
        In the unit of the signal times pixels.
    """

    diameter: tuple[float | None, float | None] = (None, None)
    density: tuple[float | None, float | None] = (None, None)


def measure_cells(well: Well, cells: Cells) -> Measures:
    """Measure the cells of a well on its picture.

    Parameters
    ----------
    well : Well
        From `prepare_well`.
    cells : Cells
        Marks on it.

    Returns
    -------
    Measures
        In the order of `cells`.
    """
    from scipy import ndimage

    scale = smoothing(well)
    inside = well.membrane
    signal = _continued(well.signal, inside)
    smooth = ndimage.gaussian_filter(signal, scale)
    slope = ndimage.gaussian_gradient_magnitude(signal, scale)
    rows, columns = np.rint(cells.yx).astype(np.int64).T
    # The mark may stand a pixel beside the summit, but not on another spot's flank.
    at_mark = smooth[rows, columns].astype(np.float64)
    marks = np.stack([rows, columns], axis=1)
    owner = basins(smooth, marks, inside & (smooth > at_mark.min(initial=np.inf) / 2))
    area, peak, density, steepest = np.zeros((4, len(cells)))
    for i, box in enumerate(ndimage.find_objects(owner, max_label=len(cells))):
        if box is None:
            continue
        y, x = rows[i] - box[0].start, columns[i] - box[1].start
        own = owner[box] == i + 1
        close = np.s_[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        peak[i] = max(float(smooth[box][close][own[close]].max(initial=0.0)), 0.0)
        parts, _ = ndimage.label(own & (smooth[box] >= min(peak[i] / 2, at_mark[i])), _NEIGHBOURS)
        part = (parts == parts[y, x]) & (parts > 0)
        area[i] = part.sum()
        density[i] = signal[box][part].sum()
        steepest[i] = slope[box][part].max(initial=0.0)
    return Measures(
        area=area,
        diameter=2 * np.sqrt(area / math.pi),
        peak=peak,
        density=density,
        sharpness=np.divide(steepest, peak, out=np.zeros(len(cells)), where=peak > 0),
        confidence=np.full(len(cells), np.nan)
        if cells.confidence is None
        else np.asarray(cells.confidence, np.float64),
    )


def _continued(signal: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give every pixel outside the value of the nearest one inside: no edge to be seen there."""
    from scipy import ndimage

    if inside.all() or not inside.any():
        return signal
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return np.asarray(signal[tuple(nearest)])


def smoothing(well: Well) -> float:
    """Return the standard deviation in pixels that a signal is smoothed by to be measured."""
    return max(_SMOOTHING * well.spot_scale, 0.5)


def basins(
    smooth: NDArray[np.float32], yx: NDArray[np.int64], used: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Share an image out among marks: to each the pixels that water would flow to it from.

    A watershed of the upside-down image with the marks as its springs, as the minimum spanning
    forest that is rooted in them: the weight of an edge between two neighbours (of 8) is the depth
    of the lower one, and among equal ones that of the higher. Marks that share a summit divide it.

    Parameters
    ----------
    smooth : ndarray, shape [H, W]
        Image, spots bright, smoothed lightly.
    yx : ndarray, int64, shape [n, 2]
        Marks in pixels, at different ones.
    used : ndarray, bool, shape [H, W]
        Pixels to share out.

    Returns
    -------
    ndarray, int32, shape [H, W]
        i + 1 where the basin of mark i is, 0 where no mark can be reached.

    References
    ----------
    Cousty, Bertrand, Najman and Couprie, "Watershed cuts: minimum spanning forests and the drop of
    water principle", IEEE TPAMI 31(8), 2009.
    """
    if len(yx) == 0:
        return np.zeros(smooth.shape, np.int32)
    used = used.copy()
    used[yx[:, 0], yx[:, 1]] = True
    return _core.watershed(smooth, np.ravel_multi_index((yx[:, 0], yx[:, 1]), smooth.shape), used)


def within(measures: Measures, limits: Limits) -> NDArray[np.bool_]:
    """Tell which spots lie within the limits on size and density.

    Parameters
    ----------
    measures : Measures
    limits : Limits

    Returns
    -------
    ndarray, bool, shape [n]
    """
    kept = np.ones(len(measures), bool)
    for values, (low, high) in (
        (measures.diameter, limits.diameter),
        (measures.density, limits.density),
    ):
        kept &= (values >= (-np.inf if low is None else low)) & (
            values <= (np.inf if high is None else high)
        )
    return kept


def nearest_neighbour(yx: NDArray[Any]) -> NDArray[np.float64]:
    """Return each point's distance to the nearest other one, in pixels; infinite where alone."""
    from scipy.spatial import cKDTree

    if len(yx) == 0:
        return np.zeros(0)
    distance, _ = cKDTree(yx).query(yx, k=2)
    return np.asarray(distance[:, 1], np.float64)
