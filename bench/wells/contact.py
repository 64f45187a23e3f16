"""Simulated pictures of wells beside each other, to be looked at, and how fast they are made.

    python -m bench.wells.contact [--first SEED] [--out docs/rendered.jpg]

Prints the wells of 512 x 512 pixels that one core makes in a second.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from bench.common.machine import lines, machine
from PIL import Image, ImageDraw

from spotcore.simulation.render import SimulatedWell, simulate_well

ROWS, COLUMNS, SIDE, TEXT = 6, 8, 240, 12


def shown(well: SimulatedWell, seed: int) -> Image.Image:
    """Draw one, with what it is."""
    picture = well.image
    if picture.dtype == np.uint16:
        picture = (picture / (2**well.look.bits - 1) * 255).astype(np.uint8)
    tile = Image.new("RGB", (SIDE, SIDE + TEXT), "white")
    tile.paste(Image.fromarray(picture).convert("RGB").resize((SIDE, SIDE)), (0, TEXT))
    seen = int(((well.snr > 5) & (well.hidden_by < 0)).sum())
    words = f"{seed}: {well.look.dye}, {len(well.cells)} cells, {seen} to be seen"
    ImageDraw.Draw(tile).text((2, 0), words, fill="black", font_size=10)
    return tile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/rendered.jpg"))
    asked = parser.parse_args()
    sheet = Image.new("RGB", (COLUMNS * SIDE, ROWS * (SIDE + TEXT)), "white")
    seconds = []
    for number in range(ROWS * COLUMNS):
        began = time.perf_counter()
        well = simulate_well(seed=asked.first + number)
        seconds.append(time.perf_counter() - began)
        row, column = divmod(number, COLUMNS)
        sheet.paste(shown(well, asked.first + number), (column * SIDE, row * (SIDE + TEXT)))
    sheet.save(asked.out, quality=80)
    print(lines(machine()))
    print(
        f"{asked.out}: {len(seconds)} wells, {len(seconds) / sum(seconds):.1f} a second; "
        f"{np.median(seconds):.3f} s in the median, {max(seconds):.3f} s at most"
    )


if __name__ == "__main__":
    main()
