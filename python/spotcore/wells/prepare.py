"""From a picture to the arguments of a solve: a network says where cells are, the model how much.

What the network sees decides: what the spots are (dark or bright), where the membrane is, which
marks are cells and how wide they are. The inverse diffusion then has cells where marks are, bins of
sigma of their size, and a weight for each pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spotcore._arrays import as_choice, as_image, as_number, as_sigma_limits
from spotcore._backends import one_blas_thread
from spotcore.images.levels import as_levels
from spotcore.images.limits import check_well_size
from spotcore.images.picture import as_pixel_size
from spotcore.model.kernels import gaussian_kernels
from spotcore.wells.detector import look
from spotcore.wells.membrane import Circle, background, find_circle, find_membrane, pixel_noise
from spotcore.wells.sight import CONTRAST, Marks, Polarity, Sight

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from spotcore.images import Picture

__all__ = ["Well", "WellPreset", "lambda_from_noise", "prepare_well", "saturated"]

WellPreset = Literal["paper", "well"]

PAPER_SIGMA_LIMITS = (2.3, 5.0, 9.0, 13.0, 23.0, 33.0, 43.0, 53.0, 67.0)
"""Part II, Table III, in pixels."""
PAPER_LAM = 0.5
PAPER_SPOT = 2.0
"""Standard deviation of a small spot of the papers' images, in pixels."""

SIGMA_LIMITS = (0.5, 0.8, 1.1, 1.5)
"""Of a well, in standard deviations of its typical spot: what is broader trades with the background
and with the neighbours, and tells less about who secreted how much (`bench/wells/secretion.py`)."""
SIGMA_LIMITS_UM = (12.5, 20.0, 27.5, 37.5)
"""The same where the pixel size is known, in µm: so wells of a plate have the same bins."""
NOISE_FACTOR = 2.0
"""lam is this many standard deviations of the noise in the solver's own detection statistic: few,
for the marks are known to be cells."""
REACH = 5.0
"""In standard deviations of a typical spot: pixels further from all marks weigh nothing."""
BACKGROUND_WIDTHS = 15.0
"""Window of the background in standard deviations of a typical spot: wider than its halo."""
PROBABLE = 0.5
"""Marks that are at least as probable are cells."""
_GREY_STEP = 0.3  # standard deviation of what rounding to a grey level adds


@dataclass(frozen=True, eq=False)
class Well:
    """A picture made ready for `spotcore.solve`.

    Attributes
    ----------
    signal : ndarray, float32, shape [H, W]
        What to solve: spots bright, background taken off. Optical density for dark spots, grey
        levels for bright ones, [0, 255] in the preset "paper".
    w, mask : ndarray, float32, shape [H, W]
        Weight of each pixel, and 1 where cells can lie: around the marks.
    membrane : ndarray, bool, shape [H, W]
        Where the picture shows membrane: all of it in the preset "paper".
    marks : Marks
        Of cells, and fainter ones.
    sight : Sight
        What the network saw.
    sigma_limits : ndarray, float64, shape [K + 1]
        Limits of the sigma bins in pixels.
    lam : float
        Weight of the group sparsity.
    polarity : {"dark", "bright"}
        What the spots are.
    preset : {"paper", "well"}
        Whose settings these are.
    circle : Circle or None
        Edge of the round well, None where the picture shows none.
    noise : float
        Standard deviation of a pixel's noise, in the signal's unit.
    spot_scale : float
        Standard deviation of a typical spot in pixels.
    clipped : float
        Share of the membrane's pixels that have the smallest or the largest grey level of the file.
    saturated : float
        Share of them that the camera cut off where spots are strongest.
    """

    signal: NDArray[np.float32]
    w: NDArray[np.float32]
    mask: NDArray[np.float32]
    membrane: NDArray[np.bool_]
    marks: Marks
    sight: Sight
    sigma_limits: NDArray[np.float64]
    lam: float
    polarity: Polarity
    preset: WellPreset
    circle: Circle | None
    noise: float
    spot_scale: float
    clipped: float
    saturated: float

    @classmethod
    def of(
        cls,
        grey: NDArray[np.float32],
        sight: Sight,
        *,
        preset: WellPreset,
        lam: float | None,
        sigma_limits: NDArray[np.float64] | None,
        full_scale: float,
        pixel_size: float | None,
        threshold: float | None = None,
        saturated: NDArray[np.bool_] | None = None,
    ) -> Well:
        """Make a picture ready that was looked at.

        Parameters
        ----------
        grey : ndarray, float32, shape [H, W]
            Grey levels.
        sight : Sight
            What was seen in it.
        preset, lam, sigma_limits, full_scale, pixel_size
            As `prepare_well` has them.
        threshold : float, optional
            Smallest probability of a cell, instead of `PROBABLE`.
        saturated : ndarray, bool, shape [H, W], optional
            Pixels that the camera cut off. With the preset "well" they weigh nothing: a saturated
            spot is as bright as the camera goes, or brighter, and its flanks say how much.

        Returns
        -------
        Well
        """
        polarity = sight.polarity
        shape = (grey.shape[0], grey.shape[1])
        level = _as_level(grey, polarity)
        if preset == "paper":
            membrane = np.ones(shape, bool)
            mask, w = np.ones(shape, np.float32), np.ones(shape, np.float32)
            floor = 0.0
            signal = level * np.float32(255.0 / max(float(level.max()), 1e-30))
            marks, spot_scale, circle = sight.marks, PAPER_SPOT, None
            limits = np.array(PAPER_SIGMA_LIMITS)
        else:
            membrane = find_membrane(sight, shape)
            circle = find_circle(membrane)
            floor = _GREY_STEP * _step(grey, membrane, polarity)
            y, x = np.rint(sight.marks.yx).astype(int).T
            marks = sight.marks[membrane[y, x]]
            cells = marks[marks.probability >= (PROBABLE if threshold is None else threshold)]
            spot_scale = _typical(cells, sight)
            rough = max(pixel_noise(level, membrane), floor)
            ground = background(level, membrane, BACKGROUND_WIDTHS * spot_scale, rough)
            signal = np.where(membrane, level - ground, np.float32(0))
            away = _distance(cells, shape)
            mask = (away <= max(1.0, spot_scale / 2)).astype(np.float32)
            w = (membrane & (away <= REACH * spot_scale)).astype(np.float32)
            if saturated is not None:
                w[saturated] = 0.0
            # Rounded: wells of one plate share a model.
            limits = np.array(SIGMA_LIMITS) * _rounded(spot_scale)
            if pixel_size is not None:
                limits = np.array(SIGMA_LIMITS_UM) / pixel_size
        if polarity == "dark" and membrane.any():
            # Poisson or read noise of the light grows in optical density as the light fades: the
            # darkest spots, where dye and sensor saturate, are the least to be trusted.
            w = w * np.clip((grey + 0.5) / (np.median(grey[membrane]) + 0.5), 0.0, 1.0)
        if sigma_limits is not None:
            limits = sigma_limits
        signal = np.ascontiguousarray(signal, dtype=np.float32)
        noise = pixel_noise(signal, membrane)
        if lam is None:
            lam = PAPER_LAM if preset == "paper" else lambda_from_noise(max(noise, floor), limits)
        inside = grey[membrane]
        cut = 0.0
        if saturated is not None and inside.size:
            cut = float(saturated[membrane].mean())
        return cls(
            signal=signal,
            w=np.ascontiguousarray(w, dtype=np.float32),
            mask=mask,
            membrane=membrane,
            marks=marks,
            sight=sight,
            sigma_limits=limits,
            lam=lam,
            polarity=polarity,
            preset=preset,
            circle=circle,
            noise=noise,
            spot_scale=spot_scale,
            clipped=float(np.mean((inside <= 0) | (inside >= full_scale))) if inside.size else 1.0,
            saturated=cut,
        )


@one_blas_thread()
def prepare_well(
    image: ArrayLike,
    *,
    preset: WellPreset = "well",
    polarity: Literal["auto", "dark", "bright"] = "auto",
    lam: float | None = None,
    sigma_limits: ArrayLike | None = None,
    full_scale: float | None = None,
    pixel_size: float | None = None,
    spot_diameter: float | None = None,
    contrast: float = CONTRAST,
) -> Well:
    """Make an image of a well ready for a solve.

    Parameters
    ----------
    image : array_like, shape [H, W]
        Grey levels, in steps of 1 (as integers come from a file); or floats up to 1, which are
        shares of full scale (`spotcore.images.picture.as_levels`).
    preset : {"well", "paper"}
        "well": what real wells need. "paper": the papers' grid, lam = 0.5 and scale [0, 255], no
        background taken off; for simulated images.
    polarity : {"auto", "dark", "bright"}
        What the spots are.
    lam : float, optional
        Instead of the preset's.
    sigma_limits : array_like, shape [K + 1], optional
        Instead of the preset's, in pixels.
    full_scale : float, optional
        The largest grey level that the file can hold; by default 255, and 65535 if there is a
        larger level than that.
    pixel_size : float, optional
        Pixel side in µm, 0.5 to 50: the preset "well" has its sigma bins in µm then
        (`SIGMA_LIMITS_UM`).
    spot_diameter : float, optional
        Of a typical spot at half of its height, in pixels; by default it is found.
    contrast : float
        How far a spot has to stand out to be counted, in roughnesses of the membrane
        (`spotcore.wells.view.prominence`).

    Returns
    -------
    Well

    Raises
    ------
    ValueError, TypeError
        If the image is not a finite image of a well's size, or not within 0 and its full scale, or
        an option is not what is expected.
    """
    grey = as_image(image, "image")
    check_well_size(grey.shape)
    if full_scale is None and grey.max() > 1.0:
        full_scale = 255.0 if grey.max() <= 255.0 else 65535.0
    levels, full_scale = as_levels(np.asarray(image), full_scale, "image")
    grey = as_image(levels, "image")
    if pixel_size is not None:
        pixel_size = as_pixel_size(pixel_size)
    as_choice(preset, "preset", ("well", "paper"))
    as_choice(polarity, "polarity", ("auto", "dark", "bright"))
    if spot_diameter is not None:
        spot_diameter = as_number(spot_diameter, "spot_diameter", minimum=0.0, strict=True)
    contrast = as_number(contrast, "contrast", minimum=0.0, strict=True)
    width = None if spot_diameter is None else spot_diameter / FULL_WIDTH
    return Well.of(
        grey,
        look(grey, polarity, width, contrast),
        preset=preset,
        lam=None if lam is None else as_number(lam, "lam", minimum=0.0),
        sigma_limits=None if sigma_limits is None else as_sigma_limits(sigma_limits),
        full_scale=full_scale,
        pixel_size=pixel_size,
    )


FULL_WIDTH = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Diameter of a Gaussian at half of its height, in its standard deviations."""


def lambda_from_noise(noise: float, sigma_limits: ArrayLike) -> float:
    """Choose lam so that noise stays silent: ``NOISE_FACTOR * 2 noise sqrt(sum_k ||g_k||^2)``.

    ``2 A* n`` has this root mean square, norm over k, for white noise n; a pixel with less than
    lam of it stays 0 (`spotcore.lambda_max`).

    Parameters
    ----------
    noise : float
        Standard deviation of the noise.
    sigma_limits : array_like, shape [K + 1]
        Limits of the sigma bins in pixels.

    Returns
    -------
    float
    """
    norms = sum(float((kernel**2).sum()) for kernel in gaussian_kernels(sigma_limits))
    return NOISE_FACTOR * 2.0 * noise * math.sqrt(norms)


def saturated(picture: Picture, polarity: Polarity) -> NDArray[np.bool_]:
    """Tell the pixels whose signal the camera cut off: as much as it says, or more.

    Bright spots: at full scale, in any of the colours. Dark ones: black. The other end is no loss:
    a white pixel among dark spots is bare membrane, a black one among bright spots too.

    Parameters
    ----------
    picture : Picture
        As it was read: what follows moves the levels.
    polarity : {"dark", "bright"}

    Returns
    -------
    ndarray, bool, shape [H, W]
    """
    levels = picture.pixels[..., None] if picture.colours is None else picture.colours
    cut = levels >= picture.full_scale if polarity == "bright" else levels <= 0
    return np.asarray(cut.any(axis=2))


def _typical(cells: Marks, sight: Sight) -> float:
    """Return the median width of spots, or what the view would show best."""
    if len(cells.width):
        return float(np.median(cells.width))
    return PAPER_SPOT / sight.view.factor


def _rounded(width: float) -> float:
    """Round to powers of 1.1."""
    return float(1.1 ** round(math.log(width) / math.log(1.1)))


def _distance(cells: Marks, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return each pixel's distance from the nearest mark; 0 where there is none at all."""
    from scipy import ndimage

    free = np.ones(shape, bool)
    y, x = np.rint(cells.yx).astype(int).T
    free[y, x] = False
    return np.asarray(ndimage.distance_transform_edt(free)) if len(cells) else np.zeros(shape)


def _as_level(grey: NDArray[np.float32], polarity: Polarity) -> NDArray[np.float32]:
    """Return the quantity that adds up where spots overlap.

    For dark spots this is the optical density (Beer-Lambert), relative to the brightest pixel and
    half a grey level up, so that black is finite.
    """
    if polarity == "bright":
        return grey
    density: NDArray[np.float32] = np.log10((grey.max() + 0.5) / (np.maximum(grey, 0) + 0.5))
    return density


def _step(grey: NDArray[np.float32], membrane: NDArray[np.bool_], polarity: Polarity) -> float:
    """Return one grey level of the membrane in the unit of the signal."""
    if polarity == "bright" or not membrane.any():
        return 1.0
    return 1.0 / (math.log(10.0) * max(float(np.median(grey[membrane])), 1.0))
