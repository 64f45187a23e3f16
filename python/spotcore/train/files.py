"""Files that are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from spotcore._files import atomic_file

__all__ = ["save"]


def save(state: Any, path: Path) -> None:
    """Write a file of PyTorch, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        torch.save(state, file)
