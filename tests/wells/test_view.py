"""What the network sees of a picture: the same, whatever a camera or a program does to it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from spotcore.simulation.demo import plate_like
from spotcore.wells.view import STRIDE, contrast_view, resampled

TURNS = [(turn, flip) for turn in range(4) for flip in (False, True)]


def picture(shape=(208, 176), seed=0):
    """Texture, a slope, and some spots."""
    rng = np.random.default_rng(seed)
    image = 100 + rng.normal(0, 2, shape) + np.linspace(0, 30, shape[1])
    y, x = np.indices(shape)
    for _ in range(12):
        b, a = rng.uniform(8, shape[0] - 8), rng.uniform(8, shape[1] - 8)
        image += 40 * np.exp(-((y - b) ** 2 + (x - a) ** 2) / 8)
    return image.astype(np.float32)


def moved(image, turn, flip):
    image = np.rot90(image, turn, axes=(-2, -1))
    return np.ascontiguousarray(image[..., ::-1] if flip else image)


@pytest.mark.parametrize("gain, offset", [(257, 0), (0.25, 60), (16, 0), (0.6, 20), (1, -3000)])
def test_gain_and_offset_do_not_matter(gain, offset):
    image = picture()
    seen = contrast_view(image)
    assert seen.shape == (2, *image.shape) and seen.dtype == np.float32
    # What float32 loses of a level that is far from 0 is seen in units of the texture.
    lost = 2**-23 * max(abs(gain * 200 + offset), 1) / (gain * 1.0)
    other = contrast_view((gain * image.astype(np.float64) + offset).astype(np.float32))
    np.testing.assert_allclose(other, seen, atol=1e-5 + 4 * lost)
    inverted = contrast_view((-gain * image.astype(np.float64) + offset).astype(np.float32))
    np.testing.assert_allclose(inverted, -seen, atol=1e-5 + 4 * lost)


@pytest.mark.parametrize("turn, flip", TURNS)
@pytest.mark.parametrize("shape", [(150, 171), (96, 160), (141, 141)])
@pytest.mark.parametrize("factor", [1.0, 0.5**0.5, 0.4])
def test_turned_pictures_are_seen_turned(turn, flip, shape, factor):
    image = picture(shape)
    plain, other = resampled(image, factor), resampled(moved(image, turn, flip), factor)
    np.testing.assert_allclose(other.pixels, moved(plain.pixels, turn, flip), atol=1e-3)
    seen, turned = contrast_view(plain.pixels), contrast_view(other.pixels)
    np.testing.assert_allclose(turned, moved(seen, turn, flip), atol=4e-4)


@pytest.mark.parametrize("factor", [2.0, 1.0, 0.7, 0.33])
@pytest.mark.parametrize("shape", [(160, 192), (141, 155)])
def test_a_spot_is_where_it_is_said(factor, shape):
    y, x = np.indices(shape)
    at = np.array([[61.3, 87.8]])
    image = np.exp(-((y - at[0, 0]) ** 2 + (x - at[0, 1]) ** 2) / (2 * 4.0**2))
    view = resampled(image.astype(np.float32), factor)
    assert all(side % STRIDE == 0 for side in view.pixels.shape)
    grid = np.indices(view.pixels.shape)
    weight = np.maximum(view.pixels - 0.05, 0)
    middle = np.array([[np.sum(weight * axis) / weight.sum() for axis in grid]])
    np.testing.assert_allclose(view.to_picture(middle), at, atol=0.05)
    np.testing.assert_allclose(view.to_view(at), middle, atol=0.05)
    places = np.random.default_rng(0).uniform(0, 100, (20, 2))
    np.testing.assert_allclose(view.to_picture(view.to_view(places)), places, atol=1e-9)


def test_an_enlarged_picture_is_seen_as_it_was():
    grey = np.rint(plate_like(40, 256, seed=3)[0]).astype(np.uint8)
    twice = np.asarray(Image.fromarray(grey).resize((512, 512), Image.Resampling.BICUBIC))
    plain = contrast_view(resampled(grey.astype(np.float32), 1.0).pixels)
    other = contrast_view(resampled(twice.astype(np.float32), 0.5).pixels)
    assert np.corrcoef(plain.ravel(), other.ravel())[0, 1] > 0.99


def test_what_was_blackened_does_not_count():
    """The unit is the membrane's, however much of the picture is flat."""
    image = picture((192, 192))
    y, x = np.indices(image.shape)
    round_ = np.hypot(y - 95.5, x - 95.5) < 90
    seen = contrast_view(np.where(round_, image, np.float32(0)))
    near = np.s_[1, 60:130, 60:130]
    np.testing.assert_allclose(seen[near], contrast_view(image)[near], atol=0.2)


@pytest.mark.parametrize("value", [0.0, 255.0, 65535.0])
def test_a_flat_picture_shows_nothing(value):
    assert not contrast_view(np.full((64, 80), value, np.float32)).any()
