"""From a score map to a table of cells: local maxima, a threshold, secretion per cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from spotcore import _core
from spotcore._arrays import as_image, as_number, as_vector

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from spotcore.model.observation import ObservationModel

__all__ = ["SECRETION_RADIUS", "Cells", "default_threshold", "detect", "local_maxima"]

SECRETION_RADIUS = 3.0
"""Pixels this near to a detection can count as its secretion: the papers' tolerance, in pixels."""

# Upper limit of the default threshold, relative to a typical cell.
_LARGEST_SHARE = 0.35


@runtime_checkable
class Solution(Protocol):
    """What `detect` needs of a solver's result."""

    @property
    def a(self) -> NDArray[np.float32]:
        """Estimated PSDR, [K, H, W]."""

    @property
    def score(self) -> NDArray[np.float32]:
        """Score map, [H, W]."""

    @property
    def model(self) -> ObservationModel:
        """Observation model, for the widths of its sigma bins."""

    @property
    def xi(self) -> NDArray[np.float32]:
        """Weights of the sigma bins [K], 0 for those that are background."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Table of detected cells, strongest first.

    Attributes
    ----------
    y, x : ndarray, int64 or float64, shape [n]
        Positions in pixels, row and column; of wells to a part of a pixel.
    score : ndarray, float32, shape [n]
        Values of the score map there, decreasing.
    secretion : ndarray, float64, shape [n], or None
        Integrated intensity ``sum_k sqrt(Delta_k) a_k`` over the pixels that belong to the cell,
        in the image's unit of intensity times pixels. None for a bare score map.
    profile : ndarray, float64, shape [n, K], or None
        Share of each sigma bin in `secretion`; rows sum to 1, bins outside the regulariser
        (``xi = 0``) hold 0. None for a bare score map.
    threshold : float
        Peaks with at least this score were kept.
    confidence : ndarray, float64, shape [n], or None
        Estimated probability that there is a cell. None where nothing was calibrated.
    """

    y: NDArray[np.int64] | NDArray[np.float64]
    x: NDArray[np.int64] | NDArray[np.float64]
    score: NDArray[np.float32]
    secretion: NDArray[np.float64] | None
    profile: NDArray[np.float64] | None
    threshold: float
    confidence: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        """Say how many, in one line."""
        held = [
            name
            for name in ("secretion", "profile", "confidence")
            if getattr(self, name) is not None
        ]
        beside = f", with {', '.join(held)}" if held else ""
        return f"Cells({len(self)} cells, threshold {self.threshold:g}{beside})"

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.y)

    def __getitem__(self, kept: NDArray[np.bool_]) -> Cells:
        """Return some of the cells: those of a bool mask or an index array."""

        def some(column: NDArray[Any] | None) -> Any:
            return None if column is None else column[kept]

        return Cells(
            self.y[kept],
            self.x[kept],
            self.score[kept],
            some(self.secretion),
            some(self.profile),
            self.threshold,
            some(self.confidence),
        )

    @property
    def yx(self) -> NDArray[Any]:
        """Positions (y, x) in pixels, [n, 2]."""
        return np.stack([self.y, self.x], axis=1)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the table column by column, each [n]; shares as ``share_1`` to ``share_K``."""
        table: dict[str, NDArray[Any]] = {"y": self.y, "x": self.x, "score": self.score}
        if self.confidence is not None:
            table["confidence"] = self.confidence
        if self.secretion is not None:
            table["secretion"] = self.secretion
        if self.profile is not None:
            table |= {f"share_{k}": share for k, share in enumerate(self.profile.T, start=1)}
        return table

    def to_pandas(self) -> Any:
        """Return the table as a ``pandas.DataFrame``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas

        return pandas.DataFrame(self.columns())


def local_maxima(score: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Positive 8-connected local maxima of a score map.

    Parameters
    ----------
    score : array_like, shape [H, W]
        Score map, finite.

    Returns
    -------
    yx : ndarray, int64, shape [n, 2]
        Positions in pixels; a plateau counts once, at its first pixel in raster order.
    value : ndarray, float32, shape [n]
        Scores there, decreasing; equal ones in raster order.
    """
    yx, value = _core.local_maxima(as_image(score, "score"))
    return yx, value


def detect(source: Solution | ArrayLike, threshold: float | None = None) -> Cells:
    """Detect cells as the local maxima of a score map that reach a threshold.

    Parameters
    ----------
    source : Result or array_like, shape [H, W]
        Result of `spotcore.solve`, or a score map.
    threshold : float, optional
        Smallest score of a cell, in the unit of the score map. The default is
        `default_threshold` of the peaks.

    Returns
    -------
    Cells
        Cells, strongest first; with secretion and profile if `source` is a solver's result.
        Every pixel within `SECRETION_RADIUS` of a cell belongs to the nearest one, and to the
        stronger of two at the same distance.

    Raises
    ------
    ValueError
        If the score map is not a finite, non-empty image, or the threshold not finite.
    TypeError
        If the score map does not hold real numbers.

    References
    ----------
    del Aguila Pla and Jalden, IEEE TSP 66(20), 2018 (Part II), Section III-C1.
    """
    solution = source if isinstance(source, Solution) else None
    yx, value = local_maxima(source.score if isinstance(source, Solution) else source)
    limit = default_threshold(value) if threshold is None else as_number(threshold, "threshold")
    keep = value >= limit
    yx, value = yx[keep], value[keep]
    secretion = profile = None
    if solution is not None:
        by_bin = _secretion_by_bin(yx, solution)
        secretion = by_bin.sum(axis=1)
        profile = by_bin / np.maximum(secretion, np.finfo(np.float64).tiny)[:, None]
    return Cells(yx[:, 0].copy(), yx[:, 1].copy(), value, secretion, profile, limit)


def default_threshold(peak_scores: ArrayLike) -> float:
    """Threshold on the scores of local maxima, found without knowing the truth.

    Otsu's threshold of the logarithms of the scores, each peak weighted by its own score: of all
    splits into faint and strong peaks the one with the largest variance between the two means.
    Logarithms, because cells differ by factors, and weights, because the faintest maxima are many
    and differ by orders of magnitude without meaning anything. The upper limit is 0.35 of the score
    of a typical cell (the median, each peak weighted by the square of its score), so that cells are
    not split among themselves where nearly all peaks are cells.

    Parameters
    ----------
    peak_scores : array_like, shape [n]
        Scores of all local maxima, > 0, in any order and unit.

    Returns
    -------
    float
        Smallest score to keep; 0 where there are no peaks.

    Raises
    ------
    ValueError
        If a score is not positive and finite.

    References
    ----------
    Otsu, IEEE Trans. Systems, Man and Cybernetics 9(1), 1979, equation (14), with weights.
    """
    if np.size(peak_scores) == 0:
        return 0.0
    # Through float32, in which score maps are: the ratio of two such numbers never underflows.
    scores = np.sort(as_vector(peak_scores, "peak_scores")).astype(np.float64)
    if scores[0] <= 0:
        raise ValueError(f"peak_scores: expected scores > 0, got {scores[0]:g}")
    share = scores / scores[-1]  # neither the split nor the cap depends on the unit
    energy = np.cumsum(share**2)
    cap = _LARGEST_SHARE * scores[np.searchsorted(energy, energy[-1] / 2.0)]
    if len(scores) == 1:
        return float(cap)
    mass, moment = np.cumsum(share), np.cumsum(share * np.log(share))
    faint, strong = mass[:-1], mass[-1] - mass[:-1]
    between = moment[:-1] / faint - (moment[-1] - moment[:-1]) / strong
    split = int(np.argmax(faint * strong * between**2))
    return float(min(scores[split + 1], cap))


def _secretion_by_bin(yx: NDArray[np.int64], solution: Solution) -> NDArray[np.float64]:
    """Integrated intensity [n, K] of each cell in each sigma bin; `yx` [n, 2] strongest first."""
    height, width = solution.score.shape
    pixels, owners = _territories(yx, height, width)
    n_bins = len(solution.xi)
    widths = np.where(np.asarray(solution.xi) > 0, solution.model.widths, 0.0)
    weighted = np.zeros((len(yx), n_bins))
    for k, root in enumerate(np.sqrt(widths)):
        amounts = solution.a[k].reshape(-1)[pixels].astype(np.float64)
        weighted[:, k] = root * np.bincount(owners, weights=amounts, minlength=len(yx))
    return weighted


def _territories(
    yx: NDArray[np.int64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels (flat indices) within `SECRETION_RADIUS` of a cell, and the cell that owns each."""
    reach = int(SECRETION_RADIUS)
    dy, dx = (d.reshape(-1) for d in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    squared = dy**2 + dx**2
    inside = squared <= SECRETION_RADIUS**2
    dy, dx, squared = dy[inside], dx[inside], squared[inside]
    y, x = yx[:, :1] + dy, yx[:, 1:] + dx  # [n, offsets]
    valid = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    pixel = (y * width + x)[valid]
    distance = np.broadcast_to(squared, valid.shape)[valid]
    owner = np.broadcast_to(np.arange(len(yx))[:, None], valid.shape)[valid]
    order = np.lexsort((owner, distance, pixel))  # per pixel: nearest first, then strongest
    pixels, first = np.unique(pixel[order], return_index=True)
    return pixels, owner[order][first]
