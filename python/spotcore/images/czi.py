"""CZI, Zeiss's format: one plane of it with its channels, put together from its tiles.

czifile reads the file's directory. What is in a tile is decoded here, where it can be held to the
size that the directory says.
"""

from __future__ import annotations

import io
import itertools
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.images.calibration import Calibration, of_sides
from spotcore.images.jpeg import decode_jpeg_data
from spotcore.images.levels import deep_levels
from spotcore.images.limits import check_memory, check_page, check_size
from spotcore.images.picture import Contents, Decoded, Planes, channel_names
from spotcore.images.refusal import refused

__all__ = ["CZI_MAGIC", "czi_contents", "decode_czi"]

CZI_MAGIC = b"ZISRAWFILE"
_JPEG, _LZW, _JPEG_XR, _ZSTD, _ZSTD_WITH_HEADER = 1, 2, 4, 5, 6


class _Tile(NamedTuple):
    """A part of a plane in one channel.

    Attributes
    ----------
    entry : czifile directory entry
    plane : tuple of int
        Its place on all axes but channel, row and column.
    channel, y, x : int
        Its place on those.
    shape : tuple of int
        Rows, columns and samples.
    """

    entry: Any
    plane: tuple[int, ...]
    channel: int
    y: int
    x: int
    shape: tuple[int, int, int]


def decode_czi(path: Path, data: bytes, planes: Planes, full_scale: float | None) -> Decoded:
    """Decode one plane of a CZI, or the projection of all, in all its channels."""
    import czifile

    with czifile.CziFile(io.BytesIO(data)) as czi:
        tiles = list(_tiles(czi))
        if not tiles:
            raise refused(path, "a CZI without a picture")
        about = _About.of(czi)
        order = sorted({tile.plane for tile in tiles})
        check_page(path, planes, len(order))
        chosen = order if planes.page is None else [order[planes.page]]
        samples: NDArray[Any] | None = None
        for plane in chosen:
            one = _assembled(path, data, [tile for tile in tiles if tile.plane == plane])
            if samples is not None and one.shape != samples.shape:
                raise refused(path, "planes of several sizes", "planes of one, for a projection")
            samples = one if samples is None else np.maximum(samples, one)
    assert samples is not None
    contents = _contents(tiles, about)
    levels, depth = deep_levels(path, samples, about.bits, full_scale)
    return Decoded(
        levels,
        0 if contents.channels else min(samples.shape[2], 3),
        depth,
        about.calibration.pixel_size,
        channels=contents.channels,
        notes=(about.calibration.note,) if about.calibration.note else (),
    )


def czi_contents(data: bytes) -> Contents:
    """Return what there is to choose from."""
    import czifile

    with czifile.CziFile(io.BytesIO(data)) as czi:
        return _contents(list(_tiles(czi)), _About.of(czi))


def _contents(tiles: Sequence[_Tile], about: _About) -> Contents:
    channels = len({tile.channel for tile in tiles})
    names = channel_names(about.channels, channels) if channels > 1 else ()
    return Contents(len({tile.plane for tile in tiles}), names)


def _tiles(czi: Any) -> Iterator[_Tile]:
    """Yield the tiles at full resolution: the others are of the pyramid."""
    for entry in czi.subblock_directory:
        if tuple(entry.stored_shape) != tuple(entry.shape):
            continue
        place = dict(zip(entry.axes, entry.start, strict=True))
        size = dict(zip(entry.axes, entry.shape, strict=True))
        plane = tuple(place[axis] for axis in entry.axes if axis not in "CYX0")
        shape = size.get("Y", 1), size.get("X", 1), size["0"]
        if math.prod(entry.shape) != math.prod(shape):
            raise ValueError("a tile of several planes")
        yield _Tile(entry, plane, place.get("C", 0), place.get("Y", 0), place.get("X", 0), shape)


def _assembled(path: Path, data: bytes, tiles: Sequence[_Tile]) -> NDArray[Any]:
    """Put the tiles of a plane together, [H, W, S]: its channels, or red, green and blue."""
    top, left = min(tile.y for tile in tiles), min(tile.x for tile in tiles)
    height = max(tile.y + tile.shape[0] for tile in tiles) - top
    width = max(tile.x + tile.shape[1] for tile in tiles) - left
    check_size(path, height, width)
    channels = sorted({tile.channel for tile in tiles})
    depth = max(tile.shape[2] for tile in tiles)
    if len(channels) > 1 and depth > 1:
        raise refused(path, "a CZI with channels in colour", "grey channels, or one in colour")
    kind = np.result_type(*{np.dtype(tile.entry.dtype).base for tile in tiles})
    check_memory(path, height * width * len(channels) * depth, kind.itemsize)
    whole = np.zeros((height, width, len(channels) * depth), kind)
    for tile in tiles:
        at = channels.index(tile.channel) * depth
        y, x = tile.y - top, tile.x - left
        rows, columns, samples = tile.shape
        whole[y : y + rows, x : x + columns, at : at + samples] = _decoded(path, data, tile)
    return whole


def _decoded(path: Path, data: bytes, tile: _Tile) -> NDArray[Any]:
    """Decode a tile; blue, green and red, as CZI has them, are turned round."""
    import imagecodecs

    raw = tile.entry.data_segment().data(raw=True)
    kind = np.dtype(tile.entry.dtype).base
    size = math.prod(tile.shape) * kind.itemsize
    codec = tile.entry.compression
    if codec == _JPEG:
        return decode_jpeg_data(path, raw, largest=tile.shape[:2]).reshape(tile.shape)
    if codec == _JPEG_XR:
        if _jpeg_xr_size(raw) != tile.shape[:2]:
            raise refused(path, "a JPEG XR inside that is not of its tile's size")
        return np.asarray(imagecodecs.jpegxr_decode(raw)).reshape(tile.shape)
    packed = False
    if codec == _ZSTD_WITH_HEADER:
        packed = raw[0] == 3 and raw[1] == 1 and bool(raw[2] & 1)
        raw = raw[raw[0] :]
    if codec in (_ZSTD, _ZSTD_WITH_HEADER):
        raw = imagecodecs.zstd_decode(raw, out=size)
    elif codec == _LZW:
        raw = imagecodecs.lzw_decode(raw, out=size)
    elif codec != 0:
        raise refused(
            path,
            f"a CZI compressed by method {codec}",
            "one saved uncompressed, or by Zstandard or JPEG XR",
        )
    if len(raw) < size:
        raise refused(path, "a truncated file")
    raw = bytes(raw[:size])
    if packed:  # all low bytes, then all high bytes
        halves = np.frombuffer(raw, np.uint8).reshape(2, -1)
        raw = halves.T.tobytes()
    samples = np.frombuffer(raw, kind).reshape(tile.shape)
    return samples[:, :, ::-1] if tile.shape[2] == 3 else samples


def _jpeg_xr_size(data: bytes) -> tuple[int, int]:
    """Return height and width as the container of a JPEG XR says (ITU-T T.832, annex A)."""
    at = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[at : at + 2], "little")
    entries = (data[at + 2 + 12 * k : at + 14 + 12 * k] for k in range(min(count, 100)))
    found = {
        int.from_bytes(entry[:2], "little"): int.from_bytes(entry[8:12], "little")
        for entry in itertools.takewhile(lambda entry: len(entry) == 12, entries)
    }
    return found.get(0xBC81, 0), found.get(0xBC80, 0)


class _About(NamedTuple):
    """What a file's metadata says.

    Attributes
    ----------
    channels : tuple of str
        Names of the channels.
    bits : int or None
        Of the camera.
    calibration : Calibration
    """

    channels: tuple[str, ...] = ()
    bits: int | None = None
    calibration: Calibration = Calibration()

    @classmethod
    def of(cls, czi: Any) -> _About:
        """Read it; what cannot be read costs the calibration, not the picture."""
        if not czi.header.metadata_position:
            return cls()
        try:
            tree = ElementTree.fromstring(czi.metadata())
            image = tree.find(".//Information/Image")
            channels = tree.findall(".//Information/Image/Dimensions/Channels/Channel")
            bits = None if image is None else image.findtext("ComponentBitCount")
            sides = {
                distance.get("Id", ""): 1e6 * float(distance.findtext("Value") or 0)
                for distance in tree.findall(".//Scaling/Items/Distance")
            }
        except (ElementTree.ParseError, ValueError, UnicodeError) as error:
            return cls(calibration=Calibration(None, f"its metadata cannot be read ({error})"))
        return cls(
            tuple(channel.get("Name", "") for channel in channels),
            int(bits) if bits is not None and bits.isdecimal() else None,
            of_sides(sides.get("X", 0.0), sides.get("Y", 0.0)),
        )
