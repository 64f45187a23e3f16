from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.command_line import run
from support.plate_folder import SLOW, write_plate


@pytest.fixture(scope="session")
def plate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Any]:
    """Six wells and what an undisturbed run makes of them; not to be changed."""
    folder = write_plate(tmp_path_factory.mktemp("plate") / "images")
    out = folder.parent / "out"
    result = run("plate", folder, "-o", out, *SLOW)
    assert result.exit_code == 0, result.output
    return folder, out, result
