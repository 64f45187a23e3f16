"""What a picture may be before any of it is decoded."""

from __future__ import annotations

from pathlib import Path

from spotcore.images.picture import Planes
from spotcore.images.refusal import refused

__all__ = ["MAX_BYTES", "MAX_PIXELS", "check_memory", "check_page", "check_size", "check_well_size"]

#: Largest image that is decoded: a file of a few bytes can declare 2^64 pixels.
MAX_PIXELS = 100_000_000
#: Largest samples that are decoded, and largest file: MAX_PIXELS of 16-bit RGBA.
MAX_BYTES = 8 * MAX_PIXELS
#: Largest picture of one well that is analysed, which takes 200 bytes a pixel.
MAX_WELL_PIXELS = 25_000_000
#: Shortest side of one, and how many times longer the other may be.
MIN_WELL_SIDE, MAX_WELL_RATIO = 16, 8


def check_size(path: Path, height: int, width: int) -> None:
    """Refuse empty images and decompression bombs before a byte is decoded."""
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise refused(path, f"{height} x {width} pixels", f"1 to {MAX_PIXELS} pixels")


def check_page(path: Path, planes: Planes, count: int) -> None:
    """Refuse a page that is not there, and to guess one of several."""
    if planes.page is not None and not 0 <= planes.page < count:
        raise refused(path, f"page {planes.page} of a file of {count}", "one of its pages, from 0")
    if planes.page is None and planes.projection == "none" and count > 1:
        raise refused(
            path,
            f"a file of several pages ({count})",
            f"one picture: its page, 0 to {count - 1} (--page), or the brightest of all "
            "(--projection max)",
        )


def check_memory(path: Path, values: int, itemsize: int) -> None:
    """Refuse what would take more memory than the largest picture, before it is decoded."""
    if values * itemsize > MAX_BYTES:
        raise refused(path, f"{values * itemsize:,} bytes of samples", f"at most {MAX_BYTES:,}")


def check_well_size(shape: tuple[int, ...]) -> None:
    """Refuse what is too small, too thin or too large for a well, before work is done on it.

    Raises
    ------
    ValueError
    """
    shorter, longer = min(shape), max(shape)
    if (
        shorter < MIN_WELL_SIDE
        or longer > MAX_WELL_RATIO * shorter
        or shorter * longer > MAX_WELL_PIXELS
    ):
        raise ValueError(
            f"expected a picture of a well, at least {MIN_WELL_SIDE} pixels high and wide, at most "
            f"{MAX_WELL_RATIO} times as long as wide, of at most {MAX_WELL_PIXELS:,} pixels (cut "
            f"or bin a larger one), got {shape[0]} x {shape[1]}"
        )
