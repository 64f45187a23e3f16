"""Simulated pictures of wells: what is said of them is true of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import spotcore as sc
from spotcore.simulation.render import ARTEFACTS, DYES, WellLook, simulate_well
from spotcore.simulation.render.artefacts import draw_artefacts
from spotcore.simulation.render.spots import draw_spots

SHAPE = (160, 200)
PLACES = np.moveaxis(np.indices(SHAPE), 0, -1)
#: A whole well in the middle, without anything that hides what is looked at.
PLAIN = WellLook(
    grain=0.0,
    mottle=0.0,
    vignette=0.0,
    rim=0.0,
    centre=(79.5, 99.5),
    radius=70.0,
    noise=1e-6,
    electrons=1e12,
    bits=16,
)


def far_from_edge(cells):
    """Where the light around the well does not matter."""
    return np.hypot(cells[..., 0] - PLAIN.centre[0], cells[..., 1] - PLAIN.centre[1]) < 60.0


def darkness(well):
    """Optical density of a picture whose membrane is at 0.8."""
    return -np.log10(well.image / (0.8 * 65535))


@pytest.mark.parametrize("seed", range(40))
def test_every_draw_is_a_picture(seed):
    shape = [(96, 96), (130, 220), (300, 200)][seed % 3]
    well = simulate_well(shape=shape, seed=seed)
    assert well.image.shape[:2] == shape and well.image.dtype in (np.uint8, np.uint16)
    assert well.image.ndim == (3 if len(DYES[well.look.dye]) == 3 else 2)
    assert well.image.max() <= 2**well.look.bits - 1
    n = len(well.cells)
    assert well.psdr.shape == (n, len(well.sigma_limits) - 1)
    for each in (well.secretion, well.width, well.snr, well.hidden_by):
        assert each.shape == (n,) and np.isfinite(each).all()
    y, x = np.rint(well.cells).astype(int).T
    assert (y >= 0).all() and (y < shape[0]).all() and (x >= 0).all() and (x < shape[1]).all()
    assert well.membrane[y, x].mean() > 0.95 if n else True
    assert ((well.hidden_by < n) & (well.hidden_by != np.arange(n))).all()
    assert {a.kind for a in well.artefacts} <= set(well.look.artefacts)
    assert set(np.unique(well.kinds)) <= {
        0,
        *(1 + ARTEFACTS.index(kind) for kind in well.look.artefacts),
    }
    assert (well.circle is None) == (well.look.edge == 0)


def test_a_seed_is_a_picture():
    first, again, other = (simulate_well(shape=SHAPE, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.cells, again.cells)
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)
    drawn = simulate_well(shape=SHAPE, seed=np.random.default_rng(3))
    assert np.array_equal(first.image, drawn.image) and drawn.seed is None


@pytest.mark.parametrize("dye", ["grey", "fluorescence"])
@pytest.mark.parametrize("resampled", [1.0, 1.6])
def test_a_cell_is_where_it_is_said(dye, resampled):
    look = replace(PLAIN, dye=dye, resampled=resampled, membrane=(0.3,))
    for seed in range(12):
        well = simulate_well(1, SHAPE, look, scale=0.15, seed=seed)
        bare = simulate_well(0, SHAPE, look, scale=0.15, seed=seed)
        change = well.image.astype(float) - bare.image
        assert (change.sum() > 0) == look.glows
        if not far_from_edge(well.cells)[0]:
            continue
        weight = np.abs(change) ** 2
        middle = [np.sum(weight * axis) / weight.sum() for axis in np.indices(SHAPE)]
        np.testing.assert_allclose(middle, well.cells[0], atol=0.35)


@pytest.mark.parametrize("scale", [0.1, 0.4])
def test_secretion_is_the_dye_and_width_the_peak_s(scale):
    spots = draw_spots(np.random.default_rng(1), np.pad(np.ones((1, 1), bool), 300), 1, scale, 0.5)
    assert spots.amount.sum() == pytest.approx(spots.secretion[0], rel=0.02)
    y, x = np.rint(spots.cells[0]).astype(int)
    at = np.sum((spots.cells[0] - (y, x)) ** 2)
    assert spots.amount[y, x] == pytest.approx(spots.profile(np.array([at]), 0.0)[0], rel=0.15)
    # As a Gaussian of that width falls, one pixel further.
    width = spots.width(0.0)[0]
    beside = np.mean([spots.amount[y + 1, x], spots.amount[y - 1, x]])
    fall = np.exp(-1 / (2 * width**2))
    assert beside / spots.amount[y, x] == pytest.approx(fall, abs=0.08)


@pytest.mark.parametrize("dye", ["grey", "fluorescence"])
def test_snr_is_the_contrast_over_the_noise(dye):
    look = replace(PLAIN, dye=dye, membrane=(0.5,), noise=0.01)
    well = simulate_well(1, SHAPE, look, scale=0.2, seed=2)
    clean = simulate_well(1, SHAPE, replace(look, noise=1e-7), scale=0.2, seed=2)
    bare = simulate_well(0, SHAPE, replace(look, noise=1e-7), scale=0.2, seed=2)
    y, x = np.rint(well.cells[0]).astype(int)
    contrast = abs(float(clean.image[y, x]) - float(bare.image[y, x])) / 65535
    assert well.snr[0] == pytest.approx(contrast / 0.01, rel=0.2)


def test_a_weak_cell_beside_a_strong_one_is_hidden():
    """By it, and only where it makes no peak of its own."""
    look = replace(PLAIN, density=0.05, core=1.2, saturation=50.0)
    hidden = 0
    for seed in range(20):
        well = simulate_well(25, SHAPE, look, scale=0.25, seed=seed)
        peaks, _ = sc.local_maxima(darkness(well).clip(0) * far_from_edge(PLACES))
        deep = well.snr * look.noise > 40 / 65535  # forty of its steps
        for number in np.flatnonzero(far_from_edge(well.cells) & deep):
            away = np.hypot(*(peaks - well.cells[number]).T).min()
            by = well.hidden_by[number]
            if by < 0:
                assert away < max(well.width[number], 1.0) + 0.75  # the picture has its steps
            else:
                hidden += 1
                assert np.hypot(*(well.cells[by] - well.cells[number])) < 30
    assert 10 < hidden < 250


@pytest.mark.parametrize("kind", ARTEFACTS)
def test_an_artefact_is_seen_where_it_is_said(kind):
    look = replace(PLAIN, artefacts={kind: 3})
    density, kinds, found = draw_artefacts(np.random.default_rng(5), SHAPE, look)
    assert found and {each.kind for each in found} == {kind}
    assert set(np.unique(kinds)) == {0, 1 + ARTEFACTS.index(kind)}
    assert np.abs(density[kinds > 0]).mean() > 3 * np.abs(density[kinds == 0]).mean()
    for each in found:
        assert 0 <= each.y < SHAPE[0] and 0 <= each.x < SHAPE[1]


def test_the_grains_of_a_focus_lie_around_it():
    field = np.pad(np.ones((1, 1), bool), 200)
    one, many = (
        draw_spots(np.random.default_rng(3), field, 1, 0.5, 0.1, grains=mean) for mean in (0.0, 8.0)
    )
    np.testing.assert_array_equal(one.cells, many.cells)
    assert many.amount.sum() == pytest.approx(many.secretion[0], rel=0.02)
    y, x = (
        axis - place for axis, place in zip(np.indices(field.shape), many.cells[0], strict=True)
    )
    near = np.hypot(y, x) < 15
    for spots in (one, many):  # most of both is near the middle, of the grains in several peaks
        assert spots.amount[near].sum() > 0.3 * spots.amount.sum()
    peaks = [len(sc.local_maxima(np.where(near, spots.amount, 0))[0]) for spots in (one, many)]
    assert peaks[0] == 1 and peaks[1] >= 3


def test_spots_of_another_colour_are_no_cells():
    look = replace(PLAIN, dye="fluorescence", membrane=(0.1,), bleed=0.1)
    well = simulate_well(4, SHAPE, look, scale=0.2, seed=1)
    without = simulate_well(4, SHAPE, replace(look, bleed=0.0), scale=0.2, seed=1)
    assert well.bleed.shape == (4, 2) and len(without.bleed) == 0
    np.testing.assert_array_equal(well.cells, without.cells)
    more = well.image.astype(float) - without.image
    y, x = np.rint(well.bleed).astype(int).T
    assert (more[y, x] > 20 * np.abs(np.median(more)) + 10).all()


def test_a_jpeg_and_twelve_bits():
    jpeg = simulate_well(9, SHAPE, replace(PLAIN, quality=60), seed=1)
    assert jpeg.image.dtype == np.uint8
    twelve = simulate_well(9, SHAPE, replace(PLAIN, bits=12), seed=1)
    assert twelve.image.dtype == np.uint16 and 2000 < twelve.image.max() <= 4095


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n_cells": -1}, "n_cells"),
        ({"shape": (20, 90)}, "shape: expected at least 32"),
        ({"scale": 0.0}, "scale"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        simulate_well(**{"shape": SHAPE} | arguments)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dye": "green"}, "dye: expected one of grey"),
        ({"artefacts": {"cat": 1}}, "artefacts: .* got 'cat'"),
        ({"membrane": (0.5, 0.5)}, "membrane: expected 1 levels"),
        ({"radius": 0.0}, "radius: expected a number above 0"),
        ({"bits": 7}, "bits: expected 8 to 16"),
        ({"dye": "aec", "membrane": (0.5, 0.5, 0.5), "bits": 12}, "in colour 8"),
    ],
)
def test_looks_that_cannot_be(changes, says):
    with pytest.raises(ValueError, match=says):
        WellLook(**changes)
