"""A picture in, a `WellAnalysis` out: for programs that embed the analysis."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

import spotcore as sc
from spotcore import analysis
from spotcore._files import read_columns, write_png
from spotcore.images.refusal import ImageError
from spotcore.plates.work import analyse_file
from spotcore.results.names import WellFiles
from spotcore.simulation.demo import plate_like
from spotcore.wells import from_picture


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    return plate_like(40, 256, seed=4)[0]


@pytest.fixture(scope="module")
def coloured() -> np.ndarray:
    """Spots that absorb green and blue most, on a white membrane."""
    light = plate_like(40, 256, seed=4)[0] / 255.0
    return np.rint(255 * np.stack([light**0.4, light, light], axis=2)).astype(np.uint8)


def test_an_array_is_what_a_file_of_it_is(grey: np.ndarray, tmp_path: Path) -> None:
    write_png(tmp_path / "well.png", grey)
    files = WellFiles(tmp_path, "well")
    record = analyse_file(tmp_path / "well.png", files, sc.Settings(threads=1))
    found = sc.analyse(grey, sc.Settings(threads=1))
    table = read_columns(files.cells, ("y", "x"))
    written = np.stack([table["y"], table["x"]], axis=1)  # of seven digits
    np.testing.assert_allclose(found.cells.yx, written, rtol=1e-6)
    assert found.count == record.count and found.status.interval == record.interval
    assert len(found.artefacts) == record.artefacts
    assert found.picture.sha256 != record.sha256  # of the array's bytes, not of the file's
    assert json.loads(files.record.read_bytes())["count"] == found.count


def test_nothing_is_written(grey: np.ndarray, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    found = sc.analyse(grey, sc.Settings(save_maps=True))
    assert found.count and set(found.maps) == {"signal", "score", "fit"}
    assert all(image.shape == grey.shape for image in found.maps.values())
    assert not any(tmp_path.iterdir())


def test_the_users_limits_set_spots_apart(grey: np.ndarray) -> None:
    every = sc.analyse(grey)
    middle = float(np.median(every.measures.diameter))
    large = sc.analyse(grey, sc.Settings(min_diameter=middle))
    assert 0 < len(large.cells) < len(every.cells)
    assert large.measures.diameter.min() >= middle
    assert large.artefacts.reason.count("gate") == len(every.cells) - len(large.cells)
    # The same limit in µm, where the pixel size is known.
    micrometres = sc.analyse(grey, sc.Settings(pixel_size=10.0, min_diameter=10.0 * middle))
    assert "gate" in micrometres.artefacts.reason


def test_a_network_finds_them_too() -> None:
    image = sc.simulate(60, (128, 128), "isbi2019", bits=6, seed=2).image
    picture = sc.Picture.of(np.rint(image).astype(np.uint8))
    settings = sc.Settings(method="spotnet", preset="paper", polarity="bright", save_maps=True)
    found = sc.analyse(picture, settings)
    assert isinstance(found.how, analysis.Network) and found.how.network == "spotnet"
    assert found.count and set(found.maps) == {"signal", "score"}


@pytest.mark.parametrize(("kind", "looks"), [("grey", 1), ("coloured", 2)])
def test_what_a_well_shows_is_looked_for_once(
    kind: str, looks: int, request: Any, monkeypatch: Any
) -> None:
    """In a colour picture once more, in the colour of its spots, with the polarity of the first."""
    calls: list[Any] = []
    look = from_picture.look

    def counted(grey: Any, polarity: str, *rest: Any) -> Any:
        calls.append(polarity)
        return look(grey, polarity, *rest)

    monkeypatch.setattr(from_picture, "look", counted)
    found = sc.analyse(request.getfixturevalue(kind))
    assert found.well.circle is not None and found.count
    assert calls == ["auto", found.well.polarity][:looks]


def test_colours_become_the_spots_own(coloured: np.ndarray) -> None:
    found = sc.analyse(coloured)
    assert found.colour is not None and found.colour.source == "found"
    red, green, blue = found.colour.vector
    assert red < green and red < blue
    assert sc.analyse(coloured, sc.Settings(stain="luminance")).colour is None
    assert sc.analyse(coloured, sc.Settings(channel="green")).picture.channel == "channel green"


@pytest.mark.parametrize(
    ("picture", "error", "words"),
    [
        (np.zeros((8, 8), bool), TypeError, "integers or floats, got dtype bool"),
        (np.full((8, 8), 1.5), ValueError, "expected a full_scale beside values of float64 up to"),
        (np.full((8, 8), 300, np.int32), ValueError, "expected a full_scale beside values of int"),
        (np.full((8, 8), -0.1), ValueError, "at least 0, got -0.1"),
        (np.full((8, 8), np.nan), ValueError, "finite values"),
        (np.zeros((8, 90), np.uint8), ValueError, "at least 16 pixels high and wide"),
        (np.zeros((8, 8, 2), np.uint8), ValueError, r"\[H, W, 3\], got \(8, 8, 2\)"),
        (np.zeros((0, 8), np.uint8), ValueError, r"got \(0, 8\)"),
        (np.zeros(8, np.uint8), ValueError, r"got \(8,\)"),
    ],
)
def test_what_is_no_picture_is_refused(picture: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sc.analyse(picture)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_shares_of_full_scale_count_as_the_grey_levels_do(
    coloured: np.ndarray, kind: type[np.floating[Any]]
) -> None:
    """scikit-image's `img_as_float` of 8 bits, grey and in colour."""
    for samples in (coloured, coloured[..., 1]):
        found, same = sc.analyse(samples), sc.analyse((samples / 255).astype(kind))
        assert same.picture.full_scale == 255
        np.testing.assert_array_equal(same.picture.pixels, found.picture.pixels)
        assert same.count == found.count
    deep = sc.Picture.of(coloured.astype(np.uint16) * 256 / 65535)
    assert deep.full_scale == 65535
    assert sc.Picture.of(np.full((20, 20), 300, np.int32), 4095).full_scale == 4095


def test_a_file_s_name_is_read(coloured: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "well.png"
    path.write_bytes(imagecodecs.png_encode(coloured))
    found = sc.analyse(path)
    assert found.count == sc.analyse(str(path)).count == sc.analyse(coloured).count
    assert found.status.count == found.count
    with pytest.raises(ImageError, match="none"):
        sc.analyse(tmp_path / "none.png")


def test_a_camera_s_bit_depth_is_said_or_that_of_the_type() -> None:
    samples = np.full((64, 64), 4000, np.uint16)
    assert sc.Picture.of(samples).full_scale == 65535
    assert sc.Picture.of(samples, 4095, pixel_size=6.5).pixel_size == 6.5
    with pytest.raises(ValueError, match="values up to 1023, got 4000"):
        sc.Picture.of(samples, 1023)
    with pytest.raises(ValueError, match="pixel_size: expected a finite number > 0, got 0"):
        sc.Picture.of(samples, pixel_size=0)


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
def test_a_picture_is_its_samples_however_they_lie(samples: str) -> None:
    """Byte order, strides and who may write are the array's own business."""
    values = np.random.default_rng(1).integers(0, 250, (6, 9, 3)).astype(samples)
    plain = sc.Picture.of(values)
    turned = np.ascontiguousarray(values[::-1, ::-1])[::-1, ::-1]
    fixed = values.copy()
    fixed.setflags(write=False)
    big, little = (values.astype(values.dtype.newbyteorder(order)) for order in "><")
    for same in (big, little, np.asfortranarray(values), turned, fixed):
        picture = sc.Picture.of(same)
        assert picture.sha256 == plain.sha256 and picture.full_scale == plain.full_scale
        np.testing.assert_array_equal(picture.pixels, plain.pixels)
        np.testing.assert_array_equal(picture.colours, plain.colours)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"lam": -1.0}, "lam: expected a number, at least 0, got -1"),
        ({"polarity": "grey"}, "polarity: expected 'auto' or 'dark' or 'bright', got 'grey'"),
        ({"min_diameter": float("nan")}, "min_diameter: expected a finite number, got nan"),
        ({"colour_reach": 5.0}, "colour_reach: expected more than twice colour_tolerance"),
    ],
)
def test_settings_of_a_program_are_checked_like_those_of_a_file(
    grey: np.ndarray, chosen: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        sc.analyse(grey, sc.Settings(**chosen))


def test_settings_are_settings(grey: np.ndarray) -> None:
    with pytest.raises(TypeError, match="settings: expected Settings, got dict"):
        sc.analyse(grey, {})  # type: ignore[arg-type]


def test_the_face_needs_numpy_alone() -> None:
    heavy = ["scipy", "numba", "typer", "tifffile", "PIL", "threadpoolctl", "torch"]
    code = f"import sys, spotcore; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "[]"


def test_the_version_needs_no_face() -> None:
    """Whoever writes a version down does not import what stands on top of everything."""
    root = Path(sc.__file__).parent
    users = [path for path in root.rglob("*.py") if "import spotcore\n" in path.read_text()]
    assert {path.parent.name for path in users} <= {"commands"}


def test_the_full_scale_of_the_settings_is_that_of_a_picture_too():
    pixels = plate_like(8, 96, seed=1)[0]
    told = sc.Settings(full_scale=300.0)
    by_picture = sc.analyse(sc.Picture.of(pixels), told)
    assert by_picture.picture.full_scale == 300.0
    by_array = sc.analyse(pixels, told)
    assert np.array_equal(by_picture.well.signal, by_array.well.signal)
    with pytest.raises(ValueError, match="full_scale: expected at least"):
        sc.analyse(sc.Picture.of(pixels), sc.Settings(full_scale=50.0))
