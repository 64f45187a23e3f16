"""Marks: the same for the same well; where they are, how wide, and how many count."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from PIL import Image

import spotcore as sc
from spotcore.simulation.demo import plate_like
from spotcore.simulation.render import WellLook, simulate_well
from spotcore.wells.detector import look

PLAIN = WellLook(radius=120.0, centre=(127.5, 127.5), core=1.2, density=0.5)


@functools.cache
def grey(seed=4, side=256):
    image = plate_like(40, side, seed=seed)[0]
    image.setflags(write=False)
    return np.rint(image).astype(np.uint8)


@functools.cache
def plain():
    return marks(grey())


def marks(image, **options):
    sight = look(np.ascontiguousarray(image, np.float32), **options)
    return sight, sight.marks[sight.marks.probability >= 0.5]


def f1(found, expected, radius=1.0):
    return sc.match(found.yx, expected, radius=radius).f1


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.astype(np.uint16) * 257,
        lambda g: g.astype(np.uint16) * 16,
        lambda g: g * 0.25 + 60,
        lambda g: 255 - g,
    ],
    ids=["16 bit", "12 in 16", "gain and offset", "inverted"],
)
def test_a_camera_does_not_matter(change):
    sight, expected = plain()
    other, found = marks(change(grey()))
    np.testing.assert_allclose(found.yx, expected.yx, atol=1e-3)
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-3)
    assert (other.polarity == sight.polarity) == (change(np.array([0.0]))[0] < 200)


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_turned_pictures_have_turned_marks(turn, flip):
    height, width = grey().shape
    _, expected = plain()
    image = np.rot90(grey(), turn)
    _, found = marks(image[:, ::-1] if flip else image)
    yx = expected.yx
    for _ in range(turn):
        yx = np.stack([width - 1 - yx[:, 1], yx[:, 0]], 1)
    if flip:
        yx = np.stack([yx[:, 0], width - 1 - yx[:, 1]], 1)
    assert height == width and len(found) == len(expected)
    assert f1(found, yx, radius=0.01) == 1.0


def test_positions_are_parts_of_pixels():
    off = []
    for seed in range(8):
        well = simulate_well(12, (256, 256), PLAIN, scale=0.25, seed=seed)
        _, found = marks(well.image)
        alone = well.cells[(well.hidden_by < 0) & (well.visibility > 30)]
        pairs = sc.match(found.yx, alone, radius=3.0).pairs
        off += np.hypot(*(found.yx[pairs[:, 0]] - alone[pairs[:, 1]]).T).tolist()
    assert len(off) > 30 and np.median(off) < 0.35


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.0])
def test_another_magnification_has_the_same_marks(factor):
    image = grey(side=320)
    _, expected = marks(image)
    size = tuple(round(side * factor) for side in image.shape[::-1])
    how = Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX
    _, found = marks(np.asarray(Image.fromarray(image).resize(size, how)))
    places = (expected.yx + 0.5) * factor - 0.5
    assert f1(found, places, radius=3.0 * max(factor, 0.7)) >= 0.95
    assert np.median(found.width) == pytest.approx(factor * np.median(expected.width), rel=0.25)


@pytest.mark.parametrize("width", [8.0, 20.0, 40.0])
def test_large_spots_are_one_mark_each(width):
    """A spot of this diameter at half of its height."""
    rng = np.random.default_rng(2)
    side = int(16 * width)
    y, x = np.indices((side, side))
    image = 200 + rng.normal(0, 1.5, (side, side))
    at = np.array([(4, 4), (4, 11), (9, 7), (12, 12), (12, 3)]) * width + 0.3
    for b, a in at:
        image -= 60 * np.exp(-((y - b) ** 2 + (x - a) ** 2) / (2 * (width / 2.355) ** 2))
    sight, found = marks(np.rint(image))
    assert sight.polarity == "dark"
    assert len(found) == len(at) and f1(found, at, radius=0.3 * width) == 1.0


def test_a_typical_width_is_taken():
    _, (found, given) = 0, [marks(grey(), typical_width=w)[0] for w in (1.5, 6.0)]
    assert found.view.factor == 1.0 and given.view.factor == pytest.approx(0.5)


def test_a_larger_contrast_leaves_the_clearer_ones():
    counts = []
    image = simulate_well(120, (320, 320), PLAIN, scale=0.25, seed=5).image
    last = None
    for contrast in (3.0, 5.0, 8.0, 15.0, 40.0):
        _, found = marks(image, contrast=contrast)
        counts.append(len(found))
        if last is not None and len(found):
            assert sc.match(found.yx, last, radius=2.0).precision > 0.9
        last = found.yx
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


@pytest.mark.parametrize("contrast", [3.0, 5.3, 10.0, 20.0])
def test_a_mark_counts_from_its_prominence_on(contrast):
    sight = look(grey().astype(np.float32), contrast=contrast)
    far = sight.prominence_at(sight.visible.yx) / sight.limit
    sure = sight.visible.probability > 0.8
    assert sure.sum() > 10
    counts = sight.probability_at(sight.visible.yx) >= 0.5
    np.testing.assert_array_equal(counts[sure & (far > 1.1)], True)
    np.testing.assert_array_equal(counts[far < 0.9], False)


def test_in_a_crowd_clear_spots_count():
    """Between them is no membrane whose roughness could be measured."""
    crowd = simulate_well(900, (256, 256), PLAIN, scale=0.25, seed=2)
    sight = look(crowd.image.astype(np.float32))
    found = sight.marks[sight.marks.probability >= 0.5]
    assert len(found) >= 0.45 * len(sight.clear) > 50


def test_the_probability_beside_a_mark_is_the_mark_s():
    sight, _ = plain()
    found, rng = sight.marks, np.random.default_rng(0)
    beside = sight.probability_at(found.yx)
    assert (beside >= found.probability - 1e-6).all() and (beside <= 1).all()
    places = rng.uniform(0, 255, (200, 2))
    apart = np.hypot(*(places[:, None] - found.yx[None]).transpose(2, 0, 1)).min(axis=1) > 6
    assert apart.any() and (sight.probability_at(places[apart]) < 0.5).all()
    assert len(sight.probability_at(np.zeros((0, 2)))) == 0


def test_threads_do_not_matter():
    _, one = marks(grey(), threads=1)
    _, two = marks(grey(), threads=2)
    for name in ("yx", "probability", "width", "visibility"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_no_cell(seed):
    noise = np.random.default_rng(seed).normal(120, 10, (300, 300))
    assert len(marks(np.rint(noise))[1]) <= 1


@pytest.mark.parametrize("shape", [(16, 16), (17, 90), (64, 64)])
def test_small_and_flat_pictures_have_no_marks(shape):
    sight, found = marks(np.full(shape, 77, np.uint8))
    assert len(found) == 0 and sight.kinds.shape[0] == 6
