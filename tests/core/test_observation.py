"""The compiled observation model against sums over all pixels, and what it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spotcore import _core, reference
from support import oracles
from support.cases import CASES, PART2_LENGTHS, Case
from support.compiled import checked, f32, f32_all
from support.single_precision import (
    conv_bound,
    forward_bound,
    gamma_n,
)

SMALL = [case for case in CASES if math.prod(case.shape) * sum(case.lengths) < 4e5]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("case", SMALL, ids=lambda c: c.name)
def test_separable_conv_is_the_sum_over_all_pixels(case: Case) -> None:
    x, factors = case.maps(), case.factors()
    y = _core.separable_conv(f32(x), f32_all(factors), threads=2)
    expected = [oracles.convolve(x[k], oracles.kernel_of(factors[k])) for k in range(case.n_bins)]
    assert np.all(np.abs(checked(y, x.shape) - expected) <= conv_bound(x, factors))


def test_the_environment_chooses_the_instruction_set(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[-2]
    x, factors = f32(case.maps()), f32_all(case.factors())
    chosen = _core.separable_conv(x, factors)
    assert _core.isa_default() == backend
    monkeypatch.delenv("SPOTCORE_ISA")
    assert _core.isa_default() == _core.isa_names()[0]
    assert np.array_equal(_core.separable_conv(x, factors, isa=backend), chosen)
    monkeypatch.setenv("SPOTCORE_ISA", "mmx")
    with pytest.raises(ValueError, match=r"isa: .*baseline.*'mmx'"):
        _core.separable_conv(x, factors)


@pytest.mark.usefixtures("backend")
def test_a_plan_can_run_again() -> None:
    """A plan's workspace must not carry one call into the next."""
    case = CASES[-2]
    x, factors = case.maps(), case.factors()
    plan = _core.Operations(f32_all(factors), *case.shape)
    first = plan.forward(f32(x))
    plan.forward(np.full_like(f32(x), 1e30))
    plan.adjoint(np.full(case.shape, -1e30, dtype=np.float32))
    assert np.array_equal(plan.forward(f32(x)), first)


@pytest.mark.usefixtures("backend")
def test_an_impulse_gives_the_kernel() -> None:
    case = Case("impulse", (45, 47), (9, 21), (2, 1))
    factors = case.factors()
    plan = _core.Operations(f32_all(factors), *case.shape)
    for k in range(2):
        a = np.zeros((2, *case.shape))
        a[k, 22, 23] = 1
        half = case.lengths[k] // 2
        image = checked(plan.forward(f32(a)), case.shape)
        seen = image[22 - half : 23 + half, 23 - half : 24 + half]
        bound = gamma_n(2 * case.lengths[k]) * oracles.kernel_of(np.abs(factors[k]))
        assert np.all(np.abs(seen - oracles.kernel_of(factors[k])) <= bound)
        assert np.count_nonzero(image) <= case.lengths[k] ** 2


@pytest.mark.usefixtures("backend")
def test_the_part2_grid_at_a_few_rows() -> None:
    """Lengths up to 403 on an image that is much smaller, and of another width than height."""
    case = Case("part2", (37, 150), PART2_LENGTHS, (2,) * 8)
    a, factors = case.maps(), case.factors()
    image = checked(_core.Operations(f32_all(factors), *case.shape).forward(f32(a)), (37, 150))
    assert np.all(np.abs(image - reference.forward(a, factors)) <= forward_bound(a, factors))


NORM_CASES = [
    Case("one_pixel", (1, 1), (3,), (1,)),
    Case("short", (9, 8), (3, 5, 7), (1, 2, 1)),
    Case("long", (6, 11), (21, 31), (2, 1)),
]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("case", NORM_CASES, ids=lambda c: c.name)
def test_norm_squared_is_the_largest_eigenvalue(case: Case) -> None:
    factors = [np.abs(f) for f in case.factors()]  # smoothing kernels have no negative entries
    matrix = oracles.dense_matrix([oracles.kernel_of(f) for f in factors], case.shape)
    exact = oracles.norm_squared(matrix)
    plan = _core.Operations(f32_all(factors), *case.shape)
    norm = plan.norm_squared(1e-9, 10_000)
    # Both passes of A A* are off by γ_n of a sum of positive terms; the vector is one of them.
    assert norm == pytest.approx(exact, rel=3 * gamma_n(sum(case.lengths) * 2 + 8) + 1e-8)
