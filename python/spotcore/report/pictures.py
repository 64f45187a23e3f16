"""The picture of a well as the page and the mosaic show it, never another than was analysed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spotcore.images.overlay import stretched
from spotcore.images.refusal import ImageError
from spotcore.results import Record, WellResult
from spotcore.results.picture import find_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

__all__ = ["Shown", "jpeg", "show"]

#: Longest side of a picture in the page.
SIDE = 512
#: Grey levels are stretched over at least this share of the brightest.
_LEAST = 0.3


class Shown(NamedTuple):
    """A picture with the size of the image that it shows."""

    image: PillowImage | None
    height: int  # of the analysed image, in which the marks' positions are given
    width: int
    note: str  # "" if it is the analysed file


def show(well: WellResult, record: Record, side: int = SIDE) -> Shown:
    """Make the picture of a well from its image file, or from its overlay where that fails.

    The file has to have the digest of the record: another picture under the marks would lie.

    Parameters
    ----------
    well : WellResult
        The well.
    record : Record
        Its record.
    side : int
        Longest side of the picture in pixels; smaller images keep their size.

    Returns
    -------
    Shown
    """
    from PIL import Image

    height, width = (0, 0) if record.image is None else (record.image.height, record.image.width)
    try:
        image = _from_file(record, well.files.folder)
        return Shown(_fit(image, side), image.height, image.width, "")
    except ImageError as error:  # whatever is wrong with one file, the others are shown
        why = str(error)
    try:
        image = _from_overlay(well.files.overlay, height, width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's, of a PNG
        return Shown(None, height, width, f"No picture: {why}")
    note = f"{why}; this is the overlay, with its marks drawn in"
    return Shown(_fit(image, side), height, width, note)


def jpeg(image: PillowImage, budget: int) -> bytes:
    """Encode a picture as JPEG of at most `budget` bytes: quality first, then size, gives way.

    Parameters
    ----------
    image : PIL.Image.Image
        Grey or RGB.
    budget : int
        Bytes, at least a thousand.

    Returns
    -------
    bytes
    """
    quality = 86
    while True:
        out = io.BytesIO()
        image.save(out, format="JPEG", quality=quality, optimize=True)
        if out.tell() <= budget or max(image.size) <= 32:
            return out.getvalue()
        if quality > 62:
            quality -= 12
        else:
            image = _fit(image, max(32, round(0.8 * max(image.size))))


def _from_file(record: Record, folder: Path) -> PillowImage:
    """Read the image that was analysed, stretched as in the overlay."""
    from PIL import Image

    picture = find_picture(record, folder)
    circle = None if record.well is None else record.well.circle
    well = None if circle is None else (circle.y, circle.x, circle.radius)
    if picture.colours is not None:
        return Image.fromarray(_brightened(picture.colours))
    return Image.fromarray(stretched(picture.pixels, well, _LEAST))


def _brightened(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale colours [H, W, 3] to 0..255 by one factor for all: the hue of a dye stays."""
    top = max(float(np.percentile(colours, 99.9)), 1.0)
    scaled: NDArray[np.uint8] = np.clip(colours * (255.0 / top), 0, 255).astype(np.uint8)
    return scaled


def _from_overlay(path: Path, height: int, width: int) -> PillowImage:
    """Read the overlay without the caption below it."""
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as overlay:
        image = overlay.convert("RGB")
    if not (height and width):
        raise ValueError(f"{path}: the size of its image is not known")
    zoom = max(1, image.width // width)
    return image.crop((0, 0, min(image.width, zoom * width), min(image.height, zoom * height)))


def _fit(image: PillowImage, side: int) -> PillowImage:
    """Shrink to a longest side; never enlarge."""
    from PIL import Image

    if max(image.size) <= side:
        return image
    scale = side / max(image.size)
    size = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    return image.resize(size, Image.Resampling.LANCZOS)
