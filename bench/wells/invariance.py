"""The same well, seen otherwise: are its marks the same?

    python -m bench.wells.invariance [--rendered 20] [--well FILE ...]

Analyses each well (by default the real ones of ``../shared/data/wells`` and simulated ones that
nothing was trained on) and 15 changed pictures of it, and prints the F1 between the marks of both,
within 3 px of the untouched picture (a mark within 8 px of a cut is left out); what falls short of
what is asked has an asterisk.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bench.common.machine import lines, machine
from bench.wells.agreement import DATA
from bench.wells.rendered import FIRST
from numpy.typing import NDArray
from PIL import Image

import spotcore as sc
from spotcore.images.picture import Picture
from spotcore.simulation.render import simulate_well
from spotcore.train.wells.calibrate import visible

RADIUS, MARGIN = 3.0, 8.0  # pixels of the untouched picture
Carry = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Change(NamedTuple):
    """What is done to a picture, what becomes of positions in it, and the F1 that is asked for."""

    name: str
    asked: float
    pixels: NDArray[np.generic]
    carry: Carry
    size: float = 1.0
    cut: int = 0  # pixels on each side


def eight(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def changes(grey: NDArray[np.uint8]) -> Iterator[Change]:
    """Change a picture of 8 bits in all ways in which a camera, a program or a person may."""
    height, width = grey.shape
    levels = grey.astype(np.float64)
    deep = grey.astype(np.uint16)
    cut = height // 4
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=85)
    slope = 0.8 + 0.2 * np.arange(width) / width
    noise = np.random.default_rng(0).normal(0.0, 2.0, grey.shape)

    def same(yx: NDArray[np.float64]) -> NDArray[np.float64]:
        return yx

    def resized(by: float, how: Image.Resampling) -> NDArray[np.uint8]:
        return np.asarray(
            Image.fromarray(grey).resize((round(width * by), round(height * by)), how)
        )

    yield Change(
        "turned", 0.99, np.rot90(grey), lambda p: np.stack([width - 1 - p[:, 1], p[:, 0]], 1)
    )
    yield Change(
        "flipped", 0.99, grey[:, ::-1], lambda p: np.stack([p[:, 0], width - 1 - p[:, 1]], 1)
    )
    yield Change("padded", 0.98, np.pad(grey, 40, mode="edge"), lambda p: p + 40)
    yield Change("16 bit", 0.99, deep * 257, same)
    yield Change("12 in 16", 0.99, deep * 16, same)
    yield Change("gain 1/2", 0.95, eight(0.5 * levels), same)
    yield Change("gain 1/4", 0.92, eight(0.25 * levels + 60), same)
    yield Change("dimmed", 0.95, eight(0.6 * levels + 20), same)
    yield Change("inverted", 0.95, 255 - grey, same)
    yield Change("JPEG 85", 0.95, np.asarray(Image.open(file)), same)
    yield Change("noise of 2", 0.92, eight(levels + noise), same)
    yield Change("slope", 0.95, eight(levels * slope), same)
    inner = grey[cut : height - cut, cut : height - cut]
    yield Change("inner half", 0.93, inner, lambda p: p - cut, 1.0, cut)
    yield Change("twice", 0.95, resized(2, Image.Resampling.BICUBIC), lambda p: 2 * p + 0.5, 2.0)
    yield Change("half", 0.90, resized(0.5, Image.Resampling.BOX), lambda p: p / 2 - 0.25, 0.5)


def marks(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Positions of the cells of a picture, without a secretion that nobody asks for."""
    picture = Picture.of(np.ascontiguousarray(pixels))
    return sc.analyse(picture, sc.Settings(max_iter=1, threads=1)).cells.yx


def row(grey: NDArray[np.uint8]) -> tuple[int, dict[str, float]]:
    """Return the number of marks of a picture, and F1 by the change."""
    plain = marks(grey)
    found = {}
    height = len(grey)
    for change in changes(grey):
        kept, others = plain, marks(change.pixels)
        if change.cut:
            low, high = change.cut + MARGIN, height - change.cut - MARGIN
            kept = kept[((kept >= low) & (kept < high)).all(axis=1)]
            low, high = MARGIN, height - 2 * change.cut - MARGIN
            others = others[((others >= low) & (others < high)).all(axis=1)]
        radius = RADIUS * max(change.size, 0.7)
        none = len(kept) == 0 and len(others) == 0
        found[change.name] = 1.0 if none else sc.match(others, change.carry(kept), radius).f1
    return len(plain), found


def rendered(count: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Simulated wells with some cells, as pictures of 8 bits."""
    seed = FIRST
    while count:
        well, seed = simulate_well(seed=seed), seed + 1
        seen = int(visible(well).sum())
        if well.image.ndim == 2 and 10 <= seen <= 500:
            levels = well.image.astype(np.float64)
            yield f"seed {seed - 1}", eight(levels / (2**well.look.bits - 1) * 255)
            count -= 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rendered", type=int, default=20)
    parser.add_argument("--well", type=Path, nargs="*")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    print(lines(machine()))
    files = sorted((DATA / "wells").glob("*.tif")) if asked.well is None else asked.well
    wells = [(path.stem, np.asarray(Image.open(path).convert("L"))) for path in files]
    wells += list(rendered(asked.rendered))
    names = [(change.name, change.asked) for change in changes(np.zeros((64, 64), np.uint8))]
    print("| well | marks |" + "".join(f" {name} {least:.2f} |" for name, least in names))
    print("|---" * (2 + len(names)) + "|")
    short, total = {"real": 0, "simulated": 0}, {"real": 0, "simulated": 0}
    with ProcessPoolExecutor(asked.workers) as pool:
        rows = pool.map(row, [grey for _, grey in wells])
        for number, ((name, _), (count, figures)) in enumerate(zip(wells, rows, strict=True)):
            kind = "real" if number < len(files) else "simulated"
            words = []
            for change, least in names:
                missed = round(figures[change], 3) < least
                short[kind] += missed
                total[kind] += 1
                words.append(f" {figures[change]:.2f}{'*' if missed else ''} |")
            print(f"| {name} | {count} |" + "".join(words), flush=True)
    print("; ".join(f"{short[kind]} of {total[kind]} {kind} ones fall short" for kind in short))


if __name__ == "__main__":
    main()
