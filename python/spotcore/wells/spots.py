"""One mark per spot on real wells: the spots of the picture, with the solver's secretion.

The model has no saturation, no scratches and no rim. Where they are, it explains them as rows and
rings of cells. What tells a spot from all of these is that it is a peak in every direction, so that
its weaker principal curvature is positive; a scratch or a rim is a ridge, and flat along itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore._arrays import as_number
from spotcore.detections import Cells, detect
from spotcore.wells import artefacts
from spotcore.wells.artefacts import Artefacts, Shape
from spotcore.wells.curvature import Curvature, climb, curvature_noise
from spotcore.wells.membrane import continued

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.solvers import Result
    from spotcore.wells.prepare import Well

__all__ = ["Spots", "find_cells", "find_spots", "join_peaks"]

#: A spot's mean curvature, its matched filter, is at least this many standard deviations of noise.
PEAK_FACTOR = 10.0
#: And its weaker curvature: it is a peak in every direction.
ROUND_FACTOR = 4.0
#: A line's curvature across it: less, for it is seen by its length.
LINE_FACTOR = 5.0
#: Between two spots the weaker curvature falls this many of them below the weaker one's.
SADDLE_FACTOR = 4.0
#: Peaks on the edge of one flat top are nearer than this many scales, and have this share of it.
FLAT_TOP_REACH, FLAT_TOP_SHARE = 12.0, 0.7
#: A flat top that is this much longer than wide is two spots'.
FLAT_TOP_LENGTH = 1.35
_TINY = float(np.finfo(np.float64).tiny)


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


def find_spots(well: Well, result: Result, threshold: float | None = None) -> Spots:
    """Turn the solution for a prepared well into its cells and its artefacts.

    With the preset "paper" the cells are the maxima of the score map above `spotcore.detect`'s
    default threshold, and nothing is an artefact. With the preset "well" they are the peaks of the
    picture's weaker principal curvature that stand out of the noise; peaks of one spot are joined
    (`join_peaks`), those of scratches, fibres, dust and the rim set apart (`wells.artefacts`). The
    solver's marks climb to the nearest peak and give it their secretion.

    Parameters
    ----------
    well : Well
        From `prepare_well`.
    result : Result
        From `spotcore.solve` on it.
    threshold : float, optional
        Smallest score of a cell, instead of the preset's. With the preset "well" a cell's score is
        its mean curvature in standard deviations of the noise, and the default `PEAK_FACTOR`.

    Returns
    -------
    Spots
        Strongest cells first. A cell that the solver explains otherwise has no secretion.
    """
    limit = None if threshold is None else as_number(threshold, "threshold")
    if well.preset == "paper":
        return Spots(detect(result, limit), Artefacts.of([]))
    limit = PEAK_FACTOR if limit is None else limit
    inside = well.mask > 0
    signal = continued(well.signal, inside)
    curvature = Curvature.of(signal, well.peak_scale)
    weaker, stronger = curvature.principal()
    unit = curvature_noise(well.noise, well.peak_scale)
    # That of the mean curvature, half the Laplacian, has 2/3 of the variance.
    strength = (weaker + stronger) / (2 * math.sqrt(2 / 3) * max(unit, _TINY))
    basin = climb(weaker)
    summit = basin.reshape(-1) == np.arange(basin.size)
    seen = (weaker > ROUND_FACTOR * unit) & (strength >= limit) & inside
    peaks = np.flatnonzero(summit & seen.reshape(-1))
    yx = np.stack(np.unravel_index(peaks, basin.shape), axis=1)

    smooth = _smoothed(signal, well.peak_scale)
    # In the dark of a spot the noise of its density is larger: `w` says by how much.
    noise = (well.noise / np.maximum(well.w, 0.02)).astype(np.float32)
    group = join_peaks(yx, weaker, smooth, basin, well.peak_scale, noise)
    group = split_long_tops(yx, group, smooth, well.peak_scale)
    lines = artefacts.long_ridges(curvature, inside, LINE_FACTOR * unit)
    reasons = _reasons(yx, group, curvature, lines, signal, basin)
    spots = [members for members in _members(group) if not any(reasons[members] != "")]
    found = _listed(yx, reasons, lines, curvature, smooth, basin, inside, well)

    position = np.array(
        [np.average(yx[m], axis=0, weights=weaker[tuple(yx[m].T)]) for m in spots]
    ).reshape(-1, 2)
    score = np.array([strength[tuple(yx[m].T)].max() for m in spots])
    # Marks reach the group of the peak that they climb to.
    number = np.full(basin.size, -1)
    for n, members in enumerate(spots):
        number[peaks[members]] = n
    by_bin = _secretion(detect(result, 0.0), number[basin.reshape(-1)].reshape(basin.shape), spots)
    order = np.argsort(-score, kind="stable")
    position, score, by_bin = np.rint(position[order]).astype(np.int64), score[order], by_bin[order]
    secretion = by_bin.sum(axis=1)
    cells = Cells(
        y=position[:, 0].copy(),
        x=position[:, 1].copy(),
        score=score.astype(np.float32),
        secretion=secretion,
        profile=by_bin / np.maximum(secretion, _TINY)[:, None],
        threshold=float(limit),
    )
    return Spots(cells, found)


def join_peaks(
    yx: NDArray[np.int64],
    weaker: NDArray[np.float32],
    smooth: NDArray[np.float32],
    basin: NDArray[np.int64],
    scale: float,
    noise: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Tell which peaks of the curvature lie on one spot.

    Two peaks are one spot if on the straight line between them the curvature hardly falls: its
    summit is broad and the peaks are noise. They also are if the picture rises between them
    without another peak there, and not by much: they lie on the edge of one saturated, flat top.

    Parameters
    ----------
    yx : ndarray, int64, shape [n, 2]
        Peaks of `weaker`.
    weaker, smooth : ndarray, shape [H, W]
        Weaker curvature, and the picture smoothed alike.
    basin : ndarray, int64, shape [H, W]
        Flat index of the peak that each pixel climbs to.
    scale : float
        Standard deviation of the smoothing in pixels.
    noise : ndarray, shape [H, W]
        Standard deviation of the noise of the picture.

    Returns
    -------
    ndarray, int64, shape [n]
        Number of the spot of each peak, from 0.
    """
    from scipy.ndimage import map_coordinates
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n = len(yx)
    pairs = (
        cKDTree(yx).query_pairs(FLAT_TOP_REACH * scale, output_type="ndarray")
        if n
        else np.empty((0, 2), np.int64)
    )
    a, b = yx[pairs[:, 0]], yx[pairs[:, 1]]
    share = np.linspace(0, 1, 2 * int(FLAT_TOP_REACH * scale) + 1)
    line = a[:, None] + (b - a)[:, None] * share[:, None]  # [pairs, steps, 2]
    at = line.reshape(-1, 2).T

    def noise_at(step: NDArray[np.intp]) -> NDArray[np.float32]:
        local: NDArray[np.float32] = noise[tuple(np.rint(line[rows, step]).astype(np.int64).T)]
        return local

    bend = map_coordinates(weaker, at, order=1).reshape(line.shape[:2])
    level = map_coordinates(smooth, at, order=1).reshape(line.shape[:2])
    rows = np.arange(len(pairs))
    saddle = bend.argmin(axis=1)
    fall = np.minimum(bend[:, 0], bend[:, -1]) - bend[rows, saddle]
    broad = fall < SADDLE_FACTOR * curvature_noise(1.0, scale) * noise_at(saddle)

    top = level.argmax(axis=1)
    ends = np.maximum(level[:, 0], level[:, -1])
    rise = level[rows, top] - ends
    # The standard deviation of white noise after the smoothing is noise / (2 sqrt(pi) scale).
    visible = SADDLE_FACTOR * noise_at(top) / (2 * np.sqrt(np.pi) * scale)
    flat = np.minimum(level[:, 0], level[:, -1]) > FLAT_TOP_SHARE * level[rows, top]
    # The top is another spot's if that one's peak is as high; one on the edge is lower, too.
    summit = basin[tuple(np.rint(line[rows, top]).astype(np.int64).T)]
    other = np.isin(summit, yx[:, 0] * basin.shape[1] + yx[:, 1])
    other &= smooth.reshape(-1)[summit] > level[rows, top] - visible
    joined = pairs[broad | ((rise > visible) & flat & ~other)]
    links = coo_array((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def split_long_tops(
    yx: NDArray[np.int64], group: NDArray[np.int64], smooth: NDArray[np.float32], scale: float
) -> NDArray[np.int64]:
    """Take a flat top for two spots where it is long: a saturated spot by itself is round.

    Parameters
    ----------
    yx : ndarray, int64, shape [n, 2]
        Peaks.
    group : ndarray, int64, shape [n]
        From `join_peaks`.
    smooth : ndarray, shape [H, W]
        The smoothed picture.
    scale : float
        Standard deviation of the smoothing in pixels.

    Returns
    -------
    ndarray, int64, shape [n]
        Number of the spot of each peak.
    """
    from scipy import ndimage

    group = group.copy()
    reach = int(FLAT_TOP_REACH * scale)
    for members in _members(group):
        offset = yx[members] - yx[members].mean(axis=0)
        if np.sqrt((offset**2).sum(axis=1).mean()) <= scale:
            continue
        y, x = np.rint(yx[members].mean(axis=0)).astype(int)
        top, left = max(y - reach, 0), max(x - reach, 0)
        window = smooth[top : y + reach + 1, left : x + reach + 1]
        level = max(smooth[y, x], smooth[tuple(yx[members].T)].max())
        labels, _ = ndimage.label(window >= FLAT_TOP_SHARE * level)
        region = np.argwhere((labels == labels[y - top, x - left]) & (labels > 0))
        if len(region) == 0:  # the middle is no top
            region = yx[members]
        shape = Shape.of(region)
        if shape.length > FLAT_TOP_LENGTH * shape.width:
            axis = np.linalg.eigh(np.cov(region.T, bias=True))[1][:, 1]
            group[members[offset @ axis > 0]] = group.max() + 1
    return group


def _members(group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split the indices of the peaks by group."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(group) else []


def _reasons(
    yx: NDArray[np.int64],
    group: NDArray[np.int64],
    curvature: Curvature,
    lines: list[NDArray[np.int64]],
    signal: NDArray[np.float32],
    basin: NDArray[np.int64],
) -> NDArray[np.str_]:
    """Say of each peak why it does not count: "ridge", "dust", or "" where it does.

    Peaks of a group share it. One that spreads wider than the scale is looked at as a whole.
    """
    weaker, stronger = (part[tuple(yx.T)].astype(np.float64) for part in curvature.principal())
    alone = _distance_to_next(yx) > artefacts.ALONE * curvature.scale
    ridge = artefacts.is_ridge(weaker, stronger, curvature.continuity(yx), alone)
    sharpness = _line_nearby(yx, lines, curvature)
    ridge |= (stronger > artefacts.ROUND * weaker) & (stronger < artefacts.LINE_SHARE * sharpness)
    residual = artefacts.residual_of_fit(signal, yx, basin, curvature.scale)
    dust = residual > artefacts.RESIDUAL
    reasons = np.where(ridge, "ridge", np.where(dust, "dust", ""))
    for members in _members(group):
        if len(members) == 1:
            continue
        centre = yx[members].mean(axis=0)
        spread = float(np.sqrt(((yx[members] - centre) ** 2).sum(axis=1).mean()))
        if spread > curvature.scale:
            weak, strong = _curvature_at(signal, centre, spread)
            reasons[members] = "ridge" if strong > artefacts.RIDGE * weak else ""
        else:
            reasons[members] = reasons[members[np.argmax(weaker[members])]]
    return reasons


def _distance_to_next(yx: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance [n] of each point to the nearest other one, infinite where there is none."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(yx).query(yx, k=2)[0][:, 1]) if len(yx) else np.zeros(0)


def _line_nearby(
    yx: NDArray[np.int64], lines: list[NDArray[np.int64]], curvature: Curvature
) -> NDArray[np.float64]:
    """Sharpness [n] of the line that each point lies on: its median curvature across; 0 on none."""
    from scipy.spatial import cKDTree

    if not lines or len(yx) == 0:
        return np.zeros(len(yx))
    _, stronger = curvature.principal()
    sharpness = np.repeat(
        [float(np.median(stronger[tuple(line.T)])) for line in lines], [len(line) for line in lines]
    )
    distance, nearest = cKDTree(np.concatenate(lines)).query(yx)
    return np.where(distance <= artefacts.LINE_REACH * curvature.scale, sharpness[nearest], 0.0)


def _curvature_at(
    signal: NDArray[np.float32], centre: NDArray[np.float64], scale: float
) -> tuple[float, float]:
    """Principal curvatures at one place and any scale."""
    reach = int(np.ceil(4 * scale)) + 1
    y, x = np.rint(centre).astype(int)
    around = np.pad(signal, reach, mode="edge")[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
    weaker, stronger = Curvature.of(around, scale).principal()
    return float(weaker[reach, reach]), float(stronger[reach, reach])


def _listed(
    yx: NDArray[np.int64],
    reasons: NDArray[np.str_],
    lines: list[NDArray[np.int64]],
    curvature: Curvature,
    smooth: NDArray[np.float32],
    basin: NDArray[np.int64],
    inside: NDArray[np.bool_],
    well: Well,
) -> Artefacts:
    """List the long ridges, and of the rejected peaks those that lie on none of them."""
    circle = well.circle
    depth = _depth(inside)
    rim = 0.0 if circle is None else circle.rim

    def named(shape: Shape, kind: str) -> tuple[str, Shape]:
        at = depth[round(shape.y), round(shape.x)]
        return ("rim" if kind != "dust" and at < rim else kind), shape

    found = []
    for line in lines:
        shape = Shape.of(line)
        edge = np.median(depth[tuple(line.T)]) < rim  # the centre of an arc lies off it
        found.append(("rim" if edge else shape.kind, shape))
    alone = (reasons != "") & ~(_line_nearby(yx, lines, curvature) > 0)
    reach = int(np.ceil(4 * well.peak_scale))
    for (y, x), reason in zip(yx[alone], reasons[alone], strict=True):
        top, left = max(y - reach, 0), max(x - reach, 0)
        window = np.s_[top : y + reach + 1, left : x + reach + 1]
        own = (basin[window] == basin[y, x]) & (smooth[window] >= smooth[y, x] / 2)
        own[y - top, x - left] = True
        shape = Shape.of(np.argwhere(own) + np.array([top, left]))
        found.append(named(shape, "dust" if reason == "dust" else shape.kind))
    return Artefacts.of(found)


def _depth(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance to the nearest pixel outside, as large as the image where there is none."""
    from scipy import ndimage

    if inside.all():
        return np.full(inside.shape, float(max(inside.shape)))
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(inside)
    return depth


def _smoothed(signal: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Gaussian mean of an image."""
    from scipy import ndimage

    smooth: NDArray[np.float32] = ndimage.gaussian_filter(signal, scale, mode="nearest")
    return smooth


def _secretion(
    marks: Cells, number: NDArray[np.int64], spots: list[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Add up the marks' secretion by spot and bin, [n, K]; `number` [H, W] is -1 on no spot."""
    if marks.secretion is None or marks.profile is None:
        raise ValueError("result: expected a solver's result, got a bare score map")
    by_bin = np.zeros((len(spots), marks.profile.shape[1]))
    owner = number[marks.y, marks.x]
    owned = owner >= 0
    np.add.at(by_bin, owner[owned], (marks.profile * marks.secretion[:, None])[owned])
    return by_bin
