"""Cells and what is none of them, on simulated wells of known truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import spotcore as sc
from spotcore.simulation.render import WellLook, simulate_well
from spotcore.wells import find_cells, prepare_well
from spotcore.wells.spots import find_artefacts
from support.solved import solved

PLAIN = WellLook(radius=150.0, centre=(159.5, 159.5), core=1.2, density=0.5)
SHAPE = (320, 320)


def test_secretions_are_in_the_order_of_the_truth():
    ranks = []
    for seed in range(4):
        well = simulate_well(30, SHAPE, PLAIN, scale=0.25, seed=seed)
        _, cells = solved(well.image)
        pairs = sc.match(cells, well.cells, radius=2.0).pairs
        assert len(pairs) > 5 and (cells.secretion >= 0).all()
        np.testing.assert_allclose(cells.profile.sum(axis=1)[cells.secretion > 0], 1.0, rtol=1e-6)
        found, true = cells.secretion[pairs[:, 0]], well.secretion[pairs[:, 1]]
        ranks.append(np.corrcoef(np.argsort(np.argsort(found)), np.argsort(np.argsort(true)))[0, 1])
    assert np.median(ranks) > 0.6


@pytest.mark.parametrize("kind, listed", [("scratch", "scratch"), ("hair", "scratch")])
def test_artefacts_are_listed_and_not_counted(kind, listed):
    reasons, marks = Counter(), 0
    for seed in range(6):
        look = replace(PLAIN, artefacts={kind: 4})
        well = prepare_well(simulate_well(0, SHAPE, look, scale=0.25, seed=seed).image)
        found = find_artefacts(well)
        reasons.update(found.reason)
        marks += int((well.marks.probability >= 0.5).sum())
        assert (found.length > 0).all() and (found.area > 0).all()
        assert (np.diff(found.length) <= 0).all()
        for y, x in zip(found.y, found.x, strict=True):
            assert 0 <= y < SHAPE[0] and 0 <= x < SHAPE[1]
    assert reasons[listed] >= 6 and reasons.most_common(1)[0][0] == listed
    assert marks <= 6


def test_a_clean_well_has_no_artefacts():
    well = prepare_well(simulate_well(15, SHAPE, PLAIN, scale=0.25, seed=2).image)
    assert len(find_artefacts(well)) <= 1


def test_a_threshold_is_a_probability():
    image = simulate_well(60, SHAPE, PLAIN, scale=0.25, seed=3).image
    well = prepare_well(image)
    result = sc.solve(
        well.signal, sc.ObservationModel.gaussian(well.sigma_limits), well.lam, max_iter=3
    )
    cells = find_cells(well, result)
    assert (cells.score >= 0.5).all() and np.array_equal(cells.score, np.sort(cells.score)[::-1])
    np.testing.assert_allclose(cells.confidence, cells.score, rtol=1e-6)
    some, more = find_cells(well, result, 0.9), find_cells(well, result, 0.2)
    assert len(some) <= len(cells) <= len(more)


@pytest.mark.parametrize("method", ["solve", "spotnet"])
def test_the_method_decides_the_secretion_not_the_cells(method):
    image = simulate_well(30, SHAPE, PLAIN, scale=0.25, seed=5).image
    found = sc.analyse(image, sc.Settings(method=method))
    plain = sc.analyse(image)
    np.testing.assert_array_equal(found.cells.yx, plain.cells.yx)
    assert found.cells.secretion.shape == (len(plain.cells),)
