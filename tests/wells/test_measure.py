"""What is measured on spots: against shapes whose answer is known, and against simulated wells."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from spotcore.detections import Cells
from spotcore.results.write import cell_columns
from spotcore.wells import Artefacts, prepare_well
from spotcore.wells.measure import (
    Limits,
    Measures,
    basins,
    measure_cells,
    smoothing,
    within,
)


def cells_at(yx, **columns):
    y, x = np.array(yx, np.int64).reshape(-1, 2).T
    n = len(y)
    return Cells(
        y.copy(),
        x.copy(),
        np.linspace(2, 1, n, dtype=np.float32),
        columns.get("secretion"),
        columns.get("profile"),
        0.5,
        columns.get("confidence"),
    )


def gaussian(shape, y, x, sigma, amplitude=1.0):
    yy, xx = np.ogrid[: shape[0], : shape[1]]
    return amplitude * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * sigma**2))


def well_of(signal, **changes):
    """A well whose signal is this picture: no front end between it and the measures."""
    shape = signal.shape
    well = prepare_well(
        np.random.default_rng(0).normal(100, 2, shape), preset="well", polarity="bright"
    )
    ones = np.ones(shape, np.float32)
    return replace(
        well,
        signal=signal.astype(np.float32),
        membrane=np.ones(shape, bool),
        mask=ones,
        w=ones,
        noise=0.01,
        spot_scale=2.0,
        **changes,
    )


def highest_pass(smooth, start, used):
    """Of the paths from a mark to each pixel the one whose lowest point is highest: that height."""
    best = np.full(smooth.shape, -np.inf)
    queue = [(-smooth[start], *start)]
    while queue:
        level, y, x = heapq.heappop(queue)
        if best[y, x] > -np.inf:
            continue
        best[y, x] = -level
        for v in range(max(y - 1, 0), min(y + 2, len(smooth))):
            for u in range(max(x - 1, 0), min(x + 2, smooth.shape[1])):
                if used[v, u] and best[v, u] == -np.inf:
                    heapq.heappush(queue, (max(level, -smooth[v, u]), v, u))
    return best


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_pixel_belongs_to_the_mark_it_falls_least_to(seed, n):
    rng = np.random.default_rng(seed)
    smooth = rng.permutation(18 * 23).reshape(18, 23).astype(np.float32)
    yx = np.stack(np.unravel_index(rng.choice(smooth.size, n, replace=False), smooth.shape), 1)
    used = smooth > 100
    used[tuple(yx.T)] = True
    owner = basins(smooth, yx, used)
    heights = np.array([highest_pass(smooth, tuple(at), used) for at in yx])
    reached = heights.max(axis=0) > -np.inf
    np.testing.assert_array_equal(owner > 0, reached)
    np.testing.assert_array_equal(owner[tuple(yx.T)], np.arange(1, n + 1))
    own = np.take_along_axis(heights, owner[None] - 1, axis=0)[0]
    np.testing.assert_array_equal(own[reached], heights.max(axis=0)[reached])
    for i in range(n):
        assert ndimage.label(owner == i + 1, np.ones((3, 3)))[1] == 1


@pytest.mark.parametrize("sigma", [2.5, 4.0, 7.0])
@pytest.mark.parametrize("amplitude", [0.3, 40.0])
def test_a_gaussian_spot(sigma, amplitude):
    well = well_of(gaussian((90, 90), 44.3, 45.2, sigma, amplitude))
    m = measure_cells(well, cells_at([(44, 45)]))
    wide = np.hypot(sigma, smoothing(well))
    # Half of the smoothed spot's peak; counting pixels errs by about the root of its perimeter.
    half = 2 * np.pi * np.log(2) * wide**2
    assert m.area[0] == pytest.approx(half, abs=3 * np.sqrt(2 * np.pi * 1.2 * wide))
    assert m.diameter[0] == pytest.approx(np.sqrt(4 * m.area[0] / np.pi))
    # Smoothing spreads a Gaussian by its variance and keeps its sum; the pixel misses 0.36 px.
    assert m.peak[0] == pytest.approx(amplitude * (sigma / wide) ** 2, rel=0.03)
    # Of a Gaussian, 1 - exp(-r^2 / 2 s^2) lies within r.
    share = 1 - np.exp(-m.area[0] / (2 * np.pi * sigma**2))
    assert m.density[0] == pytest.approx(2 * np.pi * sigma**2 * amplitude * share, rel=0.02)
    assert m.sharpness[0] == pytest.approx(np.exp(-0.5) / wide, rel=0.05)


def test_a_neighbour_does_not_add_to_the_area():
    shape, positions = (80, 80), [(40, 34), (40, 46)]
    alone = measure_cells(well_of(gaussian(shape, 40, 34, 3.0)), cells_at(positions[:1]))
    both = gaussian(shape, 40, 34, 3.0) + gaussian(shape, 40, 46, 3.0, 3.0)
    m = measure_cells(well_of(both), cells_at(positions))
    # Without basins the faint one would have taken the whole of the strong one.
    assert m.area[0] == pytest.approx(alone.area[0], rel=0.2)
    assert m.area[1] == pytest.approx(alone.area[0], rel=0.1)
    assert m.peak[1] / m.peak[0] == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_measures_turn_with_the_picture(turn):
    rng = np.random.default_rng(4)
    yx = rng.integers(8, 56, (12, 2))
    signal = sum(gaussian((64, 64), y, x, 2 + rng.random(), 1 + rng.random()) for y, x in yx)
    turned = np.zeros((64, 64), int)
    turned[tuple(yx.T)] = np.arange(1, 13)
    turned = np.rot90(turned, turn)
    order = [np.argwhere(turned == i + 1)[0] for i in range(12)]
    before = measure_cells(well_of(signal), cells_at(yx))
    after = measure_cells(well_of(np.rot90(signal, turn).copy()), cells_at(order))
    for name in ("peak", "sharpness"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-4)
    np.testing.assert_allclose(after.area, before.area, atol=1)


def test_nothing_to_measure():
    m = measure_cells(well_of(np.zeros((40, 40))), cells_at([]))
    assert len(m) == 0 and all(len(values) == 0 for values in vars(m).values())
    table = cell_columns(cells_at([]), m, 5.0)
    assert all(len(column) == 0 for column in table.values())


def test_a_mark_on_nothing_is_measured_too():
    m = measure_cells(well_of(np.zeros((40, 40))), cells_at([(3, 3), (20, 21)]))
    assert (m.peak == 0).all() and (m.sharpness == 0).all() and np.isfinite(m.area).all()


def test_a_network_keeps_its_own_confidence():
    own = np.array([0.25])
    m = measure_cells(well_of(gaussian((40, 40), 20, 20, 3)), cells_at([(20, 20)], confidence=own))
    np.testing.assert_array_equal(m.confidence, own)


def measures_of(diameter, density):
    n = len(diameter)
    other = dict.fromkeys(("area", "peak", "sharpness", "confidence"), np.ones(n))
    return Measures(diameter=np.array(diameter), density=np.array(density), **other)


def test_gates():
    m = measures_of([2.0, 5.0, 9.0, 5.0], [1.0, 1.0, 1.0, 8.0])
    kept = within(m, Limits((3.0, 9.0), (None, 7.0)))
    np.testing.assert_array_equal(kept, [False, True, True, False])
    assert within(m, Limits()).all()
    cells = cells_at([(1, 2), (3, 4), (5, 6), (7, 8)])
    nine = np.array([9.0])
    found = Artefacts(nine, nine, ("dust",), np.array([4.0]), np.array([7.0]))
    both = found.and_gated(cells[~kept], m[~kept])
    assert both.reason == ("dust", "gate", "gate")
    assert both.y.tolist() == [9, 1, 7] and both.length.tolist() == [4.0, 2.0, 5.0]


def test_table_in_pixels_and_micrometres():
    yx = [(10, 10), (13, 14), (30, 30)]
    cells = cells_at(yx, secretion=np.array([3.0, 2, 1]), profile=np.full((3, 2), 0.5))
    m = measures_of([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    plain = cell_columns(cells, m, None)
    assert list(plain) == [
        "y",
        "x",
        "score",
        "secretion",
        "area",
        "diameter",
        "peak",
        "density",
        "sharpness",
        "confidence",
        "nearest",
        "share_1",
        "share_2",
    ]
    assert plain["nearest"] == pytest.approx([5.0, 5.0, np.hypot(17, 16)])
    table = cell_columns(cells, m, 20.0)
    assert [name for name in table if name not in plain] == [
        "y_um",
        "x_um",
        "area_mm2",
        "diameter_um",
        "nearest_um",
    ]
    assert table["nearest_um"][0] == pytest.approx(100.0)
    np.testing.assert_allclose(table["area_mm2"], 400e-6)  # one pixel of 20 µm
    alone = cell_columns(cells_at([(1, 1)]), m[np.array([True, False, False])], 20.0)
    assert alone["nearest"] == [""] and "secretion" not in alone
