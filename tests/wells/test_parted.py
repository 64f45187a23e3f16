"""Spots that only the solver parts from their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

import spotcore as sc
from spotcore.analysis import SOLVES, solve_well
from spotcore.detections import Cells
from spotcore.simulation.demo import plate_like
from spotcore.wells import find_spots, parted, prepare_well
from spotcore.wells.curvature import Curvature
from spotcore.wells.parted import NEAR_ARTEFACT, NEIGHBOUR, SAME, SECRETING, parted_spots
from spotcore.wells.spots import PEAK_FACTOR
from support.synthetic_well import gaussian

SIZE, SCALE, NOISE = (200, 200), 2.0, 0.01


def marks_at(yx, secretion):
    """Marks of a solver, all of the same score."""
    y, x = np.array(yx, np.int64).reshape(-1, 2).T
    amount = np.asarray(secretion, np.float64)
    return Cells(y, x, np.ones(len(y), np.float32), amount, np.ones((len(y), 1)), 0.0)


def chosen(yx, secretion=1e6, spots=((100, 100),), artefacts=(), picture=None):
    """Which of some marks stand for spots of their own, on a picture with a summit at each."""
    if picture is None:
        picture = sum(gaussian(SIZE, y, x, 3.0, 3.0) for y, x in yx)
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


def test_only_near_a_spot_and_not_on_it():
    near, far = int(SAME * SCALE), int(NEIGHBOUR * SCALE)
    at = [(100, 100 + d) for d in (near - 1, near + 2, far - 1, far + 1)]
    assert chosen(at) == [1, 2]
    assert chosen(at, spots=()) == []


def test_only_where_enough_is_secreted():
    least = SECRETING * NOISE * SCALE**2
    at = [(100, 120), (120, 100), (80, 100)]
    assert chosen(at, [1.01 * least, 0.99 * least, 3 * least]) == [0, 2]


def test_not_beside_artefacts_nor_on_ridges():
    beside = int(NEAR_ARTEFACT * SCALE)
    assert chosen([(100, 120)], artefacts=[(100, 120 + beside - 1)]) == []
    assert chosen([(100, 120)], artefacts=[(100, 120 + beside + 1)]) == [0]
    y, x = np.indices(SIZE)
    ridge = np.exp(-((y - 100) ** 2) / 18) * np.exp(-((x - 120) ** 2) / (2 * 30.0**2))
    assert chosen([(100, 120)], picture=ridge) == []
    assert chosen([], picture=ridge) == []


@pytest.mark.parametrize("cells, least", [(60, 0.93), (250, 0.82), (400, 0.68)])
def test_crowded_wells(monkeypatch, cells, least):
    image, truth = plate_like(cells, 512, seed=3)
    well = prepare_well(image.astype(np.float32))
    result = solve_well(well, SOLVES[well.preset])
    found = find_spots(well, result).cells
    match = sc.match(found, truth)
    assert match.precision >= 0.99 and match.recall >= least
    assert (found.score >= PEAK_FACTOR).all() and (np.diff(found.score) <= 0).all()
    total = sc.detect(result, 0.0).secretion.sum()
    assert found.secretion.sum() <= total * (1 + 1e-6)  # no mark's secretion is given twice

    monkeypatch.setattr(parted, "SECRETING", np.inf)
    seen = find_spots(well, result).cells
    assert {tuple(at) for at in seen.yx} <= {tuple(at) for at in found.yx}
    if cells > 100:
        assert len(found) > 1.08 * len(seen)
