"""Simulated wells that nothing was trained on: found beside true, by density and kind.

    python -m bench.wells.rendered [--wells 300] [--empty 200] [--network wells.safetensors]

Prints F1 at the one default threshold and at the best one, the error of the count, how often the
95 % interval holds the truth, how far probabilities are from what is true, and the marks on wells
without cells. What is true of a well are the cells that show a peak and stand out far enough to be
counted (`spotcore.train.wells.calibrate.truth`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench.common.machine import lines, machine

from spotcore.networks.hourglass import Hourglass
from spotcore.train.wells.calibrate import judged
from spotcore.train.wells.data import HELD_OUT, shown
from spotcore.wells.detector import shipped
from spotcore.wells.prepare import PROBABLE
from spotcore.wells.status import count_interval

#: Calibration has the seeds before.
FIRST, FIRST_EMPTY = HELD_OUT + 100_000, HELD_OUT + 200_000
THRESHOLDS = np.round(np.arange(0.1, 0.95, 0.05), 2)


@dataclass(frozen=True)
class Row:
    """What is known of one well."""

    true: int
    counted: int
    hits: int
    low: int
    high: int
    f1: dict[float, float]
    density: float  # cells by the places that spots take
    kinds: tuple[str, ...]
    probability: np.ndarray
    hit: np.ndarray


def row_of(seed: int, empty: bool, path: Path | None) -> Row:
    """Look at one."""
    picture = shown(seed, 0 if empty else None)
    well, look = picture.well, picture.well.look
    network = shipped() if path is None else Hourglass.load(path)
    found = judged(network, picture)
    p = found.marks.probability
    counted = int((p >= PROBABLE).sum())
    low, high = count_interval(p, counted)
    place = 2 * np.pi * float(np.median(well.width)) ** 2 if len(well.width) else 1.0
    kinds = ("bright" if look.glows else "dark", "edge" if look.edge > 0 else "no edge")
    kinds += ("foci",) if look.grains else ()
    kinds += ("artefacts",) if look.artefacts else ("clean",)
    kinds += ("JPEG",) if look.quality is not None else ()
    return Row(
        found.true,
        counted,
        int(found.hit[p >= PROBABLE].sum()),
        low,
        high,
        {float(t): found.f1(float(t)) for t in THRESHOLDS} | {PROBABLE: found.f1(PROBABLE)},
        found.true * place / max(float(well.membrane.sum()), 1.0),
        kinds,
        p,
        found.hit,
    )


def rows(seeds: range, empty: bool, path: Path | None, workers: int) -> Iterator[Row]:
    """Look at all of them."""
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(row_of, seeds, [empty] * len(seeds), [path] * len(seeds), chunksize=8)


def line(name: str, some: list[Row]) -> str:
    """Say what came out of some wells."""
    error = np.array([abs(r.counted - r.true) / max(r.true, 1) for r in some])
    held = np.mean([r.low <= r.true <= r.high for r in some])
    f1 = float(np.mean([r.f1[PROBABLE] for r in some]))
    best = max(float(np.mean([r.f1[t] for r in some])) for t in some[0].f1)
    precision = sum(r.hits for r in some) / max(sum(r.counted for r in some), 1)
    recall = sum(r.hits for r in some) / max(sum(r.true for r in some), 1)
    return (
        f"| {name} | {len(some)} | {f1:.3f} | {best:.3f} | {recall:.3f}, {precision:.3f} "
        f"| {np.median(error):.3f} | {np.quantile(error, 0.9):.3f} | {held:.3f} |"
    )


def calibration_error(some: list[Row]) -> tuple[float, list[str]]:
    """Return the mean distance of stated and found probability, by ten classes of marks."""
    p = np.concatenate([r.probability for r in some])
    hit = np.concatenate([r.hit for r in some])
    classes = np.clip((p * 10).astype(int), 0, 9)
    off, words = 0.0, []
    for number in range(10):
        here = classes == number
        if here.any():
            off += here.mean() * abs(p[here].mean() - hit[here].mean())
            words.append(f"{p[here].mean():.2f}: {hit[here].mean():.2f} ({here.sum()})")
    return off, words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=300)
    parser.add_argument("--empty", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--network", type=Path)
    asked = parser.parse_args()
    print(lines(machine()))
    seen = list(rows(range(FIRST, FIRST + asked.wells), False, asked.network, asked.workers))
    print(
        "| wells | n | F1 | at the best threshold | recall, precision | error of the count ", end=""
    )
    print("| of nine tenths | intervals that hold |\n|---|---|---|---|---|---|---|---|")
    some = [r for r in seen if r.true]
    print(line("with cells", some))
    groups: dict[str, Callable[[Row], bool]] = {
        "sparse": lambda r: r.density < 0.03,
        "middling": lambda r: 0.03 <= r.density < 0.15,
        "crowded": lambda r: r.density >= 0.15,
    }
    for kind in sorted({kind for r in some for kind in r.kinds}):
        groups[kind] = lambda r, kind=kind: kind in r.kinds
    for name, belongs in groups.items():
        if chosen := [r for r in some if belongs(r)]:
            print(line(name, chosen))
    off, words = calibration_error(seen)
    print(f"calibration error {off:.3f}; stated: found (marks): {', '.join(words)}")
    bare = list(
        rows(range(FIRST_EMPTY, FIRST_EMPTY + asked.empty), True, asked.network, asked.workers)
    )
    marks = np.array([r.counted for r in bare])
    print(
        f"{len(bare)} wells without cells: {marks.mean():.3f} marks a well, {marks.max()} at most"
    )


if __name__ == "__main__":
    main()
