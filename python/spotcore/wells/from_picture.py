"""From a picture to a well: its light, the colour of its spots, its circle."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

import numpy as np

from spotcore._arrays import as_sigma_limits
from spotcore.images.light import flattened, linear
from spotcore.images.limits import check_well_size
from spotcore.images.picture import Picture
from spotcore.images.read import read_image
from spotcore.settings import Settings
from spotcore.wells.detector import look
from spotcore.wells.dye import Colour, in_colour
from spotcore.wells.membrane import find_membrane
from spotcore.wells.prepare import FULL_WIDTH, Well, WellPreset, saturated

__all__ = ["at_full_scale", "prepare_picture", "read_picture"]


def read_picture(
    path: str | PathLike[str],
    settings: Settings,
    page: int | None = None,
    file_channel: int | None = None,
) -> Picture:
    """Read a picture as the settings have it, or a channel of its file; see `read_image`."""
    channel = settings.channel if file_channel is None else file_channel
    return read_image(path, channel, page, settings.projection, settings.full_scale)


def prepare_picture(picture: Picture, settings: Settings) -> tuple[Picture, Colour | None, Well]:
    """Make a picture ready for a solve as the settings have it.

    Parameters
    ----------
    picture : Picture
        As it was read.
    settings : Settings
        Choices of the user.

    Returns
    -------
    seen : Picture
        Its light in the colour of the spots, grey; its pixel size is the user's, else the file's.
    colour : Colour or None
        What that colour is, None of a grey picture.
    well : Well

    Raises
    ------
    ImageError
        If the flat field or the dark frame cannot be read.
    ValueError
        If a setting does not fit the picture.
    """
    check_well_size(picture.pixels.shape)
    light = _evened(picture, settings)
    if settings.pixel_size is not None:
        light = replace(light, pixel_size=settings.pixel_size)
    side = light.pixel_size or 1.0
    width = None
    if settings.spot_diameter is not None:
        width = settings.spot_diameter / side / FULL_WIDTH
    how = (width, settings.contrast, settings.threads)
    sight = look(light.pixels, settings.polarity, *how)
    seen, colour = light, None
    if light.colours is not None:
        height, light_width = light.pixels.shape
        membrane = find_membrane(sight, (height, light_width))
        seen, colour = in_colour(light, settings.stain, sight.polarity, membrane)
        if colour is not None and colour.source != "none":
            sight = look(seen.pixels, sight.polarity, *how)
    preset: WellPreset = "paper" if settings.preset == "paper" else "well"
    limits = None
    if settings.sigma_limits is not None:
        limits = as_sigma_limits(np.array(settings.sigma_limits) / side)
    well = Well.of(
        seen.pixels,
        sight,
        preset=preset,
        lam=settings.lam,
        sigma_limits=limits,
        full_scale=picture.full_scale,
        pixel_size=seen.pixel_size,
        threshold=settings.threshold if preset == "well" else None,
        saturated=saturated(picture, sight.polarity),
    )
    return seen, colour, well


def _evened(picture: Picture, settings: Settings) -> Picture:
    """Undo the camera's tone curve and the lamp's pattern."""

    def frame(path: str | None) -> Picture | None:
        return None if path is None else linear(read_image(path, settings.channel), settings.gamma)

    light = linear(picture, settings.gamma)
    flat, dark = frame(settings.flat_field), frame(settings.dark_frame)
    return light if flat is None else flattened(light, flat, dark)


def at_full_scale(picture: Picture, full_scale: float) -> Picture:
    """Take the user's full scale for that of a picture; 1 is that of shares, which it has not.

    Raises
    ------
    ValueError
        If the picture has grey levels above it.
    """
    if full_scale == 1.0:
        return picture
    most = float(picture.pixels.max())
    if most > full_scale:
        raise ValueError(f"full_scale: expected at least {most:g}, got {full_scale:g}")
    return replace(picture, full_scale=full_scale)
