"""One mark per spot on real wells: a second opinion on the solver's marks, from the picture.

The model has no saturation, no scratches and no rim. Where they are, it explains them as rows and
rings of cells. What tells a spot from all of these is that it is a peak in every direction, so that
its weaker principal curvature is positive; a scratch or a rim is a ridge, and flat along itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spotcore.detections import Cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["climb", "curvature_noise", "one_mark_per_spot", "principal_curvatures"]


def principal_curvatures(
    signal: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weaker and stronger principal curvature of a smoothed image, positive at peaks.

    The eigenvalues of ``-scale^2 * Hessian(G_scale * signal)``: Lindeberg's scale-normalised
    derivatives, in the unit of the signal. A Gaussian spot of amplitude A and standard deviation
    `scale` has A/4 in both.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image, spots bright.
    scale : float
        Standard deviation of the smoothing in pixels.

    Returns
    -------
    weaker, stronger : ndarray, float64, shape [H, W]

    References
    ----------
    Lindeberg, "Feature detection with automatic scale selection", IJCV 30(2), 1998.
    """
    from scipy import ndimage

    image = signal.astype(np.float64)
    yy, xx, yx = (
        -(scale**2) * ndimage.gaussian_filter(image, scale, order=order, mode="nearest")
        for order in ((2, 0), (0, 2), (1, 1))
    )
    mean, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return mean - spread, mean + spread


def curvature_noise(noise: float, scale: float) -> float:
    """Return the standard deviation of a second derivative of smoothed white noise.

    That of ``scale^2 * d^2/dx^2 (G_scale * n)`` is ``noise / scale * sqrt(3 / (16 pi))``, from the
    L2 norm of a Gaussian's second derivative.

    Parameters
    ----------
    noise : float
        Standard deviation of the noise.
    scale : float
        Standard deviation of the smoothing in pixels.

    Returns
    -------
    float
    """
    return noise / scale * float(np.sqrt(3 / (16 * np.pi)))


def climb(landscape: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the maximum that steepest ascent leads to from every pixel.

    Each pixel points to the highest of its 3x3 neighbourhood; pointers are then followed all at
    once, each round doubling the number of steps.

    Parameters
    ----------
    landscape : ndarray, shape [H, W]

    Returns
    -------
    ndarray, int64, shape [H, W]
        Flat index of the maximum.
    """
    h, w = landscape.shape
    padded = np.pad(landscape, 1, constant_values=-np.inf)
    index = np.pad(np.arange(h * w).reshape(h, w), 1)
    shifts = [np.s_[dy : dy + h, dx : dx + w] for dy in range(3) for dx in range(3)]
    # A pixel comes before its neighbours, so that a plateau does not send marks in circles.
    shifts.insert(0, shifts.pop(4))
    highest = np.argmax([padded[s] for s in shifts], axis=0)
    parent = np.choose(highest, [index[s] for s in shifts]).reshape(-1)
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return np.asarray(parent.reshape(h, w), dtype=np.int64)


def one_mark_per_spot(
    cells: Cells, signal: NDArray[np.float32], scale: float, min_curvature: float
) -> Cells:
    """Join the marks that lie on one spot, and drop those that lie on none.

    Each mark climbs the map of the weaker principal curvature. Marks that reach the same summit
    are one cell, placed there, with their secretions added up and the score of the strongest; the
    summit has to reach `min_curvature`.

    Parameters
    ----------
    cells : Cells
        The solver's marks, with secretion and profile.
    signal : ndarray, shape [H, W]
        Image that was solved, spots bright, continued smoothly outside of the well.
    scale : float
        Standard deviation of a small spot in pixels.
    min_curvature : float
        Smallest weaker curvature of a spot, in the unit of the signal.

    Returns
    -------
    Cells
        At most one cell per spot, strongest first.

    Raises
    ------
    ValueError
        If `cells` come from a bare score map.
    """
    if cells.secretion is None or cells.profile is None:
        raise ValueError("cells: expected cells with secretion and profile, got a score map's")
    weaker, _ = principal_curvatures(signal, scale)
    summit = climb(weaker)[cells.y, cells.x]
    # Marks come strongest first: the first of a summit has its highest score.
    spots, first, member = np.unique(summit, return_index=True, return_inverse=True)
    keep = weaker.reshape(-1)[spots] >= min_curvature
    by_bin = np.zeros((len(spots), cells.profile.shape[1]))
    np.add.at(by_bin, member, cells.profile * cells.secretion[:, None])
    order = np.flatnonzero(keep)[np.argsort(first[keep])]
    spots, first, by_bin = spots[order], first[order], by_bin[order]
    secretion = by_bin.sum(axis=1)
    return Cells(
        y=spots // signal.shape[1],
        x=spots % signal.shape[1],
        score=cells.score[first],
        secretion=secretion,
        profile=by_bin / np.maximum(secretion, np.finfo(np.float64).tiny)[:, None],
        threshold=cells.threshold,
    )
