"""Whether the count of a well means anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spotcore.wells.confluence import Staining, bare_level, overlap
from spotcore.wells.curvature import climb, curvature_noise, principal_curvatures
from spotcore.wells.gaussian import gaussian, gradient_magnitude
from spotcore.wells.interval import count_interval, hidden_spots, resolution
from spotcore.wells.measure import smoothing
from spotcore.wells.spots import PEAK_FACTOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.detections import Cells
    from spotcore.wells.measure import Measures
    from spotcore.wells.prepare import Well

__all__ = ["Status", "coarse_peaks", "focus", "well_status"]

State = Literal["counted", "empty", "too_numerous", "out_of_focus", "no_well", "rejected"]

#: The sharpest spots of a well in focus are at most this wide [µm], and so many pixels of the
#: camera's own (in quadrature). On real wells they have 20 µm, or 1.4 pixels where those are large.
SOFT_UM, SHARP_PIXELS = 40.0, 1.8
#: Where the pixel size is not known: this many standard deviations of a small spot, and so many
#: pixels; more, for the papers' simulated spots of some 3.5 px are not out of focus.
SOFT_SCALES, SOFT_PIXELS = 1.6, 3.2
#: Peaks for the focus: at so many times the scale of peaks, so far above the noise, so many.
_FOCUS_SCALES, _FOCUS_SNR, _FOCUS_SPOTS = 3.5, 20.0, 5
#: Where less than this share of the coarse peaks are sharp spots, the limit is so much lower.
_UNFOUND, _UNFOUND_LIMIT = 0.15, 0.6
#: More spots hidden behind others than seen: no count.
_HIDDEN_SHARE = 1.0
_SMALLEST_MEMBRANE = 200  # pixels
_CLIPPED_SHARE = 0.5
#: Where more than this share of a well is saturated, a fifth or more of its spots have merged.
_SATURATED_SHARE = 0.03


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
        95 % interval of the true number of spots above the limit of detection.
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
        Pixel side in µm: the automatic limit is tighter with it.

    Returns
    -------
    Status
    """
    inside = well.mask > 0
    staining = Staining.of(well, grey, full_scale)
    density = overlap(staining, bare_level(well.polarity, full_scale, membrane), membrane is None)
    peaks = coarse_peaks(well) if well.preset == "well" else np.zeros((0, 2), np.int64)
    softest = focus(well, peaks)
    n_sharp = int(np.sum(measures.snr >= PEAK_FACTOR))
    if focus_limit is None:
        if pixel_size is None:
            focus_limit = math.hypot(SOFT_SCALES * well.spot_scale, SOFT_PIXELS)
        else:
            focus_limit = math.hypot(SOFT_UM / pixel_size, SHARP_PIXELS)
    state: State = "counted" if len(cells) else "empty"
    reason: str | None = None
    # The papers' images are not wells: there is no membrane to be judged, and the model resolves
    # what overlaps.
    real = well.preset == "well"
    values = grey[inside]
    if len(values) == 0 or values.min() == values.max():
        state, reason = "rejected", "all pixels have the same grey level"
    elif real and well.circle is None:
        state, reason = "no_well", "no edge of a round well was found"
    elif len(values) < _SMALLEST_MEMBRANE:
        state, reason = "no_well", f"only {len(values)} pixels of membrane"
    elif well.clipped > _CLIPPED_SHARE:
        state, reason = "rejected", f"{well.clipped:.0%} of the pixels are black or saturated"
    elif real and staining.is_confluent(density):
        state = "too_numerous"
        reason = f"confluent: some {density:.0f} spots overlap at any point"
    elif (
        real
        and softest is not None
        # Where hardly any of the peaks is a sharp spot, it is their softness that hides them.
        and softest > focus_limit * (_UNFOUND_LIMIT if n_sharp < _UNFOUND * len(peaks) else 1.0)
    ):
        state = "out_of_focus"
        reason = (
            f"the sharpest spots are {softest:.1f} px wide, the limit is {focus_limit:.1f}; "
            f"{len(cells)} found"
        )
    else:
        hidden = hidden_spots(cells.yx, inside, resolution(well, measures))
        if real and hidden.mean > _HIDDEN_SHARE * len(cells) > 0:
            state = "too_numerous"
            reason = f"crowded: some {hidden.mean:.0f} spots are hidden by the {len(cells)} found"
        saturated = float(np.mean(well.w[inside] <= 0))
        if real and saturated > _SATURATED_SHARE:
            state, reason = "rejected", f"{saturated:.0%} of the well is saturated: spots merge"
    if state not in ("counted", "empty"):
        return Status(state, reason, None, None, None, staining, density, softest)
    return Status(
        status=state,
        reason=None,
        count=len(cells),
        interval=count_interval(measures.confidence, hidden),
        secretion=None if cells.secretion is None else float(cells.secretion.sum()),
        staining=staining,
        confluence=density,
        focus=softest,
    )


def coarse_peaks(well: Well) -> NDArray[np.int64]:
    """Find the peaks [n, 2] that blur leaves: clear ones at `_FOCUS_SCALES` times their scale."""
    scale = _FOCUS_SCALES * well.peak_scale
    inside = well.mask > 0
    weaker, _ = principal_curvatures(well.continued, scale)
    top = np.unique(climb(weaker)[inside])
    clear = weaker.reshape(-1)[top] >= _FOCUS_SNR * max(curvature_noise(well.noise, scale), 1e-30)
    return np.stack(np.divmod(top[clear], weaker.shape[1]), axis=1)


def focus(well: Well, peaks: NDArray[np.int64]) -> float | None:
    """Return how wide the edges of the sharpest spots are, in pixels; None where nothing tells.

    Blur takes the small spots away, so that those that count do not tell: looked at are coarse
    peaks, of which there have to be five. The sharpness of each is the largest gradient near its
    summit by its peak, as in `Measures.sharpness`; the answer is the standard deviation of the
    Gaussian that has that of the sharpest tenth.

    Parameters
    ----------
    well : Well
    peaks : ndarray, int64, shape [n, 2]
        From `coarse_peaks`.

    Returns
    -------
    float or None
    """
    if len(peaks) < _FOCUS_SPOTS:
        return None
    signal = well.continued
    fine = smoothing(well)
    # A summit at the coarse scale may lie beside the spot's own.
    reach = round(1.5 * _FOCUS_SCALES * well.peak_scale)
    slope = _largest_near(gradient_magnitude(signal, fine), peaks, reach)
    peak = _largest_near(gaussian(signal, fine), peaks, reach)
    return float(math.exp(-0.5) / np.quantile(slope / peak, 0.9))


def _largest_near(
    image: NDArray[np.float32], yx: NDArray[np.int64], reach: int
) -> NDArray[np.float32]:
    """Return the largest value [n] of an image in the square of 2 reach + 1 px round each point."""
    squares = sliding_window_view(np.pad(image, reach, mode="edge"), (2 * reach + 1,) * 2)
    largest: NDArray[np.float32] = squares[tuple(yx.T)].max(axis=(1, 2))
    return largest
