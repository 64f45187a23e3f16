from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real wells and published results that cannot be part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data (real wells, published results) is not beside the repository")
    return SHARED_DATA
