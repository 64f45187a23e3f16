"""The compiled local maxima, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from spotcore import _core, reference
from support import oracles
from support.cases import single
from support.compiled import f32


@pytest.mark.parametrize("levels", [2, 4, 1000])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (13, 1), (12, 15)])
def test_local_maxima_are_the_labelled_plateaus(shape: tuple[int, int], levels: int) -> None:
    rng = np.random.default_rng(levels)
    for _ in range(20):
        score = rng.integers(-1, levels, size=shape).astype(np.float64)
        yx, value = _core.local_maxima(f32(score))
        expected_yx, expected_value = oracles.local_maxima(score)
        assert yx.dtype == np.int64
        assert value.dtype == np.float32
        assert yx.shape == (len(value), 2)
        assert np.array_equal(yx, expected_yx)
        assert np.array_equal(value, expected_value)


def test_local_maxima_of_a_large_map_are_the_references() -> None:
    rng = np.random.default_rng(19)
    score = single(np.round(rng.normal(size=(300, 411)), 1))  # many plateaus, many ties
    yx, value = _core.local_maxima(f32(score))
    expected_yx, expected_value = reference.local_maxima(score)
    assert np.array_equal(yx, expected_yx)
    assert np.array_equal(value, expected_value)


def test_local_maxima_of_a_flat_map() -> None:
    assert _core.local_maxima(np.full((4, 6), 2, np.float32))[0].tolist() == [[0, 0]]
    assert _core.local_maxima(np.zeros((4, 6), np.float32))[0].shape == (0, 2)
