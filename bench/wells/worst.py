"""What goes wrong: the worst of the simulated wells that nothing was trained on, and real ones.

    python -m bench.wells.worst [--wells 300] [--out docs/worst.jpg] [--real out/worst-real.jpg]

Draws the simulated wells with the lowest F1, and the real ones where they are at hand (whose
pictures are not ours to keep), with what was marked (green: a cell that counts, red: none) and what
was missed (orange). Of real wells without hand marks all marks are green.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from bench.wells.agreement import DATA, HAND_MARKS, read_marks
from bench.wells.rendered import FIRST
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import spotcore as sc
from spotcore.train.wells.calibrate import RADIUS, judged, radius_of
from spotcore.train.wells.data import shown
from spotcore.wells.detector import look, shipped
from spotcore.wells.prepare import PROBABLE

SIDE, TEXT, COLUMNS, SHOWN = 380, 14, 5, 20


def f1_of(seed: int) -> tuple[float, int]:
    picture = shown(seed)
    found = judged(shipped(), picture)
    return (found.f1(PROBABLE) if found.true > 2 else 2.0), seed


def tile(
    grey: NDArray[np.float32],
    right: NDArray[np.float64],
    wrong: NDArray[np.float64],
    missed: NDArray[np.float64],
    words: str,
) -> Image.Image:
    """Draw one."""
    low, high = np.quantile(grey, (0.005, 0.995))
    levels = np.clip((grey - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    made = Image.new("RGB", (SIDE, SIDE + TEXT), "white")
    scale = SIDE / max(grey.shape)
    size = tuple(round(side * scale) for side in grey.shape[::-1])
    made.paste(Image.fromarray(levels).convert("RGB").resize(size), (0, TEXT))
    pen = ImageDraw.Draw(made)
    for points, colour in ((missed, "orange"), (wrong, "red"), (right, "lime")):
        for y, x in (points + 0.5) * scale:
            pen.ellipse((x - 4, y - 4 + TEXT, x + 4, y + 4 + TEXT), outline=colour)
    pen.text((2, 0), words, fill="black", font_size=11)
    return made


def parted(
    found: NDArray[np.float64], true: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return marks that are right, those that are wrong, and what was missed."""
    pairs = sc.match(found, true, radius=radius).pairs
    hit, had = np.zeros(len(found), bool), np.zeros(len(true), bool)
    hit[pairs[:, 0]] = had[pairs[:, 1]] = True
    return found[hit], found[~hit], true[~had]


def simulated(seed: int, f1: float) -> Image.Image:
    picture = shown(seed)
    well = picture.well
    marks, _, cells = judged(shipped(), picture)
    yx = marks.yx[marks.probability >= PROBABLE]
    radius = radius_of(well)
    grey = picture.grey if well.look.glows else -picture.grey
    words = f"{seed}: {well.look.dye}, F1 {f1:.2f}, {len(cells)} true, {len(yx)} marks"
    return tile(grey, *parted(yx, cells, radius), words)


def real(path: Path) -> Image.Image:
    grey = np.asarray(sc.read_image(path).pixels, np.float32)
    marks = look(grey).marks
    yx = marks.yx[marks.probability >= PROBABLE]
    table = HAND_MARKS / f"{path.stem}.csv"
    if not table.exists():
        none = np.zeros((0, 2))
        return tile(grey, yx, none, none, f"{path.name}: {len(yx)} marks")
    sure, doubtful = read_marks(table)
    right, wrong, missed = parted(yx, sure, RADIUS)
    wrong = parted(wrong, doubtful, RADIUS)[1]
    words = f"{path.name}: {len(sure)} hand marks, {len(missed)} missed, {len(wrong)} more"
    return tile(grey, right, wrong, missed, words)


def sheet(tiles: list[Image.Image], out: Path) -> None:
    rows = -(-len(tiles) // COLUMNS)
    made = Image.new("RGB", (COLUMNS * (SIDE + 4), rows * (SIDE + TEXT + 4)), "white")
    for number, each in enumerate(tiles):
        row, column = divmod(number, COLUMNS)
        made.paste(each, (column * (SIDE + 4), row * (SIDE + TEXT + 4)))
    out.parent.mkdir(parents=True, exist_ok=True)
    made.save(out, quality=75)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("docs/worst.jpg"))
    parser.add_argument("--real", type=Path, default=Path("out/worst-real.jpg"))
    asked = parser.parse_args()
    with ProcessPoolExecutor(2) as pool:
        scores = sorted(pool.map(f1_of, range(FIRST, FIRST + asked.wells), chunksize=8))
    sheet([simulated(seed, f1) for f1, seed in scores[:SHOWN]], asked.out)
    print(
        f"{asked.out}: F1 {scores[0][0]:.2f} to {scores[SHOWN - 1][0]:.2f} of {asked.wells} wells"
    )
    if DATA.is_dir():
        paths = [*sorted((DATA / "wells").glob("*.tif")), *sorted((DATA / "foci").glob("*.CTL"))]
        paths += [DATA / f"plate-a-to-d/image1_Well_{number}.png" for number in (28, 40, 48, 13)]
        sheet([real(path) for path in paths], asked.real)
        print(asked.real)


if __name__ == "__main__":
    main()
