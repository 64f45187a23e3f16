"""Matching, precision, recall, F1 and the best threshold."""

from __future__ import annotations

import math
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotcore.detections import detect, local_maxima
from spotcore.metrics import best_f1, f1_at, match

law = settings(deadline=None, max_examples=150)
radii = st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, 50.0])


@st.composite
def scenes(draw):
    """Draw detections with scores and true cells on a small grid: collisions and ties abound."""
    place = st.tuples(st.integers(0, 9), st.integers(0, 9))
    found = draw(st.lists(st.tuples(place, st.integers(1, 5)), max_size=12))
    yx = np.array([p for p, _ in found], dtype=float).reshape(-1, 2)
    truth = np.array(draw(st.lists(place, max_size=12)), dtype=float).reshape(-1, 2)
    return yx, np.array([float(s) for _, s in found]), truth


@st.composite
def maps(draw):
    """Draw a score map with many equal values, and true cells."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    score = rng.integers(0, draw(st.integers(1, 9)), shape, endpoint=True).astype(np.float32)
    truth = rng.integers(0, shape, (draw(st.integers(0, 12)), 2))
    return score, truth


def match_by_definition(yx, score, truth, radius):
    """Pairs (detection, truth) from comparing everything with everything."""
    free, pairs = set(range(len(truth))), []
    for i in sorted(range(len(yx)), key=lambda i: (-score[i], i)):
        near = [(math.dist(yx[i], truth[j]), j) for j in free]
        near = [(distance, j) for distance, j in near if distance <= radius]
        if near:
            j = min(near)[1]
            free.remove(j)
            pairs.append((i, j))
    return pairs


# -------------------------------------------------------------------------------------- matching


@given(scenes(), radii)
@law
def test_match_is_the_definition(scene, radius):
    yx, score, truth = scene
    result = match(yx, truth, radius, score=score)
    assert result.pairs.tolist() == [list(p) for p in match_by_definition(yx, score, truth, radius)]
    assert (result.n_detections, result.n_truth) == (len(yx), len(truth))


@given(scenes(), radii, st.randoms())
@law
def test_match_does_not_see_the_order(scene, radius, random):
    yx, score, truth = scene
    if len(yx):
        score = score + np.arange(len(yx)) / 64  # distinct: among equals the order decides
    # Cells on one pixel or at one distance are told apart by their order; keep it among those.
    expected = match(yx, truth, radius, score=score)
    order = list(range(len(yx)))
    random.shuffle(order)
    shuffled = match(yx[order], truth, radius, score=score[order])
    found = [[order[i], j] for i, j in shuffled.pairs.tolist()]
    assert found == expected.pairs.tolist()


def test_match_of_cells_in_another_order_finds_the_same_places():
    rng = np.random.default_rng(0)
    yx, truth = rng.uniform(0, 60, (2, 300, 2))  # no two distances are equal
    score = rng.random(300)
    expected = match(yx, truth, score=score)
    order = rng.permutation(300)
    shuffled = match(yx, truth[order], score=score)
    np.testing.assert_array_equal(order[shuffled.pairs[:, 1]], expected.pairs[:, 1])
    np.testing.assert_array_equal(shuffled.pairs[:, 0], expected.pairs[:, 0])
    assert 0.3 < expected.f1 < 1


@given(scenes(), radii)
@law
def test_nothing_is_paired_twice_or_too_far(scene, radius):
    yx, score, truth = scene
    result = match(yx, truth, radius, score=score)
    for side in result.pairs.T:
        assert len(set(side.tolist())) == len(side)
    distance = np.linalg.norm(yx[result.pairs[:, 0]] - truth[result.pairs[:, 1]], axis=1)
    assert (distance <= radius).all()
    assert 0 <= result.precision <= 1
    assert 0 <= result.recall <= 1
    mean = 2 * result.precision * result.recall / max(result.precision + result.recall, 1e-9)
    assert result.f1 == pytest.approx(mean, abs=1e-12)


def test_the_radius_is_a_radius_and_inclusive():
    assert match([[0, 0]], [[0, 3]], radius=3.0).f1 == 1
    assert match([[0, 0]], [[0, 3]], radius=2.999).f1 == 0
    assert match([[0, 0]], [[2, 2]], radius=math.sqrt(8)).f1 == 1
    assert match([[5, 5]], [[5, 5]], radius=0.0).f1 == 1


def test_the_stronger_goes_first_and_takes_the_closest():
    # In the given order 0 would take cell 0; the stronger 1 takes it, and 0 the next one.
    result = match([[0, 0], [0, 1]], [[0, 1], [0, 3]], score=[1.0, 2.0])
    assert result.pairs.tolist() == [[1, 0], [0, 1]]
    # Without scores the order is that of strength.
    assert match([[0, 1], [0, 0]], [[0, 1], [0, 3]]).pairs.tolist() == [[0, 0], [1, 1]]
    # Greedy, not optimal: the stronger takes the only cell that the weaker could have.
    result = match([[0, 0], [0, 4]], [[0, 2], [0, -3]], radius=2.0, score=[2.0, 1.0])
    assert result.pairs.tolist() == [[0, 0]]


def test_two_cells_on_one_pixel_take_two_detections():
    result = match([[4, 4], [4, 5]], [[4, 4], [4, 4]])
    assert result.pairs.tolist() == [[0, 0], [1, 1]]
    assert match([[4, 4]], [[4, 4], [4, 4]]).recall == 0.5


@pytest.mark.parametrize(
    ("yx", "truth", "figures"),
    [
        ([], [], (1.0, 1.0, 1.0)),
        ([], [[1, 1]], (1.0, 0.0, 0.0)),
        ([[1, 1]], [], (0.0, 1.0, 0.0)),
    ],
)
def test_a_share_of_nothing_is_one(yx, truth, figures):
    result = match(yx, truth)
    assert (result.precision, result.recall, result.f1) == figures
    assert result.pairs.shape == (0, 2)


def test_tables_of_cells_are_matched_by_their_scores():
    score = np.zeros((12, 12))
    score[2, 2], score[2, 4], score[9, 9] = 1.0, 5.0, 2.0
    cells = detect(score, threshold=0.5)
    result = match(cells, [[2, 3], [9, 10], [6, 6]])
    assert result.pairs.tolist() == [[0, 0], [1, 1]]
    assert (result.precision, result.recall) == (2 / 3, 2 / 3)


def test_ten_thousand_cells_need_little_memory():
    rng = np.random.default_rng(0)
    yx = rng.uniform(0, 1500, (10_000, 2))
    truth = yx + rng.uniform(-1, 1, yx.shape)
    tracemalloc.start()
    result = match(yx, truth, score=rng.random(10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000**2 / 8  # not even a bit for each pair
    assert result.f1 > 0.95


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1, 2, 3]], [[1, 1]]), ValueError, r"cells: .*\[n, 2\].*\(1, 3\)"),
        (([[1, 2]], [1, 1]), ValueError, "truth_yx: .*got"),
        (([[1, np.nan]], [[1, 1]]), ValueError, "cells: .*nan"),
        (([["a", "b"]], [[1, 1]]), TypeError, "cells: .*dtype"),
        (([[1, 2]], [[1, 1]], -1.0), ValueError, "radius: .*>= 0.*-1.0"),
        (([[1, 2]], [[1, 1]], math.inf), ValueError, "radius: .*inf"),
        (([[1, 2]], [[1, 1]], 3.0, [1.0, 2.0]), ValueError, "score: .*1.*got 2"),
        (([[1, 2]], [[1, 1]], 3.0, [math.nan]), ValueError, "score: .*nan"),
        ((detect(np.eye(3)), [[1, 1]], 3.0, [1.0]), ValueError, "score: .*None"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        match(*arguments)


# ------------------------------------------------------------------------------------ thresholds


@given(maps(), radii)
@law
def test_best_f1_is_the_best_over_all_thresholds(scene, radius):
    score, truth = scene
    best = best_f1(score, truth, radius)
    values = np.unique(local_maxima(score)[1]).astype(float)
    tried = {v: f1_at(score, truth, v, radius).f1 for v in [*values, 100.0]}  # 100 keeps nothing
    assert best.f1 == max(tried.values())
    # The threshold gives what it promises, and is the highest that does.
    there = f1_at(score, truth, best.threshold, radius)
    assert (there.f1, there.precision, there.recall) == (best.f1, best.precision, best.recall)
    assert all(f1 < best.f1 for v, f1 in tried.items() if v > best.threshold and v < 100)


@given(maps(), radii)
@law
def test_a_lower_threshold_leaves_the_stronger_matches_alone(scene, radius):
    score, truth = scene
    whole = f1_at(score, truth, 0.0, radius)
    for threshold in np.unique(local_maxima(score)[1]):
        part = f1_at(score, truth, float(threshold), radius)
        np.testing.assert_array_equal(part.pairs, whole.pairs[: len(part.pairs)])
        assert (whole.pairs[len(part.pairs) :, 0] >= part.n_detections).all()


@given(maps())
@law
def test_f1_does_not_know_the_unit_of_the_score(scene):
    score, truth = scene
    best, scaled = best_f1(score, truth), best_f1(score * np.float32(0.125), truth)
    assert scaled.f1 == best.f1
    if best.precision < 1 or best.recall > 0:  # where nothing is kept, the threshold is arbitrary
        assert scaled.threshold == best.threshold / 8


@pytest.mark.parametrize(
    ("score", "truth", "f1", "n_kept"),
    [
        (np.zeros((4, 4)), [], 1.0, 0),
        (np.zeros((4, 4)), [[1, 1]], 0.0, 0),
        (np.eye(4), [], 1.0, 0),  # what is there is best left out
        (np.eye(1), [[0, 0]], 1.0, 1),
        (np.eye(1), [[9, 9]], 0.0, 0),
    ],
)
def test_thresholds_where_something_is_missing(score, truth, f1, n_kept):
    best = best_f1(score, truth)
    assert best.f1 == f1
    assert math.isfinite(best.threshold)
    assert len(detect(score, best.threshold)) == n_kept


def test_equal_scores_enter_together():
    score = np.zeros((5, 40))
    score[2, 5], score[2, 15], score[2, 25] = 2.0, 1.0, 1.0
    # The best would be to keep the first of the two equals, which no threshold can.
    best = best_f1(score, [[2, 5], [2, 15]])
    assert best.f1 == pytest.approx(2 * 2 / (3 + 2))
    assert best.threshold == 1.0


def test_f1_at_reads_a_bare_map_only():
    with pytest.raises((TypeError, ValueError), match="score: "):
        f1_at(SimpleNamespace(score=np.eye(3)), [[1, 1]], 0.5)


def test_published_figures_are_reproduced(shared_data):
    data = np.load(shared_data / "spotnet-isbi2019/reference_250_0.npz")
    # F1 of the maxima of three maps of the file; its networks' figure is that without leaving out
    # the image's border, as here.
    for name, figure in (
        ("clean", "f1_clean_localmax"),
        ("image", "f1_noisy_localmax"),
        ("spotnet_mean", "f1_spotnet_noborderexcl"),
    ):
        best = best_f1(data[name], data["positions"], radius=3.0)
        # The file's figures come from precision and recall with a guard of about 1e-7 added.
        assert best.f1 == pytest.approx(float(data[figure]), abs=1e-6)
