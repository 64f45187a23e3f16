"""A picture of a whole plate: its wells are found where they are, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import spotcore as sc
from spotcore._files import write_png
from spotcore.plates.grid import Grid, find_grid
from spotcore.plates.wells import plate_format
from support.command_line import run
from support.plate_folder import table
from support.plate_picture import negatives, plate_picture


def found(picture: np.ndarray, wells: int) -> Grid:
    return find_grid(picture.astype(np.float32), plate_format(wells))


def off(grid: Grid, centres: np.ndarray) -> float:
    """The largest distance from the truth, in pitches."""
    held = np.array([(well.y, well.x) for well in grid.wells])
    return float(np.hypot(*(held - centres).T).max()) / grid.pitch


@given(
    shape=st.sampled_from([(6, 240), (12, 190), (24, 130), (48, 100), (96, 80), (384, 56)]),
    angle=st.floats(-5, 5),
    margin=st.tuples(st.floats(0.6, 1.5), st.floats(0.6, 1.5)),
    noise=st.floats(0, 15),
    radius=st.floats(0.37, 0.42),
    dark=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
def test_wells_are_found_where_they_are(
    shape: tuple[int, int],
    angle: float,
    margin: tuple[float, float],
    noise: float,
    radius: float,
    dark: bool,
    seed: int,
) -> None:
    wells, pitch = shape
    levels = (60.0, 150.0) if dark else (190.0, 120.0)
    picture, centres = plate_picture(
        plate_format(wells),
        pitch,
        angle=angle,
        margin=margin,
        noise=noise,
        radius=radius,
        wells=levels,
        seed=seed,
    )
    grid = found(picture, wells)
    assert off(grid, centres) < 0.03
    assert grid.pitch == pytest.approx(pitch, rel=0.01)
    assert grid.angle == pytest.approx(angle, abs=0.3)
    assert grid.radius == pytest.approx(radius * pitch, rel=0.1)
    assert [well.position.name for well in grid.wells][:2] == ["A1", "A2"]


@pytest.mark.parametrize("cut", [(0.8, 0.8), (1.2, 0.0), (0.0, 1.2)])
def test_wells_that_the_border_cuts_are_known(cut: tuple[float, float]) -> None:
    picture, centres = plate_picture(plate_format(96), 90, angle=2, cut=cut)
    grid = found(picture, 96)
    assert off(grid, centres) < 0.03
    limits = np.array(picture.shape) - 1 - grid.radius
    inside = ((centres >= grid.radius) & (centres <= limits)).all(axis=1)
    near = np.abs(centres - limits).min(axis=1) < 3  # a pixel decides there
    for well, whole, close in zip(grid.wells, inside, near, strict=True):
        assert close or well.whole == whole
    assert not all(well.whole for well in grid.wells)


def test_whole_rows_outside_are_not_guessed() -> None:
    picture, _ = plate_picture(plate_format(96), 90, cut=(2.0, 0.0))
    with pytest.raises(ValueError, match="whole rows or columns of it lie outside"):
        found(picture, 96)


@pytest.mark.parametrize("wells", [24, 96, 384])
@pytest.mark.parametrize("name", sorted(negatives()))
def test_what_has_no_grid_is_refused(name: str, wells: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        found(negatives()[name], wells)


@pytest.mark.parametrize(("wells", "told"), [(384, 96), (384, 24), (96, 384), (96, 24), (96, 48)])
def test_another_format_is_refused(wells: int, told: int) -> None:
    picture, _ = plate_picture(plate_format(wells), 45 if wells == 384 else 90)
    with pytest.raises(ValueError, match="expected a grid of"):
        found(picture, told)


def test_wells_that_show_no_spots_are_refused() -> None:
    picture, _ = plate_picture(plate_format(96), 40)
    with pytest.raises(ValueError, match="at least 40 pixels across"):
        found(picture, 96)


# --- the command -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plate of 24 wells, turned by two degrees; A1 has no spot."""
    picture, _ = plate_picture(plate_format(24), 160, angle=2.0, noise=2.0, spots=6, seed=3)
    folder = tmp_path_factory.mktemp("whole")
    write_png(folder / "scan.png", picture)
    return folder / "scan.png"


FAST = ("--format", 24, "--max-iter", 5, "--no-report")


def test_a_plate_is_cut_and_goes_on_as_with_files(plate: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("plate", plate, "-o", out, *FAST)
    assert result.exit_code == 0, result.stderr
    assert "turned by 2.0°" in result.stdout
    rows = table(out / "wells.csv")
    assert [row["well"] for row in rows] == [
        plate_format(24).position(index + 1).name for index in range(24)
    ]
    grid = json.loads((out / "grid.json").read_text())
    assert grid["file"] == str(plate) and grid["angle"] == pytest.approx(2.0, abs=0.2)
    top, left, bottom, right = grid["wells"][7]["box"]
    whole = sc.read_image(plate).pixels
    cut = sc.read_image(out / "pictures" / "B2.png").pixels
    assert np.array_equal(cut, whole[top:bottom, left:right])
    counts = [int(row["count"]) for row in rows if row["status"] == "counted"]
    assert len(counts) >= 20 and np.median(counts) == pytest.approx(6, abs=1.5)
    assert (out / "grid.overlay.png").is_file()
    before = {path: path.stat().st_mtime_ns for path in (out / "wells").glob("*.run.json")}
    assert run("plate", plate, "-o", out, *FAST).exit_code == 0  # goes on: all is done
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_channel_of_a_picture_in_colour(plate: Path, tmp_path: Path) -> None:
    """The pictures that are cut out are of it alone."""
    grey = sc.read_image(plate).pixels.astype(np.uint8)
    write_png(tmp_path / "colour.png", np.stack([255 - grey, grey, np.full_like(grey, 9)], axis=2))
    for source, out, told in (
        (plate, "grey", ()),
        (tmp_path / "colour.png", "colour", ("--channel", "green")),
    ):
        result = run("plate", source, "-o", tmp_path / out, *told, *FAST)
        assert result.exit_code == 0, result.stderr
    counts = [
        [row["count"] for row in table(tmp_path / out / "wells.csv")] for out in ("grey", "colour")
    ]
    assert counts[0] == counts[1]


def test_another_plate_into_the_same_folder_is_refused(plate: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other.png"
    assert run("plate", plate, "-o", out, *FAST).exit_code == 0
    write_png(other, plate_picture(plate_format(24), 160, seed=9)[0])
    result = run("plate", other, "-o", out, *FAST)
    assert result.exit_code == 1 and "holds wells of another picture" in result.stderr


def test_what_has_to_be_said_is_asked(plate: Path, tmp_path: Path) -> None:
    result = run("plate", plate, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "--format 96" in result.stderr
    write_png(tmp_path / "flat.png", np.full((300, 400), 90, np.uint8))
    result = run("plate", tmp_path / "flat.png", "-o", tmp_path / "out", "--format", 96)
    assert result.exit_code == 2 and "flat.png: expected a grid of wells" in result.stderr
    assert not (tmp_path / "out").exists()
