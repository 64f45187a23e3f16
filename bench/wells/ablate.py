"""What each rule of the front end is for: it is switched off, and the wells are counted again.

    python -m bench.wells.ablate [--wells 40] [--empty 40] [--rule NAME ...]

A row per rule: its name and value, its unit, where it comes from, what it is without, and then with
it switched off: the mean F1 of the wells with hand marks, the rank correlation of the plate with
its reader (where those pictures are at hand), F1 on simulated wells (of the cells that count with
all rules), marks on those without cells, and of how many pictures the status changes. The first row
is that of all rules as they are.
"""

from __future__ import annotations

import argparse
import importlib
import math
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from bench.common.machine import lines, machine
from bench.wells.agreement import (
    DATA,
    HAND_MARKS,
    PLATE,
    against_marks,
    against_reader,
    read_marks,
    read_reader,
)
from bench.wells.rendered import FIRST, FIRST_EMPTY

import spotcore as sc
from spotcore.images.picture import Picture
from spotcore.images.read import read_image
from spotcore.simulation.render import simulate_well
from spotcore.train.wells.calibrate import RADIUS, radius_of, truth


class Rule(NamedTuple):
    """A number of `spotcore.wells`, or several that go together."""

    module: str
    name: str
    off: Any
    unit: str
    source: str


WELLS = "spotcore.wells"
SIMULATED = "simulated wells"
DEVELOPMENT = "test1, test3, test4, plate"
RULES = [
    Rule("sight", "CONTRAST", 1e-6, "roughnesses of the membrane", DEVELOPMENT),
    Rule("sight", "_SURE", 1.0, "power of the contrast", SIMULATED + ": log-likelihood"),
    Rule("sight", "_OTHER", 2.0, "probability", SIMULATED + ": precision of such marks .2"),
    Rule("sight", "_CROWD", math.inf, "clear marks", "wells 40, 41 and 48 of the plate"),
    Rule("sight", "_CLEAR", 0.0, "visibility", SIMULATED),
    Rule("detector", "_AS_CLEAR", 1.0, "share of the evidence", "the same picture enlarged"),
    Rule("detector", "_DECIDED", math.inf, "evidence", "time: .1 s a well"),
    Rule("detector", "_LEAST_EVIDENCE", 0.0, "clear marks", SIMULATED + " without cells"),
    Rule("detector", "_SHOWN_WELL", 1e6, "times a typical width", SIMULATED),
    Rule("detector", "_GRAINS_WITHIN", 0.0, "widths", "foci"),
    Rule("detector", "_STEP", 1.0001, "between factors of views", "the same picture enlarged"),
    Rule("detector", "_ENLARGED", 0.5, "of a step", DEVELOPMENT),
    Rule("detector", "_LARGEST", 1.0, "factor of a view", "the same picture at half the size"),
    Rule("detector", "_TRIES", 1, "views", SIMULATED),
    Rule("view", "BLUR", 0.1, "pixels of a view", DEVELOPMENT),
    Rule("view", "_GRAIN", 0.1, "pixels of a view", DEVELOPMENT),
    Rule("view", "_INNER", 1, "pixels of a view", "wells with a blackened surround"),
    Rule("view", "_QUIET", 0.0, "of the median texture", "blackened surroundings"),
    Rule("confluence", "CONFLUENT", math.inf, "spots at a point", "Campbell's theorem"),
    Rule("confluence", "SKEWED", math.inf, "skewness", "wells D3, D6 and D9 of the plate"),
    Rule("confluence", "_TEXTURE", 0.0, "times the noise", "wells without cells"),
    Rule("status", "SOFT_UM", 1e6, "µm", "the sharpest spots of real wells have 20"),
    Rule("status", "FINEST_DETAIL", 1e6, "grey levels of 8 bits", "blurred wells"),
    Rule("status", "_HIDDEN_SHARE", 1e6, "hidden for each seen", "Matern's hard core"),
    Rule("status", "_CLIPPED_SHARE", 2.0, "of the pixels", "black and white pictures"),
    Rule("status", "_SATURATED_SHARE", 2.0, "of the well", SIMULATED),
    Rule("status", "_LEAST_MEMBRANE", 0.0, "of what is shown", "pictures of other assays"),
]

Item = tuple[str, Any]


class Counted(NamedTuple):
    """What came out of one picture."""

    item: Item
    status: str
    cells: np.ndarray
    true: np.ndarray
    radius: float


def counted(item: Item, rule: Rule | None) -> Counted:
    """Count the cells of a picture, without a secretion that nobody asks for."""
    kind, which = item
    settings = sc.Settings(max_iter=1, threads=1)
    if rule is not None and rule.name == "CONTRAST":  # a setting is as it was when it was made
        settings = replace(settings, contrast=rule.off)
    off = nullcontext() if rule is None else patch(f"{WELLS}.{rule.module}.{rule.name}", rule.off)
    with off:
        if kind == "file":
            found = sc.analyse(read_image(Path(which)), settings)
            return Counted(item, found.status.status, found.cells.yx, np.zeros((0, 2)), RADIUS)
        well = simulate_well(0 if kind == "empty" else None, (320, 320), seed=which)
        found = sc.analyse(Picture.of(well.image), settings)
        true = truth(well, found.well.sight)
        return Counted(item, found.status.status, found.cells.yx, true, radius_of(well))


def figures(found: list[Counted], as_it_is: list[Counted]) -> str:
    """Say what became of all pictures."""
    marked, simulated, empty = [], [], []
    plate = {}
    for (item, _, cells, _, _), before in zip(found, as_it_is, strict=True):
        kind, which = item
        if kind == "file" and Path(which).parent.name == PLATE:
            plate[Path(which).stem] = cells
        elif kind == "file":
            truth_of = read_marks(HAND_MARKS / f"{Path(which).stem}.csv")
            marked.append(against_marks(cells, truth_of).f1)
        elif kind == "empty":
            empty.append(len(cells))
        elif len(before.true):
            simulated.append(sc.match(cells, before.true, radius=before.radius).f1)
    words = [f"{np.mean(marked):.3f}" if marked else "-", "-"]
    if plate:
        words[1] = f"{float(against_reader(plate, read_reader()).rank_correlation):.3f}"
    changed = sum(a.status != b.status for a, b in zip(found, as_it_is, strict=True))
    words += [f"{np.mean(simulated):.3f}", f"{np.mean(empty):.2f}", f"{changed}"]
    return " | ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=40)
    parser.add_argument("--empty", type=int, default=40)
    parser.add_argument("--rule", nargs="+", choices=[rule.name for rule in RULES])
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    print(lines(machine()))
    items: list[Item] = [("cells", FIRST + n) for n in range(asked.wells)]
    items += [("empty", FIRST_EMPTY + n) for n in range(asked.empty)]
    if DATA.is_dir():
        items += [("file", DATA / f"wells/{path.stem}.tif") for path in HAND_MARKS.glob("*.csv")]
        items += [("file", DATA / f"{PLATE}/{name}.png") for name in read_reader()]
    print("| rule | unit | from | without | marks F1 | plate | simulated F1 | empty | statuses |")
    print("|---|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(asked.workers) as pool:
        as_it_is = list(pool.map(partial(counted, rule=None), items, chunksize=4))
        print(f"| all | | | | {figures(as_it_is, as_it_is)} |", flush=True)
        for rule in RULES:
            if asked.rule and rule.name not in asked.rule:
                continue
            value = getattr(importlib.import_module(f"{WELLS}.{rule.module}"), rule.name)
            found = list(pool.map(partial(counted, rule=rule), items, chunksize=4))
            print(
                f"| `{rule.module}.{rule.name}` = {value:g} | {rule.unit} | {rule.source} "
                f"| {rule.off:g} | {figures(found, as_it_is)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
