"""What is seen in the picture itself: the compiled operations against reference and oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from spotcore import _core, reference
from spotcore.wells.gaussian import gaussian, gradient_magnitude
from support import oracles

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 17)
law = settings(max_examples=60, deadline=None)


# --- correlate1d -------------------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("taps", [1, 3, 11, 81])
@pytest.mark.parametrize("shape", [(1, 1), (1, 130), (130, 1), (33, 67), (40, 256)])
def test_correlation(shape, taps, axis):
    rng = np.random.default_rng(taps)
    image = rng.normal(size=shape).astype(np.float32)
    weights = rng.normal(size=taps).astype(np.float32)
    found = _core.correlate1d(image, weights, axis)
    expected = ndimage.correlate1d(
        image.astype(np.float64), weights.astype(np.float64), axis=axis, mode="nearest"
    )
    # Each product and each sum rounds: n times half a unit in the last place of what is added up.
    size = ndimage.correlate1d(np.abs(image), np.abs(weights), axis=axis, mode="nearest")
    assert np.all(np.abs(found - expected) <= (taps + 1) * 2.0**-24 * size)


@law
@given(seeds, sides, sides, st.integers(0, 12), st.sampled_from([0, 1]))
def test_correlation_of_the_reference(seed, height, width, half, axis):
    rng = np.random.default_rng(seed)
    image, taps = rng.normal(size=(height, width)), rng.normal(size=2 * half + 1)
    expected = ndimage.correlate1d(image, taps, axis=axis, mode="nearest")
    np.testing.assert_allclose(reference.correlate1d(image, taps, axis), expected, atol=1e-12)


@pytest.mark.parametrize("order", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)])
@pytest.mark.parametrize("scale", [0.8, 1.3, 4.5])
def test_gaussian_derivatives_are_scipys(scale, order):
    image = np.random.default_rng(3).normal(size=(41, 53)).astype(np.float32)
    expected = ndimage.gaussian_filter(image.astype(float), scale, order=order, mode="nearest")
    np.testing.assert_allclose(gaussian(image, scale, order), expected, atol=2e-6)


def test_gradient_magnitude_is_scipys():
    image = np.random.default_rng(4).normal(size=(41, 53)).astype(np.float32)
    expected = ndimage.gaussian_gradient_magnitude(image.astype(float), 1.7, mode="nearest")
    np.testing.assert_allclose(gradient_magnitude(image, 1.7), expected, atol=2e-6)


# --- climb -------------------------------------------------------------------------------------


@law
@given(seeds, sides, sides, st.sampled_from([2, 5, 1000]))
def test_climbing(seed, height, width, levels):
    landscape = np.random.default_rng(seed).integers(0, levels, (height, width)).astype(np.float32)
    expected = oracles.climb(landscape)
    np.testing.assert_array_equal(reference.climb(landscape.astype(np.float64)), expected)
    found = _core.climb(landscape)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


# --- watershed ---------------------------------------------------------------------------------


@law
@given(seeds, sides, sides, st.sampled_from([2, 5, 1000]), st.integers(1, 6))
def test_watershed(seed, height, width, levels, n):
    rng = np.random.default_rng(seed)
    landscape = rng.integers(0, levels, (height, width)).astype(np.float32)
    marks = rng.choice(landscape.size, min(n, landscape.size), replace=False)
    used = rng.random((height, width)) < 0.8
    used.reshape(-1)[marks] = True
    expected = oracles.watershed(landscape, marks, used)
    found = _core.watershed(landscape, marks, used)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        reference.watershed(landscape.astype(np.float64), marks, used), expected
    )


# --- bad input ---------------------------------------------------------------------------------


def test_wrong_arguments_are_refused():
    image, taps, used = np.zeros((4, 5), np.float32), np.ones(3, np.float32), np.ones((4, 5), bool)
    with pytest.raises(ValueError, match="odd"):
        _core.correlate1d(image, taps[:2], 0)
    with pytest.raises(ValueError, match="axis"):
        _core.correlate1d(image, taps, 2)
    with pytest.raises(ValueError, match="image"):
        _core.correlate1d(image[:0], taps, 0)
    with pytest.raises(ValueError, match="landscape"):
        _core.climb(image[:0])
    with pytest.raises(ValueError, match="landscape"):
        _core.watershed(image, np.array([1]), used[:3])
    with pytest.raises(ValueError, match="marks"):
        _core.watershed(image, np.array([20]), used)
    with pytest.raises(ValueError, match="marks"):
        _core.watershed(image, np.array([3]), ~used)
