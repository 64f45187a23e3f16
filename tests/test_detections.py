"""From a score map to a table of cells."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spotcore.detections import (
    SECRETION_RADIUS,
    Cells,
    default_threshold,
    detect,
    local_maxima,
)
from spotcore.metrics import best_f1, f1_at, match
from spotcore.model.observation import ObservationModel
from spotcore.simulation.simulate import simulate
from spotcore.solvers import solve
from support import oracles
from support.cases import PART2_SIGMA_LIMITS

law = settings(deadline=None, max_examples=100)
scores = hnp.arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.floats(2.0**-20, 2.0**20, width=32),
)


def solution(a, widths, xi=None):
    """Stand-in for a solver's result: detect needs no more of one."""
    a = np.asarray(a, dtype=np.float32)
    xi = np.ones(len(a), dtype=np.float32) if xi is None else np.asarray(xi, dtype=np.float32)
    score = np.sqrt((a[xi > 0].astype(np.float64) ** 2).sum(axis=0)).astype(np.float32)
    return SimpleNamespace(a=a, score=score, xi=xi, model=SimpleNamespace(widths=widths))


def random_solution(seed, shape=(23, 31), n_bins=3, xi=None):
    rng = np.random.default_rng(seed)
    a = rng.exponential(size=(n_bins, *shape)) * (rng.random(shape) < 0.3)
    return solution(a, rng.uniform(0.5, 9.0, n_bins), xi)


# ---------------------------------------------------------------------------------------- peaks


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16, ">f4"])
def test_local_maxima_of_any_real_map(dtype):
    score = np.random.default_rng(0).integers(0, 9, (17, 23)).astype(dtype)
    yx, value = local_maxima(score[::-1, ::2])  # not contiguous
    expected_yx, expected = oracles.local_maxima(score[::-1, ::2].astype(np.float64))
    np.testing.assert_array_equal(yx, expected_yx)
    np.testing.assert_array_equal(value, expected)
    assert (yx.dtype, value.dtype) == (np.int64, np.float32)


def test_detections_are_the_peaks_from_the_threshold_on():
    score = np.zeros((9, 9))
    score[1, 1], score[1, 7], score[7, 1], score[7, 7] = 3.0, 2.0, 2.0, 1.0
    cells = detect(score, threshold=2.0)
    assert cells.yx.tolist() == [[1, 1], [1, 7], [7, 1]]  # ties in raster order
    assert cells.y.tolist() == [1, 1, 7]
    assert cells.x.tolist() == [1, 7, 1]
    assert cells.score.tolist() == [3.0, 2.0, 2.0]
    assert cells.threshold == 2.0
    assert len(cells) == 3
    assert cells.secretion is None
    assert cells.profile is None
    assert list(cells.columns()) == ["y", "x", "score"]
    assert len(detect(score, threshold=3.5)) == 0
    assert len(detect(score, threshold=-1.0)) == 4  # peaks are positive


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 6)])
def test_a_map_without_peaks_has_no_cells(shape):
    cells = detect(np.zeros(shape))
    assert len(cells) == 0
    assert cells.yx.shape == (0, 2)
    empty = detect(solution(np.zeros((3, *shape)), np.ones(3)))
    assert empty.secretion.shape == (0,)
    assert empty.profile.shape == (0, 3)
    assert list(empty.columns()) == [
        "y",
        "x",
        "score",
        "secretion",
        *("share_1", "share_2", "share_3"),
    ]


@pytest.mark.parametrize(
    ("score", "threshold", "error", "message"),
    [
        (np.zeros(5), None, ValueError, r"score: .*\[H, W\].*\(5,\)"),
        (np.zeros((0, 5)), None, ValueError, "score: .*non-empty"),
        (np.full((3, 3), np.nan), None, ValueError, "score: .*finite.*nan"),
        (np.zeros((3, 3), complex), None, TypeError, "score: .*complex"),
        (np.ones((3, 3)), math.nan, ValueError, "threshold: .*nan"),
        (np.ones((3, 3)), "high", TypeError, "threshold: .*high"),
    ],
)
def test_bad_input_is_named(score, threshold, error, message):
    with pytest.raises(error, match=message):
        detect(score, threshold)


# ---------------------------------------------------------------------------- default threshold


def test_threshold_splits_faint_from_strong():
    rng = np.random.default_rng(0)
    for n_cells, n_faint in ((5, 4000), (200, 4000), (2000, 1000)):
        cells = rng.uniform(600, 2000, n_cells)
        faint = np.exp(rng.uniform(np.log(1e-3), np.log(30), n_faint))
        threshold = default_threshold(rng.permutation(np.append(cells, faint)))
        assert faint.max() < threshold <= cells.min()


def test_threshold_does_not_split_cells_without_faint_peaks():
    cells = np.random.default_rng(1).uniform(500, 990, 40)
    for n in (1, 2, 40):
        assert default_threshold(cells[:n]) <= cells[:n].min()


@given(scores)
@law
def test_threshold_is_the_weighted_variance_maximum(values):
    share = np.sort(values.astype(np.float64))
    threshold = default_threshold(values)
    assert 0 < threshold <= share[-1]

    def between(limit):
        variance, total = 0.0, share.sum()
        centre = (share * np.log(share)).sum() / total
        for part in (share[share < limit], share[share >= limit]):
            if len(part):
                mean = (part * np.log(part)).sum() / part.sum()
                variance += part.sum() / total * (mean - centre) ** 2
        return variance

    if threshold in share:  # the split, not the upper limit
        best = max(between(limit) for limit in share)
        assert between(threshold) >= best - 1e-12 * (1 + np.log(share[-1] / share[0]) ** 2)
    # At least half of the energy lies in peaks that reach any such median.
    typical = threshold / 0.35 * (1 - 1e-12)
    assert (share[share >= typical] ** 2).sum() >= (share**2).sum() * (0.5 - 1e-12)


@given(scores, st.integers(-10, 10), st.randoms())
@law
def test_threshold_knows_neither_unit_nor_order(values, exponent, random):
    factor = 2.0**exponent  # exact in float32
    shuffled = values.tolist()
    random.shuffle(shuffled)
    assert default_threshold(np.array(shuffled) * factor) == factor * default_threshold(values)


def test_threshold_of_no_peaks_and_of_impossible_ones():
    assert default_threshold([]) == 0.0
    assert default_threshold([1e-45, 3e38]) > 0
    for bad in ([1.0, 0.0], [-1.0]):
        with pytest.raises(ValueError, match=r"peak_scores: .*> 0"):
            default_threshold(bad)


@pytest.mark.parametrize(
    ("preset", "bits", "n_cells"),
    [("isbi2019", 6, 3), ("isbi2019", 6, 35), ("isbi2019", 4, 35), ("part2_2018", 6, 35)],
)
def test_threshold_travels_between_simulated_wells(preset, bits, n_cells):
    sim = simulate(n_cells, (160, 160), preset, bits, seed=0)
    model = ObservationModel.gaussian(PART2_SIGMA_LIMITS, rank=1)
    result = solve(sim.image, model, max_iter=300, tol=0)
    found = match(detect(result), sim.cells)
    best = best_f1(result.score, sim.cells)
    at_best = f1_at(result.score, sim.cells, best.threshold)
    assert best.f1 > 0.9
    # At most two peaks more, or less, than the best threshold keeps: it is chosen on the truth.
    assert abs(found.n_detections - at_best.n_detections) <= 2


# ---------------------------------------------------------------------------- secretion, profile


@pytest.mark.parametrize("xi", [None, [1.0, 0.0, 2.0]])
@pytest.mark.parametrize("seed", range(4))
def test_each_pixel_counts_for_its_nearest_cell(seed, xi):
    result = random_solution(seed, xi=xi)
    cells = detect(result, threshold=float(np.median(local_maxima(result.score)[1])))
    assert len(cells) > 10
    expected = np.zeros((len(cells), 3))
    for y in range(23):
        for x in range(31):
            distance = np.hypot(cells.y - y, cells.x - x)
            owner = int(np.argmin(distance))  # the first of equals is the strongest
            if distance[owner] <= SECRETION_RADIUS:
                expected[owner] += result.a[:, y, x] * np.sqrt(result.model.widths)
    expected[:, result.xi == 0] = 0.0
    # Sums of non-negative float64 numbers in another order.
    np.testing.assert_allclose(cells.secretion, expected.sum(axis=1), rtol=1e-12)
    share = expected / expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(cells.profile, share, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(cells.profile.sum(axis=1), 1.0, rtol=1e-12)


def test_background_bins_belong_to_no_cell():
    a = np.zeros((2, 20, 20))
    a[:, 10, 10] = 4.0
    a[1] += 7.0  # the background
    cells = detect(solution(a, np.array([9.0, 100.0]), xi=[1, 0]), threshold=1.0)
    assert cells.secretion.tolist() == [12.0]
    assert cells.profile.tolist() == [[1.0, 0.0]]


def test_a_pixel_between_two_cells_counts_for_the_stronger():
    a = np.zeros((1, 9, 12))
    a[0, 4, 3], a[0, 4, 7] = 5.0, 8.0
    a[0, 4, 5] = 1.0  # two pixels from either
    a[0, 4, 10] = 2.0  # a cell's edge: three pixels away still counts
    cells = detect(solution(a, np.array([1.0])), threshold=3.0)
    assert cells.yx.tolist() == [[4, 7], [4, 3]]
    assert cells.secretion.tolist() == [11.0, 5.0]


def test_isolated_cells_hold_all_that_is_there():
    rng = np.random.default_rng(2)
    a = np.zeros((4, 40, 40))
    for y, x in ((0, 0), (20, 20), (39, 5)):  # two at the border
        for dy, dx in ((0, 0), (0, 2), (3, 0), (-2, 2)):
            if 0 <= y + dy < 40:
                a[:, y + dy, x + dx] = rng.random(4) + (5.0 if (dy, dx) == (0, 0) else 0.0)
    widths = np.array([1.0, 4.0, 9.0, 16.0])
    result = solution(a, widths)
    cells = detect(result, threshold=5.0)
    assert len(cells) == 3
    total = np.einsum("khw,k->", result.a.astype(np.float64), np.sqrt(widths))
    assert cells.secretion.sum() == pytest.approx(total, rel=1e-12)


# ---------------------------------------------------------------------------------------- table


def test_columns_are_the_table():
    cells = detect(random_solution(0))
    table = cells.columns()
    assert list(table) == ["y", "x", "score", "secretion", "share_1", "share_2", "share_3"]
    assert {len(column) for column in table.values()} == {len(cells)}
    np.testing.assert_array_equal(table["share_2"], cells.profile[:, 1])
    assert (np.diff(cells.score) <= 0).all()
    assert isinstance(cells, Cells)


def test_table_for_pandas():
    pandas = pytest.importorskip("pandas")
    cells = detect(random_solution(0))
    frame = cells.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.shape == (len(cells), 7)


@pytest.mark.parametrize("seed", range(3))
def test_a_bare_map_and_a_result_give_the_same_cells(seed):
    result = random_solution(seed)
    from_map, from_result = detect(result.score), detect(result)
    np.testing.assert_array_equal(from_map.yx, from_result.yx)
    assert from_map.threshold == from_result.threshold
