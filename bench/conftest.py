from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

from spotcore import _core

ROOT = Path(__file__).resolve().parents[1]
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


def pytest_benchmark_update_machine_info(config, machine_info) -> None:
    """What a timing needs to be read: it goes into the JSON, and from there into the table."""
    peak = {
        threads: output_of(str(ROOT / "build/bench/bench/native/fma_peak"), str(threads))
        for threads in (1, 2)
    }
    machine_info["spotcore"] = {
        "processor": processor(),
        "isa": _core.isa_default(),
        "threads_available": _core.thread_default(),
        "commit": output_of("git", "rev-parse", "--short", "HEAD"),
        "dirty": output_of("git", "status", "--porcelain", "-uno") != "",
        "fma_peak_gflops": peak,
    }


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    """An image of 512 x 512 for timings, whose content does not matter to a fixed iteration."""
    rng = np.random.default_rng(0)
    return (255 * rng.random((512, 512))).astype(np.float32)
