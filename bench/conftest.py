from __future__ import annotations

import numpy as np
import pytest
from bench.common.machine import limit, machine


def pytest_benchmark_update_machine_info(config, machine_info) -> None:
    """It goes into the JSON, and from there into the table."""
    machine_info["spotcore"] = machine()


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    """An image of 512 x 512 for timings, whose content does not matter to a fixed iteration."""
    rng = np.random.default_rng(0)
    return (255 * rng.random((512, 512))).astype(np.float32)


@pytest.fixture(autouse=True)
def peak_beside(benchmark):
    """Measure the multiply-add peak before and after each timing: a machine that others share has
    another one each minute.
    """
    threads = (1, 2)
    before = {n: limit("fma_peak", n) for n in threads}
    yield
    after = {n: limit("fma_peak", n) for n in threads}
    if "unknown" not in [*before.values(), *after.values()]:
        benchmark.extra_info["fma_peak_gflops"] = {
            n: (float(before[n]) + float(after[n])) / 2 for n in threads
        }
