"""Spots and artefacts on synthetic wells with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spotcore as sc
from spotcore.wells import find_cells, find_spots, prepare_well
from spotcore.wells.artefacts import Shape, is_doubtful, is_ridge, residual_of_fit
from spotcore.wells.curvature import Curvature, climb, matched
from support.synthetic_well import gaussian, line, picture

SIZE = (400, 400)


def look(grey, threshold=None):
    """Spots of a picture; the few iterations leave the secretion rough, which does not matter."""
    well = prepare_well(grey)
    assert (well.preset, well.polarity) == ("well", "dark")
    model = sc.ObservationModel.gaussian(well.sigma_limits, rank=1)
    result = sc.solve(
        well.signal, model, lam=well.lam, w=well.w, mask=well.mask, method="fista", max_iter=8
    )
    return find_spots(well, result, threshold)


def grid_of_spots(seed, widths=(1.6, 2.2, 3.0, 4.0), heights=(0.12, 0.3, 0.8)):
    """Well separated spots of several widths and densities: positions and picture of density."""
    rng = np.random.default_rng(seed)
    density, truth = np.zeros(SIZE, np.float32), []
    for y in range(70, 340, 36):
        for x in range(70, 340, 36):
            if np.hypot(y - 200, x - 200) > 150:
                continue
            at = rng.uniform(-5, 5, 2) + np.array([y, x])
            width = rng.choice(widths)
            density += rng.choice(heights) * gaussian(SIZE, *at, width, width)
            truth.append(at)
    return np.array(truth), density


@pytest.mark.parametrize("seed", [0, 1])
def test_each_spot_has_one_mark(seed):
    truth, density = grid_of_spots(seed)
    found = look(picture(density, seed=seed))
    match = sc.match(found.cells, truth, radius=2.0)
    assert match.recall == 1.0 and match.precision == 1.0
    assert len(found.artefacts) == 0
    assert found.cells.secretion is not None
    assert (found.cells.secretion > 0).mean() > 0.9
    assert (np.diff(found.cells.score) <= 0).all()


def test_bare_membrane_is_bare():
    for noise in (0.5, 1.5, 4.0):
        found = look(picture(np.zeros(SIZE), noise=noise, seed=3))
        assert len(found.cells) == 0 and len(found.artefacts) == 0


@pytest.mark.parametrize("radius", [4, 7, 10])
def test_saturated_spot_is_one_cell(radius):
    y, x = np.indices(SIZE)
    density = np.zeros(SIZE)
    centres = [(120, 200), (200, 120), (200, 280), (280, 200)]
    for v, u in centres:  # flat over the radius, to far below what the camera sees
        density += 3.0 / (1 + np.exp((np.hypot(y - v, x - u) - radius) / 0.8))
    found = look(picture(density, darkest=40))
    match = sc.match(found.cells, centres, radius=3.0)
    assert (match.recall, match.precision) == (1.0, 1.0), found.cells.yx


@pytest.mark.parametrize("apart", [6.0, 8.0, 11.0])
@pytest.mark.parametrize("peak", [0.3, 1.5])  # the second one saturates
def test_touching_spots_are_two(apart, peak):
    truth, density = [], np.zeros(SIZE)
    for turn, (y, x) in enumerate([(120, 200), (200, 120), (200, 200), (200, 280), (280, 200)]):
        way = np.array([np.sin(turn), np.cos(turn)]) * apart / 2
        for at in (way + np.array([y, x]), np.array([y, x]) - way):
            density += peak * gaussian(SIZE, *at, 2.0, 2.0)
            truth.append(at)
    found = look(picture(density))
    match = sc.match(found.cells, np.array(truth), radius=2.0)
    assert (match.recall, match.precision) == (1.0, 1.0), found.cells.yx


@pytest.mark.parametrize("depth", [0.1, 0.3])
def test_scratches_and_hairs_are_listed_and_not_counted(depth):
    truth, density = grid_of_spots(2, heights=(0.4,))
    keep = np.hypot(truth[:, 0] - 200, truth[:, 1] - 200) < 80
    density = sum(0.4 * gaussian(SIZE, *at, 2.0, 2.0) for at in truth[keep])
    scratch = line(SIZE, [(60, 170), (85, 240)], 1.3)
    turn = np.linspace(0, 2.2, 40)
    hair = line(SIZE, list(np.stack([300 + 45 * np.sin(turn), 200 + 50 * np.cos(turn)], 1)), 1.3)
    found = look(picture(density + depth * (scratch + hair)))
    match = sc.match(found.cells, truth[keep], radius=2.0)
    assert (match.recall, match.precision) == (1.0, 1.0), found.cells.yx
    table = found.artefacts.columns()
    assert set(table["reason"]) == {"scratch", "fibre"}
    longest = {
        kind: table["length"][table["reason"] == kind].max() for kind in set(table["reason"])
    }
    assert longest["scratch"] == pytest.approx(np.hypot(25, 70), rel=0.15)
    assert (np.diff(table["length"]) <= 0).all() and (table["area"] > 0).all()
    at = np.stack([table["y"], table["x"]], 1)
    assert np.hypot(*(at - (72.5, 205)).T).min() < 8


def test_broad_faint_spots_count_once():
    """At the scale of peaks they do not stand out; a long stain of that width is no spot."""
    truth, density = grid_of_spots(5, widths=(5.0, 6.0), heights=(0.08,))
    well = prepare_well(picture(density))
    peak = 0.08 * gaussian(SIZE, 200, 200, 6.0, 6.0)
    weaker, stronger = Curvature.of(peak, well.peak_scale).principal
    # Ten deviations of the noise are what a peak needs to be no noise in a million pixels' well.
    assert matched(weaker, stronger, well.noise, well.peak_scale)[200, 200] < 10
    found = look(picture(density))
    match = sc.match(found.cells, truth, radius=3.0)
    assert (match.recall, match.precision) == (1.0, 1.0), (len(truth), len(found.cells))
    assert found.cells.secretion is not None and (found.cells.secretion > 0).mean() > 0.9
    assert (np.diff(found.cells.score) <= 0).all()

    stain = 0.08 * gaussian(SIZE, 200, 200, 14.0, 5.0)
    assert len(look(picture(stain)).cells) == 0


def test_faint_peaks_beside_ridges_have_to_be_rounder():
    strength = np.array([13.0, 13.0, 15.0, 20.0, 20.0, 30.0, 15.0, 15.0])
    ratio = np.array([1.7, 1.7, 1.7, 2.1, 2.1, 2.1, 1.4, 1.2])
    to_next = np.array([9.0, 5.0, 9.0, 5.0, 5.0, 9.0, 5.0, 5.0])
    to_ridge = np.array([99.0, 99.0, 99.0, 12.0, 14.0, 5.0, 5.0, 5.0])
    expected = [True, False, False, True, False, False, True, False]
    assert is_doubtful(strength, ratio, to_next, to_ridge).tolist() == expected


def test_a_peak_from_which_a_ridge_runs_on():
    """On both sides a scratch keeps four tenths of its depth; of a spot there is a sixth left."""
    weaker, stronger, alone = np.ones(3), np.array([2.0, 2.0, 1.1]), np.full(3, 3.0)
    continuity = np.array([0.4, 0.17, 0.4])  # the last one is round: a spot on a line
    assert is_ridge(weaker, stronger, continuity, alone).tolist() == [True, False, False]


def test_broken_scratches_are_not_counted():
    """Pieces too short for a line, in the company of longer ones."""
    density = np.zeros(SIZE)
    for y in range(130, 280, 15):
        density += 0.25 * line(SIZE, [(y, 150), (y + 4, 165)], 1.3)
        density += 0.06 * line(SIZE, [(y, 176), (y + 3, 186)], 1.3)
    assert len(look(picture(density)).cells) == 0


def test_spot_on_a_hair_counts():
    hair = 0.12 * line(SIZE, [(150, 130), (250, 270)], 1.3)
    density = hair + 0.8 * gaussian(SIZE, 200, 200, 2.0, 2.0)
    found = look(picture(density))
    assert found.cells.yx.tolist() == [[200, 200]]
    assert len(found.artefacts) >= 1


def test_spots_at_a_ragged_edge_count_and_the_rim_does_not():
    truth, density = [], np.zeros(SIZE)
    for turn in np.arange(0, 6.2, 0.4):
        edge = 180 + 8 * np.exp(-((np.arctan2(np.sin(turn), np.cos(turn)) - 1.0) ** 2) / 0.2)
        at = 199.5 + (edge - 7) * np.array([np.sin(turn), np.cos(turn)])
        truth.append(at)
        density += 0.5 * gaussian(SIZE, *at, 2.0, 2.0)
    match = sc.match(look(picture(density, bulge=8.0)).cells, np.array(truth), radius=3.0)
    assert match.recall == 1.0 and match.precision == 1.0


def test_threshold_and_short_form():
    truth, density = grid_of_spots(4)
    grey = picture(density)
    well = prepare_well(grey)
    model = sc.ObservationModel.gaussian([1, 3], rank=1)
    result = sc.solve(well.signal, model, lam=well.lam, w=well.w, mask=well.mask, max_iter=2)
    all_of_them, strong = find_cells(well, result), find_cells(well, result, 40.0)
    assert len(all_of_them) == len(truth) and strong.threshold == 40.0
    assert strong.score.tolist() == [s for s in all_of_them.score.tolist() if s >= 40.0]
    with pytest.raises(ValueError, match="threshold"):
        find_cells(well, result, float("nan"))


# ------------------------------------------------------------------------------------- measures


@given(
    length=st.floats(8, 40),
    width=st.floats(2, 6),
    angle=st.floats(0, np.pi),
)
@settings(max_examples=30, deadline=None)
def test_shape_of_a_bar(length, width, angle):
    y, x = np.indices((101, 101)) - 50.0
    along, across = y * np.sin(angle) + x * np.cos(angle), y * np.cos(angle) - x * np.sin(angle)
    bar = np.argwhere((abs(along) <= length / 2) & (abs(across) <= width / 2))
    shape = Shape.of(bar)
    # Its pixels are a sample of it: half a pixel more or less at each end, and of a bar that leans
    # a little, one of two to four rows more or less from some way on. Where of three rows the outer
    # part s has two, the second moment is (2 + s^3) / (2 + s) of a bar's: at least 0.849, whose
    # root is 8 % short.
    assert abs(shape.length - max(length, width)) < 1 + 0.08 * max(length, width)
    assert abs(shape.y - 50) < 0.7 and abs(shape.x - 50) < 0.7
    assert shape.area == len(bar) and shape.kind == "scratch"


def test_shape_of_an_arc_and_of_a_pixel():
    turn = np.linspace(0, np.pi, 400)
    arc = np.unique(
        np.rint(np.stack([20 * np.sin(turn), 20 * np.cos(turn)], 1)).astype(int), axis=0
    )
    assert Shape.of(arc).kind == "fibre"
    one = Shape.of(np.array([[3, 4]]))
    assert (one.y, one.x, one.area) == (3, 4, 1) and one.length == pytest.approx(1.0)


def test_continuity_of_a_line_and_of_spots():
    ridge = line(SIZE, [(50, 200), (350, 200)], 1.5).astype(np.float32)
    spot = gaussian(SIZE, 200, 100, 1.6, 1.6) + gaussian(SIZE, 206, 100, 1.6, 1.6)
    at = np.array([[200, 200], [200, 100]])
    for turns in range(4):
        image = np.rot90(ridge + spot, turns)
        y, x = at.T - 199.5
        for _ in range(turns):
            y, x = -x, y
        points = np.rint(np.stack([y, x], 1) + 199.5).astype(int)
        along, pair = Curvature.of(image, 1.6).continuity(points)
        assert along > 0.9 and pair < 0.1


def test_residual_of_round_and_of_other_spots():
    round_one = gaussian(SIZE, 100, 100, 2.0, 2.0)
    y, x = np.indices(SIZE)
    cross = np.exp(-((y - 300) ** 2 + 16 * (x - 300) ** 2) / 32)
    cross = np.maximum(cross, cross[:, ::1].T).astype(np.float32)
    image = (round_one + cross + 0.001 * y).astype(np.float32)
    one_basin = np.zeros(SIZE, np.int64)
    spot, other = residual_of_fit(image, np.array([[100, 100], [300, 300]]), one_basin, 2.0)
    assert spot < 0.01 < 0.08 < other
    basin = climb(Curvature.of(image, 2.0).principal[0])
    assert residual_of_fit(image, np.zeros((0, 2), np.int64), basin, 2.0).shape == (0,)
