"""Cells of real wells beside hand marks, a plate beside its reader, and scikit-image beside ours.

    python -m bench.wells.reproduce [-o out/wells] [--marks tests/data/hand_marks] [--no-peers]

Reads ``../shared/data/wells/*.tif`` and ``../shared/data/plate-a-to-d/`` (48 wells with the counts
of a commercial reader, three of them confluent), and ``test1.csv`` ... in the folder of marks:
columns y, x, sure. A doubtful mark (sure = 0) is neither missed nor wrong. Ours was developed on
the plate and on test1; scikit-image's settings are chosen on them too. test3, test4 and test6 were
held out until the detector stood; the last rules of `spotcore.wells.artefacts.is_doubtful` and the
limit of peaks were chosen with a view of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from bench.peers import wells as peers_wells
from scipy.stats import rankdata, spearmanr

import spotcore as sc
from spotcore.images.read import read_image
from spotcore.wells import prepare_well

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data"
CONFLUENT = {"D3", "D6", "D9"}  # the reader printed 2, 0 and 0 for them
DEVELOPMENT = "test1"
RADIUS = 3.0  # pixels


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out/wells"))
    parser.add_argument("--marks", type=Path, default=ROOT / "tests/data/hand_marks")
    parser.add_argument("--no-peers", action="store_true", help="leave scikit-image out")
    args = parser.parse_args()
    if not DATA.is_dir():
        print("this figure needs ../shared/data beside the repository")
        return 2

    images = sorted(DATA.glob("wells/*.tif")) + sorted(DATA.glob("plate-a-to-d/*.png"))
    start = time.perf_counter()
    ours = run_spotcore(images, args.output)
    seconds = time.perf_counter() - start
    for image in images:
        if image.suffix == ".tif":
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
        rho, total = against_reader(points, reader)
        print(f"{name:28}{rho:10.3f}  {total:9}", end="")
        for picture, truth in marks.items():
            recall, precision = against_marks(points[picture], truth)
            print(f"   {picture:5} {recall:6.3f}, {precision:8.3f}", end="")
        print()
    print(f"{len(images)} images in {seconds:.1f} s; overlays in {args.output}")
    return 0


def run_spotcore(images: list[Path], folder: Path) -> dict[str, np.ndarray]:
    """Positions [n, 2] of the cells of each image, by the command line."""
    command = [str(Path(sys.executable).parent / "spotcore"), "detect", *map(str, images)]
    run = subprocess.run(
        [*command, "-o", str(folder), "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    names = [Path(json.loads(line)["file"]).stem for line in run.stdout.splitlines()]
    return {name: read_points(folder / f"{name}.cells.csv")[:, :2] for name in names}


def read_points(path: Path) -> np.ndarray:
    """Columns y, x and, where there is one, sure of a table, [n, 3]."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return np.array([[r["y"], r["x"], r.get("sure", 1)] for r in rows], float).reshape(-1, 3)


def read_marks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Sure and doubtful marks of a well, [n, 2] each."""
    marks = read_points(path)
    return marks[marks[:, 2] > 0, :2], marks[marks[:, 2] == 0, :2]


def read_reader() -> dict[str, int]:
    """Counts of the countable wells, by the name of the image."""
    with (DATA / "plate-a-to-d/reader_counts.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["well"] not in CONFLUENT]
    return {f"image1_Well_{r['cmvision_index']}": int(r["aid_count"]) for r in rows}


def against_marks(points: np.ndarray, marks: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Recall of the sure marks, and precision of what is not at a doubtful one."""
    sure, doubtful = marks
    match = sc.match(points, sure, radius=RADIUS)
    rest = np.delete(points, match.pairs[:, 0], axis=0)
    excused = len(sc.match(rest, doubtful, radius=RADIUS).pairs)
    hits = len(match.pairs)
    return hits / max(len(sure), 1), hits / max(len(points) - excused, 1)


def against_reader(points: dict[str, np.ndarray], reader: dict[str, int]) -> tuple[float, int]:
    """Rank correlation over the countable wells, and their total."""
    counts = [len(points[name]) for name in reader]
    return float(spearmanr(counts, list(reader.values())).statistic), sum(counts)


def best_peers(wells, marks, reader) -> dict[str, dict[str, np.ndarray]]:
    """The best setting of each of scikit-image's detectors on the development data."""
    best: dict[str, tuple[float, str, peers_wells.Detector]] = {}
    for name, detect in peers_wells.candidates():
        rho, total = against_reader({n: detect(wells[n]) for n in reader}, reader)
        value = rho - 10 * (abs(total / sum(reader.values()) - 1) > 0.15)
        if DEVELOPMENT in marks:
            r, p = against_marks(detect(wells[DEVELOPMENT]), marks[DEVELOPMENT])
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
