"""Whether the count of a well means anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spotcore.wells.confluence import Staining, bare_level, hidden_spots, overlap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.detections import Cells
    from spotcore.wells.measure import Measures
    from spotcore.wells.prepare import Well

__all__ = ["Status", "count_interval", "focus", "well_status"]

State = Literal["counted", "empty", "too_numerous", "out_of_focus", "no_well", "rejected"]

#: The sharpest spots of a well in focus are at most this wide [µm], and so many pixels of the
#: camera's own (in quadrature). On real wells they have 20 µm, or 1.4 pixels where those are large.
SOFT_UM, SHARP_PIXELS = 40.0, 1.8
#: And their picture shows no finer detail than this, in grey levels of 8 bits: not even noise.
FINEST_DETAIL = 0.2
_FINE, _FINER = 1.2, 0.6  # pixels
#: Radius [µm] of a membrane of a 96-well plate, where the pixel size is not known.
MEMBRANE_UM = 3200.0
_FOCUS_SPOTS = 5  # that tell the focus
#: Two spots nearer than this share of their diameter are one mark.
RESOLUTION = 0.5
#: More spots hidden behind others than seen: no count.
_HIDDEN_SHARE = 1.0
_SMALLEST_MEMBRANE = 200  # pixels
_CLIPPED_SHARE = 0.5
#: Where more than this share of a well is saturated, a fifth or more of its spots have merged.
_SATURATED_SHARE = 0.03
#: What a picture shows of a well is membrane and spots, for the most part.
_LEAST_MEMBRANE = 0.5
#: Marks of one picture err together: the variance of a count is V (V + this), where that of
#: independent marks would be V. Fitted so that 95 % intervals hold the truth of 95 % of simulated
#: wells (`bench/wells/rendered.py`).
TOGETHER = 2.0
_TWO_SIDED = 1.96  # standard deviations of a 95 % interval


@dataclass(frozen=True)
class Status:
    """What a well's count is worth.

    Attributes
    ----------
    status : str
        "counted"; "empty" (no spot); "too_numerous" (confluent); "out_of_focus"; "no_well" (none
        in the picture); "rejected" (nothing that could be counted, `reason` says why).
    reason : str or None
        In words, where there is something to say.
    count : int or None
        Number of spots; None where it would mean nothing.
    interval : pair of int, or None
        95 % interval of the true number of spots that stand out as far as they are counted from.
    secretion : float or None
        Total of the spots' secretions, in the signal's unit times pixels.
    staining : Staining
        Of the membrane.
    confluence : float
        How many spots overlap at a point of it, by its staining.
    focus : float or None
        From `focus`.
    """

    status: State
    reason: str | None
    count: int | None
    interval: tuple[int, int] | None
    secretion: float | None
    staining: Staining
    confluence: float
    focus: float | None


def well_status(
    well: Well,
    cells: Cells,
    measures: Measures,
    grey: NDArray[np.float32],
    *,
    full_scale: float = 255.0,
    membrane: float | None = None,
    focus_limit: float | None = None,
    pixel_size: float | None = None,
) -> Status:
    """Judge a well.

    Parameters
    ----------
    well : Well
        From `prepare_well`.
    cells : Cells
        The spots that count.
    measures : Measures
        Of them.
    grey : ndarray, float32, shape [H, W]
        The picture that the well was prepared from.
    full_scale : float
        Largest grey level of the file.
    membrane : float, optional
        Grey level of a bare membrane, as wells without cells have it; see `overlap`.
    focus_limit : float, optional
        Largest `focus` in pixels, instead of the automatic one.
    pixel_size : float, optional
        Pixel side in µm, for the automatic limit; else it is that of a membrane of a 96-well plate
        with the radius of the circle. Where neither is known, or the picture has fine detail, the
        focus is not judged.

    Returns
    -------
    Status
    """
    staining = Staining.of(well, grey, full_scale)
    density = overlap(staining, bare_level(well.polarity, full_scale, membrane), membrane is None)
    softest = focus(well, cells) if well.preset == "well" else None
    if focus_limit is None and softest is not None:
        focus_limit = _softest_allowed(well, grey * (255.0 / full_scale), pixel_size)
    values = grey[well.membrane]
    state: State = "counted" if len(cells) else "empty"
    reason: str | None = None
    if len(values) and values.min() == values.max():
        state, reason = "rejected", "all pixels have the same grey level"
    # The papers' images are not wells: there is no membrane to be judged, and the model resolves
    # what overlaps.
    elif well.preset == "well":
        state, reason = _judged(well, cells, measures, state, softest, focus_limit)
        if state in ("counted", "empty") and staining.is_confluent(density):
            state = "too_numerous"
            reason = f"confluent: some {density:.0f} spots overlap at any point"
    if state not in ("counted", "empty"):
        return Status(state, reason, None, None, None, staining, density, softest)
    every = measures.confidence
    if well.preset == "well":
        faint = well.marks.probability < cells.threshold
        every = np.concatenate([every, well.marks.probability[faint]])
    return Status(
        status=state,
        reason=None,
        count=len(cells),
        interval=count_interval(every, len(cells)),
        secretion=None if cells.secretion is None else float(cells.secretion.sum()),
        staining=staining,
        confluence=density,
        focus=softest,
    )


def _softest_allowed(well: Well, levels: NDArray[np.float32], pixel_size: float | None) -> float:
    """Return the automatic limit of the focus in pixels; infinite where nothing tells.

    Large spots are soft, too: where the camera's noise is sharp, they are in focus.
    """
    from scipy import ndimage

    if pixel_size is None and well.circle is not None:
        pixel_size = MEMBRANE_UM / well.circle.radius
    if pixel_size is None or not well.membrane.any():
        return math.inf
    fine, finer = (ndimage.gaussian_filter(levels, scale) for scale in (_FINE, _FINER))
    detail = float(np.median(np.abs(finer - fine)[well.membrane]))
    return math.inf if detail > FINEST_DETAIL else math.hypot(SOFT_UM / pixel_size, SHARP_PIXELS)


def _judged(
    well: Well,
    cells: Cells,
    measures: Measures,
    state: State,
    softest: float | None,
    focus_limit: float | None,
) -> tuple[State, str | None]:
    """Return the status of a real well but for its staining, and why."""
    pixels = int(well.membrane.sum())
    if pixels < _SMALLEST_MEMBRANE:
        return "no_well", f"only {pixels} pixels of membrane"
    if well.clipped > _CLIPPED_SHARE:
        return "rejected", f"{well.clipped:.0%} of the pixels are black or saturated"
    outside, bare = (well.sight.probability_of(kind) for kind in ("outside", "membrane"))
    shown = float(1.0 - outside.mean())
    if float(bare.mean()) < _LEAST_MEMBRANE * shown:
        other = 1.0 - float(bare.mean()) / max(shown, 1e-9)
        return "rejected", f"{other:.0%} of what the picture shows is no membrane with spots"
    if softest is not None and focus_limit is not None and softest > focus_limit:
        return "out_of_focus", (
            f"the sharpest spots are {softest:.1f} px wide, the limit is {focus_limit:.1f}; "
            f"{len(cells)} found"
        )
    diameter = float(np.median(measures.diameter)) if len(measures) else 0.0
    hidden = hidden_spots(cells.yx, well.membrane, RESOLUTION * max(diameter, 1.0))
    if hidden > _HIDDEN_SHARE * len(cells) > 0:
        words = f"crowded: some {hidden:.0f} spots are hidden by the {len(cells)} found"
        return "too_numerous", words
    if well.saturated > _SATURATED_SHARE:
        return "rejected", f"{well.saturated:.0%} of the well is saturated: spots merge"
    return state, None


def focus(well: Well, cells: Cells) -> float | None:
    """Return how wide the edges of the sharpest spots are, in pixels; None where nothing tells.

    The sharpness of each of the stronger half of the spots is the largest gradient near its summit
    by its height; the answer is the standard deviation of the Gaussian that has that of the
    sharpest tenth.

    Parameters
    ----------
    well : Well
    cells : Cells
        Of which there have to be five.

    Returns
    -------
    float or None
    """
    from scipy import ndimage

    if len(cells) < _FOCUS_SPOTS:
        return None
    y, x = np.rint(cells.yx).astype(np.int64).T
    reach = 2 * round(1.5 * well.spot_scale) + 1
    height, slope = (
        ndimage.maximum_filter(of(well.signal, 1.0), reach)[y, x]
        for of in (ndimage.gaussian_filter, ndimage.gaussian_gradient_magnitude)
    )
    strong = height >= np.median(height)
    sharpness = slope[strong] / np.maximum(height[strong], 1e-30)
    return float(math.exp(-0.5) / np.quantile(sharpness, 0.9))


def count_interval(probability: NDArray[np.float64], counted: int) -> tuple[int, int]:
    """Return a 95 % interval of the number of cells that stand out as far as they are counted from.

    Parameters
    ----------
    probability : ndarray, float64, shape [n]
        Of all marks, those that do not count too; NaN of what is said to be a cell, as by a person.
    counted : int
        Number of those that count, which always lies within.

    Returns
    -------
    low, high : int
    """
    probability = np.nan_to_num(probability, nan=1.0)
    expected = float(probability.sum())
    alone = float((probability * (1.0 - probability)).sum())
    reach = _TWO_SIDED * math.sqrt(alone * (alone + TOGETHER))
    low, high = math.floor(max(expected - reach, 0.0)), math.ceil(expected + reach)
    return min(low, counted), max(high, counted)
