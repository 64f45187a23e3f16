"""Files of several pictures: which one is meant is said, and is then as a file of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from spotcore._files import write_png
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
