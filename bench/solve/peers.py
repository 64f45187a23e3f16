"""Ours and the peers on one image: seconds per iteration, and what a time limit reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

from bench.common.machine import PART2_LIMITS
from bench.peers.scipy_fft import ScipyFftFista, run
from bench.solve.images import LAM, Case, objective, say

import spotcore as sc
from spotcore.model.kernels import gaussian_kernels

STEP = 1 / (PART2_LIMITS[-1] - PART2_LIMITS[0])  # of Part II
WITHIN = 1e-3  # what counts as reached: a share of the reference objective

# Name, module, class and further arguments.
PEERS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("scipy.fft FISTA", "bench.peers.scipy_fft", "ScipyFftFista", {}),
    ("torch.fft FISTA", "bench.peers.torch", "TorchFftFista", {}),
    ("SPORCO ADMM, with our proximal step", "bench.peers.sporco", "SporcoMaskDecoupling", {}),
    (
        "SPORCO ADMM, as shipped: l1 norm",
        "bench.peers.sporco",
        "SporcoMaskDecoupling",
        {"group": False},
    ),
]
# Name, rank and method.
OURS = [
    ("spotcore FISTA, direct, rank 1", 1, "fista"),
    ("spotcore FISTA, direct, rank 3", 3, "fista"),
    ("spotcore FISTA, multiscale", None, "fista"),
    ("spotcore auto", None, "auto"),
]


def scipy_clock(case: Case, threads: int) -> Callable[[int], float]:
    """Seconds per iteration of the SciPy peer, warmed up, over a number of iterations."""
    iterates = ScipyFftFista(case.image, gaussian_kernels(PART2_LIMITS), threads).iterates(
        LAM, STEP
    )
    next(iterates)

    def seconds(iterations: int) -> float:
        start = time.perf_counter()
        for _ in range(iterations):
            next(iterates)
        return (time.perf_counter() - start) / iterations

    return seconds


def measure_peers(
    case: Case, best: float, threads: int, limit: float, iterations: int
) -> list[dict[str, Any]]:
    """Rows of the table; a peer that cannot be imported gets a row with the reason."""
    exact = sc.ObservationModel.gaussian(PART2_LIMITS)
    kernels = gaussian_kernels(PART2_LIMITS)
    rows: list[dict[str, Any]] = []
    for name, module, class_name, arguments in PEERS:
        say(f"{case.name}: {name}")
        try:
            peer_class = getattr(import_module(module), class_name)
        except ImportError as error:
            rows.append({"program": name, "skipped": str(error)})
            continue
        peer = peer_class(case.image, kernels, threads, **arguments)
        scored = arguments.get("group", True)  # the l1 norm has another minimum: time it only
        row = _trace_peer(peer, case, exact, best, limit if scored else 0.0, iterations)
        if not scored:
            row["objective"] = None
        rows.append({"program": name, **row})
    for name, rank, method in OURS:
        say(f"{case.name}: {name}")
        model = exact if rank is None else sc.ObservationModel.gaussian(PART2_LIMITS, rank)
        # The history of rank 1 is of another operator than the reference: it never counts.
        goal = 0.0 if rank == 1 else best
        row = _trace_ours(case, model, method, goal, threads, limit, iterations)
        row["objective"] = objective(row.pop("a"), case.image, exact)
        rows.append({"program": name, **row})
    return rows


def _trace_peer(
    peer, case: Case, exact: sc.ObservationModel, best: float, limit: float, iterations: int
) -> dict[str, Any]:
    """Iterate until `limit` seconds have passed, scoring now and then with the clock stopped."""
    run(peer, LAM, STEP, 2)  # plans of transforms, threads
    each, spent, next_look, reached = [], 0.0, 1, None
    iterates = peer.iterates(LAM, STEP)
    while True:
        start = time.perf_counter()
        a = next(iterates)
        each.append(time.perf_counter() - start)
        spent += each[-1]
        done = spent > limit and len(each) >= iterations
        if len(each) >= next_look or done:
            next_look = len(each) + 1 + len(each) // 20
            value = objective(a, case.image, exact)
            if reached is None and value <= (1 + WITHIN) * best:
                reached = spent
            if done or (reached is not None and len(each) >= iterations):
                break
    return {
        "per_iteration": median(each[1:]),
        "reached": reached,
        "objective": value,
        "iterations": len(each),
        "seconds": spent,
    }


def _trace_ours(
    case: Case,
    model: sc.ObservationModel,
    method: str,
    best: float,
    threads: int,
    limit: float,
    iterations: int,
) -> dict[str, Any]:
    def solve(**options: Any) -> tuple[sc.Result, float]:
        start = time.perf_counter()
        result = sc.solve(case.image, model, LAM, method, threads=threads, tol=0, **options)
        return result, time.perf_counter() - start

    solve(max_iter=2)
    # The difference leaves out what a solve does once: set-up and the final certificate.
    per_iteration = median(
        (solve(max_iter=2 * iterations)[1] - solve(max_iter=iterations)[1]) / iterations
        for _ in range(5)
    )
    reached = None
    start = time.perf_counter()

    def look(now: Any) -> bool:
        nonlocal reached
        passed = time.perf_counter() - start
        if reached is None and now.objective <= (1 + WITHIN) * best:
            reached = passed
        return reached is not None or passed > limit

    result, seconds = solve(callback=look)
    return {
        "per_iteration": per_iteration,
        "reached": reached,
        "iterations": result.iterations,
        "seconds": seconds,
        "a": result.a,
    }


def peer_rows(rows: list[dict[str, Any]], best: float) -> tuple[list[str], list[list[str]]]:
    titles = ["program", "ms per iteration", "10⁴ iterations, s", "to 0.1 %, s"]
    titles += ["iterations run", "objective there / reference − 1"]
    lines = []
    for row in rows:
        if "skipped" in row:
            lines.append([row["program"], f"not run: {row['skipped']}", "", "", "", ""])
            continue
        line = [row["program"], f"{1e3 * row['per_iteration']:.1f}"]
        line.append(f"{1e4 * row['per_iteration']:.0f}")
        line.append("–" if row["reached"] is None else f"{row['reached']:.2f}")
        line.append(str(row["iterations"]))
        line.append("–" if row["objective"] is None else f"{row['objective'] / best - 1:+.2%}")
        lines.append(line)
    return titles, lines
