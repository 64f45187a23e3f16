"""Print the table of a benchmark run: ``python bench/report.py RUN.json``."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path

from machine import lines


def main(path: str) -> None:
    run = json.loads(Path(path).read_text())
    machine = run["machine_info"]["spotcore"]
    peaks = {int(t): float(p) for t, p in machine["fma_peak_gflops"].items() if p != "unknown"}
    print(lines(machine))
    cases = sorted(run["benchmarks"], key=lambda case: case["group"])
    for group, members in groupby(cases, key=lambda case: case["group"]):
        print(f"\n{group}")
        print(f"{'':34} threads   median ms      min ms   GFLOP/s   of peak")
        for case in sorted(members, key=lambda c: c["stats"]["median"], reverse=True):
            info, stats = case["extra_info"], case["stats"]
            per = 1e3 / info.get("per", 1)
            line = f"{info['program']:34} {info['threads']:7} {stats['median'] * per:11.2f}"
            line += f" {stats['min'] * per:11.2f}"
            if "gflop" in info:
                rate = info["gflop"] / (stats["median"] / info.get("per", 1))
                line += f" {rate:9.0f}"
                if info["threads"] in peaks:
                    line += f" {rate / peaks[info['threads']]:8.0%}"
            print(line)


if __name__ == "__main__":
    main(sys.argv[1])
