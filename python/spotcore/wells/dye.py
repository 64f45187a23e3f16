"""From colours to one dye: a colour picture becomes a grey one in the spots' own colour."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from spotcore.images.picture import Picture
from spotcore.wells.membrane import background

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.wells.sight import Polarity

__all__ = ["STAINS", "Colour", "in_colour", "spot_colour"]

STAINS: dict[str, tuple[float, float, float]] = {"aec": (0.2743, 0.6796, 0.6803)}
"""Optical density in red, green and blue by name. AEC: Landini's plugin "Colour Deconvolution" for
ImageJ, as scikit-image's `rgb_from_hax` has it. The dye of BCIP/NBT depends on the kit: found."""

_STRONG = 6.0  # standard deviations of the noise that a spot's pixel stands out
_FEWEST = 20  # strong pixels, for a colour to be found
_ROUNDS = 5
_EDGE = 0.04  # of the radius, that is left out inside of the membrane's edge
_BACKGROUND_SCALE = 1 / 8  # of the radius, as in `prepare`


@dataclass(frozen=True)
class Colour:
    """How a colour picture became one of grey levels.

    Attributes
    ----------
    vector : tuple of three floats
        Strength of the spots' signal in red, green and blue, their mean being 1: of the optical
        density for dark spots, of the light for bright ones.
    source : {"found", "given", "none"}
        Whether the vector was found in the picture, given, or neither (no spot stood out: then
        it is that of the luminance).
    pixels : int
        Number of pixels it was found from.
    """

    vector: tuple[float, float, float]
    source: Literal["found", "given", "none"]
    pixels: int


def in_colour(
    picture: Picture,
    stain: str | tuple[float, float, float],
    polarity: Polarity,
    membrane: NDArray[np.bool_],
) -> tuple[Picture, Colour | None]:
    """Make a grey picture in the colour of the spots: what a filter for their dye would show.

    Dark spots: the optical density of each channel is projected on the dye's, ``c = OD·v / v·v``,
    and turned back to light, ``full scale * 10^-c``; then whatever follows finds the density of the
    dye where it takes the optical density. Bright spots: the light itself is projected.

    Parameters
    ----------
    picture : Picture
    stain : str or three floats
        "auto": found by `spot_colour`; "luminance": none, the picture stays as it is; a name of
        `STAINS`; or strength in red, green and blue.
    polarity : {"dark", "bright"}
        What the spots are.
    membrane : ndarray, bool, shape [H, W]
        Where to look for the colour.

    Returns
    -------
    picture : Picture
        Without colours; the same one if it has none.
    colour : Colour or None
        None where nothing was done.

    Raises
    ------
    ValueError
        If the stain is not known or not a direction.
    """
    from scipy import ndimage

    given = _given(stain)
    if picture.colours is None or stain == "luminance":
        return picture, None
    radius = math.sqrt(max(membrane.sum(), 1) / math.pi)
    # Without its edge, which has colours of its own.
    inside = ndimage.binary_erosion(
        membrane, iterations=max(2, round(_EDGE * radius)), border_value=1
    )
    inside = inside if inside.any() else np.ones(membrane.shape, bool)
    scale = float(picture.full_scale)
    if polarity == "dark":
        level = np.log10((scale + 0.5) / (np.maximum(picture.colours, 0) + 0.5))
    else:
        level = picture.colours
    if given is None:
        colour = spot_colour(level, inside, radius)
    else:
        colour = Colour(_scaled(given), "given", 0)
    if colour.source == "none":
        return replace(picture, colours=None), colour
    v = np.array(colour.vector, np.float32)
    amount = level @ (v / (v @ v))
    grey = (scale + 0.5) * 10.0**-amount - 0.5 if polarity == "dark" else amount
    made = np.clip(grey, 0.0, scale).astype(np.float32)
    return replace(picture, pixels=made, colours=None, channel="spots' colour"), colour


def spot_colour(level: NDArray[np.float32], inside: NDArray[np.bool_], radius: float) -> Colour:
    """Find the colour of the spots: the direction in which their pixels leave the membrane's.

    The background of each channel is taken off; pixels that stand out by six standard deviations
    of the noise are spots. Their common direction is the first right singular vector, from the
    origin (not from their mean: none of a dye is no density). Pixels far off that line, such as a
    coloured hair's, lose weight in the next round (Cauchy's).

    Parameters
    ----------
    level : ndarray, float32, shape [H, W, 3]
        Optical densities, or light where spots are bright.
    inside : ndarray, bool, shape [H, W]
        Pixels to look at.
    radius : float
        Of the well, in pixels.

    Returns
    -------
    Colour

    References
    ----------
    Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI
    2009: the singular vectors of the optical density; here one dye, on a membrane of its own
    colour.
    """
    step = max(float(np.ptp(level[inside])), 1e-6) / 255.0
    contrast = np.stack(
        [
            channel - background(channel, inside, _BACKGROUND_SCALE * radius, step)
            for channel in np.moveaxis(level, 2, 0)
        ],
        axis=2,
    )[inside].astype(np.float64)
    contrast -= np.median(contrast, axis=0)
    noise = 1.4826 * np.median(np.abs(contrast), axis=0)
    noise = np.maximum(noise, step / 4)
    total = (contrast / noise).sum(axis=1)
    spread = max(1.4826 * float(np.median(np.abs(total))), 1e-12)
    spots = contrast[total > _STRONG * spread]
    if len(spots) < _FEWEST:
        return Colour((1.0, 1.0, 1.0), "none", len(spots))
    length = np.maximum(np.linalg.norm(spots, axis=1), 1e-12)
    # Every pixel has one vote at first: a dark hair of few pixels must not win by its strength.
    v = np.median(spots / length[:, None], axis=0)
    for _ in range(_ROUNDS):
        v = v / max(float(np.linalg.norm(v)), 1e-12)
        angle = np.linalg.norm(spots - np.outer(spots @ v, v), axis=1) / length
        weight = 1 / (1 + (angle / max(2 * float(np.median(angle)), 1e-6)) ** 2)
        v = np.linalg.svd(spots * weight[:, None], full_matrices=False)[2][0]
        v = v if v.sum() > 0 else -v
    # A dye that makes light is none: the rest of a channel that it does not touch is noise.
    return Colour(_scaled(np.maximum(v, 0.0)), "found", len(spots))


def _given(stain: str | tuple[float, float, float]) -> NDArray[np.float64] | None:
    """Return the vector that a setting says, None where it is to be found."""
    if stain in ("auto", "luminance"):
        return None
    named = STAINS.get(stain.lower()) if isinstance(stain, str) else stain
    vector = np.array([] if named is None else named, np.float64)
    fits = vector.shape == (3,) and bool(np.isfinite(vector).all())
    if not fits or (vector < 0).any() or not vector.any():
        names = ", ".join(["auto", "luminance", *STAINS])
        raise ValueError(f"stain: expected {names} or three numbers R,G,B from 0 on, got {stain!r}")
    return vector


def _scaled(v: NDArray[np.float64]) -> tuple[float, float, float]:
    """Scale a vector to a mean of 1: grey colours then give the grey picture."""
    r, g, b = (v / v.mean()).tolist()
    return r, g, b
