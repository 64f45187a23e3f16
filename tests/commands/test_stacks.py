"""Files of several pictures: which one is meant is said, and is then as a file of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from spotcore._files import write_png
from spotcore.results import open_well
from spotcore.simulation.demo import plate_like
from support.command_line import run


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Three pages, and a picture of each and of their brightest pixels."""
    pages = np.stack([plate_like(8, 96, seed=seed, dark=False)[0] for seed in range(3)])
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "stack.tif", pages, photometric="minisblack")
    for number, page in enumerate(pages):
        write_png(tmp_path / "in" / f"page{number}.png", page)
    write_png(tmp_path / "in" / "max.png", pages.max(axis=0))
    return tmp_path / "in" / "stack.tif"


def cells(image: Path, out: Path, *options: object) -> bytes:
    result = run("detect", image, "-o", out, "--max-iter", 5, *options)
    assert result.exit_code == 0, result.stderr
    return (out / f"{image.stem}.cells.csv").read_bytes()


def test_a_page_or_a_projection_is_the_picture_of_it(stack: Path, tmp_path: Path) -> None:
    for number in range(3):
        alone = cells(stack.with_name(f"page{number}.png"), tmp_path / "alone")
        assert cells(stack, tmp_path / f"out{number}", "--page", number) == alone
    alone = cells(stack.with_name("max.png"), tmp_path / "alone")
    assert cells(stack, tmp_path / "max", "--projection", "max") == alone


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "0 to 2 (--page), or the brightest of all (--projection max)"),
        (("--page", 3), "page 3 of a file of 3"),
    ],
)
def test_which_one_is_asked(
    stack: Path, tmp_path: Path, options: tuple[object, ...], words: str
) -> None:
    result = run("detect", stack, "-o", tmp_path / "out", *options)
    assert result.exit_code == 1 and words in " ".join(result.stderr.split())


def test_a_plate_of_stacks_is_projected(stack: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plate"
    folder.mkdir()
    for well in ("A1", "B2"):
        (folder / f"{well}.stk").write_bytes(stack.read_bytes())  # told by its content
    out = tmp_path / "out"
    how = ("--format", 6, "--max-iter", 5, "--no-report", "--projection", "max")
    result = run("plate", folder, "-o", out, *how)
    assert result.exit_code == 0, result.stderr
    assert {path.name for path in (out / "wells").glob("*.run.json")} == {
        "A1.run.json",
        "B2.run.json",
    }


def test_a_file_s_channels_run_as_the_plate_s(tmp_path: Path) -> None:
    """Each as a file of its own would; resumed, and found again by its record."""
    colours = np.stack([plate_like(8, 96, seed=seed, dark=False)[0] for seed in (3, 4)])
    (tmp_path / "in").mkdir()
    (tmp_path / "apart").mkdir()
    for well in ("A1", "B2"):
        tifffile.imwrite(
            tmp_path / "in" / f"{well}.ome.tif",
            colours,
            ome=True,
            photometric="minisblack",
            metadata={"axes": "CYX", "Channel": {"Name": ["FITC", "Cy3"]}},
        )
        for name, pixels in zip(("FITC", "Cy3"), colours, strict=True):
            write_png(tmp_path / "apart" / f"{well}_{name}.png", pixels)
    for source in ("in", "apart"):
        result = run("plate", tmp_path / source, "-o", tmp_path / f"{source}.out", "--max-iter", 5)
        assert result.exit_code == 0, result.stderr
        assert "channels: Cy3, FITC" in result.stdout
    for name in ("A1.FITC", "A1.Cy3", "B2.FITC", "B2.Cy3"):
        tables = [
            (tmp_path / f"{source}.out" / "wells" / f"{name}.cells.csv").read_bytes()
            for source in ("in", "apart")
        ]
        assert tables[0] == tables[1]
        found = open_well(tmp_path / "in.out" / "wells" / f"{name}.run.json").picture()
        np.testing.assert_array_equal(found.pixels, colours[int(name.endswith("Cy3"))])
    record = tmp_path / "in.out" / "wells" / "A1.Cy3.run.json"
    before = record.stat().st_mtime_ns
    run("plate", tmp_path / "in", "-o", tmp_path / "in.out", "--max-iter", 5)
    assert record.stat().st_mtime_ns == before
    chosen = run(
        "plate", tmp_path / "in", "-o", tmp_path / "one", "--channel", "Cy3", "--max-iter", 5
    )
    assert chosen.exit_code == 0, chosen.stderr
    one = (tmp_path / "one" / "wells" / "A1.cells.csv").read_bytes()
    assert one == (tmp_path / "in.out" / "wells" / "A1.Cy3.cells.csv").read_bytes()
