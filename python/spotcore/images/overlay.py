"""The picture to look at: an image with a thin circle round every cell, and a caption.

Drawing needs Pillow (``pip install spotcore[cli]``), imported where it is used.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore._arrays import as_image, as_points
from spotcore._files import one_line

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from PIL.Image import Image

__all__ = ["MARK_ON_BRIGHT", "MARK_ON_DARK", "draw_overlay", "overlay_picture", "stretched"]

#: Marks have to be told from the image whatever its grey: strong colours, one for each polarity.
MARK_ON_BRIGHT = (220, 0, 60)
MARK_ON_DARK = (255, 210, 0)
_BLUE = (0, 140, 255)
_COLOURS = (MARK_ON_BRIGHT, MARK_ON_DARK, _BLUE)
_WHITE = 255 - len(_COLOURS)  # of a palette: greys from 0 to this, then the colours
_STRIP = 28  # pixels: height of the caption's
_SMALL = 800  # images with a shorter side below this many pixels are enlarged


def draw_overlay(
    image: ArrayLike,
    cells_yx: ArrayLike,
    radii: ArrayLike | float = 4.0,
    *,
    dark_spots: bool = False,
    well: tuple[float, float, float] | None = None,
    missed_yx: ArrayLike | None = None,
    caption: str = "",
) -> NDArray[np.uint8]:
    """Draw marks on an image.

    Grey levels are stretched between the 0.1 and 99.9 percentiles (of the well's inside, where a
    well is given), for a faint spot to be seen and judged.

    Parameters
    ----------
    image : array_like, shape [H, W]
        The image as it was read.
    cells_yx : array_like, shape [n, 2]
        Positions (y, x) in pixels of the image.
    radii : array_like, shape [n], or float
        Radii of the circles in pixels of the image.
    dark_spots : bool
        Whether the image is bright with dark spots: chooses the colour of the marks.
    well : tuple of float, optional
        (y, x, radius) of the well, drawn as a thin blue circle.
    missed_yx : array_like, shape [m, 2], optional
        Positions of true cells without a mark, drawn in blue.
    caption : str
        A line below the picture.

    Returns
    -------
    ndarray, uint8, shape [H', W', 3]
        The picture; small images are enlarged by a whole number.

    Raises
    ------
    ValueError, TypeError
        If the image or the positions have a wrong shape or dtype.
    """
    picture = overlay_picture(
        image,
        cells_yx,
        radii,
        dark_spots=dark_spots,
        well=well,
        missed_yx=missed_yx,
        caption=caption,
    )
    return np.asarray(picture.convert("RGB"))


def overlay_picture(
    image: ArrayLike,
    cells_yx: ArrayLike,
    radii: ArrayLike | float = 4.0,
    *,
    dark_spots: bool = False,
    well: tuple[float, float, float] | None = None,
    missed_yx: ArrayLike | None = None,
    caption: str = "",
) -> Image:
    """Draw what `draw_overlay` does, as a picture with a palette: a third of the bytes."""
    from PIL import Image, ImageDraw

    grey = as_image(image, "image")
    points = as_points(cells_yx, "cells_yx")
    missed = as_points([] if missed_yx is None else missed_yx, "missed_yx")
    radius = np.broadcast_to(np.asarray(radii, dtype=np.float64), len(points))
    zoom = max(1, math.ceil(_SMALL / min(grey.shape)))
    height, width = grey.shape[0] * zoom, grey.shape[1] * zoom
    drawn = Image.fromarray((stretched(grey, well) / 255.0 * _WHITE).round().astype(np.uint8))
    picture = Image.new("P", (width, height + (_STRIP if caption else 0)), _WHITE)
    picture.putpalette(_palette())
    picture.paste(drawn.resize((width, height), Image.Resampling.NEAREST))
    draw = ImageDraw.Draw(picture)
    if well is not None:
        _circle(draw, well[0], well[1], well[2], zoom, _COLOURS.index(_BLUE))
    colour = _COLOURS.index(MARK_ON_BRIGHT if dark_spots else MARK_ON_DARK)
    for (y, x), r in zip(points, radius, strict=True):
        _circle(draw, y, x, max(r, 4.0 / zoom), zoom, colour)
    for y, x in missed:
        _circle(draw, y, x, 4.0, zoom, _COLOURS.index(_BLUE))
    if caption:
        _write(picture, caption, height)
    return picture


def _palette() -> list[int]:
    """Return red, green and blue of each entry: greys from black to white, then the marks'."""
    greys = [round(255 * level / _WHITE) for level in range(_WHITE + 1)]
    return [part for grey in greys for part in (grey,) * 3] + [p for c in _COLOURS for p in c]


def _circle(draw: Any, y: float, x: float, radius: float, zoom: int, colour: int) -> None:
    """Draw a one-pixel circle; the centre of pixel 0 lies at zoom / 2 in the enlarged picture."""
    y, x, radius = (y + 0.5) * zoom, (x + 0.5) * zoom, radius * zoom
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=_WHITE + 1 + colour)


def stretched(
    grey: NDArray[np.float32],
    well: tuple[float, float, float] | None,
    least: float = 0.0,
) -> NDArray[np.uint8]:
    """Stretch the grey levels of the well's inside (else of the whole image) to 0..255.

    Parameters
    ----------
    grey : ndarray, float32, shape [H, W]
        The image.
    well : tuple of float or None
        (y, x, radius) of the well.
    least : float
        Smallest range that is stretched, as a share of its upper end: with it, an empty well looks
        even, and not like its noise.

    Returns
    -------
    ndarray, uint8, shape [H, W]
        The 0.1 percentile becomes 0, the 99.9 percentile 255.
    """
    inside = grey
    if well is not None:
        y, x = np.ogrid[: grey.shape[0], : grey.shape[1]]
        within = (y - well[0]) ** 2 + (x - well[1]) ** 2 < well[2] ** 2
        inside = grey[within] if within.any() else grey
    low, high = np.percentile(inside, (0.1, 99.9))
    if high <= low:
        low, high = float(grey.min()), float(grey.max()) + 1.0
    low = min(low, (1.0 - least) * high)
    scaled: NDArray[np.uint8] = np.clip((grey - low) * (255.0 / (high - low)), 0, 255).astype(
        np.uint8
    )
    return scaled


def _write(picture: Image, caption: str, top: int) -> None:
    """Write one line of text on the strip below the picture."""
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("L", (picture.width, _STRIP), "white")
    font = ImageFont.load_default(size=18)
    ImageDraw.Draw(strip).text((8, 3), one_line(caption), fill="black", font=font)
    picture.paste(strip.point(lambda level: level * _WHITE / 255), (0, top))
