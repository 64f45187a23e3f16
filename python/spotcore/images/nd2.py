"""ND2, Nikon's format, through nd2: one plane of it with its channels."""

from __future__ import annotations

import io
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore.images.calibration import Calibration, of_sides
from spotcore.images.levels import deep_levels
from spotcore.images.limits import check_memory, check_page, check_size
from spotcore.images.picture import Contents, Decoded, Planes, channel_names
from spotcore.images.refusal import refused

__all__ = ["ND2_MAGIC", "decode_nd2", "nd2_contents"]

ND2_MAGIC = b"\xda\xce\xbe\x0a"
_HEADER = 16  # bytes of a chunk before its name: a magic number and two lengths
_TIME = 8  # bytes of a frame before its samples


def decode_nd2(path: Path, data: bytes, planes: Planes, full_scale: float | None) -> Decoded:
    """Decode one plane of an ND2, or the projection of all, in all its channels."""
    import nd2

    with nd2.ND2File(io.BytesIO(data)) as file:
        contents = _contents(file)
        check_page(path, planes, contents.planes)
        sizes = dict(file.sizes)
        height, width = sizes["Y"], sizes["X"]
        check_size(path, height, width)
        depth = sizes.get("C", 1) * sizes.get("S", 1)
        check_memory(path, height * width * depth, file.dtype.itemsize)
        samples: NDArray[Any] | None = None
        chosen = range(contents.planes) if planes.page is None else (planes.page,)
        for number in chosen:
            if file.attributes.compressionType is not None:
                _check_frame(path, data, number, height * width * depth * file.dtype.itemsize)
            one = _samples(file.read_frame(number), height, width, depth)
            samples = one if samples is None else np.maximum(samples, one)
        assert samples is not None
        if sizes.get("S") == 3 and not file.is_legacy:  # blue, green, red
            samples = samples[:, :, ::-1]
        calibration = _about(file)[1]
        bits = file.attributes.bitsPerComponentSignificant
        levels, largest = deep_levels(path, samples, bits, full_scale)
        return Decoded(
            levels,
            0 if contents.channels else min(depth, 3),
            largest,
            calibration.pixel_size,
            channels=contents.channels,
            notes=(calibration.note,) if calibration.note else (),
        )


def nd2_contents(data: bytes) -> Contents:
    """Return what there is to choose from."""
    import nd2

    with nd2.ND2File(io.BytesIO(data)) as file:
        return _contents(file)


def _contents(file: Any) -> Contents:
    sizes = dict(file.sizes)
    planes = math.prod(size for axis, size in sizes.items() if axis not in "CYXS")
    channels = sizes.get("C", 1)
    if channels == 1:
        return Contents(planes)
    if sizes.get("S", 1) > 1:
        raise ValueError("channels in colour")
    return Contents(planes, channel_names(_about(file)[0], channels))


def _about(file: Any) -> tuple[list[str], Calibration]:
    """Return the channels' names and the calibration; metadata that is broken costs no picture."""
    try:
        names = [one.channel.name for one in file.metadata.channels or ()]
        return names, of_sides(*file.voxel_size()[:2])
    except Exception as error:  # nd2 raises what it likes on metadata that it has not seen
        return [], Calibration(None, f"its metadata cannot be read ({error})")


def _samples(frame: NDArray[Any], height: int, width: int, depth: int) -> NDArray[Any]:
    """Return a frame, [C, Y, X], [Y, X, S] or [Y, X], as samples [H, W, S]."""
    if frame.shape[:2] != (height, width):
        frame = np.moveaxis(frame, 0, -1)
    return frame.reshape(height, width, depth)


def _check_frame(path: Path, data: bytes, number: int, size: int) -> None:
    """Refuse a compressed frame that is larger than the file says, before it is decoded whole."""
    name = b"ImageDataSeq|%d!" % number
    at = data.find(name)
    while at >= 0 and data[at - _HEADER : at - _HEADER + 4] != ND2_MAGIC:
        at = data.find(name, at + 1)
    if at < _HEADER:
        raise refused(path, "a file without its frames")
    lengths = int.from_bytes(data[at - 12 : at - 8], "little")
    stored = int.from_bytes(data[at - 8 : at], "little")
    packed = data[at + lengths + _TIME : at + lengths + stored]
    if len(zlib.decompressobj().decompress(packed, size + 1)) != size:
        raise refused(path, "a frame that is not of the size that its file says")
