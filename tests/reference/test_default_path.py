"""The reference's primal-dual method, certificate and coarse grids against oracles and laws."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from spotcore import reference
from spotcore.model.decimation import lowpass
from support import oracles
from support.cases import GAUSSIAN_CASES, GaussianCase
from support.small_problem import Problem, problem_of, small_problem

EPS = float(np.finfo(np.float64).eps)
SETTINGS = ("plain", "weighted")


def operations_of(problem: Problem) -> reference.Operations:
    return reference.Operations(problem.kernels, problem.preconditioner)


# --- coarse grids ------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 4, 16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (13, 40)], ids=str)
def test_decimation_is_a_convolution_of_which_every_sth_pixel_is_kept(
    shape: tuple[int, int], scale: int
) -> None:
    """On the grid through the image's first pixel, and nothing of the image reaches beyond."""
    taps, image = lowpass(scale), np.random.default_rng(30).normal(size=shape)
    found = reference.decimate(image, taps, scale)
    half = len(taps) // 2
    filtered = oracles.convolve(np.pad(image, half + 2 * scale), np.outer(taps, taps))
    first = half + 2 * scale - (half // scale + 1) * scale  # one further than a pixel reaches
    grid = [first + scale * np.arange(n + 2) for n in found.shape]
    expected = filtered[np.ix_(*grid)]
    assert found == pytest.approx(expected[1:-1, 1:-1], abs=1e-12)
    expected[1:-1, 1:-1] = 0
    assert not expected.any()


@pytest.mark.parametrize("scale", [2, 4, 16])
def test_interpolation_is_the_transpose(scale: int) -> None:
    rng = np.random.default_rng(31)
    taps, image = lowpass(scale), rng.normal(size=(13, 40))
    coarse = rng.normal(size=reference.decimate(image, taps, scale).shape)
    left = float(np.sum(reference.decimate(image, taps, scale) * coarse))
    right = float(np.sum(image * reference.interpolate(coarse, taps, scale, image.shape)))
    assert left == pytest.approx(right, abs=1e-12)


COARSE = GaussianCase("coarse", (24, 31), (2.3, 5.0, 9.0, 13.0))


@pytest.mark.parametrize(
    "case", [GAUSSIAN_CASES[0], GAUSSIAN_CASES[2], COARSE], ids=lambda c: c.name
)
def test_kernels_on_coarse_grids_are_the_gaussians(case: GaussianCase) -> None:
    """To the model's 1e-4, up to the border, against quadrature carried to seven sigma."""
    limits, d = case.sigma_limits, np.abs(case.image())
    found = reference.adjoint(d, case.factors())
    for k, (low, high) in enumerate(pairwise(limits)):
        kernel = oracles.gaussian_kernel(low, high, panels=16, reach=7)
        expected = oracles.convolve(d, kernel)
        assert np.abs(found[k] - expected).max() <= 1e-4 * expected.max()


# --- normal_solve ------------------------------------------------------------------------------


def test_normal_solve_solves_the_dense_system() -> None:
    """``scale (c + M) y = r`` with M as a matrix, and x + ρ y."""
    problem = small_problem("plain")
    p, shape, rng = problem.preconditioner, problem.shape, np.random.default_rng(32)
    vectors = np.kron(*reference.basis(p, shape))
    normal = (vectors * p.eigenvalues.ravel().astype(np.float64)) @ vectors.T
    r, x = rng.normal(size=(2, *shape))
    for c in (p.floor, float(p.eigenvalues.max())):
        y = np.linalg.solve(p.scale * (c * np.eye(r.size) + normal), r.ravel()).reshape(shape)
        found = reference.normal_solve(r, c, 0.7, x, p)
        # The vectors are orthonormal to float32's rounding of each, which c magnifies.
        slack = 1e-6 * float(p.eigenvalues.max()) / c * np.abs(y).max()
        assert found == pytest.approx(x + 0.7 * y, abs=slack)


def test_normal_solve_needs_a_preconditioner() -> None:
    with pytest.raises(ValueError, match="preconditioner: expected one"):
        reference.Operations([np.ones((1, 1))]).normal_solve(np.ones((2, 2)), 1, 1, np.ones((2, 2)))


# --- the steps ---------------------------------------------------------------------------------


def test_dual_residual_minimises_over_the_image() -> None:
    """y from the relaxed e_y, where the slope of the objective that it minimises is zero."""
    rng = np.random.default_rng(33)
    nu, Az, d, e_y, Ae = rng.normal(size=(5, 4, 6))
    w, step, relaxation = rng.uniform(0, 2, (4, 6)), 0.3, 1.7
    r, e_next, Ae_next, data = reference.dual_residual(nu, Az, d, w, step, relaxation, e_y, Ae)
    y = e_y + (e_next - e_y) / relaxation
    slope = 2 * w**2 * (y - d) + (y - e_y + step * nu) / step
    assert np.abs(slope).max() <= 1e-13
    assert r == pytest.approx(2 * y - e_y - 2 * Az + Ae, abs=1e-13)
    assert Ae_next == pytest.approx((1 - relaxation) * Ae + relaxation * Az, abs=1e-13)
    assert data == pytest.approx(float(np.sum((w * (Az - d)) ** 2)))
    ones = reference.dual_residual(nu, Az, d, np.ones(d.shape), step, relaxation, e_y, Ae)
    bare = reference.dual_residual(nu, Az, d, None, step, relaxation, e_y, Ae)
    assert all(np.array_equal(one, other) for one, other in zip(ones, bare, strict=True))


def test_primal_dual_step_is_its_parts() -> None:
    problem = small_problem("weighted")
    rng = np.random.default_rng(34)
    nu, e = rng.normal(size=problem.shape), rng.normal(size=problem.initial.shape)
    arguments = problem.mask, 0.4, 1.7, 0.2, problem.xi, problem.kernels
    z, e_next, image, norms = reference.primal_dual_step(nu, e, *arguments)
    correlation = (problem.matrix.T @ nu.ravel()).reshape(e.shape)
    moved = np.where(problem.mask > 0, e + 0.4 * correlation, 0)
    assert z == pytest.approx(reference.group_shrink(moved, 0.2, problem.xi), abs=1e-12)
    assert e_next == pytest.approx(-0.7 * e + 1.7 * z, abs=1e-12)
    assert image.ravel() == pytest.approx(problem.matrix @ z.ravel(), abs=1e-12)
    assert norms == pytest.approx(problem.objective(z)[1] / problem.lam)
    bare, nothing, _, _ = reference.primal_dual_step(nu, None, *arguments)
    assert nothing is None
    assert np.array_equal(bare, reference.primal_dual_step(nu, 0 * e, *arguments)[0])


# --- the certificate ---------------------------------------------------------------------------


def test_background_ratio_is_the_smallest_that_mends() -> None:
    rng = np.random.default_rng(35)
    v, q = rng.normal(size=(3, 5, 6)), rng.uniform(0.1, 2, (3, 5, 6))
    mask, xi = (rng.random((5, 6)) < 0.5).astype(float), np.array([1.0, 0.0, 0.0])
    for allowed in (None, mask):
        rho = reference.background_ratio(v, q, allowed, xi)
        seen = np.ones((5, 6), bool) if allowed is None else allowed > 0
        worst = (v - rho * q)[1:, seen].max()
        assert abs(worst) <= 4 * EPS * np.abs(v).max()
    assert reference.background_ratio(-np.abs(v), q, mask, xi) == 0
    assert reference.background_ratio(v, q, 0 * mask, xi) == 0
    assert reference.background_ratio(v, q, mask, np.ones(3)) == 0
    assert reference.background_ratio(np.abs(v), 0 * q, mask, xi) == math.inf


def test_dual_norm_is_the_largest_of_all_pixels() -> None:
    rng = np.random.default_rng(36)
    v, q = rng.normal(size=(2, 3, 5, 6))
    mask, xi = (rng.random((5, 6)) < 0.5).astype(float), np.array([0.5, 0.0, 2.0])
    for allowed in (np.ones((5, 6)), mask):
        expected = max(
            math.hypot(*(max(v[k, m, n] - 0.3 * q[k, m, n], 0) / xi[k] for k in (0, 2)))
            for m, n in np.argwhere(allowed > 0)
        )
        assert reference.dual_norm(v, q, 0.3, allowed, xi) == pytest.approx(expected)
    assert reference.dual_norm(v, None, 0.3, mask, xi) == reference.dual_norm(v, q, 0, mask, xi)
    assert reference.dual_norm(v, None, 0.0, 0 * mask, xi) == 0
    assert reference.dual_norm(v, None, 0.0, mask, 0 * xi) == 0


@pytest.mark.parametrize("setting", SETTINGS)
def test_any_point_bounds_the_optimum_and_the_solutions_meets_it(setting: str) -> None:
    problem, rng = small_problem(setting), np.random.default_rng(37)
    ops, stated, optimum = operations_of(problem), problem.stated, problem.optimum
    for size in (0.01, 1.0, 100.0):
        nu = size * rng.normal(size=problem.shape)
        for repairs in (0, 5):
            assert 0 <= reference.dual_bound(ops, stated, nu, repairs) <= optimum
    Aa = reference.forward(problem.solution, problem.kernels)
    nu = reference.dual_point(Aa, problem.image, problem.w)
    bound = reference.dual_bound(ops, stated, nu)
    assert bound <= optimum
    # The interior-point method's answer is off by `accuracy` in the objective, which is strongly
    # convex in A a: ‖w (A a − A a*)‖² <= accuracy. The gap is first order in that distance.
    distance = math.sqrt(problem.accuracy)
    gradient = 2 * float(np.linalg.norm(problem.w * problem.image)) * math.sqrt(len(problem.xi))
    assert optimum - bound <= 10 * gradient * distance
    assert reference.relative_gap(optimum, bound) < 1e-2
    assert reference.relative_gap(0.0, 0.0) == 0.0


def test_the_bound_is_the_residuals_or_better() -> None:
    """With ξ > 0: the scaled residual with the best scale, where the simple choice is at most 1."""
    problem = small_problem("plain")
    for scale in (0.5, 0.9, 1.0):
        a = scale * problem.solution
        nu = reference.dual_point(reference.forward(a, problem.kernels), problem.image, problem.w)
        bound = reference.dual_bound(operations_of(problem), problem.stated, nu)
        simple = oracles.dual_value(
            a, problem.image, problem.matrix, problem.lam, problem.xi, problem.w, problem.mask
        )
        assert bound >= simple - 1e-12 * problem.optimum


def test_repairs_help_a_point_that_is_nearly_feasible() -> None:
    problem = problem_of("default-plain")
    ops, stated = operations_of(problem), problem.stated
    _, nu, history = reference.primal_dual(ops, stated, 130)
    bounds = [reference.dual_bound(ops, stated, nu, repairs) for repairs in (0, 3, 24)]
    gaps = [reference.relative_gap(float(history.objective[-1]), bound) for bound in bounds]
    assert gaps[0] > 1.1 * gaps[1] > 0
    assert gaps[1] > gaps[2] > 0


# --- the whole method --------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_primal_dual_reaches_the_interior_point_solution(setting: str, start: str) -> None:
    problem = small_problem(setting)
    ops, stated = operations_of(problem), problem.stated
    initial = problem.initial if start == "warm" else None
    z, nu, history = reference.primal_dual(ops, stated, 4000, initial)
    reached = sum(problem.objective(z))
    bound = reference.dual_bound(ops, stated, nu, 24)
    # Its own certificate says how near it is; the interior-point method says that this is true.
    assert reference.relative_gap(reached, bound) < 1e-4
    assert bound <= problem.optimum
    assert problem.optimum - problem.accuracy <= reached
    assert history.objective[-1] == pytest.approx(reached, rel=1e-10)
    assert np.all(z >= 0)
    assert np.all(z[:, problem.mask == 0] == 0)


@pytest.mark.parametrize("setting", SETTINGS)
def test_primal_dual_sees_at_once_that_zero_is_the_answer(setting: str) -> None:
    problem = small_problem(setting)
    dark = problem.stated._replace(image=-problem.image)
    z, nu, history = reference.primal_dual(operations_of(problem), dark, 50, problem.initial)
    assert not z.any()
    assert history.objective.shape == (0,)
    bound = reference.dual_bound(operations_of(problem), dark, nu)
    assert bound == pytest.approx(float(np.sum((problem.w * problem.image) ** 2)))
