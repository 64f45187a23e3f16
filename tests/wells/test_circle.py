"""Where the well lies in a picture, and how deep its pixels lie in it."""

from __future__ import annotations

import numpy as np
import pytest

import spotcore as sc
from spotcore.simulation.demo import plate_like
from spotcore.wells.circle import Circle, find_well, well_depth


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("size, shift", [(512, (0, 0)), (512, (-30, 17)), (160, (3, -4))])
def test_the_circle_is_found(size, shift, dark):
    image, _ = plate_like(size // 4, size, seed=3, dark=dark)
    moved = np.roll(image, shift, axis=(0, 1))  # cuts the well off at the border where it is large
    circle = find_well(moved.astype(np.float32))
    assert circle is not None
    centre = (size - 1) / 2
    assert abs(circle.y - centre - shift[0]) < 1 and abs(circle.x - centre - shift[1]) < 1
    # The edge is where the grey departs from the surround by a quarter of the middle's contrast:
    # within the demo's soft edge, whose logistic of width 1.5 spans +-4 px from 7 to 93 %.
    assert abs(circle.radius - 0.45 * size) < 4
    assert 1 <= circle.rim < 0.15 * circle.radius


def test_no_circle_is_made_up():
    flat = np.full((200, 200), 100, np.float32)
    assert find_well(flat) is None
    rng = np.random.default_rng(0)
    assert find_well(flat + rng.normal(size=flat.shape).astype(np.float32)) is None
    for cells in (5, 250):
        assert find_well(sc.simulate(cells, (256, 256), seed=cells).image) is None
    ramp = np.add.outer(np.arange(200), np.arange(200)).astype(np.float32)
    assert find_well(ramp) is None
    square = flat.copy()
    square[40:160, 40:160] = 200
    assert find_well(square) is None
    assert find_well(np.ones((1, 1), np.float32)) is None


def test_depth_of_a_well_that_is_no_circle():
    y, x = np.indices((300, 300)) - 150.0
    turn, away = np.arctan2(y, x), np.hypot(y, x)
    edge = 120 + 4 * np.cos(2 * turn)
    grey = np.where(away < edge, 200.0, 250.0).astype(np.float32)
    grey[:20, 148:152] = 200  # a hair outside
    depth = well_depth(grey, Circle(150.0, 150.0, 120.0, 2.0))
    band = (away < edge - 5) & (away > edge - 15)
    # A tenth of a step smoothed by 1 px lies 1.28 px outside of it, and depths count from pixel to
    # pixel, half a pixel off; the normal turns away from the ray by 8/120 rad at most.
    beyond = (depth - (edge - away))[band]
    assert np.abs(beyond - 1.28).max() < 1.0
    assert (depth[away > edge + 2] == 0).all()
    cut = well_depth(grey[:, 100:], Circle(150.0, 50.0, 120.0, 2.0))
    assert cut[150, 0] > 25  # the border of the image is no edge
