"""Plates of OME-Zarr: the same wells, counted alike as from files of their own."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from spotcore._files import write_png
from spotcore.images.read import read_image
from spotcore.plates.hcs import is_hcs_plate, read_hcs_plate
from spotcore.plates.wells import plate_format
from spotcore.results import open_well
from spotcore.simulation.demo import plate_like
from support.command_line import run
from support.hcs_plate import write_hcs

pytest.importorskip("zarr", reason="zarr is not installed (extra 'formats')")
QUICK = ("--max-iter", 5, "--quiet", "--no-report")


@pytest.fixture(scope="module")
def drawn():
    """Two colours of two wells, [C, Y, X]."""
    return {
        name: np.stack([plate_like(8, 96, seed=seed + colour, dark=False)[0] for colour in (0, 9)])
        for name, seed in (("B3", 1), ("H12", 2))
    }


def counts(out):
    return pd.read_csv(out / "wells.csv").set_index(["well", "channel"])["count"].to_dict()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_is_counted_as_its_pictures_are(tmp_path, drawn, version):
    source = write_hcs(tmp_path / "p.zarr", drawn, version=version, labels=("FITC", "Cy3/narrow"))
    assert is_hcs_plate(source)
    done = run("plate", source, "-o", tmp_path / "out", *QUICK)
    assert done.exit_code == 0, done.stderr
    (tmp_path / "files").mkdir()
    for well, colours in drawn.items():
        for name, pixels in zip(("FITC", "Cy3_narrow"), colours, strict=True):
            write_png(tmp_path / "files" / f"{well}_{name}.png", pixels)
            read = read_image(tmp_path / "out" / "pictures" / f"{well}.{name}.tif")
            np.testing.assert_array_equal(read.pixels, pixels)
            assert read.pixel_size == pytest.approx(6.45, rel=1e-6)
    other = run("plate", tmp_path / "files", "-o", tmp_path / "other", "--pattern",
                "{well}_{channel}.png", "--pixel-size", 6.45, *QUICK)  # fmt: skip
    assert other.exit_code == 0, other.stderr
    assert counts(tmp_path / "out") == counts(tmp_path / "other")
    plate = json.loads((tmp_path / "out" / "plate.json").read_text())
    assert (plate["rows"], plate["columns"]) == (8, 12)
    assert plate["channels"] == ["Cy3_narrow", "FITC"]


def test_a_run_goes_on_and_another_plate_is_refused(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", drawn)
    assert run("plate", source, "-o", tmp_path / "out", *QUICK).exit_code == 0
    record = tmp_path / "out" / "wells" / "B3.channel0.run.json"
    before = record.stat().st_mtime_ns
    moved = shutil.move(source, tmp_path / "moved.zarr")
    assert run("plate", moved, "-o", tmp_path / "out", *QUICK).exit_code == 0
    assert record.stat().st_mtime_ns == before
    other = write_hcs(tmp_path / "q.zarr", {"B3": drawn["H12"]})
    done = run("plate", other, "-o", tmp_path / "out", *QUICK)
    assert done.exit_code == 1 and "holds wells of another plate" in done.stderr


def test_one_channel_or_the_brightest_of_planes(tmp_path, drawn):
    stack = {name: np.stack([colours, colours // 2], axis=1) for name, colours in drawn.items()}
    source = write_hcs(tmp_path / "p.zarr", stack, axes="czyx", labels=("FITC", "Cy3"))
    with pytest.raises(ValueError, match=r"B3 has 2 planes.*--projection max"):
        read_hcs_plate(source)
    one = read_hcs_plate(source, channel="cy3", projection="max").images(tmp_path / "out")
    assert [(image.name, image.path.name) for image in one.wells] == [
        ("B3", "B3.tif"),
        ("H12", "H12.tif"),
    ]
    one.make(tmp_path / "out")
    np.testing.assert_array_equal(read_image(one.wells[0].path).pixels, drawn["B3"][1])
    with pytest.raises(ValueError, match=r"channel 'DAPI' of FITC, Cy3 in B3"):
        read_hcs_plate(source, channel="DAPI", projection="max").images(tmp_path / "out")


def test_the_channel_that_was_asked_for_is_counted(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", drawn, labels=("FITC", "Cy3"))
    assert run("plate", source, "-o", tmp_path / "all", *QUICK).exit_code == 0
    done = run("plate", source, "-o", tmp_path / "out", "--channel", 1, *QUICK)
    assert done.exit_code == 0, done.stderr
    of_all = pd.read_csv(tmp_path / "all" / "wells.csv").query("channel == 'Cy3'")
    assert [*pd.read_csv(tmp_path / "out" / "wells.csv")["count"]] == [*of_all["count"]]
    found = open_well(tmp_path / "out" / "wells" / "B3.run.json").picture()
    np.testing.assert_array_equal(found.pixels, drawn["B3"][1])
    done = run("plate", source, "-o", tmp_path / "no", "--pattern", "{well}.tif", *QUICK)
    assert done.exit_code == 2 and "no --pattern fits" in done.stderr


def test_wells_of_fewer_channels_say_which(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", drawn, labels=("FITC", "Cy3"))
    write_hcs(tmp_path / "one.zarr", {"C4": drawn["B3"][1:]}, labels=("Cy3",))
    shutil.copytree(tmp_path / "one.zarr" / "C", source / "C")
    about = json.loads((source / ".zattrs").read_text())
    about["plate"]["wells"].append({"path": "C/4", "rowIndex": 2, "columnIndex": 3})
    (source / ".zattrs").write_text(json.dumps(about))
    names = [image.name for image in read_hcs_plate(source).images(tmp_path / "out").wells]
    assert names == ["B3.Cy3", "B3.FITC", "C4.Cy3", "H12.Cy3", "H12.FITC"]
    of_one = source / "C" / "4" / "0" / ".zattrs"
    of_one.write_text(of_one.read_text().replace("Cy3", ""))
    with pytest.raises(ValueError, match=r"B3 names its channels \(FITC, Cy3\), C4 does not"):
        read_hcs_plate(source)


def test_shares_of_full_scale(tmp_path, drawn):
    shares = {name: (pixels / 255).astype(np.float32) for name, pixels in drawn.items()}
    source = write_hcs(tmp_path / "p.zarr", shares)
    for out, told in (("a", ()), ("b", ("--full-scale", 1))):
        done = run("plate", source, "-o", tmp_path / out, *told, *QUICK)
        assert done.exit_code == 0, done.stderr
    assert counts(tmp_path / "a") == counts(tmp_path / "b")


@pytest.mark.parametrize(
    ("said", "shape"),
    [((16, 24), (16, 24)), ((2, 3), (2, 3)), ((3, 5), (8, 12))],  # at times, of what was imaged
)
def test_the_shape_of_the_plate(tmp_path, said, shape):
    wells = {"B3": np.zeros((20, 30), np.uint16)}
    source = write_hcs(tmp_path / "p.zarr", wells, axes="yx", rows=said[0], columns=said[1])
    assert read_hcs_plate(source).plate == shape


def test_what_is_wrong_is_said(tmp_path, drawn):
    fields = write_hcs(tmp_path / "f.zarr", drawn, fields=2)
    with pytest.raises(ValueError, match=r"f\.zarr: .*B/3 has 2 fields"):
        read_hcs_plate(fields)
    source = write_hcs(tmp_path / "p.zarr", drawn)
    with pytest.raises(ValueError, match=r"p\.zarr: expected a well from A1 to D6, got 'H12'"):
        read_hcs_plate(source, plate=plate_format(24))
    shutil.rmtree(source / "H" / "12")
    images = read_hcs_plate(source).images(tmp_path / "out")
    assert images.ignored == ("H/12",) and {image.position.name for image in images.wells} == {"B3"}
    about = source / "B" / "3" / "0" / ".zattrs"
    about.write_text(about.read_text().replace('"multiscales"', '"scales"'))
    with pytest.raises(ValueError, match=r"p\.zarr: expected wells .*: a damaged picture"):
        read_hcs_plate(source)
    with pytest.raises(ValueError, match="40000 x 40000 pixels"):
        large = write_hcs(tmp_path / "l.zarr", {"A1": np.zeros((20, 30), np.uint16)}, axes="yx")
        array = large / "A" / "1" / "0" / "0" / ".zarray"
        array.write_text(json.dumps(json.loads(array.read_text()) | {"shape": [40000, 40000]}))
        read_hcs_plate(large)


def test_a_well_that_is_damaged_is_rejected_alone(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", drawn)
    chunks = [p for p in (source / "B" / "3" / "0" / "0").rglob("*") if p.name[0].isdigit()]
    for chunk in chunks:
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:9])
    done = run("plate", source, "-o", tmp_path / "out", *QUICK)
    assert done.exit_code == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "wells.csv").set_index("well")["status"]
    assert set(table["B3"]) == {"rejected"} and "rejected" not in set(table["H12"])
    reasons = pd.read_csv(tmp_path / "out" / "wells.csv").set_index("well")["reason"]
    assert all("Error" in reason and "No such file" not in reason for reason in reasons["B3"])


def test_a_well_whose_metadata_is_damaged_is_rejected_alone(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", drawn, labels=("FITC", "Cy3"))
    (source / "B" / "3" / "0" / ".zattrs").write_text("{}")
    done = run("plate", source, "-o", tmp_path / "out", *QUICK)
    assert done.exit_code == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "wells.csv").set_index("well")
    assert table.loc["B3", "status"] == "rejected" and "multiscales" in table.loc["B3", "reason"]
    assert set(table.loc["H12", "status"]) != {"rejected"}


@pytest.mark.parametrize("twice", ["B/3", "B/03"])
def test_a_well_that_is_there_twice_is_refused(tmp_path, drawn, twice):
    source = write_hcs(tmp_path / "p.zarr", drawn)
    about = json.loads((source / ".zattrs").read_text())
    about["plate"]["wells"].append({"path": twice, "rowIndex": 1, "columnIndex": 2})
    (source / ".zattrs").write_text(json.dumps(about))
    with pytest.raises(ValueError, match=f"B/3 and {twice} are both well B3"):
        read_hcs_plate(source)


def test_what_is_missing_or_not_believed_is_said(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", drawn, side=0.1)
    chunks = [p for p in (source / "H" / "12" / "0" / "0").rglob("*") if p.name[0].isdigit()]
    chunks[0].unlink()
    done = run("plate", source, "-o", tmp_path / "out", *QUICK)
    assert "H12: 1 of 8 chunks are not there and count as 0" in done.stderr
    assert "B3: a side of 0.1 µm is outside 0.5 to 50 µm" in done.stderr


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_the_pixel_size_of_every_type_is_kept(tmp_path, kind):
    pixels = plate_like(8, 96, seed=1, dark=False)[0]
    pixels = (pixels / 255).astype(kind) if np.dtype(kind).kind == "f" else pixels.astype(kind)
    source = write_hcs(tmp_path / "p.zarr", {"A1": pixels}, axes="yx")
    images = read_hcs_plate(source).images(tmp_path / "out")
    images.make(tmp_path / "out")
    assert read_image(images.wells[0].path).pixel_size == pytest.approx(6.45, rel=1e-5)


def test_the_same_number_of_two_dyes_is_no_channel(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", drawn, labels=("FITC", "Cy3"))
    about = source / "H" / "12" / "0" / ".zattrs"
    swapped = about.read_text().replace("FITC", "DAPI").replace("Cy3", "FITC")
    about.write_text(swapped.replace("DAPI", "Cy3"))
    with pytest.raises(ValueError, match="channel 1 is Cy3 in B3 and FITC in H12: take its name"):
        read_hcs_plate(source, channel=1)
    assert len(read_hcs_plate(source, channel="FITC").images(tmp_path / "out").wells) == 2


def test_a_plate_that_grows_goes_on(tmp_path, drawn):
    source = write_hcs(tmp_path / "p.zarr", {"B3": drawn["B3"]})
    assert run("plate", source, "-o", tmp_path / "out", *QUICK).exit_code == 0
    record = tmp_path / "out" / "wells" / "B3.channel0.run.json"
    before = record.stat().st_mtime_ns
    write_hcs(source, drawn)
    (source / ".DS_Store").write_text("x")
    assert run("plate", source, "-o", tmp_path / "out", *QUICK).exit_code == 0
    assert record.stat().st_mtime_ns == before and ("H12", "channel1") in counts(tmp_path / "out")


def test_nothing_of_an_earlier_run_outlives_the_next(tmp_path, drawn):
    """Neither an export, nor what a killed run left among the pictures."""
    source, out = write_hcs(tmp_path / "p.zarr", drawn, labels=("FITC", "Cy3")), tmp_path / "out"
    done = run("plate", source, "-o", out, "--export", "ctl,labkey,json", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert (out / "export" / "labkey.FITC.txt").exists()
    (out / "export" / "mine.txt").write_text("kept")
    part = out / "pictures" / ".B3.FITC.tif.0123456789ab.part"
    part.write_bytes(b"half")
    done = run("plate", source, "-o", out, "--threshold", 1e9, *QUICK)
    assert done.exit_code == 0, done.stderr
    assert [path.name for path in (out / "export").iterdir()] == ["mine.txt"]
    assert not part.exists() and set(counts(out).values()) == {0}
