"""Small plates to run, and what is the same in two runs of one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from spotcore._files import write_png
from spotcore.plates.wells import plate_format
from spotcore.simulation.demo import plate_like

SPOTCORE = [sys.executable, "-c", "from spotcore.commands import main; main()"]

#: Options of a plate of six wells: quick, and so long that it can be stopped.
FAST = ("--format", "6", "--max-iter", "5", "--no-report")
SLOW = ("--format", "6", "--max-iter", "60", "--tol", "0", "--no-report")


def write_plate(
    folder: Path, wells: int = 6, of: int = 6, size: int = 72, first_seed: int = 0
) -> Path:
    """Write the first wells of a plate as A1.png, A2.png, ...; every one is different."""
    folder.mkdir(parents=True, exist_ok=True)
    plate = plate_format(of)
    for index in range(wells):
        image, _ = plate_like(8, size, seed=first_seed + index)
        write_png(folder / f"{plate.position(index + 1).name}.png", image)
    return folder


def start(*arguments, **options) -> subprocess.Popen[str]:
    """Start the command line in a process group of its own."""
    return subprocess.Popen(
        [*SPOTCORE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def until(condition, seconds: float = 60.0) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def done(out: Path) -> list[Path]:
    return sorted((out / "wells").glob("*.run.json"))


def contents(out: Path) -> dict[str, object]:
    """Bytes of each file of a plate's folder; records without what a clock says."""
    held: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_dir():
            continue
        held[name] = path.read_bytes()
        if name.endswith(".json"):
            record = json.loads(path.read_bytes())
            held[name] = {
                key: value
                for key, value in record.items()
                if key not in ("started", "finished", "seconds")
            }
    return held


def times(out: Path) -> dict[str, int]:
    """When each record was written [ns]."""
    return {path.name: os.stat(path).st_mtime_ns for path in done(out)}
