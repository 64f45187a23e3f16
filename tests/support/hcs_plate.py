"""Plates of OME-Zarr as microscopes write them, in both versions of the format that are in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def write_hcs(
    path: Path,
    wells: Mapping[str, np.ndarray],
    *,
    version: str = "0.4",
    axes: str = "cyx",
    labels: Sequence[str] = (),
    side: float | None = 6.45,
    rows: int = 8,
    columns: int = 12,
    fields: int = 1,
) -> Path:
    """Write a plate: the array of each well, "B3", with a letter for each of its axes."""
    import zarr

    new = version == "0.5"
    root = zarr.open_group(path, mode="w", zarr_format=3 if new else 2)

    def say(group: Any, about: dict[str, Any]) -> None:
        group.attrs.update({"ome": {"version": version, **about}} if new else about)

    places = {name: (ord(name[0]) - ord("A"), int(name[1:]) - 1) for name in wells}
    plate = {
        "rows": [{"name": chr(ord("A") + row)} for row in range(rows)],
        "columns": [{"name": str(column + 1)} for column in range(columns)],
        "wells": [
            {"path": f"{name[0]}/{name[1:]}", "rowIndex": row, "columnIndex": column}
            for name, (row, column) in places.items()
        ],
    }
    say(root, {"plate": plate})
    kinds = {"t": "time", "c": "channel"}
    for name, pixels in wells.items():
        well = root.create_group(f"{name[0]}/{name[1:]}")
        say(well, {"well": {"images": [{"path": str(number)} for number in range(fields)]}})
        for number in range(fields):
            image = well.create_group(str(number))
            datasets = []
            for level in range(2):  # half the size is there, too
                step = 2**level
                part = pixels[..., ::step, ::step]
                chunks = (*(1 for _ in part.shape[:-2]), *(max(1, n // 2) for n in part.shape[-2:]))
                array = image.create_array(
                    str(level), shape=part.shape, chunks=chunks, dtype=part.dtype
                )
                array[...] = part
                scale = [1.0] * (part.ndim - 2) + [(side or 1.0) * step] * 2
                datasets.append(
                    {
                        "path": str(level),
                        "coordinateTransformations": [{"type": "scale", "scale": scale}],
                    }
                )
            named = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
            for one in named[-2:]:
                one |= {} if side is None else {"unit": "micrometer"}
            about: dict[str, Any] = {"multiscales": [{"axes": named, "datasets": datasets}]}
            if labels:
                about["omero"] = {"channels": [{"label": label} for label in labels]}
            say(image, about)
    return path
