"""The preconditioner of the primal-dual method against dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

import spotcore as sc
from spotcore import _core, reference
from spotcore.model.kernels import SeparableKernel
from spotcore.model.preconditioner import build
from support import oracles
from support.cases import PART2_SIGMA_LIMITS
from support.preconditioners import preconditioner_of
from support.single_precision import gamma_n
from support.small_problem import small_problem

Array = NDArray[np.float64]

GRIDS = [
    (0.0, 0.5),
    (0.6, 1.3, 2.0, 2.7),
    (1.0, 3.0),
    (2.3, 5.0, 9.0, 13.0),
    (5.0, 20.0),
    (0.5, 30.0),
    PART2_SIGMA_LIMITS,
]
SHAPES = [(1, 1), (1, 2), (2, 2), (1, 37), (40, 1), (3, 60), (8, 9), (17, 24), (21, 21)]


def dense_gram(model: sc.ObservationModel, shape: tuple[int, int]) -> Array:
    """``A A*`` as a matrix, [HW, HW], from the adjoint at every pixel."""
    plan, pixels = model.plan(shape, 1), shape[0] * shape[1]
    units = np.eye(pixels, dtype=np.float32).reshape(pixels, *shape)
    rows = np.array([plan.adjoint(unit).ravel() for unit in units], np.float64)
    gram: Array = rows @ rows.T
    return gram


# --- basis and eigenvalues ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [*SHAPES, (64, 33), (101, 128)], ids=str)
@pytest.mark.parametrize("limits", GRIDS, ids=str)
def test_the_basis_is_orthonormal(limits: tuple[float, ...], shape: tuple[int, int]) -> None:
    p = build(sc.ObservationModel.gaussian(limits).kernels, shape)
    for vectors in reference.basis(p, shape):
        assert vectors.shape[1] >= 1
        error = np.abs(vectors.T @ vectors - np.eye(vectors.shape[1]))
        assert error.max() <= gamma_n(2) + 1e-12  # each entry is rounded once to float32
    assert p.eigenvalues.shape == tuple(v.shape[1] for v in reference.basis(p, shape))
    assert p.eigenvalues.min() >= 0
    assert 0 < p.floor < 1e-3 * p.eigenvalues.max()


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (9, 8), (7, 13), (16, 16)], ids=str)
def test_eigenvalues_are_rayleigh_quotients(shape: tuple[int, int]) -> None:
    problem = small_problem("plain")
    p = build(problem.model.kernels, shape)
    matrix = oracles.dense_matrix([oracles.kernel_of(f) for f in problem.factors], shape)
    images = matrix.T @ np.kron(*reference.basis(p, shape))
    quotients = (images**2).sum(axis=0)
    # Rounding the vectors to float32 moves a quotient by 4 u sqrt(quotient ||A A*||), to first
    # order.
    bound = 4 * gamma_n(2) * np.sqrt(quotients * quotients.max()) + 1e-12 * quotients.max()
    assert np.all(np.abs(p.eigenvalues.ravel() - quotients) <= bound)


@pytest.mark.parametrize("shape", [(9, 8), (7, 31), (20, 20)], ids=str)
def test_eigenvalues_of_kernels_on_coarse_grids_are_rayleigh_quotients(
    shape: tuple[int, int],
) -> None:
    model = sc.ObservationModel.gaussian((2.3, 9.0, 23.0, 43.0))
    assert max(kernel.scale for kernel in model.kernels) > 4
    p = build(model.kernels, shape)
    vectors = np.kron(*reference.basis(p, shape))
    quotients = np.einsum("pi,pi->i", vectors, dense_gram(model, shape) @ vectors)
    error = np.abs(p.eigenvalues.ravel() - quotients)
    assert error.max() <= 0.01 * p.floor  # float32 rounds A A* by some 1e-7 of its norm


@pytest.mark.parametrize("limits", GRIDS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_not_smaller_than_the_normal_matrix(
    limits: tuple[float, ...], shape: tuple[int, int]
) -> None:
    """``scale (c + M) >= c + A A*`` at the smallest c: what the method needs to converge."""
    model = sc.ObservationModel.gaussian(limits)
    p = preconditioner_of(model, shape)
    c = p.floor * np.eye(shape[0] * shape[1])
    vectors = np.kron(*reference.basis(p, shape))
    preconditioner = c + (vectors * p.eigenvalues.ravel().astype(np.float64)) @ vectors.T
    preconditioner *= p.scale
    exact = c + dense_gram(model, shape)
    ratios = scipy.linalg.eigh(exact, preconditioner, eigvals_only=True)
    assert ratios[-1] <= 1.0
    assert ratios[0] > 0.1  # nor so large that steps become timid


def test_it_is_built_once_per_shape() -> None:
    model = sc.ObservationModel.gaussian((2.3, 5.0))
    first = preconditioner_of(model, (12, 13))
    assert preconditioner_of(model, (12, 13)) is first
    assert preconditioner_of(model, (13, 12)) is not first


# --- normal_solve ------------------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 9), (9, 1), (2, 2), (1, 130), (12, 10), (13, 31), (50, 97), (97, 48)],
    ids=str,
)
def test_normal_solve_is_the_dense_formula(shape: tuple[int, int]) -> None:
    """``(r / c + V (1 / (c + eigenvalues) - 1 / c) V^T r) / scale``, for every thread count."""
    model = sc.ObservationModel.gaussian((0.6, 1.3, 3.0))
    p = preconditioner_of(model, shape)
    rows, columns = reference.basis(p, shape)
    r = np.random.default_rng(40).normal(size=shape).astype(np.float32)
    for c in (p.floor, 100 * p.floor, float(p.eigenvalues.max())):
        c = float(np.float32(c))
        kernel = p.eigenvalues / (c * (c + p.eigenvalues.astype(np.float64)))
        exact = r / c - rows @ (kernel * (rows.T @ r @ columns)) @ columns.T
        size = np.abs(rows) @ (kernel * (np.abs(rows).T @ np.abs(r) @ np.abs(columns)))
        size = size @ np.abs(columns).T + np.abs(r) / c
        plans = [
            _core.Operations(model.kernels, *shape, threads=threads, preconditioner=p)
            for threads in (1, 2, 3)
        ]
        found = [plan.normal_solve(r, c) for plan in plans]
        # Four sums, of which the longest have half the height or width, and the quotients.
        bound = gamma_n(2 * sum(shape) + 10) * size
        assert np.all(np.abs(found[0] * p.scale - exact) <= bound)
        assert all(np.array_equal(other, found[0]) for other in found[1:])


def test_normal_solve_inverts_what_the_basis_spans() -> None:
    """Without the formula: ``scale (c + M) x = r`` for r in the span, where M is its definition."""
    shape = (18, 25)
    model = sc.ObservationModel.gaussian((0.6, 1.3, 3.0))
    p = preconditioner_of(model, shape)
    assert p.scale > 1
    rows, columns = reference.basis(p, shape)
    coefficients = np.random.default_rng(41).normal(size=p.eigenvalues.shape)
    x = rows @ coefficients @ columns.T
    c = float(p.eigenvalues.mean())
    r = p.scale * rows @ ((c + p.eigenvalues) * coefficients) @ columns.T
    plan = _core.Operations(model.kernels, *shape, preconditioner=p)
    assert plan.normal_solve(r.astype(np.float32), c) == pytest.approx(x, abs=1e-4)


# --- what is refused ---------------------------------------------------------------------------

SHAPE = (6, 5)
KERNELS = (SeparableKernel(np.ones((1, 3), np.float32)),)
GOOD = build(KERNELS, SHAPE)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"rows": GOOD.columns}, "6 pixels"),
        ({"columns": GOOD.rows}, "5 pixels"),
        ({"rows": (GOOD.rows[0][:0], GOOD.rows[1])}, "6 pixels"),
        ({"eigenvalues": GOOD.eigenvalues[:, 1:].copy()}, "one eigenvalue"),
        ({"eigenvalues": -GOOD.eigenvalues}, "finite eigenvalues >= 0"),
        ({"eigenvalues": np.nan * GOOD.eigenvalues}, "finite eigenvalues >= 0"),
        ({"floor": 0.0}, "floor"),
        ({"floor": float("nan")}, "floor"),
        ({"scale": 0.5}, "scale"),
        ({"scale": float("nan")}, "scale"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_plan_refuses_what_is_no_preconditioner(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        _core.Operations(KERNELS, *SHAPE, preconditioner=GOOD._replace(**changed))


def test_a_plan_without_one_does_not_solve() -> None:
    plan = _core.Operations(KERNELS, *SHAPE)
    with pytest.raises(RuntimeError, match="no preconditioner"):
        plan.normal_solve(np.ones(SHAPE, np.float32), 1.0)
