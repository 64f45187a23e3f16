"""Spots that only the solver parts from their neighbours.

The pictures have small spots of 3 px (Gaussian) and noise of 0.01 optical densities; peaks are
looked for at a scale of 2 px.
"""

from __future__ import annotations

import numpy as np
import pytest

import spotcore as sc
from spotcore.analysis import SOLVES, solve_well
from spotcore.detections import Cells
from spotcore.simulation.demo import plate_like
from spotcore.wells import find_spots, parted, prepare_well
from spotcore.wells.curvature import Curvature
from spotcore.wells.parted import parted_spots
from support.solved import TWO_WIDTHS, resolvable
from support.synthetic_well import gaussian

SIZE, SCALE, NOISE = (200, 200), 2.0, 0.01
WIDTH = 3.0  # px
STRONG = 1e6  # a secretion that is far above any limit


def marks_at(yx, secretion):
    """Marks of a solver, all of the same score."""
    y, x = np.array(yx, np.int64).reshape(-1, 2).T
    amount = np.asarray(secretion, np.float64)
    return Cells(y, x, np.ones(len(y), np.float32), amount, np.ones((len(y), 1)), 0.0)


def chosen(yx, secretion=STRONG, spots=((100, 100),), artefacts=(), picture=None):
    """Which of some marks stand for spots of their own, on a picture with a summit at each."""
    if picture is None:
        picture = sum(gaussian(SIZE, y, x, WIDTH, WIDTH) for y, x in yx)
    index, strength = parted_spots(
        marks_at(yx, np.broadcast_to(secretion, len(yx))),
        Curvature.of(picture.astype(np.float32), SCALE),
        np.ones(SIZE, bool),
        NOISE,
        np.array(spots, np.float64).reshape(-1, 2),
        np.array(artefacts, np.int64).reshape(-1, 2),
    )
    assert (strength >= 1).all()
    return index.tolist()


def test_a_mark_within_a_spot_is_no_spot_of_its_own():
    # A small spot is 7 px wide at half its height: at 6 px from its centre a mark lies in its
    # light. At 16 px, more than two such widths, another one has room beside it.
    assert chosen([(100, 106)]) == []
    assert chosen([(100, 116)]) == [0]


def test_only_where_a_neighbour_can_hide_a_spot():
    # Light falls off over some widths of the broadest spots (10 px): at 32 px a spot still lies in
    # the crowd's light, at 60 px nothing hides it, and its own summit would have shown.
    assert chosen([(100, 132)]) == [0]
    assert chosen([(100, 160)]) == []
    assert chosen([(100, 116)], spots=()) == []


def test_only_where_enough_is_secreted():
    # A spot's secretion is the sum of its density, 2 pi 3^2 = 56.5 times its height. One of 8
    # deviations of the noise is seen where one knows of it; one of 20 is plain.
    faint, plain = (2 * np.pi * WIDTH**2 * NOISE * height for height in (8, 20))
    assert chosen([(100, 116), (116, 100), (84, 100)], [plain, faint, 3 * plain]) == [0, 2]


def test_not_beside_artefacts():
    # The solver places cells along a scratch at up to the width of what it explains it with, some
    # 10 px. Four such widths of a small spot away, 24 px, there is only membrane.
    assert chosen([(100, 116)], artefacts=[(100, 126)]) == []
    assert chosen([(100, 116)], artefacts=[(100, 140)]) == [0]


@pytest.mark.parametrize("length, spot", [(3.0, True), (5.0, True), (8.0, False), (30.0, False)])
def test_not_on_ridges(length, spot):
    # 3 x 5 px is a spot with a shoulder; 3 x 8 px a stretch of a scratch.
    ridge = gaussian(SIZE, 100, 120, WIDTH, length)
    assert chosen([(100, 120)], picture=ridge) == ([0] if spot else [])
    assert chosen([], picture=ridge) == []


@pytest.mark.parametrize("cells", [60, 250, 400])
def test_crowded_wells(monkeypatch, cells):
    image, truth = plate_like(cells, 512, seed=3)
    well = prepare_well(image.astype(np.float32))
    result = solve_well(well, SOLVES[well.preset])
    found = find_spots(well, result).cells
    match = sc.match(found, truth)
    # There is nothing but cells, and what counts stands 10 deviations out of the noise.
    assert match.precision == 1.0
    assert match.recall >= resolvable(truth, TWO_WIDTHS)
    assert (found.score >= found.threshold).all()
    assert (np.diff(found.score) <= 0).all()
    total = sc.detect(result, 0.0).secretion.sum()
    assert found.secretion.sum() <= total * (1 + 1e-6)  # no mark's secretion is given twice

    monkeypatch.setattr(parted, "SECRETING", np.inf)
    seen = find_spots(well, result).cells
    assert {tuple(at) for at in seen.yx} <= {tuple(at) for at in found.yx}
    # In a crowd the solver finds cells that are no summit of the picture.
    gained = len(match.pairs) - len(sc.match(seen, truth).pairs)
    assert gained > 0 if cells > 100 else gained >= 0
