"""What warm starts save: paths of lambda, and one well seen again.

``python -m bench.solve.warm`` prints, for each, iterations and seconds of a cold and of a warm
solve in turn, and by how much the warm objective differs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from bench.common.machine import lines, machine
from numpy.typing import NDArray

import spotcore as sc

Image = NDArray[np.float32]
LAM = 0.5
REPEATS = 3


def cases() -> Iterator[tuple[str, list[tuple[Image, float]]]]:
    """Name each sequence of images and lambdas, of which each starts where the last one ended."""
    image = sc.simulate(n_cells=750, preset="isbi2019", seed=1).image
    rng = np.random.default_rng(0)
    for ratio in (1.1, 1.25, 1.5, 2.0):
        yield f"lambda falls by {ratio}", [(image, 4 * LAM / ratio**k) for k in range(5)]
        yield f"lambda rises by {ratio}", [(image, LAM * ratio**k) for k in range(5)]
    for noise in (0.5, 2.0, 8.0):
        again = [image + rng.normal(0, noise, image.shape).astype(np.float32) for _ in range(4)]
        yield f"again, noise {noise}", [(one, LAM) for one in again]
    yield "brighter by 5 %", [(image * np.float32(1.05**k), LAM) for k in range(4)]


def timed(image: Image, model: sc.ObservationModel, lam: float, start: Image | None) -> tuple:
    began = time.perf_counter()
    result = sc.solve(image, model, lam, initial=start)
    return result, time.perf_counter() - began


def main() -> None:
    print(lines(machine()))
    model = sc.ObservationModel.gaussian([2.3, 5, 9, 13, 23, 33, 43, 53, 67])
    print(f"{'sequence':22s} {'iterations':>12s} {'seconds':>14s} {'saved':>6s} {'objective':>10s}")
    for name, sequence in cases():
        rows = []
        for _ in range(REPEATS):
            start = None
            for image, lam in sequence:
                cold, cold_s = timed(image, model, lam, None)
                warm, warm_s = (cold, cold_s) if start is None else timed(image, model, lam, start)
                if start is not None:
                    change = warm.objective / cold.objective - 1
                    rows.append((cold.iterations, warm.iterations, cold_s, warm_s, change))
                start = warm.a
        cold_i, warm_i, cold_s, warm_s, _ = np.median(rows, axis=0)
        worst = max(row[-1] for row in rows)
        print(
            f"{name:22s} {cold_i:5.0f} -> {warm_i:3.0f} {cold_s:6.2f} -> {warm_s:4.2f} "
            f"{1 - warm_s / cold_s:6.0%} {worst:+10.4%}"
        )


if __name__ == "__main__":
    main()
