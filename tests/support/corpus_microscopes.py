"""Small files of microscopes for the corpus: CZI by Zeiss's own writer, ND2 by the one here.

``python -m support.corpus_microscopes`` (in ``tests/``) writes them to ``tests/data/corpus``, where
they stay; it needs pylibCZIrw, which nothing else does.
"""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from support.corpus import (
    FOLDER,
    GREY,
    LUMINANCE,
    STACK,
    Array,
    Case,
    coloured,
    picture,
    pillow,
    refusal,
)

TWELVE = picture(np.uint16, 4095)
DEEP_STACK = np.stack([TWELVE, TWELVE // 2, TWELVE[::-1]])

# --- CZI -----------------------------------------------------------------------------------------


def czi(
    tiles: Sequence[tuple[Array, dict[str, int], tuple[int, int]]],
    compression: str = "uncompressed:",
    side: float = 6.45,
    names: Mapping[int, str] | None = None,
) -> bytes:
    """Tiles, each with the place of its plane and its own (x, y)."""
    from pylibCZIrw import czi as zeiss

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.czi"
        with zeiss.create_czi(str(path), compression_options=compression) as document:
            for pixels, plane, place in tiles:
                whole = pixels if pixels.ndim == 3 else pixels[..., None]
                document.write(np.ascontiguousarray(whole), location=place, plane=plane)
            document.write_metadata(
                "corpus", channel_names=dict(names or {}), scale_x=side * 1e-6, scale_y=side * 1e-6
            )
        return path.read_bytes()


def one(pixels: Array, **options: Any) -> bytes:
    return czi([(pixels, {"C": 0}, (0, 0))], **options)


def czi_stack(axis: str, stack: Array = STACK, **options: Any) -> bytes:
    tiles = [(pixels, {"C": 0} | {axis: at}, (0, 0)) for at, pixels in enumerate(stack)]
    return czi(tiles, **options)


def czi_mosaic() -> bytes:
    """Four tiles, somewhere on the stage."""
    parts = [(y, x) for y in (0, 20) for x in (0, 26)]
    return czi(
        [
            (GREY[y : y + 20, x : x + 26], {"C": 0, "M": at}, (x - 1000, y + 77))
            for at, (y, x) in enumerate(parts)
        ]
    )


def one_coded(codec: int, data: bytes) -> bytes:
    """A tile of GREY in a compression that Zeiss's writer has not."""
    whole = bytearray(one(GREY))
    at = whole.find(GREY.tobytes())
    assert at > 0 and len(data) <= GREY.size
    whole[at : at + GREY.size] = data.ljust(GREY.size, b"\0")
    size = whole.find(b"ZISRAWSUBBLOCK") + 40
    whole[size : size + 8] = struct.pack("<q", len(data))
    entry = whole.find(b"DV")
    while entry >= 0:  # in the tile's own header, and in the directory
        whole[entry + 18 : entry + 22] = struct.pack("<i", codec)
        entry = whole.find(b"DV", entry + 2)
    return bytes(whole)


def jpeg_xr(pixels: Array) -> bytes:
    return bytes(imagecodecs.jpegxr_encode(pixels, level=100, resolution=None))


# --- ND2 -----------------------------------------------------------------------------------------

MAGIC, NAME = 0x0ABECEDA, 4072


def record(values: Mapping[str, Any]) -> bytes:
    """Values in ND2's binary form: type, length of the name, name, value."""
    return b"".join(_value(name, value) for name, value in values.items())


def _value(name: str, value: Any) -> bytes:
    called = f"{name}\0".encode("utf-16-le")
    kind = {bool: 1, int: 3, float: 6, str: 8, dict: 11}[type(value)]
    head = bytes([kind, len(called) // 2]) + called
    if kind == 1:
        return head + struct.pack("<B", value)
    if kind == 3:
        return head + struct.pack("<I", value)
    if kind == 6:
        return head + struct.pack("<d", value)
    if kind == 8:
        return head + f"{value}\0".encode("utf-16-le")
    held = record(value)
    length = len(head) + 12 + len(held)
    return head + struct.pack("<IQ", len(value), length) + held + bytes(8 * len(value))


def nd2(
    frames: Array,
    names: Sequence[str] = (),
    bits: int = 8,
    side: float = 6.45,
    compressed: bool = False,
    said: tuple[int, int] | None = None,
    probe: bool = True,
    components: int | None = None,
) -> bytes:
    """Frames [n, H, W, channels or colours] as depths of a stack, with the names of channels."""
    count, height, width, depth = frames.shape
    height, width = said or (height, width)
    planes = {
        f"a{at}": {"sDescription": name, "uiCompCount": 1, "uiColor": 255}
        for at, name in enumerate(names)
    } or {"a0": {"sDescription": "", "uiCompCount": depth, "uiColor": 255}}
    for plane in planes.values() if probe else ():
        plane["pFluorescentProbe"] = {"m_sName": "a dye"}
    size = frames.dtype.itemsize
    chunks = {
        "ImageAttributesLV!": record(
            {
                "SLxImageAttributes": {
                    "uiWidth": width,
                    "uiWidthBytes": width * depth * size,
                    "uiHeight": height,
                    "uiComp": components or depth,
                    "uiBpcInMemory": 8 * size,
                    "uiBpcSignificant": bits,
                    "uiSequenceCount": count,
                    "uiTileWidth": width,
                    "uiTileHeight": height,
                    "eCompression": 0 if compressed else 2,
                    "dCompressionParam": 1.0,
                }
            }
        ),
        "ImageMetadataSeqLV|0!": record(
            {
                "SLxPictureMetadata": {
                    "dCalibration": side,
                    "bCalibrated": True,
                    "sPicturePlanes": {
                        "uiCount": len(planes),
                        "uiCompCount": depth,
                        "sPlaneNew": planes,
                    },
                }
            }
        ),
    }
    if count > 1:
        loop = {"uiCount": count, "dZStep": 1.0, "dZLow": 0.0, "dZHigh": count - 1.0}
        chunks["ImageMetadataLV!"] = record({"SLxExperiment": {"eType": 4, "uLoopPars": loop}})
    for at, frame in enumerate(frames):
        data = frame.tobytes()
        chunks[f"ImageDataSeq|{at}!"] = bytes(8) + (zlib.compress(data) if compressed else data)
    file = io.BytesIO()
    head = b"ND2 FILE SIGNATURE CHUNK NAME01!"
    file.write(struct.pack("<IIQ", MAGIC, 32, 64) + head + b"Ver3.0".ljust(64, b"\0"))
    table = b""
    for name, data in chunks.items():
        table += name.encode() + struct.pack("<QQ", file.tell(), len(data))
        file.write(struct.pack("<IIQ", MAGIC, NAME, len(data)))
        file.write(name.encode().ljust(NAME, b"\0") + data)
    at = file.tell()
    table += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", at)
    file.write(struct.pack("<IIQ", MAGIC, 32, len(table)))
    file.write(b"ND2 FILEMAP SIGNATURE NAME 0001!" + table)
    return file.getvalue()


CHANNELS = ("FITC", "Cy3", "DAPI")
OF_CHANNELS = STACK.transpose(1, 2, 0)[None]

CASES: dict[str, Case] = {
    "grey.czi": Case(lambda: one(GREY), GREY, pixel_size=6.45),
    "zstd.czi": Case(
        lambda: one(TWELVE, compression="zstd1:ExplicitLevel=3;PreProcess=HiLoByteUnpack"),
        TWELVE,
        full_scale=65535,
        pixel_size=6.45,
    ),
    "zstd0.czi": Case(lambda: one(GREY, compression="zstd0:"), GREY, pixel_size=6.45),
    "jpeg_xr.czi": Case(lambda: one_coded(4, jpeg_xr(GREY)), GREY, pixel_size=6.45),
    "jpeg.czi": Case(
        lambda: one_coded(1, pillow(GREY, "JPEG", quality=98)), GREY, pixel_size=6.45, within=4.0
    ),
    "lzw.czi": Case(
        lambda: one_coded(2, bytes(imagecodecs.lzw_encode(GREY.tobytes()))), GREY, pixel_size=6.45
    ),
    "camera_raw.czi": refusal(lambda: one_coded(1000, b"raw"), "compressed by method 1000"),
    "colour.czi": Case(lambda: one(coloured()[..., ::-1]), LUMINANCE, pixel_size=6.45),
    "mosaic.czi": Case(czi_mosaic, GREY, pixel_size=6.45),
    "not_a_well_s.czi": Case(lambda: one(GREY, side=0.1), GREY, "outside 0.5 to 50"),
    "channels.czi": refusal(
        lambda: czi_stack("C", names=dict(enumerate(CHANNELS))),
        r"--channel\), got a file of 3 channels \(FITC, Cy3, DAPI\)",
    ),
    "channel_told.czi": Case(
        lambda: czi_stack("C", names=dict(enumerate(CHANNELS))),
        STACK[1],
        options={"channel": "Cy3"},
        pixel_size=6.45,
    ),
    "stack.czi": refusal(lambda: czi_stack("Z"), r"0 to 2 \(--page\).*several pages \(3\)"),
    "stack_page.czi": Case(lambda: czi_stack("T"), STACK[2], options={"page": 2}, pixel_size=6.45),
    "stack_projected.czi": Case(
        lambda: czi_stack("Z"), STACK.max(axis=0), options={"projection": "max"}, pixel_size=6.45
    ),
    "truncated.czi": refusal(lambda: one(GREY)[:-900], "a damaged or truncated file"),
    "larger_jpeg_xr.czi": refusal(
        lambda: one_coded(4, jpeg_xr(np.zeros((400, 400), np.uint8))),
        "JPEG XR inside that is not of its tile's size",
    ),
    "grey.nd2": Case(lambda: nd2(GREY[None, ..., None]), GREY, pixel_size=6.45),
    "twelve.nd2": Case(
        lambda: nd2(TWELVE[None, ..., None], bits=12), TWELVE, full_scale=4095, pixel_size=6.45
    ),
    "colour.nd2": Case(lambda: nd2(coloured()[None, ..., ::-1]), LUMINANCE, pixel_size=6.45),
    "channels.nd2": refusal(
        lambda: nd2(OF_CHANNELS, CHANNELS), r"got a file of 3 channels \(FITC, Cy3, DAPI\)"
    ),
    "channel_told.nd2": Case(
        lambda: nd2(OF_CHANNELS, CHANNELS), STACK[1], options={"channel": "cy3"}, pixel_size=6.45
    ),
    "stack.nd2": refusal(lambda: nd2(STACK[..., None]), r"several pages \(3\)"),
    "stack_page.nd2": Case(
        lambda: nd2(STACK[..., None]), STACK[1], options={"page": 1}, pixel_size=6.45
    ),
    "stack_projected.nd2": Case(
        lambda: nd2(DEEP_STACK[..., None], bits=12),
        DEEP_STACK.max(axis=0),
        full_scale=4095,
        options={"projection": "max"},
        pixel_size=6.45,
    ),
    "odd_metadata.nd2": Case(
        lambda: nd2(GREY[None, ..., None], probe=False), GREY, "metadata cannot be read"
    ),
    "compressed.nd2": Case(
        lambda: nd2(GREY[None, ..., None], compressed=True), GREY, pixel_size=6.45
    ),
    "bomb.nd2": refusal(
        lambda: nd2(np.zeros((1, 3000, 3000, 1), np.uint8), compressed=True, said=(40, 52)),
        "not of the size that its file says",
    ),
    "many_channels.nd2": refusal(
        lambda: nd2(GREY[None, ..., None], components=822083585),
        "at most 64 channels, got 822083585",
    ),
    "truncated.nd2": refusal(lambda: nd2(GREY[None, ..., None])[:-900], "a damaged or truncated"),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, case in CASES.items():
        (FOLDER / name).write_bytes(case.make())


if __name__ == "__main__":
    main()
