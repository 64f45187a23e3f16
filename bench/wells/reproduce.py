"""Cells of real wells beside hand marks, a plate beside its reader, and scikit-image beside ours.

    python -m bench.wells.reproduce [-o out/wells] [--marks tests/data/hand_marks] [--no-peers]
    python -m bench.wells.reproduce --ratchet

Reads ``../shared/data/wells/*.tif`` and ``../shared/data/plate-a-to-d/`` (48 wells with the counts
of a commercial reader, three of them confluent), and ``test1.csv`` ... in the folder of marks:
columns y, x, sure. A doubtful mark (sure = 0) is neither missed nor wrong. Ours has learned from
simulated wells alone; from which visibility on a spot counts was chosen on test1, test3, test4 and
the plate. scikit-image's settings are chosen on test1 and the plate.

With ``--ratchet``, write what ours reaches on hand marks, plate and rendered pictures to
``tests/data/ratchet.json``, below which the tests do not let it fall, and say what has moved.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from bench.peers import wells as peers_wells
from bench.wells.agreement import (
    DATA,
    HAND_MARKS,
    RATCHET,
    against_marks,
    against_reader,
    compare,
    read_marks,
    read_ratchet,
    read_reader,
    real_agreements,
    rendered_agreements,
    run_spotcore,
    write_ratchet,
)
from scipy.stats import rankdata

from spotcore.images.read import read_image
from spotcore.wells import prepare_well

DEVELOPMENT = "test1"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out/wells"))
    parser.add_argument("--marks", type=Path, default=HAND_MARKS)
    parser.add_argument("--no-peers", action="store_true", help="leave scikit-image out")
    parser.add_argument("--ratchet", action="store_true", help="record what ours reaches now")
    args = parser.parse_args()
    if args.ratchet:
        return move_ratchet(args.output)
    if not DATA.is_dir():
        print("this figure needs ../shared/data beside the repository")
        return 2

    images = sorted(DATA.glob("wells/*.tif")) + sorted(DATA.glob("plate-a-to-d/*.png"))
    images += sorted(DATA.glob("foci/*.CTL"))
    start = time.perf_counter()
    ours = run_spotcore(images, args.output)
    seconds = time.perf_counter() - start
    for image in images:
        if image.suffix != ".png":
            print(f"{image.name}: {len(ours[image.stem])}")
    marks = {p.stem: read_marks(p) for p in sorted(args.marks.glob("test*.csv"))}
    if not marks:
        print(f"no hand marks in {args.marks}: no recall and precision")
    reader = read_reader()

    found = {"spotcore": ours}
    if not args.no_peers:
        wells = {p.stem: prepare_well(read_image(p).pixels) for p in images}
        found |= best_peers(wells, marks, reader)
    print_plate(ours, reader)
    print(f"\n{'':28}rank corr.  total/{sum(reader.values())}", end="")
    print("".join(f"   {name} recall, precision" for name in marks))
    for name, points in found.items():
        plate = against_reader(points, reader)
        print(f"{name:28}{float(plate.rank_correlation):10.3f}  {plate.total:9}", end="")
        for picture, truth in marks.items():
            recall, precision = map(float, against_marks(points[picture], truth).figures().values())
            print(f"   {picture:5} {recall:6.3f}, {precision:8.3f}", end="")
        print()
    print(f"{len(images)} images in {seconds:.1f} s; overlays in {args.output}")
    return 0


def move_ratchet(folder: Path) -> int:
    """Record what is reached now; what cannot be measured here stays as it was."""
    before = read_ratchet() if RATCHET.exists() else {}
    now = rendered_agreements(folder)
    if DATA.is_dir():
        now |= real_agreements(folder)
    else:
        print("no ../shared/data beside the repository: the real wells' records stay")
    for name, agreed in now.items():
        moved = [word for words in compare(before.get(name, agreed), agreed) for word in words]
        print(f"{name}: {', '.join(moved) or 'the same' if name in before else 'new'}")
    write_ratchet(before | now)
    return 0


def best_peers(wells, marks, reader) -> dict[str, dict[str, np.ndarray]]:
    """The best setting of each of scikit-image's detectors on the development data."""
    best: dict[str, tuple[float, str, peers_wells.Detector]] = {}
    for name, detect in peers_wells.candidates():
        plate = against_reader({n: detect(wells[n]) for n in reader}, reader)
        value = float(plate.rank_correlation)
        value -= 10 * (abs(plate.total / plate.reader - 1) > 0.15)
        if DEVELOPMENT in marks:
            agreed = against_marks(detect(wells[DEVELOPMENT]), marks[DEVELOPMENT])
            r, p = map(float, agreed.figures().values())
            value += 2 * r * p / max(r + p, 1e-9)
        kind = name.split()[0]
        if kind not in best or value > best[kind][0]:
            best[kind] = (value, name, detect)
    return {
        f"scikit-image {name}": {n: detect(well) for n, well in wells.items()}
        for _, name, detect in best.values()
    }


def print_plate(ours: dict[str, np.ndarray], reader: dict[str, int]) -> None:
    """Counts well by well, and where the ranks differ most."""
    label = {name: _label(name) for name in reader}
    counts = {name: len(ours[name]) for name in reader}
    print("well: ours/reader")
    for row in "ABCD":
        print(
            "  ".join(f"{label[n]}: {counts[n]}/{reader[n]}" for n in reader if label[n][0] == row)
        )
    apart = rankdata(list(counts.values())) - rankdata(list(reader.values()))
    worst = sorted(zip(-abs(apart), reader, strict=True))[:8]
    print("ranks differ most:", ", ".join(f"{label[n]} {counts[n]}/{reader[n]}" for _, n in worst))


def _label(name: str) -> str:
    row, column = divmod(int(name.rsplit("_", 1)[1]) - 1, 12)
    return f"{'ABCD'[row]}{column + 1}"


if __name__ == "__main__":
    sys.exit(main())
