from __future__ import annotations

import numpy as np
import pytest

from machine import machine


def pytest_benchmark_update_machine_info(config, machine_info) -> None:
    """It goes into the JSON, and from there into the table."""
    machine_info["spotcore"] = machine()


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    """An image of 512 x 512 for timings, whose content does not matter to a fixed iteration."""
    rng = np.random.default_rng(0)
    return (255 * rng.random((512, 512))).astype(np.float32)
