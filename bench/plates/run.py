"""A plate through the command line, start-up included: seconds, and the most memory it took.

    python -m bench.plates.run [--wells 96] [--cells 250] [--side 512] [--workers 2] [OPTION ...]

Runs ``spotcore plate`` as a process on simulated pictures of wells, which are written before the
clock starts; once alone, once with its report and an export, once more when all is done. Options
that it does not know go to ``spotcore plate``. With ``--memory``, the peaks of 96 and of 384 small
wells instead: they are to be equal, for memory must not grow with the number of wells.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import psutil
from bench.common.machine import lines, machine

from spotcore._files import write_png
from spotcore.plates.wells import plate_format
from spotcore.simulation.demo import plate_like

SPOTCORE = [sys.executable, "-c", "from spotcore.commands import main; main()"]
MIB = 2**20


@dataclass
class Run:
    """How long a run took, and its memory [MiB]."""

    seconds: float
    together: float  # most that all processes had at one time; what they share counts in each
    largest: float  # most that one of them had

    def line(self, what: str) -> str:
        return f"| {what} | {self.seconds:.1f} | {self.together:.0f} | {self.largest:.0f} |"


def write_well(folder: Path, wells: int, index: int, cells: int, side: int) -> None:
    name = plate_format(wells).position(index + 1).name
    write_png(folder / f"{name}.png", plate_like(cells, side, seed=index)[0])


def write_plate(folder: Path, wells: int, of: int, cells: int, side: int) -> Path:
    folder.mkdir()
    with ProcessPoolExecutor() as pool:
        given = (repeat(folder), repeat(of), range(wells), repeat(cells), repeat(side))
        list(pool.map(write_well, *given))
    return folder


def run(*arguments: object) -> Run:
    """Run the command line to its end and look at its processes meanwhile."""
    start = time.perf_counter()
    process = subprocess.Popen([*SPOTCORE, "plate", *map(str, arguments), "--quiet"])
    together, largest = 0.0, 0.0
    family = psutil.Process(process.pid)
    while process.poll() is None:
        resident = []
        try:
            for member in [family, *family.children(recursive=True)]:
                resident.append(member.memory_info().rss / MIB)
        except psutil.NoSuchProcess:
            continue  # one ended while it was looked at
        together, largest = max(together, sum(resident)), max(largest, *resident)
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"spotcore plate ended with {process.returncode}")
    return Run(seconds, together, largest)


def spots(out: Path) -> tuple[int, int]:
    """Wells and spots of a result."""
    wells = json.loads((out / "plate.json").read_text())["wells"]
    return len(wells), sum(well["count"] or 0 for well in wells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=96)
    parser.add_argument("--cells", type=int, default=250)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--memory", action="store_true")
    args, options = parser.parse_known_args()
    print(lines(machine()))
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        print("\n| | s | MiB, all processes | MiB, largest process |\n|---|---|---|---|")
        if args.memory:
            common = ("--format", "384", "--no-report", "--max-iter", "5", *options)
            peaks = []
            for wells in (96, 384):
                images = write_plate(home / f"{wells}", wells, 384, 8, 72)
                took = run(images, "-o", home / f"out{wells}", *common)
                print(took.line(f"{wells} wells of 72 x 72"), flush=True)
                peaks.append(took.together)
            # Four times the wells: the records and the table of the wells are all that may grow
            return int(peaks[1] > peaks[0] + 10)
        images = write_plate(home / "images", args.wells, 96, args.cells, args.side)
        out = home / "out"
        print(run(images, "-o", out, "--no-report", *options).line("wells alone"), flush=True)
        print(run(images, "-o", out, "--no-report", *options).line("all done before"), flush=True)
        print(run(images, "-o", home / "all", *options).line("with the report"), flush=True)
        export = ("--export", "xlsx,json,parquet,fcs")
        print(run(images, "-o", out, *options, *export).line("report and all exports, wells done"))
        wells, count = spots(out)
    print(f"\n{wells} wells of {args.side} x {args.side}, {args.cells} cells each; {count} found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
