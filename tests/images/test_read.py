"""Image files of every kind that is promised, and of many that must be refused; atomic writes."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from spotcore._files import (
    write_png,
)
from spotcore.images.read import contents, read_image
from spotcore.images.refusal import ImageError


def picture(shape, dtype, seed=0):
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(0, info.max, shape, dtype, endpoint=True)


def luminance(rgb):
    return rgb[..., :3].astype(np.float64) @ [0.299, 0.587, 0.114]


def tiff_bytes(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def png_header(width, height):
    body = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
    return b"\x89PNG\r\n\x1a\n" + chunk


# --------------------------------------------------------------------------- what must be read


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "kind, samples",
    [(kind, n) for kind in ("tif", "tif-deflate", "tif-bigtiff", "png") for n in (1, 3, 4)]
    + [("tif-planar", 3), ("tif-planar", 4)],
)
def test_lossless_formats_round_trip(tmp_path, kind, samples, dtype):
    array = picture((37, 53) if samples == 1 else (37, 53, samples), dtype)
    path = tmp_path / "a.img"  # the name must not matter
    if kind == "png":
        path.write_bytes(imagecodecs.png_encode(array))
    elif kind == "tif-planar":
        planes = np.moveaxis(array, -1, 0).copy()
        path.write_bytes(tiff_bytes(planes, photometric="rgb", planarconfig="separate"))
    else:
        path.write_bytes(
            tiff_bytes(
                array,
                photometric="minisblack" if samples == 1 else "rgb",
                compression="zlib" if kind == "tif-deflate" else None,
                bigtiff=kind == "tif-bigtiff",
            )
        )
    got = read_image(path)
    assert got.pixels.dtype == np.float32 and got.pixels.flags.c_contiguous
    assert got.full_scale == np.iinfo(dtype).max
    assert got.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    if samples == 1:
        np.testing.assert_array_equal(got.pixels, array)
        assert got.channel == "grey"
    else:
        # three products and two sums in float32
        np.testing.assert_allclose(got.pixels, luminance(array), rtol=4 * 2**-24)
        assert got.channel == "luminance"
        for index, name in enumerate(("red", "green", "blue")):
            np.testing.assert_array_equal(read_image(path, name).pixels, array[..., index])
            np.testing.assert_array_equal(read_image(path, index).pixels, array[..., index])


@pytest.mark.parametrize("imagej", [False, True])
def test_pages_are_read_one_by_one(tmp_path, imagej):
    stack, path = picture((3, 20, 30), np.uint16), tmp_path / "plate.tif"
    path.write_bytes(
        tiff_bytes(stack, imagej=imagej, photometric="minisblack", metadata={"axes": "ZYX"})
    )
    assert contents(path).planes == 3
    for page, expected in enumerate(stack):
        assert (read_image(path, page=page).pixels == expected).all()
    for page in (-1, 3):
        with pytest.raises(ImageError, match=f"page {page} of a file of 3"):
            read_image(path, page=page)
    with pytest.raises(ImageError, match="several pages"):
        read_image(path)


def test_several_stacks_in_a_file_are_refused(tmp_path):
    stack = picture((2, 20, 30), np.uint16)
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as writer:
        for _ in range(2):
            writer.write(stack, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(ImageError, match="a file of 2 images with stacks"):
        read_image(tmp_path / "two.ome.tif", channel=0)


def test_black_has_the_full_scale_of_its_bits(tmp_path):
    tifffile.imwrite(tmp_path / "black.tif", np.zeros((40, 40), np.uint16))
    assert read_image(tmp_path / "black.tif").full_scale == 65535


@pytest.mark.parametrize("told", ["a/b", "A_b", "1"])
def test_a_channel_by_its_name_or_by_that_of_its_files(tmp_path, told):
    stack = picture((2, 20, 30), np.uint16)
    names = {"axes": "CYX", "Channel": {"Name": ["FITC", "a/b"]}}
    tifffile.imwrite(tmp_path / "a.tif", stack, ome=True, photometric="minisblack", metadata=names)
    assert (read_image(tmp_path / "a.tif", told).pixels == stack[1]).all()


def test_files_of_one_page(tmp_path):
    write_png(tmp_path / "a.png", picture((8, 9), np.uint8))
    assert contents(tmp_path / "a.png") == (1, ())
    assert read_image(tmp_path / "a.png", page=0).pixels.shape == (8, 9)
    with pytest.raises(ImageError, match="page 1 of a file of 1"):
        read_image(tmp_path / "a.png", page=1)
    (tmp_path / "bad.tif").write_bytes(tiff_bytes(picture((8, 9), np.uint8))[:40])
    with pytest.raises(ImageError, match=r"bad\.tif"):
        contents(tmp_path / "bad.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_stay_beside_their_luminance(tmp_path, dtype):
    rgb, path = picture((8, 9, 3), dtype), tmp_path / "a.tif"
    path.write_bytes(tiff_bytes(rgb, photometric="rgb"))
    assert (read_image(path).colours == rgb).all()
    assert read_image(path, "red").colours is None
    path.write_bytes(tiff_bytes(np.repeat(rgb[..., :1], 3, axis=2), photometric="rgb"))
    assert read_image(path).colours is None  # grey, saved as colour


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg(tmp_path, mode):
    ramp = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(ramp).convert(mode).save(path, quality=95)
    got = read_image(path)
    assert got.pixels.shape == (40, 60) and got.channel == "grey"
    assert np.abs(got.pixels - ramp).max() <= 3  # lossy: a smooth ramp loses a few grey levels


def test_white_is_zero_is_turned_round(tmp_path):
    array = picture((8, 9), np.uint8)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes(array, photometric="miniswhite"))
    np.testing.assert_array_equal(read_image(path).pixels, 255.0 - array)


def test_alpha_of_grey_png_is_ignored(tmp_path):
    array = picture((8, 9, 2), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(array))
    np.testing.assert_array_equal(read_image(path).pixels, array[..., 0])


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"imagej": True, "resolution": (0.5, 0.5), "metadata": {"unit": "um"}}, 2.0),
        ({"imagej": True, "resolution": (0.5, 0.5), "metadata": {"unit": "\\u00B5m"}}, 2.0),
        ({"imagej": True, "resolution": (100.0, 100.0), "metadata": {"unit": "mm"}}, 10.0),
        ({"imagej": True, "resolution": (71.1, 68.6), "metadata": {"unit": "inch"}}, None),
        ({"imagej": True, "resolution": (0.5, 0.4), "metadata": {"unit": "um"}}, None),
        ({"resolution": (2000.0, 2000.0), "resolutionunit": "CENTIMETER"}, 5.0),
        ({"resolution": (28.35, 28.35), "resolutionunit": "CENTIMETER"}, None),  # 72 dpi
        ({"resolution": (300.0, 300.0), "resolutionunit": "INCH"}, None),
        ({}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 6.45, "PhysicalSizeY": 6.45}}, 6.45),
        (
            {
                "ome": True,
                "metadata": {
                    "PhysicalSizeX": 645.0,
                    "PhysicalSizeXUnit": "nm",
                    "PhysicalSizeY": 0.645,
                },
            },
            0.645,
        ),
    ],
)
def test_pixel_size_only_where_it_can_be_trusted(tmp_path, options, expected):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes(picture((8, 9), np.uint8), **options))
    got = read_image(path).pixel_size
    # TIFF stores resolutions as ratios of 32-bit integers
    assert got == (None if expected is None else pytest.approx(expected, rel=1e-6))


# ------------------------------------------------------------------------ what must be refused


def refused(path, *words, channel=None):
    with pytest.raises(ImageError) as caught:
        read_image(path, channel)
    message = str(caught.value)
    assert str(path) in message and "expected" in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"II*\0",
        b"II*\0\x08\0\0\0",
        b"not an image at all",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"II*\0" + b"\xff" * 60,
        b"MM\0+" + b"\0" * 60,
    ],
)
def test_garbage_is_refused(tmp_path, data):
    path = tmp_path / "bad.tif"
    path.write_bytes(data)
    refused(path)


@pytest.mark.parametrize("kind", ["tif", "tif-zlib", "tif-lzw", "tif-jpeg", "png", "jpg"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path, kind, kept):
    array = picture((64, 64), np.uint8)
    if kind == "png":
        data = imagecodecs.png_encode(array)
    elif kind == "jpg":
        data = imagecodecs.jpeg_encode(array)
    else:
        data = tiff_bytes(array, compression=kind[4:] or None)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * kept)])
    refused(path)


def test_decompression_bombs_are_refused_before_decoding(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(100_000, 100_000) + zlib.compress(bytes(1000)))
    refused(path, "100000 x 100000")
    path.write_bytes(png_header(0, 5))
    refused(path, "5 x 0")
    data = bytearray(tiff_bytes(picture((8, 8), np.uint8)))
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        at = [tiff.pages[0].tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]
        kinds = [tiff.pages[0].tags[name].dtype for name in ("ImageWidth", "ImageLength")]
    for offset, kind in zip(at, kinds, strict=True):
        struct.pack_into("<H" if kind == 3 else "<I", data, offset, 60_000)
    path.write_bytes(data)
    refused(path, "60000 x 60000")


@pytest.mark.parametrize(
    "array, options, word",
    [
        (np.zeros((5, 8, 8), np.uint8), {}, "several pages"),
        (np.zeros((3, 8, 8), np.uint8), {"imagej": True}, "3 channels"),
        (np.full((8, 8), 1.5, np.float32), {}, "--full-scale beside values of float32"),
        (np.full((8, 8), np.nan, np.float32), {}, "finite"),
        (np.full((8, 8), -1, np.int16), {}, "at least 0, got -1"),
        (np.zeros((8, 8), np.uint32), {}, "--full-scale beside values of uint32"),
        (np.zeros((8, 8), complex), {}, "complex128"),
        (np.zeros((8, 8, 4), np.uint8), {"photometric": "separated"}, "CMYK"),
        (
            np.zeros((8, 8, 20), np.uint8),
            {"photometric": "minisblack", "planarconfig": "contig"},
            "20 samples",
        ),
    ],
)
def test_tiffs_without_one_meaning_are_refused(tmp_path, array, options, word):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes(array, **options))
    refused(path, word)


def test_mutated_files_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    grey = picture((40, 50), np.uint8)
    colour = picture((40, 50, 3), np.uint8)
    valid = [tiff_bytes(grey, compression=kind) for kind in (None, "zlib", "lzw", "jpeg")]
    valid += [tiff_bytes(colour, tile=(16, 16), photometric="rgb"), tiff_bytes(grey, ome=True)]
    valid += [imagecodecs.png_encode(colour), imagecodecs.jpeg_encode(grey)]
    path = tmp_path / "mutated"
    refusals = 0
    for round_ in range(800):
        data = bytearray(valid[round_ % len(valid)])
        for at in rng.integers(min(300, len(data)), size=rng.integers(1, 5)):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        try:
            assert np.isfinite(read_image(path).pixels).all()
        except ImageError as error:
            assert str(path) in str(error)
            refusals += 1
    assert 0 < refusals < 800


def test_other_things_are_refused(tmp_path):
    refused(tmp_path, "no regular file")
    refused(tmp_path / "missing.tif", "No such file")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", "no regular file")  # and does not hang
    path = tmp_path / "cmyk.jpg"
    Image.new("CMYK", (8, 8)).save(path)
    refused(path, "CMYK")
    path = tmp_path / "grey.png"
    write_png(path, picture((8, 8), np.uint8))
    for channel in ("red-ish", "green", 1, -1):
        refused(path, repr(channel), channel=channel)
