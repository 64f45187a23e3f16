"""Image files in, read with suspicion and with limits.

This needs tifffile, imagecodecs and Pillow (``pip install spotcore[cli]``), imported where they
are used.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import stat
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spotcore.images.picture import Decoded, ImageError, Picture, picture_of, refused

__all__ = ["MAX_FILE_BYTES", "MAX_PIXELS", "count_pages", "read_image"]

#: Largest image that is decoded: a file of a few bytes can declare 2^64 pixels.
MAX_PIXELS = 100_000_000
#: Largest file that is read: MAX_PIXELS of 16-bit RGBA, uncompressed.
MAX_FILE_BYTES = 8 * MAX_PIXELS
#: Pixel sides outside these limits [µm] are printing resolutions, not a microscope's or a reader's.
PIXEL_SIZE_LIMITS = (0.05, 100.0)

_MICROMETRES = {
    "nm": 1e-3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "cm": 1e4,
}


def read_image(
    path: str | os.PathLike[str],
    channel: str | int | None = None,
    page: int | None = None,
) -> Picture:
    """Read an 8- or 16-bit TIFF, PNG or JPEG as one grey image.

    The format is told from the file's first bytes, not from its name. Sizes are checked before
    anything is decoded. Float images, stacks, CMYK and palettes (other than ImageJ's lookup
    tables, whose indices are the intensities) are refused: their intensities have no one meaning.

    Parameters
    ----------
    path : path-like
        The file.
    channel : str or int, optional
        ``"red"``, ``"green"``, ``"blue"`` or a channel number from 0. By default a colour image
        becomes its luminance (ITU-R BT.601); alpha is ignored.
    page : int, optional
        Page of a TIFF, from 0. By default the file has to have one page only.

    Returns
    -------
    Picture
        The image ``[H, W]`` with its full scale, its pixel size if known, and its digest.

    Raises
    ------
    ImageError
        If the file is missing, truncated, hostile or of another kind; the message names it.
    """
    path = Path(path)
    data = _read_bytes(path)
    decode = _decoder(path, data)
    with _damage_named(path):
        decoded: Decoded = decode(path, data, page)
    return picture_of(path, decoded, channel, data)


def count_pages(path: str | os.PathLike[str]) -> int:
    """Return how many images a file holds that `read_image` can read one by one.

    Parameters
    ----------
    path : path-like
        A TIFF, PNG or JPEG file.

    Returns
    -------
    int
        Pages of a TIFF; 1 for PNG and JPEG.

    Raises
    ------
    ImageError
        If the file is missing, damaged or of another kind; the message names it.
    """
    path = Path(path)
    data = _read_bytes(path)
    if _decoder(path, data) is not _decode_tiff:
        return 1
    import tifffile

    with _damage_named(path), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return len(tiff.pages)


class _NotInThisThread(logging.Filter):
    """Holds back what one thread logs."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises on broken input into an `ImageError`.

    What tifffile logs about it comes again, shorter, in the error.
    """
    log, quiet = logging.getLogger("tifffile"), _NotInThisThread()
    log.addFilter(quiet)
    try:
        yield
    except (ImageError, ImportError):
        raise
    except Exception as error:  # decoders raise what they like on broken input
        raise refused(path, f"a damaged or truncated file ({error})") from error
    finally:
        log.removeFilter(quiet)


def _read_bytes(path: Path) -> bytes:
    """Return the whole file; refuse what is not regular (a pipe would block) or too large."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise refused(path, "no regular file")
        if not 0 < status.st_size <= MAX_FILE_BYTES:
            raise refused(path, f"a file of {status.st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise refused(path, f"an unreadable file ({error.strerror})") from error


def _decoder(path: Path, data: bytes) -> Any:
    """Choose by the magic number: names lie."""
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _decode_tiff
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _decode_png
    if data[:3] == b"\xff\xd8\xff":
        return _decode_jpeg
    raise refused(path, f"a file that begins with {data[:8]!r}")


def _check_size(path: Path, height: int, width: int) -> None:
    """Refuse empty images and decompression bombs before a byte is decoded."""
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise refused(path, f"{height} x {width} pixels", f"1 to {MAX_PIXELS} pixels")


def _check_page(path: Path, page: int | None, count: int) -> None:
    """Refuse a page that is not there, and to guess one of several."""
    if page is None and count > 1:
        raise refused(path, "a TIFF of several pages", "a TIFF of one page, or its page's number")
    if page is not None and not 0 <= page < count:
        raise refused(path, f"page {page} of a file of {count}", "one of its pages, from 0")


def _decode_tiff(path: Path, data: bytes, number: int | None = None) -> Decoded:
    """Decode one page of a TIFF."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        imagej = tiff.imagej_metadata or {}
        images = int(imagej.get("images", 1))
        # ImageJ writes large stacks behind a single page; those have no pages to be chosen.
        _check_page(path, number, max(len(tiff.pages), images if number is None else 1))
        page: Any = tiff.pages[number or 0]
        _check_size(path, page.imagelength, page.imagewidth)
        kind = page.photometric.name if page.photometric is not None else "none"
        grey = kind in ("MINISBLACK", "MINISWHITE") or (kind == "PALETTE" and tiff.is_imagej)
        colour = kind in ("RGB", "YCBCR")
        if not (grey or colour) or str(page.dtype) not in ("uint8", "uint16"):
            raise refused(path, f"a TIFF of kind {kind} and type {page.dtype}")
        if page.imagedepth != 1 or not (3 if colour else 1) <= page.samplesperpixel <= 16:
            raise refused(path, f"a TIFF of {page.samplesperpixel} samples a pixel")
        strips = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(offset + count > len(data) for offset, count in strips):
            raise refused(path, "a truncated file")  # some decoders fill up in silence
        samples = page.asarray()
        if page.axes[0] == "S":
            samples = np.moveaxis(samples, 0, -1)
        full_scale = 2 ** int(page.bitspersample) - 1
        if kind == "MINISWHITE":
            samples = full_scale - samples
        samples = samples.reshape(page.imagelength, page.imagewidth, -1)
        return Decoded(samples, 3 if colour else 1, full_scale, _tiff_pixel_size(tiff, page))


def _tiff_pixel_size(tiff: Any, page: Any) -> float | None:
    """Return the pixel side [µm] from OME, ImageJ or the resolution in cm, else None.

    Resolutions in dots per inch (also ImageJ's unit "inch") are what scanners and converters
    write for printing: they say nothing about the object.
    """
    sides: tuple[float, float] | None = None
    if tiff.is_ome:
        sides = _ome_sides(tiff.ome_metadata or "")
    else:
        unit = str((tiff.imagej_metadata or {}).get("unit", ""))
        unit = unit.replace("\\u00B5", "µ") or {3: "cm"}.get(int(page.resolutionunit), "")
        per_unit = page.resolution
        if unit in _MICROMETRES and min(per_unit) > 0:
            sides = (_MICROMETRES[unit] / per_unit[0], _MICROMETRES[unit] / per_unit[1])
    low, high = PIXEL_SIZE_LIMITS
    if sides is None or abs(sides[0] - sides[1]) > 0.01 * sides[0] or not low <= sides[0] <= high:
        return None
    return float(sides[0])


def _ome_sides(xml: str) -> tuple[float, float] | None:
    """Return PhysicalSizeX and PhysicalSizeY [µm] of OME metadata (whose default unit is µm)."""
    for element in ElementTree.fromstring(xml).iter():
        if element.tag.endswith("}Pixels") and "PhysicalSizeX" in element.attrib:
            x, y = (
                float(element.get(f"PhysicalSize{axis}", "0"))
                * _MICROMETRES.get(element.get(f"PhysicalSize{axis}Unit", "µm"), 0.0)
                for axis in "XY"
            )
            return x, y
    return None


def _decode_png(path: Path, data: bytes, number: int | None = None) -> Decoded:
    """Decode a PNG through imagecodecs (Pillow would cut 16-bit colour down to 8)."""
    import imagecodecs

    _check_page(path, number, 1)
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    _check_size(path, height, width)
    samples = imagecodecs.png_decode(data).reshape(height, width, -1)
    return Decoded(
        samples, 3 if samples.shape[2] >= 3 else 1, 255 if samples.dtype == np.uint8 else 65535
    )


def _decode_jpeg(path: Path, data: bytes, number: int | None = None) -> Decoded:
    """Decode a JPEG through Pillow."""
    from PIL import Image

    _check_page(path, number, 1)
    with Image.open(io.BytesIO(data), formats=["JPEG", "MPO"]) as image:
        _check_size(path, image.height, image.width)
        if image.mode not in ("L", "RGB"):
            raise refused(path, f"a JPEG of mode {image.mode}")
        samples = np.asarray(image).reshape(image.height, image.width, -1)
    return Decoded(samples, samples.shape[2], 255)
