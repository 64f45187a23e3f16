"""The fast solve against FISTA and the peers, in one run, as markdown tables.

    python -m bench.solve.reproduce [--images 5] [--threads 2] [--refresh] [--quick]

For each image (that of the independent trace if ``../shared/data`` is there, then simulated ones):
what ``solve`` does at its default tolerance, when its objective first is within 0.1 % of FISTA's
after 10 000 iterations, and how many times longer 10 000 iterations of the ``scipy.fft`` peer take,
timed in turns with ours. Then all peers on the first image, then larger images. The references are
kept in ``OUTPUT/references`` and everything measured in ``OUTPUT/solve.json``.

Ours is timed with a warm model: the step length of an image size, computed once, is known.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from bench.common.machine import PART2_LIMITS, lines, machine
from bench.solve.images import (
    DENSITIES,
    LAM,
    Case,
    Reference,
    best_f1,
    cases,
    reference,
    say,
    table,
)
from bench.solve.peers import WITHIN, measure_peers, peer_rows, scipy_clock
from bench.solve.sizes import measure_sizes, size_rows

import spotcore as sc

FULL = 10_000  # the papers' iterations


def main() -> int:
    args = arguments()
    model = sc.ObservationModel.gaussian(PART2_LIMITS)
    measured: dict[str, Any] = {"machine": machine(), "threads": args.threads, "images": []}

    def save() -> None:
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "solve.json").write_text(json.dumps(measured, indent=1))

    print(lines(measured["machine"]) + f"\n{args.threads} threads, λ = {LAM}, grid {PART2_LIMITS}")
    looked_at: list[tuple[Case, Reference]] = []
    for case in cases(args.images, args.side, args.densities):
        folder = args.output / "references"
        best = reference(case, model, folder, args.iterations, args.threads, args.refresh)
        looked_at.append((case, best))
        say(f"{case.name}: auto and scipy.fft in turns")
        row = measure_image(case, best, model, args.threads, args.rounds)
        measured["images"].append(row)
        save()
    print("\n" + table(*image_rows(measured["images"])))
    print("\n" + summary(measured["images"]))

    if args.limit > 0:
        case, best = looked_at[0]
        measured["peers"] = measure_peers(
            case, best.objective, args.threads, args.limit, iterations=10
        )
        save()
        print(f"\n{case.name}, at most {args.limit:g} s each, one after the other\n")
        print(table(*peer_rows(measured["peers"], best.objective)))
    if args.sides:
        measured["sizes"] = measure_sizes(args.sides, args.output, args.threads)
        save()
        print("\n750 cells per 512²; in brackets the ratio to the first row\n")
        print(table(*size_rows(measured["sizes"])))
    return 0


def measure_image(
    case: Case, best: Reference, model: sc.ObservationModel, threads: int, rounds: int
) -> dict[str, Any]:
    """Default solves of one image, in turns with short runs of the SciPy peer."""
    target = (1 + WITHIN) * best.objective
    scipy_seconds = scipy_clock(case, threads)
    sc.solve(case.image, model, LAM, max_iter=2, threads=threads)
    seconds, reached, peer = [], [], []
    for _ in range(rounds):
        peer.append(scipy_seconds(10))
        start = time.perf_counter()
        result = sc.solve(case.image, model, LAM, threads=threads)
        seconds.append(time.perf_counter() - start)
        # With a callback: it refreshes the gap, so this time is rather too long than too short.
        stop = Stop(target)
        at_target = sc.solve(case.image, model, LAM, threads=threads, callback=stop)
        if stop.seconds is not None:
            reached.append(stop.seconds)
        peer.append(scipy_seconds(10))
    return {
        "image": case.name,
        "cells": len(case.cells),
        "reference": asdict(best),
        "file_cost": case.file_cost,
        "method": result.method,
        "iterations": result.iterations,
        "stop_reason": result.stop_reason,
        "seconds": median(seconds),
        "objective": result.objective,
        "gap": result.gap if np.isfinite(result.gap) else None,
        "f1": best_f1(result, case),
        "reached_iterations": stop.iteration,
        "reached_seconds": median(reached) if reached else None,
        "reached_f1": best_f1(at_target, case) if reached else None,
        "scipy_per_iteration": median(peer),
    }


class Stop:
    """Callback that notes when an objective is reached, and ends the solve there."""

    def __init__(self, target: float) -> None:
        self.target = target
        self.start = time.perf_counter()
        self.iteration: int | None = None
        self.seconds: float | None = None

    def __call__(self, now: Any) -> bool:
        if now.objective > self.target:
            return False
        self.seconds, self.iteration = time.perf_counter() - self.start, now.iteration
        return True


def ratios(row: dict[str, Any]) -> tuple[float | None, float]:
    """SciPy's 10 000 iterations by our time to 0.1 %, and by our complete default solve."""
    theirs = FULL * row["scipy_per_iteration"]
    reached = row["reached_seconds"]
    return None if reached is None else theirs / reached, theirs / row["seconds"]


def image_rows(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    titles = ["image", "FISTA's objective, F1", "default solve: s", "iterations", "stop"]
    titles += ["objective / FISTA's − 1", "gap", "F1", "to 0.1 %: s", "iterations", "F1"]
    titles += ["scipy.fft, ms per iteration", "10⁴ of them / to 0.1 %", "/ default solve"]
    table_rows = []
    for row in rows:
        best = row["reference"]
        to_target, complete = ratios(row)
        line = [row["image"], f"{best['objective']:.6g}, {best['f1']:.3f}"]
        line += [f"{row['seconds']:.2f}", str(row["iterations"]), row["stop_reason"]]
        line.append(f"{row['objective'] / best['objective'] - 1:+.3%}")
        line += ["–" if row["gap"] is None else f"{row['gap']:.4f}", f"{row['f1']:.3f}"]
        if to_target is None:
            line += ["not reached", "–", "–"]
        else:
            line += [f"{row['reached_seconds']:.2f}", str(row["reached_iterations"])]
            line.append(f"{row['reached_f1']:.3f}")
        line.append(f"{1e3 * row['scipy_per_iteration']:.1f}")
        line += ["–" if to_target is None else f"{to_target:.0f}", f"{complete:.0f}"]
        table_rows.append(line)
    return titles, table_rows


def summary(rows: list[dict[str, Any]]) -> str:
    """The worst and the middle of what the table says."""
    both = [ratios(row) for row in rows]
    reached = [to_target for to_target, _ in both if to_target is not None]
    complete = [ratio for _, ratio in both]
    text = f"method {', '.join(sorted({row['method'] for row in rows}))}; "
    text += f"{len(reached)} of {len(rows)} images came within 0.1 %"
    if reached:
        text += f", {min(reached):.0f} (worst) and {median(reached):.0f} (median) times faster"
    text += f"; default solve {min(complete):.0f} and {median(complete):.0f} times; "
    worst = min(row["f1"] - row["reference"]["f1"] for row in rows)
    text += f"F1 minus FISTA's at least {worst:+.4f}; "
    gaps = [row["gap"] for row in rows if row["gap"] is not None]
    text += f"gap at most {max(gaps):.4f}" if gaps else "no gap is finite"
    for row in rows:
        if row["file_cost"] is not None:
            off = row["reference"]["objective"] / row["file_cost"] - 1
            text += f"\n{row['image']}: FISTA's objective is {off:+.4%} off that of the file"
    return text


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5, help="simulated images of each density")
    parser.add_argument(
        "--densities", type=int, nargs="+", default=DENSITIES, help="cells on 512 x 512"
    )
    parser.add_argument("--side", type=int, default=512, help="their side in pixels")
    parser.add_argument("--iterations", type=int, default=FULL, help="of the reference")
    parser.add_argument("--rounds", type=int, default=3, help="repeats of each timing")
    parser.add_argument("--limit", type=float, default=120, help="seconds per peer; 0: no peers")
    parser.add_argument("--sides", type=int, nargs="*", default=[512, 1024, 2048])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--refresh", action="store_true", help="compute the references anew")
    parser.add_argument("--quick", action="store_true", help="small images, under a minute")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/solve"))
    args = parser.parse_args()
    if args.quick:
        args.images, args.densities, args.side = 1, [750], 64
        args.iterations, args.rounds, args.limit, args.sides = 1000, 1, 1, [48, 64]
    return args


if __name__ == "__main__":
    sys.exit(main())
