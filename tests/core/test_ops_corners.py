"""Operations on what the table of test_ops.py has no row for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spotcore import _core
from support.cases import Case
from support.compiled import f32, f32_all

CASE = Case("primes", (31, 47), (3, 11, 23), (1, 2, 1))
ZEROS, ONES = np.zeros(CASE.shape), np.ones(CASE.shape)
BACKGROUND = f32([1, 0, 1])  # the bin in the middle


def plan(threads: int) -> _core.Operations:
    return _core.Operations(f32_all(CASE.factors()), *CASE.shape, threads=threads)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_background_that_no_multiple_mends_is_infinite(threads: int) -> None:
    """Unless it lies where no cell may, or the penalty scales its bin."""
    operations = plan(threads)
    v, q, mask = -np.ones((3, *CASE.shape)), np.ones((3, *CASE.shape)), ONES.copy()
    v[1, 5, 6], mask[5, 6] = 1.0, 0.0
    for below in (0.0, -1.0):
        q[1, 5, 6] = below
        assert operations.background_ratio(f32(v), f32(q), None, BACKGROUND) == math.inf
        assert operations.background_ratio(f32(v), f32(q), f32(mask), BACKGROUND) == 0
        assert operations.background_ratio(f32(v), f32(q), None, f32(np.ones(3))) == 0


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_without_pixels_or_bins_to_look_at_there_is_no_bound_to_break(threads: int) -> None:
    operations = plan(threads)
    v, q = f32(CASE.maps(1)), f32(np.abs(CASE.maps(2)))
    assert operations.dual_norm(v, q, 0.5, None, BACKGROUND) > 0
    assert operations.dual_norm(v, q, 0.5, f32(ZEROS), BACKGROUND) == 0
    assert operations.dual_norm(v, q, 0.5, None, f32(np.zeros(3))) == 0
    assert operations.background_ratio(v, q, None, BACKGROUND) > 0
    assert operations.background_ratio(v, q, f32(ZEROS), BACKGROUND) == 0


def test_what_the_core_updates_in_place_is_a_copy() -> None:
    operations, image = plan(1), f32(CASE.image())
    given = e, e_y, Ae = f32(CASE.maps()), f32(CASE.image(3)), f32(CASE.image(4))
    before = [array.copy() for array in given]
    _, e_next, _, _ = operations.primal_dual_step(image, e, None, 0.25, 1.75, 1.0, BACKGROUND)
    _, *relaxed, _ = operations.dual_residual(image, image, image, None, 0.25, 1.75, e_y, Ae)
    for array, unchanged, updated in zip(given, before, [e_next, *relaxed], strict=True):
        assert np.array_equal(array, unchanged)
        assert not np.array_equal(array, updated)
