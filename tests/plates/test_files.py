"""Which picture is which well: patterns, guesses, pages."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from spotcore._files import write_png
from spotcore.plates.files import find_images
from spotcore.plates.naming import guess_naming
from spotcore.plates.patterns import NamePattern
from spotcore.plates.wells import FORMATS, plate_format, well_name

PLATE = plate_format(96)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def found(images):
    return {image.name: image.path.name for image in images.wells}


@pytest.mark.parametrize(
    ("pattern", "name", "well", "channel"),
    [
        ("{well}.png", "H12.png", "H12", ""),
        ("{well}.png", "a01.png", "A1", ""),
        ("image1_Well_{index}.png", "image1_Well_1.png", "A1", ""),
        ("image1_Well_{index}.png", "image1_Well_0013.png", "B1", ""),
        ("image1_Well_{index}.png", "image1_Well_96.png", "H12", ""),
        ("{channel}-{well}.tif", "Cy5-B2.tif", "B2", "Cy5"),
        ("{well}_{channel}.tif", "B2_IFN_g.tif", "B2", "IFN_g"),
        ("*_{well}.tif", "scan_10-30_c7.tif", "C7", ""),
        ("a+b (1)/{well}.png", "a+b (1)/A1.png", "A1", ""),  # nothing else has a meaning
    ],
)
def test_patterns(pattern, name, well, channel):
    position, got = NamePattern(pattern).place(name, PLATE)
    assert (position.name, got) == (well, channel)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{col}.png", "unknown field {col}"),
        ("{row}.png", "{row} with {column}"),
        ("{well}_{row}_{column}.png", "{row} with {column}"),
        ("{well}_{channel}_{wave}.png", "expected one of {channel} and {wave}"),
        ("{well}{well}.png", "{well} is there twice"),
        ("{well}_{index}.png", "expected one of {well}, {index} and"),
        ("{channel}.png", "expected one of {well}, {index} and"),
        ("*.png", "expected one of {well}, {index} and"),
    ],
)
def test_patterns_that_are_refused(pattern, says):
    with pytest.raises(ValueError) as caught:
        NamePattern(pattern)
    assert says in str(caught.value) and repr(pattern) in str(caught.value)


@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_a_well_and_its_number_are_one(wells, data):
    plate = plate_format(wells)
    index = data.draw(st.integers(1, wells))
    zeros = "0" * data.draw(st.integers(0, 3))
    by_index, _ = NamePattern("w{index}.png").place(f"w{zeros}{index}.png", plate)
    # Counted off well by well, row after row
    names = [well_name(r, c) for r in range(plate.rows) for c in range(plate.columns)]
    by_name, _ = NamePattern("{well}.png").place(f"{names[index - 1]}.png", plate)
    assert by_index == by_name


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["A1.png", "A01.png"], ["A01.png", "A1.png", "both well A1"]),
        (["A1.png", "AG1.png"], ["AG1.png", "cannot be read"]),
        (["A1.png", "H49.png"], ["H49.png", "from A1 to H12"]),
        (["A1.png", "AB.png", "overview.png"], ["AB.png", "cannot be read"]),
        (["A0.png"], ["A0.png"]),
        (["1.jpg"], ["fits the pattern", "1.jpg"]),
        ([], ["fits the pattern"]),
    ],
)
def test_names_that_are_refused(tmp_path, names, says):
    with pytest.raises(ValueError) as caught:
        find_images(touch(tmp_path, *names), "{well}.png")
    for text in (str(tmp_path), *says):
        assert text in str(caught.value)


def test_numbers_beyond_the_plate(tmp_path):
    touch(tmp_path, "w96.png", "w97.png", "w0.png")
    with pytest.raises(ValueError, match=r"w0\.png: .*from 1 to 96, got 0; w97\.png: .* got 97"):
        find_images(tmp_path, "w{index}.png")
    (tmp_path / "w0.png").unlink()
    images = find_images(tmp_path, "w{index}.png", plate_format(384))
    assert found(images) == {"D24": "w96.png", "E1": "w97.png"}
    assert len(images.missing) == 382 and images.missing[0] == "A1"


def test_channels(tmp_path):
    touch(tmp_path, "B1_red.png", "A2_red.png", "A2_green.png", "notes.txt", ".A3_red.png")
    images = find_images(tmp_path, "{well}_{channel}.png", plate_format(6))
    assert list(found(images)) == ["A2.green", "A2.red", "B1.red"]
    assert images.channels == ["green", "red"] and images.ignored == ()
    assert images.missing[:3] == ["A1.green", "A1.red", "A3.green"] and "B1.green" in images.missing
    touch(tmp_path, "A1_Red.png")
    with pytest.raises(ValueError, match="differ in capitals only"):
        find_images(tmp_path, "{well}_{channel}.png")


def test_folders_in_a_pattern(tmp_path):
    touch(tmp_path, "A1/red.png", "B2/red.png", "B2/green.png", "A1/old/red.png", "C3.png")
    images = find_images(tmp_path, "{well}/{channel}.png")
    assert list(found(images)) == ["A1.red", "B2.green", "B2.red"]


def every_well(form):
    return [
        form.format(well=well_name(r, c), padded=f"{chr(65 + r)}{c + 1:02d}", n=12 * r + c + 1)
        for r in range(8)
        for c in range(12)
    ]


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("{well}.png", "{well}.png"),
        ("{padded}.TIF", "{well}.TIF"),
        ("image1_Well_{n}.png", "image1_Well_{index}.png"),
        ("2024-01-31 plate2 well{padded} 10x.jpg", "2024-01-31 plate2 well{well} 10x.jpg"),
        ("exp12_{n:03d}.tiff", "exp12_{index}.tiff"),
        ("{padded}_{n:03d}.png", "{well}_{n}.png"),
    ],
)
def test_guesses(form, pattern):
    names = every_well(form)
    if "{n}" in pattern:  # both the well and a running number: no pattern without *
        with pytest.raises(ValueError, match=r"no naming fits all 96"):
            guess_naming(names, PLATE)
        return
    assert guess_naming(names, PLATE).pattern.text == pattern
    assert guess_naming(names[30:40], PLATE).pattern.text == pattern


@pytest.mark.parametrize(
    ("forms", "pattern"),
    [
        (["{padded}_c1.tif", "{padded}_c2.tif"], "{well}_{channel}.tif"),
        (["FITC_{well}.tif", "Cy3_{well}.tif", "Cy5_{well}.tif"], "{channel}_{well}.tif"),
        (["img_{n:03d}_ch1.tif", "img_{n:03d}_ch2.tif"], "img_{index}_{channel}.tif"),
    ],
)
def test_guesses_with_channels(forms, pattern):
    names = sorted(name for form in forms for name in every_well(form))
    assert guess_naming(names, PLATE).pattern.text == pattern


@pytest.mark.parametrize(
    "names",
    [
        ["image1_Well_7.png"],  # 1 or 7?
        ["A1_c1.png", "A1_c2.png", "A2_c1.png", "A2_c2.png"],
    ],
)
def test_guesses_that_could_be_two(names):
    with pytest.raises(ValueError, match=r"can be read as .* and as"):
        guess_naming(names, PLATE)


@pytest.mark.parametrize(
    "names",
    [
        ["1_2.png", "2_1.png"],  # which is the well, and which the channel?
        ["A1_B1.png", "B1_A1.png"],
        ["A01_001.png", "A02_002.png", "A03_003.png"],
        ["A1.png", "one.png", "two.png"],  # as many strays as wells, and one more
        ["1.png", "2.png", "scan 3 of 4.png"],
        ["red.png"],
        ["1.png", "97.png"],
    ],
)
def test_guesses_that_fail(tmp_path, names):
    with pytest.raises(ValueError, match="no naming fits all") as caught:
        find_images(touch(tmp_path, *names))
    assert str(tmp_path) in str(caught.value)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(ValueError, match=r"expected pictures .*, got none"):
        find_images(touch(tmp_path, "counts.csv"))
    with pytest.raises(ValueError, match="expected a folder"):
        find_images(tmp_path / "none")


@pytest.mark.parametrize("pattern", [None, "{well}.png", "{well}*"])
def test_a_stray_is_left_out_by_name(tmp_path, pattern):
    touch(tmp_path, "A1.png", "A2.png", "overview.png", "mosaic.png")
    images = find_images(tmp_path, pattern)
    assert [image.name for image in images.wells] == ["A1", "A2"]
    assert images.ignored == ("mosaic.png", "overview.png")


def write_tiff(path, pages):
    tifffile.imwrite(path, np.zeros((pages, 8, 9), np.uint8), photometric="minisblack")


def test_pages_as_wells(tmp_path):
    path = tmp_path / "plate.tif"
    write_tiff(path, 5)
    images = find_images(path, plate=plate_format(12))
    assert [(image.name, image.page) for image in images.wells] == [
        ("A1", 0),
        ("A2", 1),
        ("A3", 2),
        ("A4", 3),
        ("B1", 4),
    ]
    assert images.pattern is None and images.missing[0] == "B2"
    with pytest.raises(ValueError, match="no pattern"):
        find_images(path, "{well}.tif")
    write_tiff(path, 13)
    with pytest.raises(ValueError, match="2 to 12 pages, got 13"):
        find_images(path, plate=plate_format(12))
    write_png(tmp_path / "one.png", np.zeros((8, 9), np.uint8))
    with pytest.raises(ValueError, match="got 1"):
        find_images(tmp_path / "one.png")


def test_pages_as_channels(tmp_path):
    write_tiff(tmp_path / "A1.tif", 2)
    write_tiff(tmp_path / "B1.tif", 2)
    touch(tmp_path, "C1.tif")  # damaged: for the run to refuse
    images = find_images(tmp_path)
    assert [(image.name, image.page) for image in images.wells] == [
        ("A1.page1", 0),
        ("A1.page2", 1),
        ("B1.page1", 0),
        ("B1.page2", 1),
        ("C1.page1", 0),
    ]
    write_tiff(tmp_path / "A1_red.tif", 2)
    with pytest.raises(ValueError, match=r"A1_red\.tif has 2 pages"):
        find_images(tmp_path, "{well}_{channel}.tif")


def write_channels(path, *names, planes=1):
    """OME-TIFF of as many channels, each of its own grey level."""
    levels = np.arange(len(names), dtype=np.uint8)[:, None, None, None]
    tifffile.imwrite(
        path,
        np.broadcast_to(levels, (len(names), planes, 8, 9)),
        ome=True,
        photometric="minisblack",
        metadata={"axes": "CZYX", "Channel": {"Name": list(names)}},
    )


def test_channels_of_a_file_are_the_plate_s(tmp_path):
    write_channels(tmp_path / "A1.tif", "FITC", "Cy3 (narrow)")
    write_channels(tmp_path / "B1.tif", "FITC", "Cy3 (narrow)")
    touch(tmp_path, "C1.tif")  # damaged: for the run to refuse
    images = find_images(tmp_path)
    assert [(image.name, image.page, image.file_channel) for image in images.wells] == [
        ("A1.Cy3_narrow", None, 1),
        ("A1.FITC", None, 0),
        ("B1.Cy3_narrow", None, 1),
        ("B1.FITC", None, 0),
        ("C1.FITC", None, 0),
    ]
    assert images.channels == ["Cy3_narrow", "FITC"] and "C1.Cy3_narrow" in images.missing
    write_png(tmp_path / "E1.png", np.zeros((8, 9), np.uint8))  # which of them is it?
    with pytest.raises(ValueError, match=r"A1\.tif has 2 channels, and E1\.png one picture"):
        find_images(tmp_path)
    (tmp_path / "E1.png").unlink()
    chosen = find_images(tmp_path, channel="FITC")
    assert [image.name for image in chosen.wells] == ["A1", "B1", "C1"]
    assert {image.file_channel for image in chosen.wells} == {None}
    write_channels(tmp_path / "D1_red.tif", "FITC", "Cy3")
    with pytest.raises(ValueError, match=r"D1_red\.tif has 2 channels; they cannot be channels"):
        find_images(tmp_path, "{well}_{channel}.tif")


def test_a_number_is_no_channel_of_two_dyes(tmp_path):
    write_channels(tmp_path / "A1.tif", "FITC", "Cy3")
    write_channels(tmp_path / "B1.tif", "Cy3", "FITC")
    with pytest.raises(ValueError, match=r"channel 1 is Cy3 in A1\.tif and FITC in B1\.tif"):
        find_images(tmp_path, channel="1")
    assert len(find_images(tmp_path, channel="fitc").wells) == 2
    write_channels(tmp_path / "C1.tif", "fitc", "Cy3")
    with pytest.raises(ValueError, match="differ in capitals only"):
        find_images(tmp_path)
    (tmp_path / "C1.tif").unlink()
    write_channels(tmp_path / "D1.tif", "same", "same")  # none of its own
    with pytest.raises(ValueError, match=r"A1\.tif names its channels .*, D1\.tif does not"):
        find_images(tmp_path)


def test_channels_of_planes(tmp_path):
    write_channels(tmp_path / "A1.tif", "FITC", "FITC", planes=3)  # a name twice is none
    with pytest.raises(ValueError, match=r"A1\.tif has 2 channels, and A1\.tif 3 pages: .*max"):
        find_images(tmp_path)
    images = find_images(tmp_path, projection="max")
    assert [image.name for image in images.wells] == ["A1.channel0", "A1.channel1"]
    images = find_images(tmp_path / "A1.tif")  # the pages of a file as the wells
    assert [(image.name, image.page, image.file_channel) for image in images.wells[:3]] == [
        ("A1.channel0", 0, 0),
        ("A1.channel1", 0, 1),
        ("A2.channel0", 1, 0),
    ]


@pytest.mark.parametrize("suffix", [".CTL", ".scan", "", ".PNG", ".txt"])
def test_pictures_are_told_by_their_content(tmp_path, suffix):
    """Whatever their names end with; notes and tables beside them are nothing."""
    write_png(tmp_path / "base.png", np.zeros((20, 20), np.uint8))
    data = (tmp_path / "base.png").read_bytes()
    (tmp_path / "plate").mkdir()
    for name in ("A1", "A2", "B1"):
        (tmp_path / "plate" / f"{name}{suffix}").write_bytes(data)
    for name in ("notes.txt", "layout.csv", "A4.json", "Thumbs.db"):
        (tmp_path / "plate" / name).write_bytes(b"no picture")
    (tmp_path / "plate" / "A5.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")  # as WebP begins, too
    found = find_images(tmp_path / "plate")
    assert [image.position.name for image in found.wells] == ["A1", "A2", "B1"]
    assert found.ignored == ()
