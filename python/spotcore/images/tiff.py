"""TIFF: one picture of it, be it a page, a plane of a stack, or the channels of one."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.images.calibration import of_tiff
from spotcore.images.jpeg import decode_jpeg_data
from spotcore.images.levels import deep_levels
from spotcore.images.limits import check_memory, check_page, check_size
from spotcore.images.picture import Contents, Decoded, Planes, channel_names
from spotcore.images.refusal import refused

__all__ = ["TIFF_MAGICS", "decode_tiff", "tiff_contents"]

#: Classic and big, of either byte order.
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

#: Compressions that are decoded. Others may say another size than the file's tags do.
_CODECS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "JPEG")
_ALPHA = (1, 2)  # of the tag ExtraSamples


class _Stack(NamedTuple):
    """Pictures of one size: for each plane, and each channel of it, a page and a part of it.

    Attributes
    ----------
    pages : sequence
        Of tifffile, with what all of the pictures share in the first.
    planes : int
        How many pictures there are to choose from.
    channels : tuple of str
        Their names, or numbers; empty if each picture is one page.
    series : tifffile series or None
        Where the pictures are, if not page by page.
    images : int
        How many such stacks of one shape the file holds.
    """

    pages: Sequence[Any]
    planes: int
    channels: tuple[str, ...] = ()
    series: Any = None
    images: int = 1


def decode_tiff(
    path: Path, data: bytes, planes: Planes, full_scale: float | None = None
) -> Decoded:
    """Decode one picture of a TIFF; thumbnails and masks, by their tags, are none."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        stack = _stack(tiff)
        if stack.images > 1:
            raise refused(path, f"a file of {stack.images} images with stacks", "one of one image")
        check_page(path, planes, stack.planes)
        page = stack.pages[0 if stack.series is not None else planes.page or 0]
        kind = _check_kind(path, page)
        if stack.series is not None:
            samples = _of_series(path, data, stack, planes)
        elif planes.page is None and stack.planes > 1:
            samples = _samples(path, data, stack.pages[0])
            for other in stack.pages[1:]:
                if (other.shape, other.dtype) != (page.shape, page.dtype):
                    raise refused(path, "pages of several sizes", "pages of one, for a projection")
                samples = np.maximum(samples, _samples(path, data, other))
        else:
            samples = _samples(path, data, page)
        samples, depth = _levels(path, page, kind, samples, full_scale)
        calibration = of_tiff(tiff, page)
        tag = page.tags.get("Orientation")
        return Decoded(
            samples,
            _colours(page, kind, stack.channels),
            depth,
            calibration.pixel_size,
            channels=stack.channels,
            orientation=1 if tag is None else int(tag.value),
            notes=(calibration.note,) if calibration.note else (),
        )


def tiff_contents(data: bytes) -> Contents:
    """Return what there is to choose from."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        stack = _stack(tiff)
        page, channels = stack.pages[0], stack.channels
        kind = page.photometric.name if page.photometric is not None else ""
        if not _colours(page, kind, channels):
            channels = channels or channel_names((), page.samplesperpixel)
        return Contents(stack.planes, channels)


def _stack(tiff: Any) -> _Stack:
    """Find the pictures: the planes of OME's and ImageJ's stacks, or else the pages."""
    pages = [page for page in tiff.pages if not (page.is_reduced or page.is_mask)]
    pages = pages or list(tiff.pages)
    if not (tiff.is_ome or tiff.is_imagej):
        return _Stack(pages, len(pages))
    try:
        series = tiff.series[0]
        sizes = dict(zip(series.axes, series.shape, strict=True))
    except Exception:  # tifffile raises what it likes on broken metadata: the pages are still there
        return _Stack(pages, len(pages))
    channels = sizes.pop("C", 1)
    planes = 1
    for axis, size in sizes.items():
        planes *= 1 if axis in "YXS" else size
    if planes * channels == 1:
        return _Stack(pages, len(pages))
    names = _channel_names(tiff) if channels > 1 else ()
    names = channel_names(names, channels) if channels > 1 else ()
    alike = sum((one.shape, one.axes) == (series.shape, series.axes) for one in tiff.series)
    return _Stack([series.keyframe], planes, names, series, alike)


def _channel_names(tiff: Any) -> tuple[str, ...]:
    """Return what OME calls the channels; empty where it does not say."""
    if not tiff.is_ome:
        return ()
    try:
        tree = ElementTree.fromstring(tiff.ome_metadata or "")
    except ElementTree.ParseError:
        return ()
    pixels = next((e for e in tree.iter() if e.tag.endswith("}Pixels")), None)
    found = [e.get("Name", "") for e in pixels or () if e.tag.endswith("}Channel")]
    return tuple(found)


def _of_series(path: Path, data: bytes, stack: _Stack, planes: Planes) -> NDArray[Any]:
    """Return one plane, or the projection of all, with its channels as samples [H, W, S]."""
    series = stack.series
    page = stack.pages[0]
    check_memory(path, int(np.prod(series.shape)), page.dtype.itemsize)
    for other in series.pages:
        if other is not None:
            _check_segments(path, data, other)
    if series.dataoffset is not None and series.dataoffset + series.nbytes > len(data):
        raise refused(path, "a truncated file")
    samples, axes = series.asarray(), series.axes
    stacked = [axis for axis in axes if axis not in "CYXS"]
    order = [*stacked, *(axis for axis in "YXCS" if axis in axes)]
    samples = samples.transpose([axes.index(axis) for axis in order])
    height, width = page.imagelength, page.imagewidth
    samples = samples.reshape(stack.planes, height, width, -1)
    if planes.page is None:
        return np.asarray(samples.max(axis=0))
    return np.asarray(samples[planes.page])


def _check_kind(path: Path, page: Any) -> str:
    """Return the photometric interpretation of a page that can be read."""
    check_size(path, page.imagelength, page.imagewidth)
    kind = page.photometric.name if page.photometric is not None else "none"
    if kind == "SEPARATED":
        raise refused(path, "a TIFF in CMYK, the colours of printing", "one converted to RGB")
    if kind not in ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR", "PALETTE"):
        raise refused(path, f"a TIFF of kind {kind}")
    if page.dtype is None or page.dtype.kind not in "buif":
        raise refused(path, f"a TIFF of type {page.dtype}", "integers or floats")
    colour = kind in ("RGB", "YCBCR")
    if page.imagedepth != 1 or not (3 if colour else 1) <= page.samplesperpixel <= 16:
        raise refused(path, f"a TIFF of {page.samplesperpixel} samples a pixel")
    return str(kind)


def _samples(path: Path, data: bytes, page: Any) -> NDArray[Any]:
    """Decode a page to samples [H, W, S]."""
    check_size(path, page.imagelength, page.imagewidth)
    check_memory(path, int(np.prod(page.shape)), page.dtype.itemsize)
    _check_segments(path, data, page)
    samples = page.asarray()
    if page.axes[0] == "S":
        samples = np.moveaxis(samples, 0, -1)
    return np.asarray(samples.reshape(page.imagelength, page.imagewidth, -1))


def _check_segments(path: Path, data: bytes, page: Any) -> None:
    """Refuse strips and tiles that are not there, or larger than the tags say once decoded.

    Decoders are told how much they may write, but those of data that has a size of its own.
    """
    if page.compression.name not in _CODECS:
        raise refused(
            path,
            f"a TIFF compressed by {page.compression.name}",
            "one saved uncompressed, or by LZW, Deflate, PackBits or JPEG",
        )
    keyframe = page.keyframe
    size = (
        (keyframe.tilelength, keyframe.tilewidth)
        if keyframe.is_tiled
        else (min(keyframe.rowsperstrip, keyframe.imagelength), keyframe.imagewidth)
    )
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset + count > len(data):
            raise refused(path, "a truncated file")  # some decoders fill up in silence
        if page.compression.name == "JPEG" and count:
            segment = data[offset : offset + count]
            if keyframe.jpegtables:  # which all segments share, each image between two markers
                segment = keyframe.jpegtables[:-2] + segment[2:]
            decode_jpeg_data(path, segment, largest=size)


def _colours(page: Any, kind: str, channels: tuple[str, ...]) -> int:
    """Tell colours, grey and channels apart, as `Decoded` has them."""
    if channels:
        return 0
    if kind in ("RGB", "YCBCR") or (kind == "PALETTE" and not page.is_imagej):
        return 3
    extra = page.samplesperpixel - 1
    alpha = tuple(page.extrasamples[-1:])[:1]
    return 1 if extra == 0 or (extra == 1 and alpha and alpha[0] in _ALPHA) else 0


def _levels(
    path: Path, page: Any, kind: str, samples: NDArray[Any], full_scale: float | None
) -> tuple[NDArray[Any], float]:
    """Return grey levels from 0, black, to the full scale."""
    if samples.dtype == bool:
        samples = samples.astype(np.uint8)
    if kind == "PALETTE" and not page.is_imagej:  # ImageJ's are for display: indices are levels
        samples = np.moveaxis(page.colormap[:, samples[:, :, 0]], 0, -1)
        return (samples >> 8).astype(np.uint8), 255
    if samples.dtype.kind == "u" and samples.dtype.itemsize <= 2:
        depth: float = 2 ** int(page.bitspersample) - 1
        tag = page.tags.get("MaxSampleValue")
        said = int(np.max(tag.value)) if tag is not None else 0
        if 0 < said < depth and samples.max() <= said:
            depth = said
    else:
        samples, depth = deep_levels(path, samples, None, full_scale)
    return (depth - samples if kind == "MINISWHITE" else samples), depth
