"""From the levels of a file to light: the camera's tone curve, the lamp's pattern."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from spotcore.images.picture import Picture, luminance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["flattened", "linear"]


def linear(picture: Picture, gamma: float | Literal["none", "srgb"]) -> Picture:
    """Undo the tone curve of a camera, so that grey levels are proportional to light.

    Parameters
    ----------
    picture : Picture
    gamma : float or {"none", "srgb"}
        "srgb": the curve of IEC 61966-2-1. A number: stored levels are light to the power 1/gamma.

    Returns
    -------
    Picture
        With levels from 0 to the same full scale.

    Raises
    ------
    ValueError
        If gamma is not above 0.
    """
    if gamma == "none" or gamma == 1.0:
        return picture
    if not (gamma == "srgb" or (isinstance(gamma, float | int) and 0 < gamma < np.inf)):
        raise ValueError(f"gamma: expected none, srgb or a number above 0, got {gamma!r}")
    scale = float(picture.full_scale)

    def unbent(levels: NDArray[np.float32]) -> NDArray[np.float32]:
        share = levels / scale
        if gamma == "srgb":
            share = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        else:
            share = share ** float(gamma)
        light: NDArray[np.float32] = (share * scale).astype(np.float32)
        return light

    return _each(picture, unbent)


def flattened(picture: Picture, flat: Picture, dark: Picture | None = None) -> Picture:
    """Divide the lamp's pattern out: ``(I - D) / (F - D) * mean(F - D)``.

    Parameters
    ----------
    picture : Picture
    flat : Picture
        The same field of view without a well, or an empty one; of the same size, and as linear.
    dark : Picture, optional
        The same without light.

    Returns
    -------
    Picture
        Levels stay within 0 and full scale.

    Raises
    ------
    ValueError
        If the sizes differ, or the flat field is not brighter than the dark frame.
    """
    for name, frame in (("flat_field", flat), ("dark_frame", dark)):
        if frame is not None and frame.pixels.shape != picture.pixels.shape:
            raise ValueError(
                f"{name}: expected {_size(picture)} pixels, as the image has, got {_size(frame)}"
            )
    below = np.zeros_like(flat.pixels) if dark is None else dark.pixels
    gain = flat.pixels - below
    mean = float(gain.mean())
    # A dead pixel of the flat field must not blow up: its gain is one of a hundredth at least.
    if mean <= 0:
        raise ValueError("flat_field: expected it brighter than the dark frame, got a mean of 0")
    gain = np.maximum(gain / mean, 0.01)
    scale = float(picture.full_scale)

    def even(levels: NDArray[np.float32]) -> NDArray[np.float32]:
        shape = (..., None) if levels.ndim == 3 else ...
        evened: NDArray[np.float32] = (levels - below[shape]) / gain[shape]
        return np.clip(evened, 0.0, scale)

    return _each(picture, even)


def _each(picture: Picture, step: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Picture:
    """Apply a step to the levels of a picture: to its colours, if it has some, and its grey."""
    if picture.colours is None:
        return replace(picture, pixels=step(picture.pixels))
    colours = step(picture.colours)
    return replace(picture, pixels=luminance(colours), colours=colours)


def _size(picture: Picture) -> str:
    return " x ".join(map(str, picture.pixels.shape))
