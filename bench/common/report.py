"""Print the table of a benchmark run: ``python -m bench.common.report RUN.json``."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path

from bench.common.machine import lines


def main(path: str) -> None:
    run = json.loads(Path(path).read_text())
    machine = run["machine_info"]["spotcore"]
    streams = numbers(machine["stream_gb_per_s"])
    print(lines(machine))
    cases = sorted(run["benchmarks"], key=lambda case: case["group"])
    for group, members in groupby(cases, key=lambda case: case["group"]):
        print(f"\n{group}")
        print(f"{'':34} threads   median ms      min ms   GFLOP/s   of peak      GB/s of stream")
        for case in sorted(members, key=lambda c: c["stats"]["median"], reverse=True):
            info, stats = case["extra_info"], case["stats"]
            per = 1e3 / info.get("per", 1)
            line = f"{info['program']:34} {info['threads']:7} {stats['median'] * per:11.2f}"
            line += f" {stats['min'] * per:11.2f}"
            beside = info.get("fma_peak_gflops", machine["fma_peak_gflops"])
            limits = {"gflop": numbers(beside), "gigabyte": streams}
            for work, limit in limits.items():
                if work not in info:
                    continue
                rate = info[work] / (stats["median"] / info.get("per", 1))
                line += f" {rate:9.0f}"
                line += (
                    f" {rate / limit[info['threads']]:9.0%}" if info["threads"] in limit else " –"
                )
            print(line)


def numbers(limit: dict[str, str]) -> dict[int, float]:
    """Of each number of threads; none where the native benchmarks are not built."""
    return {int(threads): float(value) for threads, value in limit.items() if value != "unknown"}


if __name__ == "__main__":
    main(sys.argv[1])
