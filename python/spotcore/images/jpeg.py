"""JPEG data, whole or refused: other decoders fill up what is damaged, in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spotcore.images.limits import check_size
from spotcore.images.refusal import refused

__all__ = ["decode_jpeg_data"]


def decode_jpeg_data(
    path: Path, data: bytes, largest: tuple[int, int] | None = None
) -> NDArray[Any]:
    """Decode JPEG data to uint8 ``[H, W, 1]`` or, of colours, ``[H, W, 3]``.

    Nothing is decoded that gives itself a size beyond `largest`.

    Raises
    ------
    ImageError
        If it has colours for printing, or is damaged: each warning of the decoder counts as that.
    """
    import simplejpeg

    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    check_size(path, height, width)
    if largest is not None and (height > largest[0] or width > largest[1]):
        raise refused(
            path,
            f"a JPEG of {height} x {width} pixels inside of it",
            f"one of {largest[0]} x {largest[1]}, as its tags say",
        )
    if colours in ("CMYK", "YCCK"):
        raise refused(path, "a JPEG in CMYK, the colours of printing", "one converted to RGB")
    try:
        samples: NDArray[Any] = simplejpeg.decode_jpeg(
            data, "Gray" if colours == "Gray" else "RGB", strict=True
        )
    except ValueError as error:
        raise refused(path, f"a damaged JPEG ({error})") from error
    return samples
