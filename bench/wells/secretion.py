"""How far the secretion of a well's spots is from the optimum's, as the command line solves wells.

    python -m bench.wells.secretion [--iterations N ...]

Per well: the spots' total by the optimum's (600 iterations of the primal-dual method with the
default kernels), and by how much a spot's share of it is off, in the median and for three quarters
of the spots that both have: those that only the solver parts from others come and go with it.
With ``--iterations``, for those iteration limits instead of that of `SOLVES`.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from bench.solve.images import say
from bench.wells.agreement import DATA

import spotcore as sc
from spotcore.analysis import SOLVES, solve_well
from spotcore.detections import Cells
from spotcore.images.read import read_image
from spotcore.simulation.demo import plate_like
from spotcore.wells import Well, find_cells, prepare_well

SIMULATED = "simulated, 250 cells"


def found(well: Well, iterations: int) -> tuple[Cells, float]:
    """Return the spots, solved as `SOLVES` has it, and the seconds of the solve."""
    setting = SOLVES["well"]._replace(max_iter=iterations)
    start = time.perf_counter()
    result = solve_well(well, setting)
    seconds = time.perf_counter() - start
    return find_cells(well, result), seconds


def secretions(now: Cells, best: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Secretions of the spots that both solutions have and give some, by the same order."""
    assert now.secretion is not None and best.secretion is not None
    ours, theirs = sc.match(now, best.yx, radius=1.0).pairs.T
    ours, theirs = now.secretion[ours], best.secretion[theirs]
    both = (ours > 0) & (theirs > 0)
    return ours[both], theirs[both]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, nargs="+", default=[SOLVES["well"].max_iter])
    args = parser.parse_args()
    images = {name: read_image(DATA / f"wells/{name}.tif").pixels for name in ("test1", "test4")}
    images[SIMULATED] = plate_like(250, 512, seed=0)[0].astype(np.float32)
    print("| well | iterations | s | total by the optimum's | share off, median | three quarters |")
    print("|---|---|---|---|---|---|")
    for name, image in images.items():
        say(name)
        well = prepare_well(image)
        model = sc.ObservationModel.gaussian(well.sigma_limits)
        best = find_cells(
            well,
            sc.solve(well.signal, model, well.lam, w=well.w, mask=well.mask, max_iter=600, tol=0.0),
        )
        for iterations in args.iterations:
            now, seconds = found(well, iterations)
            ours, theirs = secretions(now, best)
            ratio = ours / theirs
            share = now.secretion.sum() / best.secretion.sum()
            off = np.abs(np.log(ratio / np.median(ratio)))
            print(
                f"| {name} | {iterations} | {seconds:.2f} | {share:.2f} "
                f"| {np.median(off):.3f} | {np.quantile(off, 0.75):.3f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
