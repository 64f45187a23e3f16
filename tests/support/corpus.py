"""Small files as readers, microscopes and programs write them, each with what it has to be read as.

``python -m support.corpus`` (in ``tests/``) writes them to ``tests/data/corpus``, where they stay:
what a later version of a library writes may differ, what these are read as may not.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(__file__).parents[1] / "data" / "corpus"
Array = NDArray[Any]


def picture(dtype: type = np.uint8, largest: int = 255) -> Array:
    """A picture [40, 52] that no turn or mirror leaves as it is, with every grey level's share."""
    y, x = np.mgrid[:40, :52]
    levels = (3 * x + 2 * y + 40 * ((x - 12) ** 2 + (y - 9) ** 2 < 30)) % 251
    return np.rint(levels * (largest / 250)).astype(dtype)


def coloured() -> Array:
    """Red, green and blue that differ [40, 52, 3]."""
    grey = picture()
    return np.stack([grey, grey[::-1], grey[:, ::-1]], axis=2)


def tiff(array: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def pillow(array: Array, kind: str, mode: str | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(file, kind, **options)
    return file.getvalue()


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes
    ----------
    make : callable
        Returns its bytes.
    pixels : ndarray or None
        What it is read as, None if it is refused.
    words : str
        What the refusal, or one of the notes, has to say (a regular expression).
    options : dict
        Of `read_image`.
    full_scale, pixel_size, within
        Of the picture; `within` is how far a lossy format may be off.
    """

    make: Callable[[], bytes]
    pixels: Array | None = None
    words: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    full_scale: float = 255
    pixel_size: float | None = None
    within: float = 0.0


def refusal(make: Callable[[], bytes], words: str, **options: Any) -> Case:
    return Case(make, None, words, options)


# --- kinds of files ------------------------------------------------------------------------------

GREY = picture()
DEEP = picture(np.uint16, 65521)
LUMINANCE = coloured().astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
STACK = np.stack([GREY, GREY // 2, GREY[::-1]])
OME = {"axes": "CYX", "Channel": {"Name": ["FITC", "Cy3", "DAPI"]}}


def indexed() -> bytes:
    """A palette in which the index is not the grey level."""
    image = Image.fromarray(255 - GREY, "P")
    image.putpalette([level for index in range(256) for level in [255 - index] * 3])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def indexed_tiff() -> bytes:
    falling = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, (3, 1))
    return tiff(255 - GREY, photometric="palette", colormap=falling)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return pillow(stored(orientation), "PNG", exif=exif)


def turned_tiff(orientation: int) -> bytes:
    return tiff(stored(orientation), extratags=[(274, 3, 1, orientation, True)])


def stored(orientation: int) -> Array:
    """What a camera stores that was held so that EXIF's orientation makes it GREY again."""
    return {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: np.rot90(GREY),
        7: GREY[::-1, ::-1].T,
        8: np.rot90(GREY, -1),
    }[orientation].copy()


def with_thumbnail() -> bytes:
    """A page, a thumbnail of it and a mask, told apart by their tags alone."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(GREY[::4, ::4], subfiletype=1)
        writer.write(GREY)
        writer.write((GREY > 100).astype(np.uint8) * 255, subfiletype=2)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as written:
        at = written.pages[2].tags["NewSubfileType"].valueoffset
    struct.pack_into("<I", data, at, 4)  # a mask, which tifffile does not write
    return bytes(data)


def pages() -> bytes:
    return tiff(STACK, photometric="minisblack", metadata=None)


def ome(**changes: Any) -> bytes:
    return tiff(STACK, ome=True, photometric="minisblack", metadata=OME | changes)


def broken_ome(replacing: bytes, by: bytes) -> bytes:
    size = {"axes": "YX", "PhysicalSizeX": 6.45, "PhysicalSizeY": 6.45}
    whole = tiff(GREY, ome=True, metadata=size)
    assert replacing in whole and len(replacing) == len(by)
    return whole.replace(replacing, by)


def damaged_jpeg() -> bytes:
    whole = pillow(GREY, "JPEG", quality=95)
    middle = len(whole) // 2
    return whole[:middle] + bytes(200) + whole[middle + 200 :]


def jpeg_in_tiff(inner: Array, said: Array) -> bytes:
    """A TIFF whose tags say one size and whose JPEG strip another."""
    return strip(pillow(inner, "JPEG"), said, 7)


def strip(data: bytes, said: Array, compression: int) -> bytes:
    """A TIFF of one grey strip with any bytes in it."""
    height, width = said.shape
    tags = [
        (256, 3, width),
        (257, 3, height),
        (258, 3, 8),
        (259, 3, compression),
        (262, 3, 1),
        (273, 4, 0),
        (277, 3, 1),
        (278, 3, height),
        (279, 4, len(data)),
    ]
    at = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 1, at if tag == 273 else value) for tag, kind, value in tags
    )
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def large(codec: str) -> bytes:
    """A strip of 3000 x 3000 pixels in a few hundred bytes."""
    black = np.zeros((3000, 3000), np.uint8)
    if codec == "JPEG":
        return pillow(black, "JPEG")
    if codec == "WEBP":
        return bytes(imagecodecs.webp_encode(np.zeros((3000, 3000, 3), np.uint8), lossless=True))
    return bytes(imagecodecs.jpeg2k_encode(black))


SMALL = np.zeros((16, 16), np.uint8)
TWELVE = picture(np.uint16, 4095)
SATURATED = np.where(TWELVE > 3000, 4095, TWELVE).astype(np.uint16)
UM = {"unit": "um"}

CASES: dict[str, Case] = {
    # Formats, by content and not by name.
    "grey.png": Case(lambda: pillow(GREY, "PNG"), GREY),
    "grey.bmp": Case(lambda: pillow(GREY, "BMP"), GREY),
    "grey.gif": Case(lambda: pillow(GREY, "GIF"), GREY),
    "grey.webp": Case(
        lambda: pillow(np.repeat(GREY[..., None], 3, 2), "WEBP", lossless=True), GREY
    ),
    "grey.jp2": Case(
        lambda: bytes(imagecodecs.jpeg2k_encode(GREY, level=0, reversible=True)), GREY
    ),
    "deep.jp2": Case(
        lambda: bytes(imagecodecs.jpeg2k_encode(DEEP, level=0, reversible=True)),
        DEEP,
        full_scale=65535,
    ),
    "grey.jpg": Case(lambda: pillow(GREY, "JPEG", quality=98), GREY, within=4.0),
    "A1.CTL": Case(lambda: tiff(GREY, compression="lzw"), GREY),
    "no_extension": Case(lambda: pillow(GREY, "PNG"), GREY),
    "a_tiff.png": Case(lambda: tiff(GREY), GREY),
    "colour.bmp": Case(lambda: pillow(coloured(), "BMP"), LUMINANCE),
    "colour.webp": Case(lambda: pillow(coloured(), "WEBP", lossless=True), LUMINANCE),
    "palette.png": Case(indexed, GREY),
    "palette.tif": Case(indexed_tiff, GREY),
    "bits.png": Case(
        lambda: pillow(GREY, "PNG", "1"), 255.0 * (np.asarray(Image.fromarray(GREY).convert("1")))
    ),
    "bits.tif": Case(
        lambda: tiff(GREY > 100, photometric="minisblack"), 1.0 * (GREY > 100), full_scale=1
    ),
    "cmyk.tif": refusal(
        lambda: tiff(np.zeros((20, 20, 4), np.uint8), photometric="separated"), "CMYK.*|RGB.*CMYK"
    ),
    "cmyk.jpg": refusal(
        lambda: pillow(coloured(), "JPEG", "CMYK"), "converted to RGB, got a JPEG in CMYK"
    ),
    "float.tif": Case(lambda: tiff((GREY / 255).astype(np.float32)), GREY),
    "double.tif": Case(lambda: tiff(GREY / 255), GREY),
    "float_levels.tif": refusal(
        lambda: tiff(GREY.astype(np.float32)), "--full-scale beside values of float32"
    ),
    "float_told.tif": Case(
        lambda: tiff(GREY.astype(np.float32)), GREY, options={"full_scale": 255}
    ),
    "int16.tif": Case(
        lambda: tiff(picture(np.int16, 30000)), picture(np.int16, 30000), full_scale=32767
    ),
    "negative.tif": refusal(lambda: tiff(GREY.astype(np.int16) - 9), "at least 0, got -9"),
    "text.tif": refusal(lambda: b"well;count\n", "begins with b'well;cou"),
    # Colours and channels.
    "two_samples.tif": refusal(
        lambda: tiff(STACK[:2].transpose(1, 2, 0), photometric="minisblack", planarconfig="contig"),
        r"a channel, 0 to 1 \(--channel\), got a file of 2 channels",
    ),
    "two_samples_told.tif": Case(
        lambda: tiff(STACK[:2].transpose(1, 2, 0), photometric="minisblack", planarconfig="contig"),
        STACK[1],
        options={"channel": 1},
    ),
    "four_samples.tif": refusal(
        lambda: tiff(
            np.stack([*STACK, GREY], axis=2), photometric="minisblack", planarconfig="contig"
        ),
        "got a file of 4 channels",
    ),
    "grey_alpha.tif": Case(
        lambda: tiff(
            STACK[:2].transpose(1, 2, 0),
            photometric="minisblack",
            planarconfig="contig",
            extrasamples=["unassalpha"],
        ),
        GREY,
    ),
    "ome_channels.tif": refusal(ome, r"--channel\), got a file of 3 channels \(FITC, Cy3, DAPI\)"),
    "ome_channel_told.tif": Case(ome, STACK[1], options={"channel": "cy3"}),
    "ome_channel_number.tif": Case(ome, STACK[2], options={"channel": 2}),
    "imagej_channels.tif": Case(
        lambda: tiff(STACK, imagej=True, metadata={"axes": "CYX"}), STACK[1], options={"channel": 1}
    ),
    # Stacks, thumbnails, masks.
    "pages.tif": refusal(
        pages, r"0 to 2 \(--page\).*--projection max.*a file of several pages \(3\)"
    ),
    "page_told.tif": Case(pages, STACK[2], options={"page": 2}),
    "pages_projected.tif": Case(pages, STACK.max(axis=0), options={"projection": "max"}),
    "imagej_stack.tif": Case(
        lambda: tiff(STACK, imagej=True, metadata={"axes": "ZYX"}),
        STACK.max(axis=0),
        options={"projection": "max"},
    ),
    "hyperstack.tif": Case(
        lambda: tiff(np.stack([STACK, STACK // 3], axis=1), imagej=True, metadata={"axes": "TCYX"}),
        STACK[2] // 3,
        options={"page": 2, "channel": 1},
    ),
    "ome_stack.tif": Case(
        lambda: tiff(
            np.stack([STACK, STACK // 3]),
            ome=True,
            photometric="minisblack",
            metadata={"axes": "CZYX"},
        ),
        STACK.max(axis=0) // 3,
        options={"projection": "max", "channel": 1},
    ),
    "thumbnail.tif": Case(with_thumbnail, GREY),
    # Pixel sizes.
    "ome_size.tif": Case(
        lambda: tiff(
            GREY, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 6.45, "PhysicalSizeY": 6.45}
        ),
        GREY,
        pixel_size=6.45,
    ),
    "ome_ampersand.tif": Case(
        lambda: broken_ome(b"<Image ID", b"<Image &D"), GREY, "OME metadata cannot be read"
    ),
    "ome_decimal_comma.tif": Case(
        lambda: broken_ome(b'X="6.45"', b'X="6,45"'), GREY, "OME metadata cannot be read"
    ),
    "imagej_size.tif": Case(
        lambda: tiff(GREY, imagej=True, resolution=(1 / 6.45, 1 / 6.45), metadata=UM),
        GREY,
        pixel_size=6.45,
    ),
    "dpi_300.tif": Case(
        lambda: tiff(GREY, resolution=(300, 300), resolutionunit="inch"), GREY, "300 dots per inch"
    ),
    "dpi_600_in_cm.tif": Case(
        lambda: tiff(GREY, resolution=(600 / 2.54, 600 / 2.54), resolutionunit="centimeter"),
        GREY,
        r"600 dots per inch \(42.33 µm\)",
    ),
    "dpi_1200_in_um.tif": Case(
        lambda: tiff(GREY, imagej=True, resolution=(1200 / 25400, 1200 / 25400), metadata=UM),
        GREY,
        "1200 dots per inch",
    ),
    "dpi_300.png": Case(lambda: pillow(GREY, "PNG", dpi=(300, 300)), GREY, "300 dots per inch"),
    "dpi_300.jpg": Case(
        lambda: pillow(GREY, "JPEG", quality=98, dpi=(300, 300)), GREY, "300 dots", within=4.0
    ),
    "not_square.tif": Case(
        lambda: tiff(GREY, imagej=True, resolution=(1 / 6, 1 / 8), metadata=UM),
        GREY,
        "6 x 8 µm are not square",
    ),
    "too_fine.tif": Case(
        lambda: tiff(GREY, imagej=True, resolution=(20, 20), metadata=UM), GREY, "outside 0.5 to 50"
    ),
    # Bit depths.
    "deep.tif": Case(lambda: tiff(DEEP), DEEP, full_scale=65535),
    "left_aligned.tif": Case(
        lambda: tiff(TWELVE * 16), TWELVE * 16, "full scale 65520", full_scale=65520
    ),
    "saturated_12_bit.tif": Case(
        lambda: tiff(SATURATED), SATURATED, "full scale 4095", full_scale=4095
    ),
    "tagged_12_bit.tif": Case(
        lambda: tiff(TWELVE, extratags=[(281, 3, 1, 4095, True)]), TWELVE, full_scale=4095
    ),
    "told_12_bit.tif": Case(
        lambda: tiff(TWELVE), TWELVE, full_scale=4095, options={"full_scale": 4095}
    ),
    "told_too_low.tif": refusal(lambda: tiff(TWELVE), "full scale that holds it", full_scale=1000),
    # Damage and malice.
    "damaged.jpg": refusal(damaged_jpeg, "a damaged JPEG"),
    "truncated.jpg": refusal(lambda: pillow(GREY, "JPEG")[:-300], "a damaged or truncated file"),
    "damaged_jpeg.tif": refusal(lambda: strip(damaged_jpeg(), GREY, 7), "a damaged JPEG"),
    "larger_jpeg.tif": refusal(
        lambda: strip(large("JPEG"), SMALL, 7), "a JPEG of 3000 x 3000 pixels inside"
    ),
    "larger_webp.tif": refusal(lambda: strip(large("WEBP"), SMALL, 50001), "compressed by WEBP"),
    "larger_jp2.tif": refusal(lambda: strip(large("JP2"), SMALL, 34712), "compressed by JPEG2000"),
    "deflate_bomb.tif": refusal(
        lambda: strip(zlib.compress(bytes(10**7), 9), SMALL, 8), "a damaged"
    ),
    "many_samples.tif": refusal(
        lambda: tiff(
            np.zeros((8, 8, 20), np.uint8), photometric="minisblack", planarconfig="contig"
        ),
        "20 samples a pixel",
    ),
}
CASES |= {
    f"turned_{orientation}.png": Case(lambda o=orientation: turned(o), GREY)  # type: ignore[misc]
    for orientation in range(1, 9)
}
CASES |= {
    f"turned_{orientation}.tif": Case(lambda o=orientation: turned_tiff(o), GREY)  # type: ignore[misc]
    for orientation in (3, 6, 8)
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, case in CASES.items():
        (FOLDER / name).write_bytes(case.make())


if __name__ == "__main__":
    main()
