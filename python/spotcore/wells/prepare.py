"""The front end for real wells: from a grey image to the arguments of a solve, and to its cells.

A real well differs from the papers' simulation in five ways, and each has its step here: the spots
may be dark (`find_polarity`; then the optical density is what adds up), only a disc of the image
is membrane (`wells.circle`), the membrane is shaded (`background`), its noise has to be measured
(`noise_sigma`) and sets ``lam``, and the model explains dust and saturation as rows of cells
(`wells.spots`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from spotcore._arrays import as_choice, as_image, as_number, as_sigma_limits
from spotcore._backends import one_blas_thread
from spotcore.images.levels import as_levels
from spotcore.images.limits import check_well_size
from spotcore.images.picture import as_pixel_size
from spotcore.model.kernels import gaussian_kernels
from spotcore.wells.circle import Circle, find_well, flat_part, well_depth
from spotcore.wells.curvature import Curvature
from spotcore.wells.membrane import (
    Polarity,
    filled_outside,
    find_polarity,
    noise_sigma,
    rim_shading,
    without_background,
)
from spotcore.wells.saturation import domed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Circle", "Well", "lambda_from_noise", "prepare_well"]

WellPreset = Literal["paper", "well"]

PAPER_SIGMA_LIMITS = (2.3, 5.0, 9.0, 13.0, 23.0, 33.0, 43.0, 53.0, 67.0)
"""Part II, Table III, in pixels."""
PAPER_LAM = 0.5

WELL_SIGMA_LIMITS = (1.2, 2.2, 3.5, 5.5, 8.5, 13.0, 20.0)
"""For a well of radius `WELL_RADIUS`, in pixels; scaled with the radius that is found."""
WELL_RADIUS = 250.0
WELL_PIXEL_UM = 12.8
"""What a pixel of such a well measures: 500 of them span the 6.4 mm of a membrane of a 96-well
plate."""
SIGMA_LIMITS_UM = tuple(WELL_PIXEL_UM * limit for limit in WELL_SIGMA_LIMITS)
"""Limits of the sigma bins [µm] where the pixel size is known."""
#: lam is this many standard deviations of the noise in the solver's own detection statistic.
NOISE_FACTOR = 8.0
#: Peaks are looked for at this share of a small spot's scale, at least at so many pixels: below,
#: the grid of the pixels shows.
PEAK_SHARE, SMALLEST_PEAK = 0.65, 1.3
#: Errors of an 8-bit picture that was stretched, inverted or compressed, in grey levels.
GREY_NOISE = 2.5
_BACKGROUND_SCALE = 1 / 8  # of the well's radius: wider than a spot's halo, narrower than shading
#: Noise is measured at this share of the peaks' scale, in tiles of so many to a radius: some 60.
_FINEST, _TILES = 0.6, 4.5


@dataclass(frozen=True, eq=False)
class Well:
    """An image made ready for `spotcore.solve`.

    Attributes
    ----------
    signal : ndarray, float32, shape [H, W]
        What to solve: spots bright, background taken off. Optical density for dark spots, grey
        levels for bright ones, [0, 255] in the preset "paper".
    w, mask : ndarray, float32, shape [H, W]
        Weight of each pixel, and 1 where cells can lie.
    depth : ndarray, float32, shape [H, W]
        Distance below the well's edge in pixels, infinite where the image shows no edge.
    sigma_limits : ndarray, float64, shape [K + 1]
        Limits of the sigma bins in pixels.
    lam : float
        Weight of the group sparsity.
    polarity : {"dark", "bright"}
        What the spots are.
    preset : {"paper", "well"}
        Whose settings these are.
    circle : Circle or None
        Edge of the round well, None where the image shows none: then all of it is used.
    noise : float
        Standard deviation of the noise at the scale of the smallest spots, in the signal's unit.
    spot_scale : float
        Standard deviation of a small spot in pixels.
    clipped : float
        Share of the used pixels that have the smallest or the largest grey level of the file.
    """

    signal: NDArray[np.float32]
    w: NDArray[np.float32]
    mask: NDArray[np.float32]
    depth: NDArray[np.float32]
    sigma_limits: NDArray[np.float64]
    lam: float
    polarity: Polarity
    preset: WellPreset
    circle: Circle | None
    noise: float
    spot_scale: float
    clipped: float

    @classmethod
    def of(
        cls,
        grey: NDArray[np.float32],
        circle: Circle | None,
        polarity: Polarity,
        *,
        preset: Literal["auto", "paper", "well"],
        lam: float | None,
        sigma_limits: NDArray[np.float64] | None,
        full_scale: float,
        pixel_size: float | None,
        saturated: NDArray[np.bool_] | None = None,
    ) -> Well:
        """Make an image ready whose well and polarity are known.

        Parameters
        ----------
        grey : ndarray, float32, shape [H, W]
            Grey levels.
        circle : Circle or None
            Edge of the well, as `find_well` has it.
        polarity : {"dark", "bright"}
            What the spots are.
        preset, lam, sigma_limits, full_scale, pixel_size
            As `prepare_well` has them.
        saturated : ndarray, bool, shape [H, W], optional
            Pixels that the camera cut off. With the preset "well" they weigh nothing: a saturated
            spot is as bright as the camera goes, or brighter, and its flanks say how much.

        Returns
        -------
        Well
        """
        chosen: WellPreset = ("paper" if circle is None else "well") if preset == "auto" else preset
        radius = WELL_RADIUS if circle is None else circle.radius
        zoom = radius / WELL_RADIUS
        spot_scale = max(2.0 * zoom, 1.0)
        depth = well_depth(grey, circle)
        inside = depth > _peak_scale(spot_scale)
        finest = _FINEST * _peak_scale(spot_scale)
        level, grey_step = _as_level(grey, inside, polarity)
        if chosen == "paper":
            signal = level * (255.0 / max(float(level.max()), 1e-30))
            limits = np.array(PAPER_SIGMA_LIMITS)
            noise = noise_sigma(signal, inside, finest, radius / _TILES)
        else:
            if circle is not None:
                reach = round(_BACKGROUND_SCALE * radius)
                level = level - rim_shading(level, depth, (circle.y, circle.x), reach)
            floor = GREY_NOISE * grey_step
            signal, noise = without_background(
                level, inside, _BACKGROUND_SCALE * radius, finest, radius / _TILES, floor
            )
            # Rounded: wells of one plate, whose radii differ by a pixel, share a model.
            limits = np.array(WELL_SIGMA_LIMITS) * round(zoom, 2)
            if pixel_size is not None:
                limits = np.array(SIGMA_LIMITS_UM) / pixel_size
        if sigma_limits is not None:
            limits = sigma_limits
        if lam is None:
            lam = PAPER_LAM if chosen == "paper" else lambda_from_noise(noise, limits)
        w = inside.astype(np.float32)
        if polarity == "dark":
            # Poisson or read noise of the light grows in optical density as the light fades: the
            # darkest spots, where dye and sensor saturate, are the least to be trusted.
            w *= np.clip((grey + 0.5) / (np.median(grey[inside]) + 0.5), 0.0, 1.0)
        signal = np.ascontiguousarray(signal, dtype=np.float32)
        if chosen == "well" and saturated is not None and saturated.any():
            w[saturated] = 0.0
            signal = domed(signal, saturated & inside)
        return cls(
            signal=signal,
            w=w,
            mask=inside.astype(np.float32),
            depth=depth,
            sigma_limits=limits,
            lam=lam,
            polarity=polarity,
            preset=chosen,
            circle=circle,
            noise=noise,
            spot_scale=spot_scale,
            clipped=float(np.mean((grey[inside] <= 0) | (grey[inside] >= full_scale))),
        )

    @cached_property
    def continued(self) -> NDArray[np.float32]:
        """`signal` [H, W] that shows no edge: outside, the value of the nearest pixel inside."""
        return filled_outside(self.signal, self.mask > 0)

    @cached_property
    def curvature(self) -> Curvature:
        """Of `continued`, at the scale at which peaks are looked for."""
        return Curvature.of(self.continued, self.peak_scale)

    @property
    def peak_scale(self) -> float:
        """Scale in pixels at which peaks are looked for: finer, so that neighbours stay apart."""
        return _peak_scale(self.spot_scale)


@one_blas_thread()
def prepare_well(
    image: ArrayLike,
    *,
    preset: Literal["auto", "paper", "well"] = "auto",
    polarity: Literal["auto", "dark", "bright"] = "auto",
    lam: float | None = None,
    sigma_limits: ArrayLike | None = None,
    full_scale: float | None = None,
    pixel_size: float | None = None,
) -> Well:
    """Make an image of a well ready for a solve.

    Parameters
    ----------
    image : array_like, shape [H, W]
        Grey levels, in steps of 1 (as integers come from a file); or floats up to 1, which are
        shares of full scale (`spotcore.images.picture.as_levels`).
    preset : {"auto", "paper", "well"}
        "paper": the papers' grid, lam = 0.5 and scale [0, 255], no background taken off; for
        simulated images. "well": what real wells need. "auto": "well" if the image shows the edge
        of a round well, else "paper".
    polarity : {"auto", "dark", "bright"}
        What the spots are; "auto" asks `find_polarity`.
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
    as_choice(preset, "preset", ("auto", "paper", "well"))
    as_choice(polarity, "polarity", ("auto", "dark", "bright"))
    circle = find_well(grey)
    if polarity == "auto":
        # By the membrane alone: the rim is bright or dark on its own.
        polarity = find_polarity(grey, flat_part((grey.shape[0], grey.shape[1]), circle))
    return Well.of(
        grey,
        circle,
        polarity,
        preset=preset,
        lam=None if lam is None else as_number(lam, "lam", minimum=0.0),
        sigma_limits=None if sigma_limits is None else as_sigma_limits(sigma_limits),
        full_scale=full_scale,
        pixel_size=pixel_size,
    )


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


def _peak_scale(spot_scale: float) -> float:
    """Return the scale at which peaks are looked for, in pixels."""
    return max(PEAK_SHARE * spot_scale, SMALLEST_PEAK)


def _as_level(
    grey: NDArray[np.float32], inside: NDArray[np.bool_], polarity: Polarity
) -> tuple[NDArray[np.float32], float]:
    """Return the quantity that adds up where spots overlap, and one grey level in its unit.

    For dark spots this is the optical density (Beer-Lambert), relative to the brightest pixel and
    half a grey level up, so that black is finite.
    """
    if polarity == "bright":
        return grey, 1.0
    density: NDArray[np.float32] = np.log10((grey.max() + 0.5) / (np.maximum(grey, 0) + 0.5))
    return density, 1.0 / (math.log(10.0) * max(float(np.median(grey[inside])), 1.0))
