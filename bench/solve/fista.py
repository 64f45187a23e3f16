"""Reproduce the trace of an independent FISTA over 10 000 iterations, and its F1.

    python -m bench.solve.fista [--iterations 10000] [--rank 3 | --multiscale]

Reads ``../shared/data/solver/fista_750.npz``: a simulated image of 750 cells and the objective, its
two terms and the best F1 (radius 3) of a NumPy FISTA with exact kernels at 19 iteration counts.
Exits with 1 if a term differs by more than 0.1 % or the F1 at the end is below 0.96.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import spotcore as sc

TRACE = Path(__file__).resolve().parents[3] / "shared/data/solver/fista_750.npz"
TOLERANCE = 1e-3
F1_FLOOR = 0.96


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--rank", type=int, default=3)
    parser.add_argument("--multiscale", action="store_true", help="the default operator instead")
    args = parser.parse_args()
    if not TRACE.is_file():
        print(f"{TRACE.name} is not there: this figure needs ../shared/data beside the repository")
        return 2

    trace = np.load(TRACE)
    rank = None if args.multiscale else args.rank
    model = sc.ObservationModel.gaussian(trace["sigma_limits"], rank=rank)
    start = time.perf_counter()
    result = sc.solve(
        trace["image"],
        model,
        lam=float(trace["lam"]),
        method="fista",
        step=float(trace["eta"]),
        max_iter=args.iterations,
        tol=0,
    )
    seconds = time.perf_counter() - start

    print("iteration    objective    data term      penalty   worst difference of the three")
    worst = 0.0
    for iteration, theirs in zip(trace["iterations"], trace["cost"], strict=True):
        if iteration > args.iterations:
            break
        data_term, penalty = result.history[iteration - 1]
        ours = np.array([data_term + penalty, data_term, penalty])
        difference = float(np.abs(ours / theirs - 1).max())
        worst = max(worst, difference)
        print(f"{iteration:9} {ours[0]:12.6g} {ours[1]:12.6g} {ours[2]:12.6g} {difference:12.2e}")

    f1 = sc.best_f1(result.score, trace["positions"], radius=3.0).f1
    print(f"best F1 at {result.iterations} iterations, radius 3: {f1:.4f}")
    per_iteration = 1e3 * seconds / args.iterations
    print(f"relative duality gap {result.gap:.3f}; {per_iteration:.1f} ms/iteration")
    failed = worst > TOLERANCE or (args.iterations >= 10_000 and f1 < F1_FLOOR)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
