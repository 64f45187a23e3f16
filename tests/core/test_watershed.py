"""Basins of marks: the compiled operation against reference and oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotcore import _core, reference
from support import oracles

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 17)
law = settings(max_examples=60, deadline=None)


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


def test_wrong_arguments_are_refused():
    image, used = np.zeros((4, 5), np.float32), np.ones((4, 5), bool)
    with pytest.raises(ValueError, match="landscape"):
        _core.watershed(image, np.array([1]), used[:3])
    with pytest.raises(ValueError, match="marks"):
        _core.watershed(image, np.array([20]), used)
    with pytest.raises(ValueError, match="marks"):
        _core.watershed(image, np.array([3]), ~used)
