"""Folders that hold results already: the same run goes on, no other is written over."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotcore import _files
from spotcore._files import write_png
from support.command_line import run
from support.plate_folder import write_plate

FAST = ("--max-iter", 5, "--threads", 1, "--workers", 1, "--format", 6, "--no-report")


def plate(folder: Path, out: Path, *options: Any) -> Any:
    return run("plate", folder, "-o", out, *FAST, *options)


def state(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def done(tmp_path: Path) -> tuple[Path, Path]:
    """A plate's pictures and their results."""
    folder, out = write_plate(tmp_path / "images", 2), tmp_path / "out"
    assert plate(folder, out).exit_code == 0
    return folder, out


def test_a_second_plate_is_refused_and_nothing_is_touched(done: Any, tmp_path: Path) -> None:
    _, out = done
    other, before = write_plate(tmp_path / "other", 2, first_seed=7), state(out)
    result = plate(other, out)
    assert result.exit_code == 1 and "is of another picture" in result.stderr
    assert "take another folder" in result.stderr
    assert state(out) == before
    # Other wells of another plate, too
    for path in sorted(other.iterdir()):
        path.rename(path.with_name(path.name.replace("A", "B")))
    result = plate(other, out)
    assert result.exit_code == 1 and "holds results of another plate" in result.stderr
    assert state(out) == before


def test_the_same_run_goes_on(done: Any, tmp_path: Path) -> None:
    folder, out = done
    moved = folder.rename(tmp_path / "moved")  # with its pictures as they were
    assert plate(moved, out).exit_code == 0
    picture = next(iter(sorted(moved.iterdir())))
    write_png(picture, np.full((72, 72), 200, np.uint8))  # taken again
    assert plate(moved, out).exit_code == 0
    record = json.loads((out / "plate.json").read_text())
    assert len({well["sha256"] for well in record["wells"]}) == len(record["wells"])


def test_single_pictures_and_plates_do_not_share_a_folder(done: Any, tmp_path: Path) -> None:
    folder, out = done
    picture = sorted(folder.iterdir())[0]
    result = run("detect", picture, "-o", out, "--max-iter", 5)
    assert result.exit_code == 2 and "expected no folder of a plate" in result.stderr
    single = tmp_path / "single"
    assert run("detect", picture, "-o", single, "--max-iter", 5).exit_code == 0
    result = plate(folder, single)
    assert result.exit_code == 1 and "holds results of single pictures" in result.stderr


def test_detect_keeps_what_is_of_another_picture(tmp_path: Path) -> None:
    here, there, out = (tmp_path / name for name in ("here", "there", "out"))
    for seed, folder in enumerate((here, there)):
        write_plate(folder, 1, first_seed=seed)
    picture = next(iter(here.iterdir()))
    other = there / picture.name
    assert run("detect", picture, "-o", out, "--max-iter", 5).exit_code == 0
    before = state(out)
    result = run("detect", other, "-o", out, "--max-iter", 5)
    assert result.exit_code == 2 and "is of another picture" in result.stderr
    assert state(out) == before
    shutil.copy(picture, other)  # the same picture elsewhere
    assert run("detect", other, "-o", out, "--max-iter", 5).exit_code == 0


def test_detect_does_not_write_among_the_pictures(tmp_path: Path) -> None:
    folder = write_plate(tmp_path / "images", 1)
    (tmp_path / "link").symlink_to(folder)
    before = state(folder)
    picture = next(iter(folder.iterdir()))
    for out in (folder, tmp_path / "link", folder / ".." / "images"):
        result = run("detect", picture, "-o", out)
        assert result.exit_code == 2 and "another folder than that of the images" in result.stderr
    assert state(folder) == before


def test_a_layout_is_not_forgotten(tmp_path: Path) -> None:
    folder, out = write_plate(tmp_path / "images", 2), tmp_path / "out"
    with open(tmp_path / "layout.csv", "w", newline="") as file:
        csv.writer(file).writerows([["well", "stimulus"], ["B3", "CEF"], ["A1", "medium"]])
    assert plate(folder, out, "--layout", tmp_path / "layout.csv").exit_code == 0
    before = state(out)
    assert "replicates.csv" in before
    result = plate(folder, out)
    assert result.exit_code == 1 and "give --layout too" in result.stderr
    assert state(out) == before
    assert plate(folder, out, "--layout", tmp_path / "layout.csv").exit_code == 0


@pytest.mark.parametrize("end", [".cells.csv", ".artefacts.csv", ".overlay.png"])
@pytest.mark.parametrize("harm", ["cut", "changed", "removed"])
def test_a_well_whose_files_are_not_whole_is_done_again(
    done: tuple[Path, Path], end: str, harm: str
) -> None:
    folder, out = done
    before = state(out)
    path = sorted((out / "wells").glob(f"*{end}"))[0]
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + (b"" if harm == "cut" else b"?"))
    assert plate(folder, out).exit_code == 0
    assert path.read_bytes() == before[str(path.relative_to(out))]


def test_what_a_killed_run_left_is_removed(done: tuple[Path, Path]) -> None:
    folder, out = done
    parts = [out / ".wells.csv.0123456789ab.part", out / "wells" / ".A1.maps.npz.0123456789ab.part"]
    for path in parts:
        path.touch()
    mine = out / "notes.part"
    mine.touch()
    assert plate(folder, out).exit_code == 0
    assert not any(path.exists() for path in parts) and mine.exists()


@pytest.mark.parametrize("command", ["detect", "plate"])
def test_a_full_disk_names_the_output(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = write_plate(tmp_path / "images", 1), tmp_path / "out"

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_files.os, "fsync", full)
    picture = next(iter(folder.iterdir()))
    given = [picture] if command == "detect" else [folder, *FAST]
    result = run(command, *given, "-o", out, "--max-iter", 5)
    assert result.exit_code == 1
    assert f"{out}" in result.stderr and "No space left on device" in result.stderr
    assert f"{picture}" not in result.stderr
    assert not list(out.rglob("*.part"))


def test_our_own_drawings_are_no_pictures(tmp_path: Path) -> None:
    folder, out = write_plate(tmp_path / "images", 1), tmp_path / "out"
    picture = next(iter(folder.iterdir()))
    assert run("detect", picture, "-o", out, "--max-iter", 5).exit_code == 0
    drawing = out / f"{picture.stem}.overlay.png"
    result = run("detect", drawing, "-o", tmp_path / "again")
    assert result.exit_code == 2 and "got a drawing of a result" in result.stderr
