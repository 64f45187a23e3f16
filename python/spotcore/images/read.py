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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spotcore.images.limits import MAX_PIXELS
from spotcore.images.picture import Decoded, ImageError, Picture, picture_of, refused
from spotcore.images.raster import decode_jpeg, decode_png
from spotcore.images.tiff import decode_tiff

__all__ = ["MAX_FILE_BYTES", "count_pages", "read_image"]

#: Largest file that is read: MAX_PIXELS of 16-bit RGBA, uncompressed.
MAX_FILE_BYTES = 8 * MAX_PIXELS


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
    if _decoder(path, data) is not decode_tiff:
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
        return decode_tiff
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return decode_png
    if data[:3] == b"\xff\xd8\xff":
        return decode_jpeg
    raise refused(path, f"a file that begins with {data[:8]!r}")
