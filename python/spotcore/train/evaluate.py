"""The papers' evaluation: images with known cells, squared error and F1 of each, as a table.

Every image's figures go to a CSV file as soon as they are known, and simulated images are kept, so
that an interrupted evaluation goes on where it was. Networks come as a callable: image to maps and
score map, whoever computes them.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore.detections import local_maxima
from spotcore.metrics import best_f1, f1_at
from spotcore.networks.metadata import ThresholdRule
from spotcore.simulation.simulate import simulate
from spotcore.train.truth import Truth, squared_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DENSITIES", "Case", "Network", "cases", "evaluate", "load_truth", "summary"]

DENSITIES = (250, 750, 1250)
"""Cells per image in the papers' evaluation."""

Maps = Callable[["NDArray[np.float32]"], tuple["NDArray[np.float32]", "NDArray[np.float32]"]]
"""From an image [H, W] in [0, 255] to maps [K, H, W] and score map [H, W]."""

_COLUMNS = (
    "network",
    "preset",
    "bits",
    "n_cells",
    "size",
    "seed",
    "radius",
    "mse",
    "f1",
    "threshold",
    "precision",
    "recall",
    "f1_default",
    "threshold_default",
    "mse_zero",
)
_KEY = ("network", "preset", "bits", "n_cells", "size", "seed", "radius")


@dataclass(frozen=True)
class Case:
    """An image to evaluate on."""

    n_cells: int
    seed: int
    preset: str = "isbi2019"
    bits: int = 6
    size: int = 512


@dataclass(frozen=True)
class Network:
    """What is evaluated.

    Parameters
    ----------
    label : str
        Identifies the parameters in the files: another network has to have another label.
    maps : callable
        Image to maps and score map.
    rule : ThresholdRule, optional
        Its default threshold.
    """

    label: str
    maps: Maps
    rule: ThresholdRule | None = None


def cases(n_images: int = 50, densities: Sequence[int] = DENSITIES, **settings: Any) -> list[Case]:
    """Return the papers' images: seeds n_cells, n_cells + 1, ... of each number of cells."""
    return [
        Case(n_cells, n_cells + index, **settings)
        for index in range(n_images)
        for n_cells in densities
    ]


def load_truth(case: Case, folder: Path | None = None) -> Truth:
    """Simulate the image of a case, or read it from `folder`, where it is then kept."""
    path = None
    if folder is not None:
        path = folder / f"{case.preset}_{case.bits}_{case.n_cells}_{case.size}_{case.seed}.npz"
        if path.exists():
            with np.load(path) as file:
                return Truth(file["image"], file["cells"], file["psdr"])
    shape = (case.size, case.size)
    made = simulate(case.n_cells, shape, case.preset, bits=case.bits, seed=case.seed)
    truth = Truth(made.image, made.cells, made.psdr.astype(np.float32))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}.{path.name}")
        np.savez(temporary, image=truth.image, cells=truth.cells, psdr=truth.psdr)
        temporary.replace(path)
    return truth


def evaluate(
    networks: Sequence[Network],
    todo: Iterable[Case],
    table: Path,
    images: Path | None = None,
    radius: float = 3.0,
) -> Iterator[dict[str, Any]]:
    """Evaluate networks on images, image by image.

    Parameters
    ----------
    networks : sequence of Network
        What is evaluated.
    todo : iterable of Case
        On what.
    table : Path
        CSV file with one line per network and image; lines that are there are not computed again.
    images : Path, optional
        Folder that keeps the simulated images.
    radius : float
        Largest distance of a match, in pixels.

    Yields
    ------
    dict
        The line of each network and image, in order.
    """
    known = {_key(row): row for row in _read(table)}
    for case in todo:
        truth: Truth | None = None
        for network in networks:
            row: dict[str, Any] = {
                "network": network.label,
                "preset": case.preset,
                "bits": case.bits,
                "n_cells": case.n_cells,
                "size": case.size,
                "seed": case.seed,
                "radius": float(radius),
            }
            if _key(row) not in known:
                truth = load_truth(case, images) if truth is None else truth
                row |= _figures(network, truth, radius)
                _append(table, row)
                known[_key(row)] = row
            yield known[_key(row)]


def _figures(network: Network, truth: Truth, radius: float) -> dict[str, float]:
    """Compute everything about one network on one image."""
    maps, score = network.maps(truth.image)
    best = best_f1(score, truth.cells, radius)
    figures = {
        "mse": squared_error(maps, truth),
        "f1": best.f1,
        "threshold": best.threshold,
        "precision": best.precision,
        "recall": best.recall,
        "f1_default": float("nan"),
        "threshold_default": float("nan"),
        "mse_zero": squared_error(np.zeros_like(maps), truth),
    }
    if network.rule is not None:
        threshold = network.rule.of_peaks(local_maxima(score)[1])
        figures["threshold_default"] = threshold
        figures["f1_default"] = f1_at(score, truth.cells, threshold, radius).f1
    return figures


def summary(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and median per network and number of cells, in order of appearance."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("network", "preset", "bits", "n_cells", "radius"))
        groups.setdefault(key, []).append(row)
    table = []
    for (network, preset, bits, n_cells, radius), members in groups.items():
        columns = {
            name: np.array([member[name] for member in members], dtype=float)
            for name in ("f1", "f1_default", "mse", "mse_zero")
        }
        table.append(
            {
                "network": network,
                "preset": preset,
                "bits": bits,
                "n_cells": n_cells,
                "radius": radius,
                "images": len(members),
                "f1_mean": float(columns["f1"].mean()),
                "f1_median": float(np.median(columns["f1"])),
                "f1_default_mean": float(columns["f1_default"].mean()),
                "mse_mean": float(columns["mse"].mean()),
                "mse_zero_mean": float(columns["mse_zero"].mean()),
            }
        )
    return table


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


def _read(table: Path) -> list[dict[str, Any]]:
    """Read the lines of a table; a last one that was cut off by a kill is left out."""
    if not table.exists():
        return []
    rows = []
    with table.open(newline="") as file:
        for line in csv.DictReader(file):
            try:
                row: dict[str, Any] = {name: line[name] for name in ("network", "preset")}
                row |= {name: int(line[name]) for name in ("bits", "n_cells", "size", "seed")}
                row |= {name: float(line[name]) for name in _COLUMNS if name not in row}
            except (TypeError, ValueError, KeyError):
                continue
            rows.append(row)
    return rows


def _append(table: Path, row: dict[str, Any]) -> None:
    """Add a line to the table, after what a kill may have left of one."""
    table.parent.mkdir(parents=True, exist_ok=True)
    new = not table.exists() or table.stat().st_size == 0
    if not new and not table.read_bytes().endswith(b"\n"):
        with table.open("a", newline="") as file:
            file.write("\n")
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
