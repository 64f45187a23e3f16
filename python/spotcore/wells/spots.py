"""One mark per spot on real wells: the spots of the picture, with the solver's secretion.

The model has no saturation, no scratches and no rim. Where they are, it explains them as rows and
rings of cells. What tells a spot from all of these is that it is a peak in every direction, so that
its weaker principal curvature is positive; a scratch or a rim is a ridge, and flat along itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore._arrays import as_number
from spotcore._backends import one_blas_thread
from spotcore.detections import Cells, detect
from spotcore.wells import artefacts
from spotcore.wells.artefacts import Artefacts, Shape
from spotcore.wells.broad import broad_spots
from spotcore.wells.curvature import Curvature, climb, curvature_noise, matched, summits
from spotcore.wells.gaussian import gaussian
from spotcore.wells.grouping import join_peaks, members_of, split_long_tops
from spotcore.wells.parted import parted_spots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.solvers import Result
    from spotcore.wells.prepare import Well

__all__ = ["Spots", "find_cells", "find_spots"]

#: A spot's mean curvature, its matched filter, is at least this many standard deviations of noise.
PEAK_FACTOR = 10.5
#: And its weaker curvature: it is a peak in every direction.
ROUND_FACTOR = 4.0
#: A line's curvature across it: less, for it is seen by its length.
LINE_FACTOR = 5.0
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


@one_blas_thread()
def find_spots(well: Well, result: Result, threshold: float | None = None) -> Spots:
    """Turn the solution for a prepared well into its cells and its artefacts.

    With the preset "paper" the cells are the maxima of the score map above `spotcore.detect`'s
    default threshold, and nothing is an artefact. With the preset "well" they are the peaks of the
    picture's weaker principal curvature that stand out of the noise; peaks of one spot are joined
    (`wells.grouping`), those of scratches, fibres, dust and the rim set apart (`wells.artefacts`).
    Spots too broad for them are looked for at a coarser scale (`wells.broad`), and those that show
    as no peak are the solver's (`wells.parted`). Its other marks climb to the nearest peak and give
    it their secretion.

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

    Raises
    ------
    ValueError
        If the result is not of this well, or the threshold is not finite.
    """
    limit = None if threshold is None else as_number(threshold, "threshold")
    if not np.array_equal(result.image, well.signal):
        raise ValueError("result: expected that of a solve of the same well's signal, got another")
    if well.preset == "paper":
        return Spots(detect(result, limit), Artefacts.of([]))
    limit = PEAK_FACTOR if limit is None else limit
    inside = well.mask > 0
    signal = well.continued
    curvature = well.curvature
    weaker, stronger = curvature.principal
    unit = curvature_noise(well.noise, well.peak_scale)
    strength = matched(weaker, stronger, well.noise, well.peak_scale)
    basin = climb(weaker)
    # A higher limit takes the weaker cells away and leaves the others as they are.
    faintest = min(limit, PEAK_FACTOR)
    seen = (weaker > ROUND_FACTOR * unit) & (strength >= faintest) & inside
    peaks = summits(basin, seen)
    yx = np.stack(np.unravel_index(peaks, basin.shape), axis=1)

    smooth = gaussian(signal, well.peak_scale)
    # In the dark of a spot the noise of its density is larger: `w` says by how much.
    noise = (well.noise / np.maximum(well.w, 0.02)).astype(np.float32)
    group = join_peaks(yx, weaker, smooth, basin, well.peak_scale, noise)
    group = split_long_tops(yx, group, smooth, well.peak_scale)
    lines = artefacts.long_ridges(curvature, inside, LINE_FACTOR * unit)
    reasons = _reasons(yx, group, curvature, lines, signal, basin, strength[tuple(yx.T)])
    spots = [members for members in members_of(group) if not any(reasons[members] != "")]
    found = _listed(yx, reasons, lines, curvature, smooth, basin, well)

    position = np.array(
        [np.average(yx[m], axis=0, weights=weaker[tuple(yx[m].T)]) for m in spots]
    ).reshape(-1, 2)
    score = np.array([strength[tuple(yx[m].T)].max() for m in spots])
    # Marks reach the group of the peak that they climb to.
    of_peak = np.full(basin.size, -1)
    for n, members in enumerate(spots):
        of_peak[peaks[members]] = n
    number = of_peak[basin]
    broad, region = broad_spots(signal, inside, well.noise, well.peak_scale, yx, faintest)
    position = np.concatenate([position, broad.yx])
    score = np.concatenate([score, broad.score])
    number = np.where((number < 0) & (region >= 0), len(spots) + region, number)
    marks = detect(result, 0.0)
    no_spots = np.concatenate([yx[reasons != ""], *lines])
    parted, strength_of = parted_spots(marks, curvature, inside, well.noise, position, no_spots)
    number[marks.y[parted], marks.x[parted]] = len(position) + np.arange(len(parted))
    position = np.concatenate([position, marks.yx[parted]])
    score = np.concatenate([score, PEAK_FACTOR * strength_of])
    by_bin = _secretion(marks, number, len(score))
    order = np.argsort(-score, kind="stable")[: int(np.sum(score >= limit))]
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


def _reasons(
    yx: NDArray[np.int64],
    group: NDArray[np.int64],
    curvature: Curvature,
    lines: list[NDArray[np.int64]],
    signal: NDArray[np.float32],
    basin: NDArray[np.int64],
    strength: NDArray[np.float32],
) -> NDArray[np.str_]:
    """Say of each peak why it does not count: "ridge", "dust", or "" where it does.

    Peaks of a group share it. One that spreads wider than the scale is looked at as a whole.
    """
    weaker, stronger = (part[tuple(yx.T)].astype(np.float64) for part in curvature.principal)
    to_next = _distance_to_next(yx) / curvature.scale
    ridge = artefacts.is_ridge(weaker, stronger, curvature.continuity(yx), to_next)
    sharpness = _line_nearby(yx, lines, curvature)
    ridge |= (stronger > artefacts.ROUND * weaker) & (stronger < artefacts.LINE_SHARE * sharpness)
    residual = artefacts.residual_of_fit(signal, yx, basin, curvature.scale)
    dust = residual > artefacts.RESIDUAL
    reasons = np.where(ridge, "ridge", np.where(dust, "dust", ""))
    for members in members_of(group):
        if len(members) == 1:
            continue
        centre = yx[members].mean(axis=0)
        spread = float(np.sqrt(((yx[members] - centre) ** 2).sum(axis=1).mean()))
        if spread > curvature.scale:
            weak, strong = _curvature_at(signal, centre, spread)
            reasons[members] = "ridge" if strong > artefacts.RIDGE * weak else ""
        else:
            reasons[members] = reasons[members[np.argmax(weaker[members])]]
    to_ridge = _distance_to(np.concatenate([yx[reasons != ""], *lines]), yx) / curvature.scale
    doubtful = artefacts.is_doubtful(strength, stronger / weaker, to_next, to_ridge)
    for members in members_of(group):
        if doubtful[members].all() and (reasons[members] == "").all():
            reasons[members] = "ridge"
    return reasons


def _distance_to_next(yx: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance [n] of each point to the nearest other one, infinite where there is none."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(yx).query(yx, k=2)[0][:, 1]) if len(yx) else np.zeros(0)


def _distance_to(targets: NDArray[np.int64], yx: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance [n] of each point to the nearest target, infinite where there is none."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(targets).query(yx)[0]) if len(targets) else np.full(len(yx), np.inf)


def _line_nearby(
    yx: NDArray[np.int64], lines: list[NDArray[np.int64]], curvature: Curvature
) -> NDArray[np.float64]:
    """Sharpness [n] of the line that each point lies on: its median curvature across; 0 on none."""
    from scipy.spatial import cKDTree

    if not lines or len(yx) == 0:
        return np.zeros(len(yx))
    _, stronger = curvature.principal
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
    weaker, stronger = Curvature.of(around, scale).principal
    return float(weaker[reach, reach]), float(stronger[reach, reach])


def _listed(
    yx: NDArray[np.int64],
    reasons: NDArray[np.str_],
    lines: list[NDArray[np.int64]],
    curvature: Curvature,
    smooth: NDArray[np.float32],
    basin: NDArray[np.int64],
    well: Well,
) -> Artefacts:
    """List the long ridges, and of the rejected peaks those that lie on none of them."""
    # Where the membrane begins, its edge is as wide again.
    rim = 0.0 if well.circle is None else well.circle.rim + well.peak_scale

    def named(shape: Shape, kind: str) -> tuple[str, Shape]:
        at = well.depth[round(shape.y), round(shape.x)]
        return ("rim" if kind != "dust" and at < rim else kind), shape

    found = []
    for line in lines:
        shape = Shape.of(line)
        edge = np.median(well.depth[tuple(line.T)]) < rim  # the centre of an arc lies off it
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


def _secretion(marks: Cells, number: NDArray[np.int64], n_spots: int) -> NDArray[np.float64]:
    """Add up the marks' secretion by spot and bin, [n, K]; `number` [H, W] is -1 on no spot."""
    if marks.secretion is None or marks.profile is None:
        raise ValueError("result: expected a solver's result, got a bare score map")
    by_bin = np.zeros((n_spots, marks.profile.shape[1]))
    owner = number[marks.y, marks.x]
    owned = owner >= 0
    np.add.at(by_bin, owner[owned], (marks.profile * marks.secretion[:, None])[owned])
    return by_bin
