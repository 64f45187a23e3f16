"""Image files in, read with suspicion and with limits.

This needs tifffile, imagecodecs and Pillow (``pip install spotcore[cli]``), for CZI and ND2 czifile
and nd2 (``pip install spotcore[formats]``), imported where they are used.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from spotcore._backends import needs
from spotcore.images.czi import CZI_MAGIC, czi_contents, decode_czi
from spotcore.images.limits import MAX_BYTES
from spotcore.images.nd2 import ND2_MAGIC, decode_nd2, nd2_contents
from spotcore.images.picture import Contents, Picture, Planes, picture_of
from spotcore.images.raster import decode_raster, raster_format
from spotcore.images.refusal import ImageError, refused
from spotcore.images.tiff import TIFF_MAGICS, decode_tiff, tiff_contents

__all__ = ["contents", "is_picture", "read_image"]


@needs("cli", "reading pictures")
def read_image(
    path: str | os.PathLike[str],
    channel: str | int | None = None,
    page: int | None = None,
    projection: Literal["none", "max"] = "none",
    full_scale: float | None = None,
) -> Picture:
    """Read a TIFF, PNG, JPEG, BMP, GIF, WebP, JPEG 2000, CZI or ND2 as one grey image.

    The format is told from the file's first bytes, not from its name. Sizes are checked before
    anything is decoded. Palettes become their colours (ImageJ's lookup tables are for display: the
    indices are the intensities), CMYK is refused. A picture is turned upright as its file says.
    Of a TIFF, OME's and ImageJ's channels are channels, thumbnails and masks are nothing. Of a CZI,
    the tiles are put together at full resolution.

    Parameters
    ----------
    path : path-like
        The file.
    channel : str or int, optional
        ``"red"``, ``"green"``, ``"blue"``, the name of a channel or its number from 0. By default a
        colour image becomes its luminance (ITU-R BT.601); alpha is ignored.
    page : int, optional
        Picture of a file of several, from 0: a page, or a plane of a stack. By default the file has
        to have one only.
    projection : {"none", "max"}
        "max": of all pictures of a file, without a `page`, the brightest at each pixel.
    full_scale : float, optional
        Largest grey level that there can be; by default that of the file's bit depth or tags, or
        the ceiling that its data shows.

    Returns
    -------
    Picture
        The image ``[H, W]`` with its full scale, its pixel size if known, and its digest.

    Raises
    ------
    ImageError
        If the file is missing, truncated, hostile or of another kind; the message names it.
    ImportError
        If the package that reads the format is not there; the message says how to install it.
    """
    path = Path(path)
    data = _read_bytes(path)
    planes = Planes(page, projection)
    with _damage_named(path):
        match _kind(data):
            case "tiff":
                decoded = decode_tiff(path, data, planes, full_scale)
            case "raster":
                decoded = decode_raster(path, data, planes)
            case "czi":
                with needs("formats", "reading CZI"):
                    decoded = decode_czi(path, data, planes, full_scale)
            case "nd2":
                with needs("formats", "reading ND2"):
                    decoded = decode_nd2(path, data, planes, full_scale)
            case _:
                raise refused(path, f"a file that begins with {data[:8]!r}")
        return picture_of(path, decoded, channel, data, full_scale)


def is_picture(start: bytes) -> bool:
    """Tell by its first 16 bytes whether a file is of a kind that `read_image` reads."""
    return _kind(start) is not None


def _kind(start: bytes) -> Literal["tiff", "raster", "czi", "nd2"] | None:
    if start[:4] in TIFF_MAGICS:
        return "tiff"
    if start.startswith(CZI_MAGIC):
        return "czi"
    if start.startswith(ND2_MAGIC):
        return "nd2"
    return None if raster_format(start) is None else "raster"


def contents(path: str | os.PathLike[str]) -> Contents:
    """Return what a file holds that `read_image` can read one by one.

    Parameters
    ----------
    path : path-like
        A picture file.

    Returns
    -------
    Contents
        The number of its planes (the pages of a TIFF), and the names of the channels of each.

    Raises
    ------
    ImageError
        If the file is missing, damaged or of another kind; the message names it.
    ImportError
        If the package that reads the format is not there.
    """
    path = Path(path)
    start = _read_bytes(path, 16)
    kind = _kind(start)
    if kind is None:
        raise refused(path, f"a file that begins with {start[:8]!r}")
    if kind == "raster":
        return Contents()
    data = _read_bytes(path)
    with _damage_named(path):
        match kind:
            case "tiff":
                return tiff_contents(data)
            case "czi":
                with needs("formats", "reading CZI"):
                    return czi_contents(data)
            case _:
                with needs("formats", "reading ND2"):
                    return nd2_contents(data)


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


def _read_bytes(path: Path, most: int = -1) -> bytes:
    """Return a file, or its first bytes; refuse one that is not regular (a pipe) or too large."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise refused(path, "no regular file")
        if not 0 < status.st_size <= MAX_BYTES:
            raise refused(path, f"a file of {status.st_size} bytes")
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise refused(path, f"an unreadable file ({error.strerror})") from error
