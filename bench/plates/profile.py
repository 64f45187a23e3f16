"""A plate of simulated wells on all processors: wells per minute, and where the time goes.

    python -m bench.plates.profile [--wells 96] [--cells 750] [--side 512]

Compares one well at a time on two threads with two wells at a time on one thread each, all with
``solve`` at its defaults and one model. The two take turns, `BATCH` wells each, so that a change
of the machine's speed meets both; the wells are simulated before the clock starts.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from bench.common.machine import PART2_LIMITS, lines, machine
from bench.solve.images import say
from numpy.typing import NDArray

import spotcore as sc

BATCH = 16


@dataclass
class Plan:
    """How many wells at a time, on how many threads each; what it took."""

    wells: int
    threads: int
    clock: float = 0.0
    solve: list[float] = field(default_factory=list)
    detect: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def one(self, image: NDArray[np.float32], model: sc.ObservationModel) -> None:
        start = time.perf_counter()
        result = sc.solve(image, model, threads=self.threads)
        solved = time.perf_counter()
        cells = sc.detect(result)
        self.detect.append(time.perf_counter() - solved)
        self.solve.append(solved - start)
        self.counts.append(len(cells))

    def batch(self, images: list[NDArray[np.float32]], model: sc.ObservationModel) -> None:
        start = time.perf_counter()
        with ThreadPoolExecutor(self.wells) as pool:
            list(pool.map(lambda image: self.one(image, model), images))
        self.clock += time.perf_counter() - start

    def line(self) -> str:
        busy = sum(self.solve) + sum(self.detect)
        text = f"| {self.wells} well(s) at a time, {self.threads} thread(s) each "
        text += f"| {60 * len(self.solve) / self.clock:.1f} | {np.median(self.solve):.2f} "
        text += f"| {sum(self.solve) / busy:.1%} | {sum(self.detect) / busy:.1%} |"
        return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=96)
    parser.add_argument("--cells", type=int, default=750)
    parser.add_argument("--side", type=int, default=512)
    args = parser.parse_args()

    say(f"simulating {args.wells} wells")
    shape = (args.side, args.side)
    images = [sc.simulate(args.cells, shape, seed=seed).image for seed in range(args.wells)]
    model = sc.ObservationModel.gaussian(PART2_LIMITS)
    model.preconditioned_plan(shape)  # once per size, not once per well
    plans = [Plan(wells=1, threads=2), Plan(wells=2, threads=1)]
    for turn, start in enumerate(range(0, args.wells, BATCH)):
        say(f"wells {start + 1} to {min(start + BATCH, args.wells)}")
        for plan in plans[:: 1 if turn % 2 == 0 else -1]:
            plan.batch(images[start : start + BATCH], model)

    print(lines(machine()))
    print(
        f"{args.wells} wells of {args.side} x {args.side} with {args.cells} cells, seeds 0, 1, .."
    )
    print("\n| | wells per minute | median s per solve | solve | detect |\n|---|---|---|---|---|")
    for plan in plans:
        print(plan.line())
    if sorted(plans[0].counts) != sorted(plans[1].counts):
        print("the two plans found different cells")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
