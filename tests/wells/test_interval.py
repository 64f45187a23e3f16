"""Between which limits the number of spots lies, and how many are hidden."""

from __future__ import annotations

import numpy as np
import pytest

from spotcore.wells.confluence import hidden_spots
from spotcore.wells.status import count_interval


def points(rng, n, size=400):
    return rng.integers(0, size, (n, 2)).astype(float)


@pytest.mark.parametrize("n", [50, 300, 700])
def test_hidden_spots_are_as_many_as_were_hidden(n):
    rng, inside, distance = np.random.default_rng(n), np.ones((400, 400), bool), 6.0
    missed, expected = [], []
    for _ in range(12):
        yx = points(rng, n)
        # Matern's second kind: hidden by any stronger one, itself hidden or not.
        near = np.hypot(*(yx[:, None] - yx[None]).transpose(2, 0, 1)) <= distance
        marks = yx[~np.tril(near, -1).any(axis=1)]
        missed.append(n - len(marks))
        expected.append(hidden_spots(marks, inside, distance))
    # The local density reaches beyond the border, where nothing is: some too few are expected.
    spread = np.std(missed) / np.sqrt(12)
    assert np.mean(expected) == pytest.approx(np.mean(missed), rel=0.15, abs=4 * spread + 0.5)


@pytest.mark.parametrize("yx", [np.zeros((0, 2)), np.array([[20.0, 20], [180, 180]])])
def test_nothing_hides_where_spots_are_far_apart(yx):
    assert hidden_spots(yx, np.ones((200, 200), bool), 1.0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("common", [0.0, 0.5])
def test_intervals_hold_the_truth(common):
    """Of wells whose log-odds are all wrong by the same error."""
    rng, held, trials = np.random.default_rng(1), 0, 400
    for trial in range(trials):
        odds = rng.normal(0, 2.5, [5, 30, 150][trial % 3])
        true = rng.random(len(odds)) < 1 / (1 + np.exp(-(odds + rng.normal(0, common))))
        stated = 1 / (1 + np.exp(-odds))
        low, high = count_interval(stated, int((stated >= 0.5).sum()))
        held += low <= true.sum() <= high
    # Simulated wells err by more than this: theirs is the 95 %.
    assert held >= trials * 0.95


def test_the_interval_of_nothing_and_of_certainty():
    assert count_interval(np.zeros(0), 0) == (0, 0)
    assert count_interval(np.full(7, 1.0), 7) == (7, 7)
    assert count_interval(np.full(7, 0.0), 0) == (0, 0)
    assert count_interval(np.full(7, np.nan), 7) == (7, 7)  # said to be cells
    assert count_interval(np.full(2, 0.5), 1) == (0, 4)


def test_faint_marks_widen_it_upwards():
    sure = np.full(40, 0.999)
    assert count_interval(sure, 40) == (39, 41)
    assert count_interval(np.concatenate([sure, np.full(60, 0.2)]), 40) == (31, 73)
