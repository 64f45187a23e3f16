"""The README's commands, run as they are printed, one after the other in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from spotcore._files import write_png
from spotcore.simulation.demo import plate_like
from support.plate_folder import SPOTCORE

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
#: What is not run here, and why.
ELSEWHERE = {
    "make ": "sets up an environment of its own: CI runs it",
    "spotcore convert ": "needs a network of another program: tests/networks",
    "spotcore reproduce ": "takes minutes: tests/train",
    "spotcore --install-completion": "writes into the user's shell",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures that the README speaks of."""
    folder = tmp_path_factory.mktemp("readme")
    pictures = [plate_like(20, 160, seed=seed)[0] for seed in range(4)]
    for name in ("well.tif", "well1.tif"):
        tifffile.imwrite(folder / name, pictures[0])
    write_png(folder / "well2.png", pictures[1])
    (folder / "FOLDER").mkdir()
    for well, picture in zip(("A1", "A2", "B1"), pictures[1:], strict=True):
        write_png(folder / "FOLDER" / f"{well}.png", picture)
    return folder


def test_commands(place: Path) -> None:
    (place / "spotcore").write_text(
        f"#!/bin/sh\nexec {sys.executable} -c '{SPOTCORE[-1]}' \"$@\"\n"
    )
    (place / "spotcore").chmod(0o755)
    environment = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}
    lines = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
    commands = [line for line in lines if line.startswith(("spotcore ", "make "))]
    assert len(commands) > 10
    folders = re.findall(r"^spotcore (?!score).* -o (\S+)", "\n".join(commands), re.MULTILINE)
    assert len(set(folders)) == len(folders), "two commands share a folder"
    for command in commands:
        if not command.startswith(tuple(ELSEWHERE)):
            done = subprocess.run(
                command, shell=True, cwd=place, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"


def test_programs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    programs = [block for kind, block in BLOCKS if kind == "python"]
    assert len(programs) >= 3
    names: dict[str, object] = {}
    for program in programs:
        exec(program, names)
    assert np.isfinite(names["result"].objective)  # type: ignore[attr-defined]
