"""No picture gets worse than it was: hand-marked wells, a reader's plate, our own renderings.

``tests/data/ratchet.json`` has what was reached, ``python -m bench.wells.reproduce --ratchet``
records anew. The figures are exact: one cell lost, or one mark too many, fails.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from bench.wells.agreement import (
    HAND_MARKS,
    PLATE,
    RENDERED,
    Agreement,
    against_marks,
    compare,
    read_ratchet,
    read_reader,
    real_agreements,
    rendered_agreements,
)

RECORDED = read_ratchet()
OURS = sorted(path.stem for path in RENDERED.glob("*.png"))
REAL = [*sorted(path.stem for path in HAND_MARKS.glob("*.csv")), PLATE]


def hold(name, now):
    """Fail where a picture fell behind its record; say where it is ahead."""
    worse, better = compare(RECORDED[name], now)
    assert not worse, f"{name} got worse: {', '.join(worse)}"
    if better:
        warnings.warn(
            f"{name} got better: {', '.join(better)}; "
            "python -m bench.wells.reproduce --ratchet records it",
            stacklevel=2,
        )


tells = pytest.mark.filterwarnings("default:.* got better:UserWarning")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return rendered_agreements(tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    return real_agreements(tmp_path_factory.mktemp("real"))


@tells
@pytest.mark.parametrize("name", OURS)
def test_rendered_pictures(ours, name):
    hold(name, ours[name])


@tells
@pytest.mark.parametrize("name", REAL)
def test_real_pictures(real, name):
    hold(name, real[name])


def test_every_picture_has_a_record_and_every_record_a_picture():
    assert sorted(RECORDED) == sorted(OURS + REAL)
    for name in RECORDED:
        assert name != PLATE or RECORDED[name].total > 0
        assert name == PLATE or RECORDED[name].hits > 0


def test_the_plates_record_is_of_the_readers_wells(shared_data):
    reader = read_reader()
    assert len(reader) == 45 and sum(reader.values()) == RECORDED[PLATE].reader


@pytest.mark.parametrize("name", [name for name in OURS + REAL if name != PLATE])
def test_one_cell_lost_or_one_too_many_fails(name):
    before = RECORDED[name]
    lost = before._replace(hits=before.hits - 1, found=before.found - 1)
    doubled = before._replace(found=before.found + 1)
    for now, figure in ((lost, "recall"), (doubled, "precision")):
        with pytest.raises(AssertionError, match=f"{name} got worse: .*{figure}"):
            hold(name, now)
    hold(name, before)


def test_one_cell_more_is_told():
    name = "crowded"
    before = RECORDED[name]
    more = before._replace(hits=before.hits + 1, found=before.found + 1)
    with pytest.warns(UserWarning, match="crowded got better: recall .*--ratchet"):
        hold(name, more)


def test_a_doubtful_mark_is_neither_missed_nor_wrong():
    sure, doubtful = np.array([[10.0, 10], [30, 30]]), np.array([[50.0, 50], [70, 70]])
    found = np.array([[10.0, 11], [50, 50], [90, 90]])  # a hit, at a doubtful one, nothing there
    agreed = against_marks(found, (sure, doubtful))
    assert agreed == Agreement(marks=2, found=3, at_doubtful=1, hits=1)
    assert {name: float(value) for name, value in agreed.figures().items()} == {
        "recall": 0.5,
        "precision": 0.5,
    }
