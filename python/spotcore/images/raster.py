"""Pictures of one plane: PNG, JPEG, BMP, GIF, WebP and JPEG 2000."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore.images.calibration import of_printing
from spotcore.images.jpeg import decode_jpeg_data
from spotcore.images.limits import check_page, check_size
from spotcore.images.picture import Decoded, Planes
from spotcore.images.refusal import refused

__all__ = ["decode_raster", "raster_format"]

#: By the bytes that a file begins with: what Pillow calls its format.
_FORMATS: dict[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"RIFF": "WEBP",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
}
_ORIENTATION = 0x0112  # EXIF
_GREY = {"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N"}


def raster_format(start: bytes) -> str | None:
    """Return what Pillow calls the format of a file by its first bytes; None of any other."""
    name = next((name for magic, name in _FORMATS.items() if start.startswith(magic)), None)
    # RIFF holds sounds and films, too.
    return None if name == "WEBP" and start[8:12] != b"WEBP" else name


def decode_raster(path: Path, data: bytes, planes: Planes) -> Decoded:
    """Decode what `raster_format` knows.

    Palettes become the colours that they stand for; alpha is left out.
    """
    from PIL import Image

    name = str(raster_format(data))
    if name == "PNG":  # Pillow has a limit of its own, and says less
        check_size(path, *(int.from_bytes(data[at : at + 4], "big") for at in (20, 16)))
    with Image.open(io.BytesIO(data), formats=[name, "MPO"] if name == "JPEG" else [name]) as image:
        check_size(path, image.height, image.width)
        # The second picture of an MPO is a camera's preview.
        check_page(path, planes, 1 if name == "JPEG" else getattr(image, "n_frames", 1))
        image.seek(planes.page or 0)
        samples, full_scale = _samples(path, name, data, image)
        dots = image.info.get("dpi", (0.0,))[0]
        note = of_printing(round(float(dots))).note
        orientation = image.getexif().get(_ORIENTATION, 1)
    return Decoded(
        samples,
        3 if samples.shape[2] >= 3 else 1,
        full_scale,
        notes=(note,) if note else (),
        orientation=orientation,
    )


def _samples(path: Path, name: str, data: bytes, image: Any) -> tuple[NDArray[Any], int]:
    """Return the samples [H, W, S] and their full scale."""
    if name == "JPEG":
        return decode_jpeg_data(path, data), 255
    if name == "PNG" and image.mode not in ("P", "1"):
        import imagecodecs

        # Pillow would cut 16-bit colour down to 8.
        deep = imagecodecs.png_decode(data).reshape(image.height, image.width, -1)
        return deep, 255 if deep.dtype == np.uint8 else 65535
    if name == "JPEG2000":
        import imagecodecs

        deep = imagecodecs.jpeg2k_decode(data).reshape(image.height, image.width, -1)
        if deep.dtype not in (np.uint8, np.uint16):
            raise refused(path, f"a JPEG 2000 of type {deep.dtype}", "one of 8 or 16 bits")
        return deep, 255 if deep.dtype == np.uint8 else 65535
    if image.mode == "CMYK":
        raise refused(path, f"a {name} in CMYK, the colours of printing", "one converted to RGB")
    plain = image.convert("L" if image.mode in _GREY else "RGB")
    return np.asarray(plain).reshape(image.height, image.width, -1), 255
