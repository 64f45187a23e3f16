"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

__all__ = ["save"]


def save(state: Any, path: Path) -> None:
    """Write a file of PyTorch beside its path, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
