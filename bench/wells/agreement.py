"""How well counted cells agree with marks, and the record of what was reached: the ratchet.

`tests/wells/test_ratchet.py` fails where a picture falls behind what ``tests/data/ratchet.json``
holds; ``python -m bench.wells.reproduce --ratchet`` records anew.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

import spotcore as sc

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared/data"
HAND_MARKS = ROOT / "tests/data/hand_marks"
RENDERED = ROOT / "tests/data/rendered"
RATCHET = ROOT / "tests/data/ratchet.json"
PLATE = "plate-a-to-d"
CONFLUENT = {"D3", "D6", "D9"}  # the reader printed 2, 0 and 0 for them
RADIUS = 3.0  # pixels

Marks = tuple[np.ndarray, np.ndarray]  # sure and doubtful ones, [n, 2] each


class Agreement(NamedTuple):
    """Cells beside the marks of one picture. A doubtful mark is neither missed nor wrong."""

    marks: int  # sure ones
    found: int
    at_doubtful: int  # of those found
    hits: int

    @property
    def f1(self) -> float:
        """F1 of what is found with the sure marks."""
        return 2 * self.hits / max(self.marks + self.found - self.at_doubtful, 1)

    def figures(self) -> dict[str, Fraction]:
        """Return what must not get smaller."""
        return {
            "recall": Fraction(self.hits, max(self.marks, 1)),
            "precision": Fraction(self.hits, max(self.found - self.at_doubtful, 1)),
        }


class PlateAgreement(NamedTuple):
    """Counts of a plate's wells beside its reader's."""

    rank_correlation: Fraction  # to six digits
    total: int
    reader: int

    def figures(self) -> dict[str, Fraction]:
        """Return what must not get smaller."""
        both = sorted((self.total, self.reader))
        return {"rank correlation": self.rank_correlation, "total": Fraction(both[0], both[1])}


def run_spotcore(images: list[Path], folder: Path) -> dict[str, np.ndarray]:
    """Positions [n, 2] of the cells of each image, by the command line."""
    command = [sys.executable, "-c", "import spotcore.commands as c; c.main()", "detect"]
    run = subprocess.run(
        [*command, *map(str, images), "-o", str(folder), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    names = [Path(json.loads(line)["file"]).stem for line in run.stdout.splitlines()]
    return {name: read_points(folder / f"{name}.cells.csv")[:, :2] for name in names}


def read_points(path: Path) -> np.ndarray:
    """Columns y, x and, where there is one, sure of a table, [n, 3]."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return np.array([[r["y"], r["x"], r.get("sure", 1)] for r in rows], float).reshape(-1, 3)


def read_marks(path: Path) -> Marks:
    """Sure and doubtful marks of a well, [n, 2] each."""
    marks = read_points(path)
    return marks[marks[:, 2] > 0, :2], marks[marks[:, 2] == 0, :2]


def read_reader() -> dict[str, int]:
    """Counts of the plate's countable wells, by the name of the image."""
    with (DATA / PLATE / "reader_counts.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["well"] not in CONFLUENT]
    return {f"image1_Well_{r['cmvision_index']}": int(r["aid_count"]) for r in rows}


def against_marks(points: np.ndarray, marks: Marks) -> Agreement:
    """Match cells with sure marks, and what is left of them with doubtful ones."""
    sure, doubtful = marks
    match = sc.match(points, sure, radius=RADIUS)
    rest = np.delete(points, match.pairs[:, 0], axis=0)
    at_doubtful = len(sc.match(rest, doubtful, radius=RADIUS).pairs)
    return Agreement(len(sure), len(points), at_doubtful, len(match.pairs))


def against_reader(points: dict[str, np.ndarray], reader: dict[str, int]) -> PlateAgreement:
    """Rank correlation over the countable wells, and their total."""
    counts = [len(points[name]) for name in reader]
    rho = float(spearmanr(counts, list(reader.values())).statistic)
    return PlateAgreement(Fraction(round(rho * 10**6), 10**6), sum(counts), sum(reader.values()))


def rendered_agreements(folder: Path) -> dict[str, Agreement]:
    """Find the cells of our own pictures, whose truth is known."""
    pictures = sorted(RENDERED.glob("*.png"))
    points = run_spotcore(pictures, folder)
    return {
        p.stem: against_marks(points[p.stem], read_marks(p.with_suffix(".csv"))) for p in pictures
    }


def real_agreements(folder: Path) -> dict[str, Agreement | PlateAgreement]:
    """Find the cells of the wells with hand marks, and of the plate."""
    marks = {p.stem: read_marks(p) for p in sorted(HAND_MARKS.glob("test*.csv"))}
    reader = read_reader()
    wells = [DATA / f"wells/{name}.tif" for name in marks]
    points = run_spotcore([*wells, *(DATA / PLATE / f"{name}.png" for name in reader)], folder)
    agreed: dict[str, Agreement | PlateAgreement] = {
        name: against_marks(points[name], truth) for name, truth in marks.items()
    }
    return agreed | {PLATE: against_reader(points, reader)}


def read_ratchet() -> dict[str, Agreement | PlateAgreement]:
    """Read what was reached, by picture (and by plate)."""
    return {
        name: PlateAgreement(
            Fraction(row["rank_correlation"]), int(row["total"]), int(row["reader"])
        )
        if "reader" in row
        else Agreement(**row)
        for name, row in json.loads(RATCHET.read_text()).items()
    }


def write_ratchet(agreed: dict[str, Agreement | PlateAgreement]) -> None:
    """Write what is reached now."""
    rows = {
        name: {k: str(float(v)) if isinstance(v, Fraction) else v for k, v in row._asdict().items()}
        for name, row in sorted(agreed.items())
    }
    RATCHET.write_text(json.dumps(rows, indent=1) + "\n")


def compare(
    before: Agreement | PlateAgreement, now: Agreement | PlateAgreement
) -> tuple[list[str], list[str]]:
    """Say which figures got worse and which got better, in words."""
    worse, better = [], []
    for name, value in now.figures().items():
        old = before.figures()[name]
        words = f"{name} {float(old):.4f} -> {float(value):.4f}"
        if value < old:
            worse.append(words)
        elif value > old:
            better.append(words)
    return worse, better
