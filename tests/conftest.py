from __future__ import annotations

import signal
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# A shell that starts a job in the background has it ignore Ctrl-C, and its children inherit that:
# the tests that press Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real wells and published results that cannot be part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data (real wells, published results) is not beside the repository")
    return SHARED_DATA
