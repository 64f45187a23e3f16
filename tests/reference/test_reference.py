"""The float64 reference against the brute-force oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spotcore import reference
from support import oracles
from support.cases import CASES, Case
from support.small_problem import small_problem

EPS = float(np.finfo(np.float64).eps)
SMALL = [case for case in CASES if math.prod(case.shape) * sum(case.lengths) < 4e5]


def rounding(case: Case) -> float:
    """γ_n of a sum of n = 2 max L + R + K products in float64, times 4 for both sides' rounding.

    Higham, Accuracy and Stability of Numerical Algorithms, section 3.1: a computed sum of n
    products is off by at most γ_n Σ|f||x|, γ_n = n u / (1 − n u), in whatever order it is summed.
    The oracle sums L² products, in the same bound with n = L²: hence max(L)² here.
    """
    return 4 * EPS * (max(case.lengths) ** 2 + max(case.ranks) + case.n_bins)


@pytest.mark.parametrize("case", SMALL, ids=lambda c: c.name)
def test_separable_conv_is_the_sum_over_all_pixels(case: Case) -> None:
    x, factors = case.maps(), case.factors()
    y = reference.separable_conv(x, factors)
    for k in range(case.n_bins):
        expected = oracles.convolve(x[k], oracles.kernel_of(factors[k]))
        size = oracles.convolve(np.abs(x[k]), oracles.kernel_of(np.abs(factors[k])))
        assert np.all(np.abs(y[k] - expected) <= rounding(case) * size)


@pytest.mark.parametrize("case", SMALL, ids=lambda c: c.name)
def test_forward_is_the_dense_matrix_and_adjoint_its_transpose(case: Case) -> None:
    if math.prod(case.shape) > 500:  # the matrix has the square of that many entries
        case = Case(case.name, (17, 23), case.lengths, case.ranks)
    factors = case.factors()
    matrix = oracles.dense_matrix([oracles.kernel_of(f) for f in factors], case.shape)
    bound = oracles.dense_matrix([oracles.kernel_of(np.abs(f)) for f in factors], case.shape)
    a, d = case.maps(), case.image()
    predicted = reference.forward(a, factors).ravel() - matrix @ a.ravel()
    assert np.all(np.abs(predicted) <= rounding(case) * (bound @ np.abs(a.ravel())))
    returned = reference.adjoint(d, factors).ravel() - matrix.T @ d.ravel()
    assert np.all(np.abs(returned) <= rounding(case) * (bound.T @ np.abs(d.ravel())))


@pytest.mark.parametrize(
    "case",
    [
        Case("one_pixel", (1, 1), (3,), (1,)),
        Case("short", (9, 8), (3, 5, 7), (1, 2, 1)),
        Case("long", (6, 11), (21, 31), (2, 1)),
    ],
    ids=lambda c: c.name,
)
def test_norm_squared_is_the_largest_eigenvalue(case: Case) -> None:
    factors = case.factors()
    matrix = oracles.dense_matrix([oracles.kernel_of(f) for f in factors], case.shape)
    exact = oracles.norm_squared(matrix)
    norm = reference.norm_squared(factors, case.shape, tol=1e-14)
    # A power iteration comes from below and stops when a step changes less than tol; what remains
    # is tol / (1 − ratio of the two largest eigenvalues)², which these cases keep above 1e-3.
    assert norm <= exact * (1 + 1e-12)
    assert norm == pytest.approx(exact, rel=1e-8)


def test_norm_squared_of_a_zero_operator_is_zero() -> None:
    assert reference.norm_squared([np.zeros((1, 3))], (4, 5)) == 0.0


XI = [(1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (0.0, 0.0, 0.0), (0.3, 1.0, 2.5), (1e-3, 0.0, 10.0)]


@pytest.mark.parametrize("xi", XI, ids=str)
@pytest.mark.parametrize("gamma", [0.0, 0.05, 0.7, 3.0, 100.0])
def test_group_shrink_is_the_minimiser(xi: tuple[float, ...], gamma: float) -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3, 4, 5)) * rng.choice([0.01, 1.0, 10.0], size=(1, 4, 5))
    weights = np.array(xi)
    y = reference.group_shrink(x, gamma, weights)
    assert np.all(y >= 0)
    for m in range(4):
        for n in range(5):
            best = oracles.shrink_pixel(x[:, m, n], gamma, weights)
            least = oracles.shrink_objective(best, x[:, m, n], gamma, weights)
            reached = oracles.shrink_objective(y[:, m, n], x[:, m, n], gamma, weights)
            # The objective is 1-strongly convex, so that an excess of e over the minimum puts a
            # point within (2 e)^½ of the minimiser. L-BFGS-B cannot see an excess below the
            # rounding of the objective itself.
            excess = 100 * EPS * max(least, float(np.sum(x[:, m, n] ** 2)))
            assert reached <= least + excess
            assert np.linalg.norm(y[:, m, n] - best) <= 2 * math.sqrt(2 * excess)


def test_group_shrink_of_both_theorems_agree() -> None:
    """Theorem 1 with ξ a hair from 1 is Theorem 2: the secular equation has a closed form there."""
    x = np.random.default_rng(5).normal(size=(4, 9, 9))
    near = np.nextafter(np.array([1.0, 0.0, 1.0, 1.0]), np.array([2.0, 0.0, 2.0, 2.0]))
    plain = reference.group_shrink(x, 0.8, np.array([1.0, 0.0, 1.0, 1.0]))
    assert reference.group_shrink(x, 0.8, near) == pytest.approx(plain, abs=100 * EPS)


def test_group_shrink_clips_before_it_shrinks() -> None:
    """Theorem 2's order matters: the negative entry takes no part in the norm."""
    x = np.array([3.0, -4.0]).reshape(2, 1, 1)
    y = reference.group_shrink(x, 1.0, np.ones(2))
    assert y.ravel() == pytest.approx([2.0, 0.0], abs=4 * EPS)


def test_fista_step_without_momentum_or_gradient_is_the_shrinkage() -> None:
    rng = np.random.default_rng(6)
    a, xi = np.abs(rng.normal(size=(3, 5, 4))), np.array([1.0, 0.5, 0.0])
    flat, factors = np.zeros((5, 4)), [np.ones((1, 1))] * 3
    a_next, _, penalty = reference.fista_step(flat, a, a, None, 0.1, 0.9, 0.2, xi, factors)
    assert np.array_equal(a_next, reference.group_shrink(a, 0.2, xi))
    norms = [np.linalg.norm(xi * a_next[:, m, n]) for m in range(5) for n in range(4)]
    assert penalty == pytest.approx(sum(norms), rel=100 * EPS)


def test_fista_step_takes_no_gradient_outside_the_mask() -> None:
    rng = np.random.default_rng(7)
    residual, (a, before) = rng.normal(size=(6, 5)), rng.normal(size=(2, 2, 6, 5))
    mask = (rng.random((6, 5)) < 0.5).astype(float)
    rest = (a, before), (0.3, 0.4, 0.1, np.ones(2), [np.ones((1, 3)), np.ones((2, 1))])
    a_next, image, _ = reference.fista_step(residual, *rest[0], mask, *rest[1])
    inside, _, _ = reference.fista_step(residual, *rest[0], None, *rest[1])
    outside, _, _ = reference.fista_step(0 * residual, *rest[0], None, *rest[1])
    assert np.array_equal(image, reference.forward(a_next, rest[1][-1]))
    assert np.array_equal(a_next, np.where(mask > 0, inside, outside))


@pytest.mark.parametrize("levels", [2, 4, 1000])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (13, 1), (12, 15)])
def test_local_maxima_are_the_labelled_plateaus(shape: tuple[int, int], levels: int) -> None:
    rng = np.random.default_rng(levels)
    for _ in range(20):
        score = rng.integers(-1, levels, size=shape).astype(np.float64)
        yx, value = reference.local_maxima(score)
        expected_yx, expected_value = oracles.local_maxima(score)
        assert np.array_equal(yx, expected_yx)
        assert np.array_equal(value, expected_value)


def test_local_maxima_of_a_flat_map() -> None:
    yx, value = reference.local_maxima(np.full((4, 6), 2.0))
    assert yx.tolist() == [[0, 0]]
    assert value.tolist() == [2.0]
    assert reference.local_maxima(np.zeros((4, 6)))[0].shape == (0, 2)


def test_momentum_sequences() -> None:
    """Both as printed in Part II, section II-A; Beck-Teboulle's is its own recursion."""
    golden = (1 + math.sqrt(5)) / 2
    t = reference.momentum_sequence("beck-teboulle", 3.0, 2)
    assert t == pytest.approx([1.0, golden, 0.5 + math.sqrt(0.25 + golden**2)], rel=4 * EPS)
    t = reference.momentum_sequence("chambolle-dossal", 4.0, 3)
    assert t == pytest.approx([1.0, 1.0, 1.25, 1.5], rel=4 * EPS)
    with pytest.raises(ValueError, match="momentum_a"):
        reference.momentum_sequence("chambolle-dossal", 2.0, 3)
    with pytest.raises(ValueError, match="momentum"):
        reference.momentum_sequence("nesterov", 3.0, 3)


@pytest.mark.parametrize("momentum", ["beck-teboulle", "chambolle-dossal"])
@pytest.mark.parametrize("setting", ["plain", "weighted"])
def test_fista_reaches_the_interior_point_solution(momentum: str, setting: str) -> None:
    problem = small_problem(setting)
    a, history = reference.fista(
        reference.Operations(problem.kernels),
        problem.stated,
        momentum=momentum,
        max_iter=4000,
        initial=problem.initial,
    )
    # What FISTA is above the optimum after I iterations has a bound, C ‖A‖² max w² ‖a₀ − a*‖² /
    # (I + 1)², with C = 4 (Beck and Teboulle, 2009, Theorem 4.4) or C = a² (Chambolle and Dossal,
    # 2015, Theorem 1, a = 3). The objective has no ½: its slope has the constant 2 ‖A‖² max w².
    lipschitz = reference.norm_squared(problem.factors, problem.shape) * problem.w.max() ** 2
    start = problem.mask * np.maximum(problem.initial, 0)
    distance = float(np.sum((start - problem.solution) ** 2))
    constant = {"beck-teboulle": 4, "chambolle-dossal": 9}[momentum]
    excess = constant * lipschitz * distance / 4001**2
    assert excess < 2e-3 * problem.optimum  # or the next lines would promise little
    assert history.objective[-1] >= problem.optimum - problem.accuracy
    assert history.objective[-1] <= problem.optimum + excess
    assert sum(problem.objective(a)) == pytest.approx(history.objective[-1], rel=1e-10)
    assert np.all(a[:, problem.mask == 0] == 0)
