"""What a timing needs to be read: the machine, its limits, the commit."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

from spotcore import _core

ROOT = Path(__file__).resolve().parents[2]
PART2_LIMITS = [2.3, 5, 9, 13, 23, 33, 43, 53, 67]


def output_of(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "?")


LIMITS = ("fma_peak", "stream_rate")


def limit(program: str, threads: int) -> str:
    """Measure a limit of the machine now; "unknown" where the native benchmarks are not built."""
    return output_of(str(ROOT / "build/bench/bench/native" / program), str(threads))


def machine() -> dict[str, Any]:
    limits = {
        program: {threads: limit(program, threads) for threads in (1, 2)} for program in LIMITS
    }
    return {
        "processor": processor(),
        "isa": _core.isa_default(),
        "threads_available": _core.thread_default(),
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "dirty": output_of("git", "status", "--porcelain", "-uno") != "",
        "fma_peak_gflops": limits["fma_peak"],
        "stream_gb_per_s": limits["stream_rate"],
    }


def lines(machine: dict[str, Any]) -> str:
    """The same for the reader of a table."""
    peaks = {t: p for t, p in machine["fma_peak_gflops"].items() if p != "unknown"}
    text = f"{machine['processor']}, {machine['threads_available']} processors, {machine['isa']}\n"
    text += f"commit {machine['commit']}{' with changes' if machine['dirty'] else ''}"
    if peaks:
        each = (f"{float(p):.0f} GFLOP/s on {t} threads" for t, p in peaks.items())
        text += "\nFMA peak " + ", ".join(each)
    rates = {t: r for t, r in machine["stream_gb_per_s"].items() if r != "unknown"}
    if rates:
        each = (f"{float(r):.0f} GB/s on {t} threads" for t, r in rates.items())
        text += "\niterates stream at " + ", ".join(each)
    return text
