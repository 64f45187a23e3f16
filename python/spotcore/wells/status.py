"""Whether the count of a well means anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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

__all__ = ["Status", "coarse_peaks", "confluence", "focus", "well_status"]

State = Literal["counted", "empty", "too_numerous", "out_of_focus", "no_well", "rejected"]

#: At least so many spots must overlap at a point of the membrane for it to be confluent.
CONFLUENT = 20.0
#: A membrane whose signal is more skewed than this shows single spots.
SKEWED = 1.5
#: Signal of a bare membrane that was not measured: a share of full scale, or an optical density.
BARE = {"bright": 0.1, "dark": 0.25}
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
    confluence, skewness : float
        From `confluence`.
    focus : float or None
        From `focus`.
    """

    status: State
    reason: str | None
    count: int | None
    interval: tuple[int, int] | None
    secretion: float | None
    confluence: float
    skewness: float
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
        Grey level of a bare membrane, as wells without cells have it; see `confluence`.
    focus_limit : float, optional
        Largest `focus` in pixels, instead of the automatic one.
    pixel_size : float, optional
        Pixel side in µm: the automatic limit is tighter with it.

    Returns
    -------
    Status
    """
    inside = well.mask > 0
    overlap, skewness = confluence(well, grey, full_scale=full_scale, membrane=membrane)
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
    elif real and overlap >= CONFLUENT and skewness <= SKEWED:
        state = "too_numerous"
        reason = f"confluent: some {overlap:.0f} spots overlap at any point"
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
    if state not in ("counted", "empty"):
        return Status(state, reason, None, None, None, overlap, skewness, softest)
    return Status(
        status=state,
        reason=None,
        count=len(cells),
        interval=count_interval(measures.confidence, hidden),
        secretion=None if cells.secretion is None else float(cells.secretion.sum()),
        confluence=overlap,
        skewness=skewness,
        focus=softest,
    )


def confluence(
    well: Well, grey: NDArray[np.float32], *, full_scale: float, membrane: float | None = None
) -> tuple[float, float]:
    """Measure how many spots overlap at a point of the membrane, without counting any.

    Spots of one shape h that lie at random, N of them under the area ``(∫h)² / ∫h²`` of one, add
    up to a signal of mean m, variance m² / N and skewness of the order of ``N^(-1/2)`` (Campbell's
    theorem): ``N = m² / variance``. On a membrane with single spots the median is that of a bare
    one, m is 0 and the skewness large; on a confluent one no gap reaches the bare level, and the
    signal hardly varies by comparison (less still where dye and camera saturate).

    Parameters
    ----------
    well : Well
    grey : ndarray, float32, shape [H, W]
        The picture that it was prepared from.
    full_scale : float
        Largest grey level of the file.
    membrane : float, optional
        Grey level of a bare membrane. By default 0.1 of full scale for bright spots and an optical
        density of 0.25 below full scale for dark ones; a well without spots that is brighter (or
        darker) is taken for a confluent one, unless it is as smooth as its pixels' noise.

    Returns
    -------
    overlap : float
        N.
    skewness : float
        Of the signal.

    References
    ----------
    Rice, "Mathematical analysis of random noise", Bell System Technical Journal 23, 1944, part I
    (Campbell's theorem and its extension to higher moments).
    """
    inside = well.mask > 0
    if not inside.any():
        return 0.0, 0.0
    if well.polarity == "dark":
        median = max(float(np.median(grey[inside])), 0.0)
        level = math.log10((full_scale + 0.5) / (median + 0.5))
        bare = BARE["dark"]
        if membrane is not None:
            bare = math.log10((full_scale + 0.5) / (membrane + 0.5))
        unit = 1.0
    else:
        level = float(np.median(grey[inside])) / full_scale
        bare = BARE["bright"] if membrane is None else membrane / full_scale
        unit = 1.0 / full_scale
    signal = well.signal[inside].astype(np.float64)
    middle = np.median(signal)
    width = 1.4826 * float(np.median(np.abs(signal - middle)))
    if width == 0:
        return 0.0, 0.0
    spread = signal - signal.mean()
    squares = spread * spread
    skewness = float(np.mean(squares * spread) / np.mean(squares) ** 1.5)
    if width < _TEXTURE * pixel_noise(well.signal, inside):
        return 0.0, skewness
    # From a measured bare level a stained membrane departs either way: polarity is guesswork where
    # no single spot is to be seen.
    mean = max(level - bare, 0.0) if membrane is None else abs(level - bare)
    return (mean / (width * unit)) ** 2, skewness


#: White noise alone has a ratio of 1.
_TEXTURE = 1.3


def pixel_noise(signal: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Return the standard deviation of white noise, from second differences both ways.

    The mask is blind to planes and to most of a spot.

    References
    ----------
    Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996; with a median for the mean.
    """
    from scipy import ndimage

    once = signal[2:] - 2 * signal[1:-1] + signal[:-2]
    difference = (once[:, 2:] - 2 * once[:, 1:-1] + once[:, :-2]) / 6
    whole = ndimage.binary_erosion(inside, np.ones((3, 3), bool))[1:-1, 1:-1]
    return 1.4826 * float(np.median(np.abs(difference[whole]))) if whole.any() else 0.0


def coarse_peaks(well: Well) -> NDArray[np.int64]:
    """Find the peaks that blur leaves: clear ones at three times the scale of spots, [n, 2]."""
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
