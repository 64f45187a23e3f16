"""Pictures of one plane: PNG and JPEG."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from spotcore.images.limits import check_page, check_size
from spotcore.images.picture import Decoded, refused

__all__ = ["decode_jpeg", "decode_png"]


def decode_png(path: Path, data: bytes, number: int | None = None) -> Decoded:
    """Decode a PNG through imagecodecs (Pillow would cut 16-bit colour down to 8)."""
    import imagecodecs

    check_page(path, number, 1)
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size(path, height, width)
    samples = imagecodecs.png_decode(data).reshape(height, width, -1)
    return Decoded(
        samples, 3 if samples.shape[2] >= 3 else 1, 255 if samples.dtype == np.uint8 else 65535
    )


def decode_jpeg(path: Path, data: bytes, number: int | None = None) -> Decoded:
    """Decode a JPEG through Pillow."""
    from PIL import Image

    check_page(path, number, 1)
    with Image.open(io.BytesIO(data), formats=["JPEG", "MPO"]) as image:
        check_size(path, image.height, image.width)
        if image.mode not in ("L", "RGB"):
            raise refused(path, f"a JPEG of mode {image.mode}")
        samples = np.asarray(image).reshape(image.height, image.width, -1)
    return Decoded(samples, samples.shape[2], 255)
