"""How instruments and people name the pictures of a plate, and what of it is refused."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotcore.plates.files import find_images, same_pictures
from spotcore.plates.naming import SCHEMES, guess_naming
from spotcore.plates.wells import FORMATS, plate_format
from support.command_line import run
from support.plate_folder import FAST, write_plate

GUID = "1B2C3D4E-5F60-4A7B-8C9D-0E1F2A3B4C5D"
#: Names as each instrument writes them: of the row (letter and number), column, and channel.
INSTRUMENTS = {
    "Operetta or Opera Phenix": [
        ("r{r:02d}c{c:02d}f01p01-ch{k}sk1fk1fl1.tiff", "ch{k}"),
        ("r{r:02d}c{c:02d}f05p01-ch{k}.tiff", "ch{k}"),
        ("r{r:02d}c{c:02d}f01p01-ch{k}t01.tiff", "ch{k}"),
    ],
    "IN Cell Analyzer": [
        ("{row} - {c:02d}(fld 1 wv {colour}).tif", "{colour}"),
        ("{row} - {c}(fld 01 wv {colour} - FITC).tif", "{colour} - FITC"),
        ("{row} - {c}(fld 1 wv {colour} - dsRed z 3).tif", "{colour} - dsRed"),
        ("{row} - {c}(fld 1 wv {colour} - dsRed time 2).tif", "{colour} - dsRed"),
        ("{row} - {c}(wv {colour}).tif", "{colour}"),
        ("{row} - {c}(fld 1).tif", ""),
    ],
    "CellVoyager": [
        ("Greiner_384_{row}{c:02d}_T0001F001L01A0{k}Z01C0{k}.tif", "ch{k}"),
        ("W_{row}{c:02d}_T0001F002L01A01Z01C0{k}.png", "ch{k}"),
    ],
    "MetaXpress": [
        ("Plate_12_{row}{c:02d}_s1_w{k}" + GUID + ".tif", "ch{k}"),
        ("{row}{c:02d}_w{k}.TIF", "ch{k}"),
        ("2024-01-15_{row}{c:02d}_w{k}" + GUID + ".tif", "ch{k}"),
        ("{row}{c:02d}_s3.TIF", ""),
    ],
    "Cytation (Gen5)": [("{row}{c}_01_1_1_{colour}_001.tif", "{colour}")],
    "row, column, field and channel": [
        ("{row}_{c:02d}_f1_c{k}.tif", "ch{k}"),
        ("exp7_{row}_{c}_f1_c{k}.tif", "ch{k}"),
    ],
}
#: Names that readers and people give, of one channel or of several.
OTHERS = [
    ("{row}{c}.CTL", ""),  # CTL ImmunoSpot
    ("P0012_{row}{c}.tif", ""),
    ("Plate 3_{row}{c:02d}.bmp", ""),  # AID, BioSys
    ("2024-01-15_{row}{c:02d}.tif", ""),
    ("2024-01-15 10.30 plate2 well{row}{c:03d} 10x.jpg", ""),
    ("Spender Müller_{row}{c}.PNG", ""),
    ("Row{r}_Col{c}.png", ""),
    ("R{r:02d}C{c:02d}.tif", ""),
    ("row-{row} column-{c}.tif", ""),
    ("{row}_{c:02d}.tif", ""),
    ("scan {row} - {c}.tif", ""),
    ("{row}{c:02d}_{colour}.png", "{colour}"),  # Mabtech IRIS and Apex
    ("plate_{colour}_{row}{c}.jpg", "{colour}"),
]
COLOURS = ("Green", "Blue")
KINDS = [(scheme, *form) for scheme, forms in INSTRUMENTS.items() for form in forms]
KINDS += [(None, *form) for form in OTHERS]


def name(form, position, wave=0):
    row = re.sub("[0-9]", "", position.name)
    return form.format(
        row=row, r=position.row + 1, c=position.column + 1, k=wave + 1, colour=COLOURS[wave]
    )


def expected(form, channel, positions):
    """Return the names by well and channel; of two channels where the form names one."""
    return {
        (position, channel.format(k=wave + 1, colour=COLOURS[wave])): name(form, position, wave)
        for position in positions
        for wave in range(2 if channel else 1)
    }


def wells_of(plate):
    return [plate.position(index) for index in range(1, plate.wells + 1)]


def test_every_scheme_has_its_names():
    assert set(INSTRUMENTS) == set(SCHEMES)


@pytest.mark.parametrize("wells", [96, 384, 1536])
@pytest.mark.parametrize(("scheme", "form", "channel"), KINDS)
def test_whole_plates_tell_their_format(scheme, form, channel, wells):
    plate = plate_format(wells)
    right = expected(form, channel, wells_of(plate))
    naming = guess_naming(sorted(right.values()), None)
    assert (naming.scheme, naming.plate, naming.places) == (scheme, plate, right)


@pytest.mark.parametrize(("scheme", "form", "channel"), KINDS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_parts_of_plates(scheme, form, channel, data):
    plate = plate_format(data.draw(st.sampled_from(sorted(FORMATS))))
    whole = wells_of(plate)
    part = data.draw(
        st.one_of(
            st.sets(st.sampled_from(whole), min_size=2, max_size=20),
            st.sampled_from([{p for p in whole if p.row == row} for row in range(plate.rows)]),
            st.sampled_from([{p for p in whole if p.column == at} for at in range(plate.columns)]),
        )
    )
    right = expected(form, channel, sorted(part))
    names = data.draw(st.permutations(sorted(right.values())))
    naming = guess_naming(names, plate)
    assert (naming.scheme, naming.places) == (scheme, right)


@pytest.mark.parametrize(("scheme", "form", "channel"), KINDS)
@pytest.mark.parametrize("index", [1, 14, 96])
def test_a_single_well(scheme, form, channel, index):
    position = plate_format(96).position(index)
    right = expected(form, channel, [position])
    if scheme is None and channel:  # which word is the channel, of one well, cannot be told
        with pytest.raises(ValueError, match="no naming fits"):
            guess_naming(sorted(right.values()))
        return
    assert guess_naming(sorted(right.values())).places == right


@pytest.mark.parametrize(
    ("names", "wells", "first"),
    [
        (["A1.png", "I1.png"], 384, "A1"),
        (["B01.png", "B13.png"], 384, "B1"),
        (["r02c01f01p01-ch1.tiff", "r17c48f01p01-ch1.tiff"], 1536, "B1"),
        (["AA1.png", "Z1.png"], 1536, "Z1"),
        ([f"img_{k}.png" for k in range(1, 98)], 384, "A1"),
        (["A1.png", "b02.JPG", "C003.tiff"], 96, "A1"),
    ],
)
def test_the_format_by_the_names(tmp_path, names, wells, first):
    images = write(tmp_path, *names)
    assert images.plate.wells == wells and images.wells[0].position.name == first
    assert len(images.wells) == len(names)


@pytest.mark.parametrize("form", ["IMG_{}.jpg", "image ({}).png", "w{}.png", "plateA_{}.png"])
def test_numbers_alone(form):
    """Of the last no plate has a row so long: its letter is none of a row."""
    names = [form.format(k) for k in range(1, 97)]
    assert guess_naming(names).places == {
        (position, ""): name for position, name in zip(wells_of(FORMATS[96]), names, strict=True)
    }


def write(folder, *names, pattern=None, plate=None):
    for number, text in enumerate(names):
        (folder / text).parent.mkdir(parents=True, exist_ok=True)
        (folder / text).write_bytes(bytes([number % 256]) * (number % 7 + 1))
    return find_images(folder, pattern, plate)


@pytest.mark.parametrize(
    ("names", "wells", "says"),
    [
        # Letters that may be rows, where the number alone would be read
        ([f"c{k}.png" for k in range(1, 25)], 96, ["'c{index}.png'", "may be a row", "{row}"]),
        ([f"p{k}.png" for k in range(1, 13)], None, ["'p{index}.png'", "may be a row"]),
        ([f"B_{k}.png" for k in range(1, 25)], 96, ["'B_{index}.png'", "may be a row"]),
        ([f"sampleB_{k}.png" for k in range(1, 13)], None, ["'sampleB_{index}.png'", "may be a"]),
        ([f"B ({k}).png" for k in range(1, 13)], None, ["'B ({index}).png'", "may be a row"]),
        # Formats that the names contradict
        (["r09c01f01p01-ch1.tiff"], 96, ["Phenix", "from A1 to H12", "row 09, column 01"]),
        (["I - 1(fld 1 wv Green).tif"], 96, ["IN Cell", "from A1 to H12"]),
        (["A1.png", "I1.png"], 96, ["no naming fits"]),
        # Several pictures of a well
        (
            [f"r01c01f0{k}p01-ch1.tiff" for k in (1, 2)],
            None,
            ["well A1, channel ch1, sites 01, 02", "'r{row}c{column}f01p{z}-ch{wave}.*'"],
        ),
        (
            [f"B - 2(fld 1 wv Green z {k}).tif" for k in (3, 4)],
            None,
            ["planes 3, 4", "'{row} - {column}(fld {site} wv {channel} z 3).*'"],
        ),
        (
            [f"P_B03_T000{k}F00{k}L01A01Z01C01.tif" for k in (1, 2)],
            None,
            ["sites 001, 002 and times 0001, 0002", "'*_{well}_T0001F001L*A*Z{z}C{wave}.*'"],
        ),
    ],
)
def test_what_is_refused(tmp_path, names, wells, says):
    with pytest.raises(ValueError) as caught:
        write(tmp_path, *names, plate=wells and plate_format(wells))
    for text in (str(tmp_path), *says):
        assert text in str(caught.value)


def test_the_advice_about_sites_helps(tmp_path):
    names = [f"r0{r}c01f0{k}p01-ch1.tiff" for r in (1, 2) for k in (1, 2)]
    with pytest.raises(ValueError, match="choose one") as caught:
        write(tmp_path, *names)
    pattern = re.search("such as '([^']*)'", str(caught.value))[1]
    images = find_images(tmp_path, pattern)
    assert [image.path.name for image in images.wells] == [names[0], names[2]]
    assert images.ignored == (names[1], names[3])


@pytest.mark.parametrize(
    "stray",
    [
        "overview.png",
        "thumbs.png",
        "plate.jpg",
        "00 scan.tif",
        "A1_merge.png",
        "B2 Overlay.tif",
        f"P_A01_s1_w1_thumbA{GUID[1:]}.tif",
    ],
)
@pytest.mark.parametrize("form", ["{row}{c}.png", "r{r:02d}c{c:02d}f01p01-ch1.tiff"])
def test_strays_are_left_out_by_name(tmp_path, form, stray):
    names = [name(form, position) for position in wells_of(plate_format(6))]
    images = write(tmp_path, *names, stray)
    assert sorted(image.path.name for image in images.wells) == sorted(names)
    assert images.ignored == (stray,)


def test_a_merge_is_no_channel(tmp_path):
    wells = ("A1", "B1", "C1", "D1")
    names = [f"{well}_{word}.png" for well in wells for word in ("green", "red", "merge")]
    images = write(tmp_path, *names)
    assert images.channels == ["green", "red"] and len(images.wells) == 8
    assert images.ignored == tuple(f"{well}_merge.png" for well in wells)


def test_merges_alone_are_pictures(tmp_path):
    assert len(write(tmp_path, "A1_merge.png", "A2_merge.png").wells) == 2


def test_our_own_pictures_are_never_input(tmp_path):
    images = write(tmp_path, "A1.png", "A1.overlay.png", "B1.png", "B1.overlay.png")
    assert [image.path.name for image in images.wells] == ["A1.png", "B1.png"]
    write(tmp_path, "out/plate.json", "out/A1.png", "raw/A1.png")
    images = find_images(tmp_path, "*/{well}.png")
    assert [image.path.parent.name for image in images.wells] == ["raw"]
    with pytest.raises(ValueError, match="none of its"):
        find_images(tmp_path, "{well}.overlay.png")


def test_the_same_picture_twice_is_told(tmp_path):
    images = write(tmp_path, "A1.png", "A2.png", "A3.png", "A4.png", "A5.png")
    assert same_pictures(images) == []
    for well, content in (("A2", b"one"), ("A4", b"one"), ("A3", b"two"), ("A1", b""), ("A5", b"")):
        (tmp_path / f"{well}.png").write_bytes(content)
    assert same_pictures(images) == [("A2.png", "A4.png")]


def test_a_run_says_what_it_left_out_and_how_it_read(tmp_path):
    images, folder = write_plate(tmp_path / "plain", 3), tmp_path / "images"
    folder.mkdir()
    for column, channel, source in ((1, 1, "A1"), (2, 1, "A2"), (1, 2, "A3"), (2, 2, "A2")):
        shutil.copy(images / f"{source}.png", folder / f"r02c0{column}f01p01-ch{channel}.png")
    shutil.copy(images / "A1.png", folder / "overview.png")
    result = run("plate", folder, "-o", tmp_path / "out", *FAST)
    assert result.exit_code == 0, result.output
    assert "names of Operetta or Opera Phenix" in result.stdout and "is B1.ch1" in result.stdout
    assert "left out, their names are of no well: overview.png" in result.stderr
    assert "byte by byte: r02c02f01p01-ch1.png, r02c02f01p01-ch2.png" in result.stderr
    record = json.loads((tmp_path / "out" / "plate.json").read_text())
    assert record["left_out"] == ["overview.png"]
    assert record["pattern"] == "r{row}c{column}f{site}p{z}-ch{wave}.*"
    assert [well["name"] for well in record["wells"]] == ["B1.ch1", "B1.ch2", "B2.ch1", "B2.ch2"]


def test_channels_with_spaces_run_and_are_exported(tmp_path):
    images, folder = write_plate(tmp_path / "plain", 2), tmp_path / "images"
    folder.mkdir()
    for source, colour in (("A1", "Green - dsRed"), ("A2", "Blue - FITC")):
        shutil.copy(images / f"{source}.png", folder / f"B - 2(fld 1 wv {colour}).png")
    out = tmp_path / "out"
    result = run("plate", folder, "-o", out, *FAST[:-1], "--export", "json,xlsx")
    assert result.exit_code == 0, result.output
    assert (out / "wells" / "B2.Blue - FITC.cells.csv").exists() and (out / "report.html").exists()
