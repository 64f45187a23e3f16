"""What is in a well: its cells, with the solver's secretion, and what is not a cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore._arrays import as_number
from spotcore._backends import one_blas_thread
from spotcore.detections import Cells, detect
from spotcore.wells.prepare import PROBABLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.solvers import Result
    from spotcore.wells.measure import Measures
    from spotcore.wells.prepare import Well

__all__ = ["Artefacts", "Spots", "find_artefacts", "find_cells", "find_marked", "find_spots"]

_LISTED = ("scratch", "dust", "blotch", "writing")  # of the network's kinds
_LEAST = 0.3  # probability of a kind
_SMALLEST = 8  # pixels of the network's kinds, that make an artefact


@dataclass(frozen=True, eq=False)
class Artefacts:
    """Table of what was seen and not counted.

    Attributes
    ----------
    y, x : ndarray, float64, shape [n]
        Centres in pixels, row and column.
    reason : tuple of str, length n
        "scratch" (a line: a scratch, a hair, a fibre), "dust" (compact, but not of a spot's shape:
        also bubbles), "blotch" (broad), "writing", "gate" (a spot beyond the user's limits).
    length : ndarray, float64, shape [n]
        Length in pixels.
    area : ndarray, float64, shape [n]
        Area in pixels.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    reason: tuple[str, ...]
    length: NDArray[np.float64]
    area: NDArray[np.float64]

    @classmethod
    def none(cls) -> Artefacts:
        """Return an empty table."""
        empty = np.zeros(0)
        return cls(empty, empty, (), empty, empty)

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


@dataclass(frozen=True, eq=False)
class Spots:
    """What `find_spots` sees in a well.

    Attributes
    ----------
    cells : Cells
        What counts.
    artefacts : Artefacts
        What does not, and why.
    """

    cells: Cells
    artefacts: Artefacts


def find_cells(well: Well, result: Result, threshold: float | None = None) -> Cells:
    """Return the cells of `find_spots` alone."""
    return find_spots(well, result, threshold).cells


@one_blas_thread()
def find_spots(well: Well, result: Result, threshold: float | None = None) -> Spots:
    """Turn the solution for a prepared well into its cells and its artefacts.

    With the preset "paper" the cells are the maxima of the score map above `spotcore.detect`'s
    default threshold, and nothing is an artefact. With the preset "well" they are the network's
    marks, and each has the secretion that the solver found around it.

    Parameters
    ----------
    well : Well
        From `prepare_well`.
    result : Result
        From `spotcore.solve` on it.
    threshold : float, optional
        Smallest score of a cell, instead of the preset's. With the preset "well" a cell's score is
        its probability.

    Returns
    -------
    Spots
        Cells with the highest score first.

    Raises
    ------
    ValueError
        If the result is not of this well, or the threshold is not finite.
    """
    limit = None if threshold is None else as_number(threshold, "threshold")
    if not np.array_equal(result.image, well.signal):
        raise ValueError("result: expected that of a solve of the same well's signal, got another")
    if well.preset == "paper":
        cells = detect(result, limit)
        sure = well.sight.probability_at(cells.yx)
        return Spots(replace(cells, confidence=sure), Artefacts.none())
    bins = np.where(np.asarray(result.xi) > 0, result.model.widths, 0.0)
    return Spots(find_marked(well, result.a, bins, limit), find_artefacts(well))


def find_marked(
    well: Well,
    a: NDArray[np.float32],
    widths: NDArray[np.float64],
    threshold: float | None = None,
) -> Cells:
    """Return the marks that count as cells, with what is around them in a solution.

    Parameters
    ----------
    well : Well
        Of the preset "well".
    a : ndarray, float32, shape [K, H, W]
        PSDR.
    widths : ndarray, float64, shape [K]
        Of the sigma bins; 0 for those that are background.
    threshold : float, optional
        Smallest probability.

    Returns
    -------
    Cells
    """
    limit = PROBABLE if threshold is None else threshold
    marks = well.marks[well.marks.probability >= limit]
    by_bin = _secretion_by_bin(marks.yx, well, a, widths)
    secretion = by_bin.sum(axis=1)
    return Cells(
        marks.yx[:, 0].copy(),
        marks.yx[:, 1].copy(),
        marks.probability.astype(np.float32),
        secretion,
        by_bin / np.maximum(secretion, np.finfo(np.float64).tiny)[:, None],
        limit,
        marks.probability,
    )


def find_artefacts(well: Well) -> Artefacts:
    """List what the network takes for something else than membrane and spots, longest first."""
    from scipy import ndimage

    view, kinds = well.sight.view, well.sight.kinds
    side = 2.0 / view.factor  # of the network's pixels, in the picture's
    other = kinds[[well.sight.number_of(kind) for kind in _LISTED]]
    likeliest, seen = other.argmax(axis=0), other.max(axis=0) >= _LEAST
    rows: list[tuple[float, float, float, str, float]] = []
    for index, kind in enumerate(_LISTED):
        labels, _ = ndimage.label((likeliest == index) & seen, np.ones((3, 3), bool))
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            y, x = np.nonzero(labels[box] == number)
            if len(y) < _SMALLEST:
                continue
            at = np.array([[box[0].start + y.mean(), box[1].start + x.mean()]])
            ((row, column),) = view.to_picture(2 * at + 0.5)
            inside = (0 <= row < well.signal.shape[0]) and (0 <= column < well.signal.shape[1])
            if inside and well.membrane[int(row), int(column)]:
                spread = np.linalg.eigvalsh(np.cov(np.stack([y, x]), bias=True))[-1]
                length = side * float(np.sqrt(12 * spread) + 1)  # of an even bar of that spread
                rows.append((length, float(row), float(column), kind, len(y) * side**2))
    rows.sort(reverse=True)
    return Artefacts(
        y=np.array([row[1] for row in rows], np.float64),
        x=np.array([row[2] for row in rows], np.float64),
        reason=tuple(row[3] for row in rows),
        length=np.array([row[0] for row in rows], np.float64),
        area=np.array([row[4] for row in rows], np.float64),
    )


def _secretion_by_bin(
    yx: NDArray[np.float64], well: Well, a: NDArray[np.float32], widths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Integrated intensity [n, K] of each mark: of the pixels of `Well.mask` nearest to it."""
    from scipy.spatial import cKDTree

    by_bin = np.zeros((len(yx), len(widths)))
    pixels = np.argwhere(well.mask > 0)
    if len(yx) == 0 or len(pixels) == 0:
        return by_bin
    _, owner = cKDTree(yx).query(pixels)
    for k, root in enumerate(np.sqrt(widths)):
        amounts = a[k][tuple(pixels.T)].astype(np.float64)
        by_bin[:, k] = root * np.bincount(owner, weights=amounts, minlength=len(yx))
    return by_bin
