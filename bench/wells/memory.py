"""Memory that the analysis of a picture takes, above what the program takes without one.

``python -m bench.wells.memory`` analyses pictures of many shapes and kinds, each in a process of
its own, and prints the peak of its resident memory beside what is allowed: `PER_PIXEL` bytes a
pixel and `FIXED` bytes. It ends with an error if one takes more.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np

import spotcore as sc

PER_PIXEL, FIXED = 200, 300e6
#: Height, width, kind, and the pixel size [µm] if it is known.
CASES: list[tuple[int, int, str, float | None]] = [
    (16, 128, "noise", None),
    (64, 512, "noise", None),
    (300, 2400, "noise", None),
    (512, 512, "well", None),
    (512, 512, "well", 0.5),
    (512, 512, "well", 50.0),
    (512, 512, "colour", None),
    (1024, 1024, "well", None),
    (1024, 1024, "zeros", None),
    (2048, 2048, "well", None),
    (2048, 2048, "colour", None),
    (2048, 2048, "zeros", None),
    (5000, 5000, "zeros", None),
]


def picture(height: int, width: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "zeros":
        return np.zeros((height, width), np.uint8)
    if kind == "noise":
        return rng.integers(0, 256, (height, width), dtype=np.uint8)
    y, x = np.ogrid[:height, :width]
    grey = np.where(np.hypot(y - height / 2, x - width / 2) < 0.45 * height, 190, 240)
    grey = grey - 120 * (rng.random((height, width)) < 1e-4)
    grey = np.clip(grey + rng.normal(0, 3, grey.shape), 0, 255).astype(np.uint8)
    return np.stack([grey, grey // 2 + 60, grey], axis=2) if kind == "colour" else grey


def peak() -> int:
    """Most bytes that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one(height: int, width: int, kind: str, pixel_size: float | None) -> None:
    """Print how much an analysis adds to what there is before it."""
    sc.analyse(picture(64, 64, "noise"), sc.Settings(max_iter=1))  # all is imported
    before = peak()
    sc.analyse(picture(height, width, kind), sc.Settings(pixel_size=pixel_size))
    print(peak() - before)


def main() -> None:
    exceeded = False
    print(f"{'picture':24s} {'MB':>7s} {'allowed':>8s} {'bytes a pixel above 300 MB':>27s}")
    for case in CASES:
        height, width, kind, pixel_size = case
        done = subprocess.run(
            [sys.executable, "-c", f"from bench.wells.memory import one; one(*{case!r})"],
            capture_output=True,
            text=True,
            check=True,
        )
        taken, pixels = int(done.stdout), height * width
        allowed = PER_PIXEL * pixels + FIXED
        exceeded = exceeded or taken > allowed
        size = "" if pixel_size is None else f" {pixel_size:g} µm"
        print(
            f"{f'{height} x {width} {kind}{size}':24s} {taken / 1e6:7.0f} {allowed / 1e6:8.0f} "
            f"{max(0.0, taken - FIXED) / pixels:27.0f}",
            flush=True,
        )
    sys.exit(1 if exceeded else 0)


if __name__ == "__main__":
    main()
