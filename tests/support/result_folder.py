"""Synthetic result folders: what `spotcore plate` and `spotcore detect` leave behind, made fast.

The files follow the contract of a result (tables, records, pictures) without any detection: the
spots are drawn where the tables say that they are. For the tests of all that reads results.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spotcore._files import write_csv, write_json, write_png
from spotcore.images.overlay import draw_overlay
from spotcore.settings import Settings, well_settings

REASONS = {
    "too_numerous": "confluent: 62 % of the membrane is spot",
    "out_of_focus": "sharpness 0.11 is below 0.25",
    "no_well": "no round edge found",
    "rejected": "a bubble covers 40 % of the well",
}
#: Wells that are not `counted` where a caller says nothing.
STATUSES = {
    "A2": "empty",
    "B3": "too_numerous",
    "B5": "out_of_focus",
    "C1": "no_well",
    "D6": "rejected",
}
STIMULI = ("medium", "CEF", "SEB", "peptide pool 1")
BINS = 4
#: What plate.json holds of each record.
SUMMARY = ("well", "channel", "name", "file", "sha256", "status", "count")


def well_name(row: int, column: int) -> str:
    """A1 for (0, 0), AF48 for (31, 47)."""
    letters = chr(ord("A") + row) if row < 26 else "A" + chr(ord("A") + row - 26)
    return f"{letters}{column + 1}"


def write_result(
    folder: Path,
    rows: int = 4,
    columns: int = 6,
    *,
    size: int = 96,
    spots: int = 12,
    channels: Sequence[str] = (),
    statuses: Mapping[str, str] | None = None,
    pixel_size: float | None = 6.5,
    layout: bool = True,
    maps: bool = False,
    seed: int = 0,
) -> Path:
    """Write a plate: images to ``folder/../images``, everything else to `folder`.

    Parameters
    ----------
    folder : Path
        OUT; made here.
    rows, columns : int
        Of the plate; every well has an image per channel.
    size : int
        Side of the images in pixels.
    spots : int
        Mean number of spots of a counted well.
    channels : sequence of str
        Names; with none, NAME is the well, else ``WELL.CHANNEL``.
    statuses : mapping, optional
        Status by well, `STATUSES` by default; all others are ``counted``.
    pixel_size : float or None
        µm; None leaves the columns in µm and mm² out.
    layout : bool
        Whether a layout was given: replicates.csv and responses.csv are written too.
    maps : bool
        Whether the setting ``save_maps`` was on.
    seed : int
        Of the random numbers.

    Returns
    -------
    Path
        `folder`.
    """
    images, wells = folder.parent / "images", folder / "wells"
    images.mkdir(parents=True, exist_ok=True)
    wells.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    records = []
    for row in range(rows):
        for column in range(columns):
            well = well_name(row, column)
            status = (STATUSES if statuses is None else statuses).get(well, "counted")
            for channel in channels or ("",):
                name = f"{well}.{channel}" if channel else well
                path = images / f"plate_{well}{'_' + channel if channel else ''}.png"
                record = write_unit(
                    wells,
                    name,
                    path,
                    rng,
                    status=status,
                    size=size,
                    spots=spots,
                    pixel_size=pixel_size,
                    maps=maps,
                )
                records.append({**record, "well": well, "channel": channel, "name": name})
    _write_wells_csv(folder / "wells.csv", records)
    cells = _layout_rows(rows, columns) if layout else []
    if layout:
        _write_layout_tables(folder, cells, records)
    if len(channels) > 1:
        _write_colours(folder / "colours.csv", records, channels)
    settings = asdict(Settings())
    plate = {
        "spotcore": "0.1.0",
        "started": "2026-01-05T09:00:00+00:00",
        "finished": "2026-01-05T09:00:41+00:00",
        "settings": settings,
        "settings_hash": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        "pattern": "plate_{well}_{channel}.png" if channels else "plate_{well}.png",
        "rows": rows,
        "columns": columns,
        "channels": list(channels),
        "layout": cells or None,
        "machine": {"platform": "Linux", "python": "3.11.2", "numpy": "2.0.0"},
        "wells": [{key: r[key] for key in SUMMARY} for r in records],
    }
    write_json(folder / "plate.json", plate)
    return folder


def write_unit(
    folder: Path,
    name: str,
    path: Path,
    rng: np.random.Generator,
    *,
    status: str = "counted",
    size: int = 96,
    spots: int = 12,
    pixel_size: float | None = None,
    maps: bool = False,
) -> dict[str, Any]:
    """Write one image and the files that `spotcore.plates.work.analyse_file` makes of it.

    Parameters
    ----------
    folder : Path
        Existing folder of the result.
    name : str
        NAME of the result's files.
    path : Path
        The image, written too.
    rng : numpy.random.Generator
        For the image and the measures.
    status, size, spots, pixel_size, maps
        As in `write_result`.

    Returns
    -------
    dict
        The record, as NAME.run.json holds it.
    """
    counted = status in ("counted", "empty")
    drawn = {"empty": 0, "no_well": 0, "too_numerous": 6 * spots}.get(status, rng.poisson(spots))
    centre, radius = (size - 1) / 2, 0.46 * size
    angle, distance = rng.uniform(0, 2 * np.pi, drawn), 0.85 * radius * np.sqrt(rng.random(drawn))
    y = np.rint(centre + distance * np.sin(angle)).astype(int)
    x = np.rint(centre + distance * np.cos(angle)).astype(int)
    widths = size / 96 * rng.uniform(1.0, 2.2, drawn)
    image = _picture(rng, size, centre, radius, y, x, widths, status)
    write_png(path, image)

    n = drawn if counted else 0
    table = _cell_columns(rng, y[:n], x[:n], widths[:n], pixel_size)
    write_csv(folder / f"{name}.cells.csv", table)
    artefacts: dict[str, Any] = {"y": [], "x": [], "reason": [], "length": [], "area": []}
    if status == "counted":
        artefacts = {
            "y": [int(centre), int(centre - radius / 2)],
            "x": [int(centre), int(centre)],
            "reason": ["scratch", "dust"],
            "length": [size / 4, 6.0],
            "area": [60.0, 20.0],
        }
    write_csv(folder / f"{name}.artefacts.csv", artefacts)
    circle = (
        None
        if status == "no_well"
        else {"y": centre, "x": centre, "radius": radius, "rim": 0.02 * size}
    )
    overlay = draw_overlay(
        image,
        np.stack([y[:n], x[:n]], axis=1),
        4.0,
        dark_spots=True,
        caption=path.name,
        well=None if circle is None else (centre, centre, radius),
    )
    write_png(folder / f"{name}.overlay.png", overlay)
    if maps:
        signal = (255 - image).astype(np.float32) / 255
        np.savez(folder / f"{name}.maps.npz", signal=signal, score=signal**2, fit=signal / 2)
    record = {
        "spotcore": "0.1.0",
        "file": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "started": "2026-01-05T09:00:00+00:00",
        "status": status,
        "reason": REASONS.get(status),
        "count": n if counted else None,
        "interval": [max(0, n - 2), n + 3] if counted else None,
        "secretion": float(np.sum(table["secretion"])) if counted else None,
        "spots": {
            "mean_area": float(table["area"].mean()) if n else None,
            "mean_area_mm2": float(table["area_mm2"].mean()) if n and pixel_size else None,
            "covered": float(table["area"].sum() / size**2),
            "mean_secretion": float(table["secretion"].mean()) if n else None,
        },
        "artefacts": len(artefacts["y"]),
        "settings": well_settings(Settings()),
        "image": {
            "height": size,
            "width": size,
            "full_scale": 255,
            "channel": "grey",
            "pixel_size_um": pixel_size,
        },
        "well": {
            "preset": "well",
            "polarity": "dark",
            "circle": circle,
            "noise": 0.01,
            "spot_scale": 2.0,
            "clipped": 0.0,
            "lam": 0.4,
            "sigma_limits": [1.2, 2.2, 3.5, 5.5, 8.5],
        },
        "solve": {"method": "fista", "iterations": 60, "max_iter": 200, "stop_reason": "tol"},
        "threshold": 0.1,
        "seconds": {"read": 0.01, "prepare": 0.1, "solve": 0.3, "detect": 0.02, "write": 0.05},
        "machine": {"platform": "Linux", "python": "3.11.2", "numpy": "2.0.0"},
    }
    write_json(folder / f"{name}.run.json", record)
    return record


def _picture(
    rng: np.random.Generator,
    size: int,
    centre: float,
    radius: float,
    y: np.ndarray,
    x: np.ndarray,
    widths: np.ndarray,
    status: str,
) -> np.ndarray:
    """A bright membrane on black with dark Gaussian spots, uint8 [size, size]."""
    rows, columns = np.mgrid[:size, :size]
    image = 215.0 + rng.normal(0, 2.5, (size, size))
    for spot_y, spot_x, width in zip(y, x, widths, strict=True):
        reach = int(5 * width) + 1
        near = (
            slice(max(spot_y - reach, 0), spot_y + reach + 1),
            slice(max(spot_x - reach, 0), spot_x + reach + 1),
        )
        squared = (rows[near] - spot_y) ** 2 + (columns[near] - spot_x) ** 2
        image[near] *= 1 - 0.7 * np.exp(-squared / (2 * width**2))
    if status == "counted":  # the scratch that the artefacts' table names
        image[np.abs(rows - columns) < 1.5] *= 0.8
    if status != "no_well":
        image[(rows - centre) ** 2 + (columns - centre) ** 2 > radius**2] *= 0.25
    return np.clip(image, 0, 255).astype(np.uint8)


def _cell_columns(
    rng: np.random.Generator,
    y: np.ndarray,
    x: np.ndarray,
    widths: np.ndarray,
    pixel_size: float | None,
) -> dict[str, Any]:
    """Columns of NAME.cells.csv in the contract's order; strongest first."""
    n = len(y)
    diameter = 2.355 * widths
    area = np.pi / 4 * diameter**2
    peak = rng.uniform(0.2, 0.6, n)
    apart = np.hypot(y[:, None] - y, x[:, None] - x) + np.where(np.eye(n, dtype=bool), np.inf, 0)
    nearest = apart.min(axis=1) if n > 1 else np.full(n, np.nan)
    shares = rng.dirichlet(np.ones(BINS), n)
    micrometres = pixel_size is not None
    size = pixel_size or 1.0
    columns: dict[str, Any] = {"y": y, "x": x}
    if micrometres:
        columns |= {"y_um": y * size, "x_um": x * size}
    columns |= {"score": np.sort(rng.lognormal(0, 0.6, n))[::-1]}
    columns |= {"secretion": rng.lognormal(2, 0.5, n), "area": area}
    if micrometres:
        columns |= {"area_mm2": area * size**2 / 1e6}
    columns |= {"diameter": diameter}
    if micrometres:
        columns |= {"diameter_um": diameter * size}
    columns |= {
        "peak": peak,
        "density": peak * area / 2,
        "sharpness": rng.uniform(0.3, 1, n),
        "confidence": np.sort(rng.uniform(0.5, 1, n))[::-1],
    }
    columns |= {"nearest": nearest if n > 1 else [""] * n}
    if micrometres:
        columns |= {"nearest_um": nearest * size if n > 1 else [""] * n}
    return columns | {f"share_{k + 1}": shares[:, k] for k in range(BINS)}


def _write_wells_csv(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    low_high = [r["interval"] or ("", "") for r in records]
    columns = {
        "well": [r["well"] for r in records],
        "file": [r["file"] for r in records],
        "status": [r["status"] for r in records],
        "count": ["" if r["count"] is None else r["count"] for r in records],
        "channel": [r["channel"] for r in records],
        "low": [low for low, _ in low_high],
        "high": [high for _, high in low_high],
        "secretion": ["" if r["secretion"] is None else r["secretion"] for r in records],
        "artefacts": [r["artefacts"] for r in records],
        "reason": [r["reason"] or "" for r in records],
    }
    for name in records[0]["spots"]:
        columns[name] = [
            "" if r["count"] is None or r["spots"][name] is None else r["spots"][name]
            for r in records
        ]
    write_csv(path, columns)


def _layout_rows(rows: int, columns: int) -> list[dict[str, Any]]:
    """A donor per row, a stimulus per three columns."""
    return [
        {
            "well": well_name(row, column),
            "sample": f"donor {row + 1}",
            "stimulus": STIMULI[column // 3 % len(STIMULI)],
            "replicate": column % 3 + 1,
            "cells_per_well": 200000,
        }
        for row in range(rows)
        for column in range(columns)
    ]


def _write_layout_tables(
    folder: Path, layout: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]
) -> None:
    """Groups of wells with their mean and a verdict; the numbers are for looks only."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    where = {row["well"]: (row["sample"], row["stimulus"]) for row in layout}
    for record in records:
        counts = groups.setdefault((*where[record["well"]], record["channel"]), [])
        if record["count"] is not None:
            counts.append(record["count"])
    with open(folder / "replicates.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample", "stimulus", "channel", "n", "mean", "sd", "cv", "sfu_per_1e6"])
        for key, counts in groups.items():
            mean = float(np.mean(counts)) if counts else None
            sd = float(np.std(counts, ddof=1)) if len(counts) > 1 else None
            numbers = [
                mean,
                sd,
                None if not (mean and sd) else sd / mean,
                None if mean is None else 5 * mean,
            ]
            shown = ["" if value is None else f"{value:.4g}" for value in numbers]
            writer.writerow([*key, len(counts), *shown])
    with open(folder / "responses.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample", "stimulus", "channel", "rule", "p", "response"])
        for k, key in enumerate(groups):
            if key[1] != STIMULI[0]:
                writer.writerow([*key, "DFR(eq)", f"{0.01 * (k + 1):.3g}", str(k % 2 == 0).lower()])


def _write_colours(
    path: Path, records: Sequence[Mapping[str, Any]], channels: Sequence[str]
) -> None:
    """Single and double positives per well; the numbers are for looks only."""
    counts = {(r["well"], r["channel"]): r["count"] for r in records}
    rows = []
    for well in dict.fromkeys(r["well"] for r in records):
        both = [counts[well, channel] for channel in channels[:2]]
        if None not in both:
            rows.append((well, "+".join(channels[:2]), min(both) // 3, min(both) / 10))
    write_csv(
        path,
        dict(zip(("well", "channels", "count", "expected"), zip(*rows, strict=True), strict=True))
        if rows
        else {"well": []},
    )
