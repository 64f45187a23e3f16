from __future__ import annotations

from pathlib import Path

import pytest

from spotcore._files import write_png
from spotcore.simulation.demo import plate_like


@pytest.fixture
def well(tmp_path: Path) -> Path:
    """Picture of a small well."""
    image, _ = plate_like(20, 128, seed=1)
    write_png(tmp_path / "well.png", image)
    return tmp_path / "well.png"
