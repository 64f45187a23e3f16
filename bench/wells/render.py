"""Our own pictures for the ratchet: simulated wells with their truth.

    python -m bench.wells.render

Writes the pictures and tables in ``tests/data/rendered``. They are kept there because another
version of NumPy may round another grey level.
"""

from __future__ import annotations

import csv
from itertools import pairwise

import numpy as np
from bench.wells.agreement import RENDERED
from numpy.typing import NDArray
from scipy import ndimage

from spotcore._files import write_png
from spotcore.simulation.demo import plate_like

# Polygons (y, x) in a picture of 288 px: a scratch, a bent hair, a scratch in pieces.
SCRATCHES = [
    [(60, 90), (95, 190)],
    [(200, 60), (225, 95), (232, 140), (222, 180)],
    [(120, 215), (132, 219)],
    [(150, 225), (166, 230)],
    [(185, 235), (197, 239)],
]


def scratched(
    image: NDArray[np.uint8], density: float = 0.15, width: float = 1.3
) -> NDArray[np.uint8]:
    """Draw lines of Gaussian section on a picture: they absorb light as the dye does."""
    drawn = np.zeros(image.shape)
    for line in SCRATCHES:
        for start, end in pairwise(line):
            y, x = np.rint(np.linspace(start, end, 1000)).astype(int).T
            drawn[y, x] = 1.0
    lines = ndimage.gaussian_filter(drawn, width) * np.sqrt(2 * np.pi) * width
    return np.rint(image * 10.0 ** (-density * np.minimum(lines, 1.0))).astype(np.uint8)


def main() -> None:
    """Write them."""
    few, truth_of_few = plate_like(40, 288, seed=5)
    pictures = {
        # As crowded as the demo's 250 cells in 512 px.
        "crowded": plate_like(124, 360, seed=3),
        "bright": plate_like(40, 256, seed=4, dark=False),
        "scratched": (scratched(few), truth_of_few),
    }
    RENDERED.mkdir(parents=True, exist_ok=True)
    for name, (image, truth) in pictures.items():
        write_png(RENDERED / f"{name}.png", image)
        with (RENDERED / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("y", "x"), *truth.tolist()])


if __name__ == "__main__":
    main()
