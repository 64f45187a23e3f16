"""Images to solve, and the objective of each that a solver is measured against.

The reference is our FISTA with 10 000 iterations and no stopping. It takes a minute an image, so
it is kept under the output folder, named by what decides it: image, grid, lam, iterations. The
code does not: run with ``--refresh`` after a change of the operator.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from bench.common.machine import PART2_LIMITS, ROOT
from numpy.typing import NDArray

import spotcore as sc

TRACE = ROOT.parent / "shared/data/solver/fista_750.npz"
DENSITIES = (250, 750, 1250)  # cells on 512 x 512
LAM = 0.5
RADIUS = 3.0


@dataclass(frozen=True)
class Case:
    name: str
    image: NDArray[np.float32]
    cells: NDArray[np.int64]  # [n, 2]
    file_cost: float | None = None  # objective at 10 000 iterations that came with the image


@dataclass(frozen=True)
class Reference:
    objective: float
    f1: float
    iterations: int
    seconds: float
    gap: float


def simulated(density: int, seed: int, side: int = 512) -> Case:
    """An image with `density` cells per 512 x 512 pixels."""
    n_cells = max(1, round(density * side * side / 512**2))
    sim = sc.simulate(n_cells, (side, side), preset="isbi2019", bits=6, seed=seed)
    return Case(f"{density} cells, seed {seed}", sim.image, sim.cells)


def cases(
    per_density: int, side: int = 512, densities: Sequence[int] = DENSITIES
) -> Iterator[Case]:
    """The image of the independent trace, if it is there, then seeds 1, 2, .. of each density."""
    if TRACE.is_file() and side == 512:
        trace = np.load(TRACE)
        yield Case(TRACE.stem, trace["image"], trace["positions"], float(trace["cost"][-1][0]))
    for density in densities:
        for seed in range(1, per_density + 1):
            yield simulated(density, seed, side)


def reference(
    case: Case,
    model: sc.ObservationModel,
    folder: Path,
    iterations: int,
    threads: int,
    refresh: bool,
) -> Reference:
    """Objective and F1 after many iterations of FISTA, computed once."""
    # Not the pixels: another NumPy rounds a simulated image otherwise, and the minimum by 1e-6.
    key = json.dumps([case.name, case.image.shape, PART2_LIMITS, LAM, iterations]).encode()
    name = case.name.replace(", ", "-").replace(" ", "_")
    path = folder / f"{name}.{hashlib.sha256(key).hexdigest()[:12]}.json"
    if path.is_file() and not refresh:
        return Reference(**json.loads(path.read_text()))
    say(f"{case.name}: {iterations} iterations of FISTA")
    start = time.perf_counter()
    result = sc.solve(
        case.image, model, LAM, method="fista", max_iter=iterations, tol=0, threads=threads
    )
    found = Reference(
        objective=result.objective,
        f1=best_f1(result, case),
        iterations=result.iterations,
        seconds=time.perf_counter() - start,
        gap=result.gap,
    )
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(found)))
    partial.replace(path)  # an interrupted run leaves no half of a file
    return found


def best_f1(result: sc.Result, case: Case) -> float:
    return sc.best_f1(result.score, case.cells, radius=RADIUS).f1


def objective(
    a: NDArray[np.float32], image: NDArray[np.float32], model: sc.ObservationModel
) -> float:
    """``||A a - d||^2 + lam sum ||a||_2`` of anyone's answer."""
    stack = np.ascontiguousarray(a)
    residual = model.forward(stack) - image
    norms = np.sqrt(np.einsum("khw,khw->hw", stack, stack))
    return float(np.square(residual, dtype=np.float64).sum() + LAM * norms.sum(dtype=np.float64))


def table(titles: list[str], rows: list[list[str]]) -> str:
    """A markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def say(text: str) -> None:
    """Progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)
