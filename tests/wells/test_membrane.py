"""Where the membrane is, the circle of its edge, and its shading."""

from __future__ import annotations

import numpy as np
import pytest

from spotcore.simulation.render import WellLook, simulate_well
from spotcore.wells.detector import look
from spotcore.wells.membrane import background, find_circle, find_membrane, pixel_noise


def disc(y, x, radius, shape=(200, 220)):
    rows, columns = np.indices(shape)
    return np.hypot(rows - y, columns - x) < radius


@pytest.mark.parametrize(
    "y, x, radius", [(100, 110, 90), (60, 50, 80), (100, 110, 40), (20, 200, 150)]
)
def test_the_circle_of_a_disc(y, x, radius):
    circle = find_circle(disc(y, x, radius))
    assert circle is not None
    assert (circle.y, circle.x) == pytest.approx((y, x), abs=1.5)
    assert circle.radius == pytest.approx(radius, abs=1.5)
    inside = circle.inside((200, 220))
    assert (inside ^ disc(y, x, radius)).mean() < 0.01


def test_bites_do_not_move_it():
    membrane = disc(100, 110, 90)
    membrane[90:110, :40] = False
    membrane[:30, 100:125] = False
    circle = find_circle(membrane)
    assert circle is not None and circle.radius == pytest.approx(90, abs=1.5)


@pytest.mark.parametrize(
    "membrane",
    [np.ones((80, 90), bool), np.zeros((80, 90), bool), np.indices((80, 90))[0] < 40],
    ids=["all", "none", "half"],
)
def test_no_edge_is_no_circle(membrane):
    circle = find_circle(membrane)
    assert circle is None or circle.radius > 1000  # a straight edge


@pytest.mark.parametrize("outside, level", [(1.0, 0.6), (0.0, 0.5), (0.3, 0.7), (1.0, 0.25)])
def test_the_membrane_of_simulated_wells(outside, level):
    look_ = WellLook(membrane=(level,), outside=outside, radius=140.0, centre=(159.5, 150.0))
    well = simulate_well(20, (320, 320), look_, scale=0.3, seed=3)
    sight = look(well.image.astype(np.float32))
    found = find_membrane(sight, (320, 320))
    both, either = (found & well.membrane).sum(), (found | well.membrane).sum()
    assert both / either > 0.95
    circle = find_circle(found)
    assert circle is not None
    assert circle.radius == pytest.approx(140, abs=4)
    assert np.hypot(circle.y - 159.5, circle.x - 150.0) < 4


def test_a_part_of_a_well_is_all_membrane():
    well = simulate_well(20, (256, 256), WellLook(edge=0.0), scale=0.3, seed=3)
    found = find_membrane(look(well.image.astype(np.float32)), (256, 256))
    assert found.mean() > 0.99 and find_circle(found) is None


def test_the_background_is_a_plane_below_the_spots():
    rng = np.random.default_rng(0)
    y, x = np.indices((160, 160))
    ground = 20 + 0.1 * y + 0.05 * x
    signal = ground + rng.normal(0, 0.5, ground.shape)
    for b, a in rng.uniform(20, 140, (12, 2)):
        signal += 60 * np.exp(-((y - b) ** 2 + (x - a) ** 2) / 18)
    found = background(signal.astype(np.float32), np.ones(ground.shape, bool), 25.0, 0.5)
    assert np.median(np.abs(found - ground)) < 0.5


@pytest.mark.parametrize("sigma", [0.5, 4.0])
def test_the_noise_of_pixels(sigma):
    rng = np.random.default_rng(1)
    y, x = np.indices((200, 200))
    image = 0.3 * y - 0.1 * x + rng.normal(0, sigma, (200, 200))
    found = pixel_noise(image.astype(np.float32), np.ones(image.shape, bool))
    assert found == pytest.approx(sigma, rel=0.05)
