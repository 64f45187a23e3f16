"""What napari calls to open NAME.run.json."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from spotcore.napari_plugin.layers import LayerData, layers
from spotcore.results import open_well
from spotcore.results.names import is_record

__all__ = ["get_reader"]


def get_reader(path: str | list[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return a reader for NAME.run.json or NAME.edited.run.json, None for anything else."""
    paths = [path] if isinstance(path, str) else path
    return _read if all(map(is_record, paths)) else None


def _read(path: str | list[str]) -> list[LayerData]:
    """Read one result or several; say where a picture is missing."""
    made = []
    for one in [path] if isinstance(path, str) else path:
        of_one, missing = layers(open_well(one))
        made += of_one
        if missing:
            warnings.warn(missing, stacklevel=2)  # napari shows it
    return made
