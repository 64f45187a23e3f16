"""The picture with marks: where they are, that they are seen, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from spotcore.images.overlay import MARK_ON_BRIGHT, MARK_ON_DARK, draw_overlay


def drawn(picture, colour):
    """Where a colour is, [n, 2]."""
    return np.argwhere((picture == colour).all(axis=2))


@pytest.mark.parametrize("dark, colour", [(True, MARK_ON_BRIGHT), (False, MARK_ON_DARK)])
@pytest.mark.parametrize("shape", [(100, 130), (900, 850)])
def test_circles_are_round_the_cells(shape, dark, colour):
    image = np.random.default_rng(0).random(shape) * 50
    picture = draw_overlay(image, [[40, 90]], 6.0, dark_spots=dark)
    zoom = picture.shape[0] // shape[0]
    assert picture.dtype == np.uint8 and picture.shape == (shape[0] * zoom, shape[1] * zoom, 3)
    assert min(picture.shape[:2]) >= 800
    marks = drawn(picture, colour)
    distance = np.hypot(*(marks - (np.array([40, 90]) + 0.5) * zoom).T)
    # A line one pixel wide, its ends rounded to whole pixels
    assert len(marks) > 20 and np.abs(distance - 6 * zoom).max() <= 2


def test_well_missed_cells_and_caption():
    image = np.zeros((200, 200))
    bare = draw_overlay(image, np.zeros((0, 2)))
    assert (bare == bare[0, 0]).all()
    well = draw_overlay(image, [], well=(100, 100, 80))
    missed = draw_overlay(image, [], missed_yx=[[100, 100]])
    assert 0 < (missed != bare).any(axis=2).sum() < (well != bare).any(axis=2).sum()
    captioned = draw_overlay(image, [], caption="a well")
    assert captioned.shape[0] > bare.shape[0]
    np.testing.assert_array_equal(captioned[: bare.shape[0]], bare)
    assert (captioned[bare.shape[0] :] == 0).any()


def test_faint_images_are_stretched():
    image = 1000 + np.random.default_rng(0).random((120, 120))
    picture = draw_overlay(image, [])
    assert picture.min() == 0 and picture.max() == 255


@pytest.mark.parametrize(
    "image, cells, error",
    [
        (np.zeros((0, 5)), [], ValueError),
        (np.zeros((5, 5, 3)), [], ValueError),
        (np.full((5, 5), np.inf), [], ValueError),
        (np.zeros((5, 5)), [[1, 2, 3]], ValueError),
        (np.zeros((5, 5), complex), [], TypeError),
    ],
)
def test_bad_input(image, cells, error):
    with pytest.raises(error):
        draw_overlay(image, cells)
