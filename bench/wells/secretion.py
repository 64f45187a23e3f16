"""Secretion of the spots of simulated wells beside their truth, and of the well seen otherwise.

    python -m bench.wells.secretion [--wells 24] [--iterations N ...]

Per iteration limit of the solve (that of `SOLVES` by default): the rank correlation of found and
true secretion over the cells that were found, in the median of the wells; by how much the secretion
of a spot differs from that of the optimum, from that of the same picture at half the gain, and from
that of its inner half, in the median of the spots.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from bench.common.machine import lines, machine
from scipy.stats import spearmanr

import spotcore as sc
from spotcore.analysis import SOLVES, solve_well
from spotcore.detections import Cells
from spotcore.simulation.render import simulate_well
from spotcore.train.wells.calibrate import visible
from spotcore.wells import Well, find_cells, prepare_well

FIRST = 11_000_000
OPTIMUM = 1500  # iterations


def grey_well(seed: int):
    """A simulated well in shades of grey, that a reader saved with 8 bits."""
    while True:
        well = simulate_well(shape=(400, 400), seed=seed)
        if well.image.ndim == 2 and well.image.dtype == np.uint8 and 5 < visible(well).sum() < 400:
            return well
        seed += 1_000_000


def solved(well: Well, iterations: int) -> tuple[Cells, float]:
    """Solve as the command line does, but for the iteration limit."""
    began = time.perf_counter()
    result = solve_well(well, SOLVES["well"]._replace(max_iter=iterations), threads=1)
    spent = time.perf_counter() - began
    return find_cells(well, result), spent


def apart(ours: Cells, theirs: Cells, shift: float = 0.0) -> np.ndarray:
    """Relative differences of the secretion of the spots that both have."""
    pairs = sc.match(ours, theirs.yx + shift, radius=1.5).pairs
    a, b = ours.secretion[pairs[:, 0]], theirs.secretion[pairs[:, 1]]
    return np.abs(a - b) / np.maximum(b, 1e-12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=24)
    parser.add_argument("--iterations", type=int, nargs="+", default=[SOLVES["well"].max_iter])
    asked = parser.parse_args()
    print(lines(machine()))
    columns: dict[int, dict[str, list]] = {n: {} for n in asked.iterations}
    for seed in range(FIRST, FIRST + asked.wells):
        well = grey_well(seed)
        image = well.image
        whole = prepare_well(image)
        dim = prepare_well(np.rint(image * 0.5).astype(np.uint8))
        part = prepare_well(np.ascontiguousarray(image[100:300, 100:300]))
        best, _ = solved(whole, OPTIMUM)
        for n, column in columns.items():
            cells, seconds = solved(whole, n)
            pairs = sc.match(cells, well.cells, radius=3.0).pairs
            if len(pairs) > 4:
                true = well.secretion[pairs[:, 1]]
                rank = spearmanr(cells.secretion[pairs[:, 0]], true).statistic
                column.setdefault("rank", []).append(rank)
            column.setdefault("optimum", []).extend(apart(cells, best))
            column.setdefault("gain", []).extend(apart(solved(dim, n)[0], cells))
            column.setdefault("crop", []).extend(apart(solved(part, n)[0], cells, -100.0))
            column.setdefault("seconds", []).append(seconds)
    print("| iterations | s | rank correlation | off the optimum | half the gain | inner half |")
    print("|---|---|---|---|---|---|")
    for n, column in columns.items():
        middle = {name: float(np.median(values)) for name, values in column.items()}
        print(f"| {n} | {middle['seconds']:.2f} | {middle['rank']:.3f} ", end="")
        print(f"| {middle['optimum']:.3f} | {middle['gain']:.3f} | {middle['crop']:.3f} |")


if __name__ == "__main__":
    main()
