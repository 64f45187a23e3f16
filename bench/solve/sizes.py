"""How time and memory of a solve grow with the image.

Each measurement has a process of its own: ``python -m bench.solve.sizes IMAGE.npy METHOD THREADS``
prints one as JSON. The peak is Linux's VmHWM, reset before the solve: ``ru_maxrss`` would not do,
as it starts from the memory of the process that started this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from bench.common.machine import PART2_LIMITS
from bench.solve.images import LAM, say, simulated

import spotcore as sc

ITERATIONS = 20
MEBI = 2**20


def measure_sizes(sides: list[int], folder: Path, threads: int) -> list[dict[str, Any]]:
    """One row per size: FISTA's iteration, a default solve, and the memory of both."""
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for side in sides:
        say(f"{side} x {side}")
        path = folder / f"size-{side}.npy"
        np.save(path, simulated(750, seed=1, side=side).image)
        row: dict[str, Any] = {"side": side}
        for method in ("fista", "auto"):
            command = [sys.executable, "-m", "bench.solve.sizes", str(path), method, str(threads)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            # An editable install may speak of its build before.
            row[method] = json.loads(done.stdout.splitlines()[-1])
        path.unlink()
        rows.append(row)
    return rows


def size_rows(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    titles = ["image", "FISTA, ms per iteration", "auto, s", "iterations", "stop"]
    titles += ["FISTA, MiB", "auto, MiB"]
    lines = []
    for row in rows:
        pair = (row, rows[0])
        lines.append(
            [
                f"{row['side']}²",
                _cell(pair, "fista", "per_iteration", f"{1e3 * row['fista']['per_iteration']:.1f}"),
                _cell(pair, "auto", "seconds", f"{row['auto']['seconds']:.2f}"),
                str(row["auto"]["iterations"]),
                row["auto"]["stop_reason"],
                *(
                    _cell(pair, method, "peak", f"{(row[method]['peak'] or 0) / MEBI:.0f}")
                    for method in ("fista", "auto")
                ),
            ]
        )
    return titles, lines


def _cell(pair: tuple[dict[str, Any], dict[str, Any]], method: str, key: str, text: str) -> str:
    """A number with its ratio to that of the first row."""
    value, first = (row[method][key] for row in pair)
    if not value or not first:  # no /proc, or an image too small to show in it
        return "–"
    return f"{text} (×{value / first:.1f})"


def _memory(key: str) -> int | None:
    """VmRSS or VmHWM in bytes; None where there is no /proc."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return 1024 * int(line.split()[1])
    return None


def _measure(path: str, method: str, threads: int) -> dict[str, Any]:
    image = np.load(path)
    model = sc.ObservationModel.gaussian(PART2_LIMITS)

    def solve(**options: Any) -> tuple[sc.Result, float]:
        start = time.perf_counter()
        result = sc.solve(image, model, LAM, method, threads=threads, **options)
        return result, time.perf_counter() - start

    before = _memory("VmRSS")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from now
    if method == "fista":
        solve(max_iter=ITERATIONS, tol=0)
    else:
        solve()
    peak = _memory("VmHWM")
    # The step length of this image size is known from here on, as for every further image.
    found: dict[str, Any] = {"peak": None if peak is None or before is None else peak - before}
    if method == "fista":
        found["per_iteration"] = median(
            (solve(max_iter=2 * ITERATIONS, tol=0)[1] - solve(max_iter=ITERATIONS, tol=0)[1])
            / ITERATIONS
            for _ in range(3)
        )
        return found
    runs = [solve() for _ in range(3)]
    found["seconds"] = median(seconds for _, seconds in runs)
    found["iterations"] = runs[0][0].iterations
    found["stop_reason"] = runs[0][0].stop_reason
    return found


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
