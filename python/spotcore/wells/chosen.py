"""The front end as the user's settings have it: corrections, sigma bins, saturation, gates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spotcore.images.read import Picture, read_image
from spotcore.settings import Settings
from spotcore.wells.dye import Colour, flattened, in_colour, linear, saturated
from spotcore.wells.gaussian import gradient_magnitude
from spotcore.wells.measure import Limits
from spotcore.wells.prepare import WELL_SIGMA_LIMITS, Well, lambda_from_noise, prepare_well

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SIGMA_LIMITS_UM", "corrected", "domed", "gates", "prepared"]

WELL_PIXEL_UM = 12.8
"""What a pixel of `prepare_well`'s well measures: 500 of them span the 6.4 mm of a membrane of a
96-well plate."""
SIGMA_LIMITS_UM = tuple(WELL_PIXEL_UM * limit for limit in WELL_SIGMA_LIMITS)
"""Limits of the sigma bins [µm] where the pixel size is known."""


def corrected(picture: Picture, settings: Settings) -> tuple[Picture, Colour | None]:
    """Make the samples of a file light, even, and one grey picture in the spots' colour.

    Raises
    ------
    ImageError
        If the flat field or the dark frame cannot be read.
    ValueError
        If they or the stain or the gamma are not what is expected.
    """

    def frame(path: str | None) -> Picture | None:
        return None if path is None else linear(read_image(path, settings.channel), settings.gamma)

    if settings.dark_frame is not None and settings.flat_field is None:
        raise ValueError("dark_frame: expected a flat_field beside it, got none")
    seen = linear(picture, settings.gamma)
    flat, dark = frame(settings.flat_field), frame(settings.dark_frame)
    if flat is not None:
        seen = flattened(seen, flat, dark)
    return in_colour(seen, settings.stain, settings.polarity)


def prepared(seen: Picture, picture: Picture, settings: Settings, pixel_size: float | None) -> Well:
    """Prepare a well, with what the user or the pixel size says of its sigma bins.

    Parameters
    ----------
    seen : Picture
        From `corrected`.
    picture : Picture
        The same as it was read: saturation shows there.
    settings : Settings
    pixel_size : float or None
        Pixel side in µm.

    Returns
    -------
    Well

    Raises
    ------
    ValueError
        If a setting does not fit the image.
    """
    limits = settings.sigma_limits
    if limits is not None and pixel_size is not None:
        limits = tuple(limit / pixel_size for limit in limits)
    well = prepare_well(
        seen.pixels,
        preset=settings.preset,
        polarity=settings.polarity,
        lam=settings.lam,
        sigma_limits=limits,
        full_scale=picture.full_scale,
    )
    if well.preset == "paper":
        return well
    if limits is None and pixel_size is not None:
        physical = np.array(SIGMA_LIMITS_UM) / pixel_size
        lam = lambda_from_noise(well.noise, physical) if settings.lam is None else well.lam
        well = replace(well, sigma_limits=physical, lam=lam)
    # A saturated spot is as bright as the camera goes, or brighter: its flanks say how much.
    cut = saturated(picture, well.polarity)
    if not cut.any():
        return well
    w = np.where(cut, np.float32(0), well.w)
    return replace(well, w=w, signal=domed(well.signal, cut & (well.mask > 0)))


def domed(signal: NDArray[np.float32], cut: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Raise what a camera cut off, so that a saturated spot has one summit again.

    A plateau has many: its noise's, and its edge's. Each is raised by a cone, as steep as the
    signal arrives at its edge: a guess that orders pixels. How much the spot holds is for the
    solver to say, to which they weigh nothing.

    Parameters
    ----------
    signal : ndarray, float32, shape [H, W]
        Spots bright.
    cut : ndarray, bool, shape [H, W]
        Saturated pixels.

    Returns
    -------
    ndarray, float32, shape [H, W]
    """
    from scipy import ndimage

    labels, count = ndimage.label(cut, np.ones((3, 3), bool))
    # The steepest is of the flank: on the plateau's own pixels there is nothing to be seen of it.
    slope = ndimage.maximum_filter(gradient_magnitude(signal, 1.0), 5)
    steepness = np.asarray(ndimage.median(slope, labels, np.arange(1, count + 1)))
    raised = signal.copy()
    raised[cut] += (steepness[labels[cut] - 1] * ndimage.distance_transform_edt(cut)[cut]).astype(
        np.float32
    )
    return raised


def gates(settings: Settings, pixel_size: float | None) -> Limits:
    """Return the limits on spots, in pixels."""
    side = pixel_size or 1.0

    def pixels(length: float | None) -> float | None:
        return None if length is None else length / side

    return Limits(
        (pixels(settings.min_diameter), pixels(settings.max_diameter)),
        (settings.min_density, settings.max_density),
    )
