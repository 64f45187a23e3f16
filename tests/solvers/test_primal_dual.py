"""The primal-dual method: against a dense version of itself, independent solvers, and FISTA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import spotcore as sc
from spotcore import reference
from spotcore.model.preconditioner import Preconditioner
from support.cases import PART2_SIGMA_LIMITS
from support.preconditioners import basis, preconditioner_of
from support.single_precision import adjoint_bound, forward_bound, gamma_n, shrink_bound
from support.small_problem import SmallProblem, small_problem

Array = NDArray[np.float64]
SETTINGS = ("plain", "weighted")


def solve(problem: SmallProblem, **options: Any) -> sc.Result:
    return problem.solve(**({"method": "primal-dual", "initial": None} | options))


# --- against the same algorithm with a dense matrix --------------------------------------------

RELAXATION, FIRST, LAST, CONTINUATION, SMALLEST = 1.95, 60.0, 0.5, 100, 2e-4

Rounded = Callable[[Array, Array], Array]  # (exact value, bound of its rounding) -> value


def exactly(value: Array, bound: Array) -> Array:
    return value


def badly(seed: int) -> Rounded:
    """Round by a sixth of the bound, up or down at random.

    The bounds are those of n errors of one sign. Errors of either sign are √n times smaller, and
    n > 40 here (Higham and Mary, SIAM J. Sci. Comput. 41, 2019).
    """
    rng = np.random.default_rng(seed)
    return lambda value, bound: value + bound / 6 * rng.choice([-1.0, 1.0], value.shape)


def dense_primal_dual(
    problem: SmallProblem,
    p: Preconditioner,
    max_iter: int,
    initial: Array | None,
    rounded: Rounded = exactly,
) -> tuple[Array, Array]:
    """The iteration at the top of primal_dual.cpp: the last z, and both terms after each step."""
    matrix, factors, d, lam = problem.matrix, problem.factors, problem.image, problem.lam
    xi, mask, weight = problem.xi, problem.mask, problem.w**2
    vectors, eigenvalues = np.kron(*basis(p, d.shape)), p.eigenvalues.ravel().astype(np.float64)
    aleph = xi > 0

    def adjoint(image: Array) -> Array:
        return (matrix.T @ image.ravel()).reshape(-1, *d.shape)

    def forward(a: Array) -> Array:
        return (matrix @ a.ravel()).reshape(d.shape)

    def normal_solve(r: Array, c: float) -> tuple[Array, Array]:
        kernel = eigenvalues / (c * (c + eigenvalues))
        x = r.ravel() / c - vectors @ (kernel * (vectors.T @ r.ravel()))
        size = np.abs(vectors) @ (kernel * (np.abs(vectors).T @ np.abs(r.ravel())))
        size += np.abs(r.ravel()) / c
        bound = gamma_n(2 * sum(d.shape) + 10) * size
        return x.reshape(d.shape) / p.scale, bound.reshape(d.shape) / p.scale

    slope = np.maximum(adjoint(2 * weight * d), 0)[aleph] / xi[aleph, None, None] * mask
    lambda_max = float(np.sqrt((slope**2).sum(axis=0)).max())
    solved = rounded(*normal_solve(d * (weight > 0), p.floor))
    guess = np.maximum(rounded(adjoint(solved), adjoint_bound(solved, factors)), 0) * mask
    norms = np.sqrt(((xi[:, None, None] * guess) ** 2).sum(axis=0))
    base = float((guess[aleph] ** 2).sum() / norms.sum())

    z = np.zeros_like(guess) if initial is None else np.maximum(initial, 0) * mask
    e, Az = z.copy(), forward(z)
    Ae, e_y = Az.copy(), Az.copy()
    nu = np.zeros(d.shape) if initial is None else 2 * weight * (d - Az)
    falling = min(CONTINUATION, max_iter - max_iter // 5) if initial is None else 0
    history = []
    for i in range(max_iter):
        progress = i / falling if i < falling else 1.0
        t = base * FIRST * (LAST / FIRST) ** progress
        t /= min(max(lam, SMALLEST * lambda_max), lambda_max)
        t_y = max(1 / float(weight.max()), p.floor * t)
        moved = mask * (e + t * adjoint(nu))
        size = mask * (np.abs(e) + t * np.abs(adjoint(nu)))
        error = mask * t * adjoint_bound(nu, factors) + gamma_n(4) * size + shrink_bound(moved)
        z = reference.group_shrink(moved, t * lam, xi)
        z = rounded(z, error * (z > 0))
        Az = rounded(forward(z), forward_bound(z, factors))
        e = e + RELAXATION * (z - e)
        e = rounded(e, gamma_n(3) * (np.abs(z) + np.abs(e)))
        y = (e_y - t_y * nu + 2 * t_y * weight * d) / (1 + 2 * t_y * weight)
        size = (np.abs(e_y) + t_y * np.abs(nu)) / (1 + 2 * t_y * weight) + np.abs(d)
        y = rounded(y, gamma_n(8) * size)
        r = (2 * y - e_y) - (2 * Az - Ae)
        r = rounded(r, gamma_n(3) * (2 * np.abs(y) + np.abs(e_y) + 2 * np.abs(Az) + np.abs(Ae)))
        Ae = Ae + RELAXATION * (Az - Ae)
        e_y = e_y + RELAXATION * (y - e_y)
        step, error = normal_solve(r, t_y / t)
        nu = rounded(nu + RELAXATION / t * step, RELAXATION / t * error + gamma_n(2) * np.abs(nu))
        norms = np.sqrt(((xi[:, None, None] * z) ** 2).sum(axis=0))
        history.append((float((weight * (Az - d) ** 2).sum()), lam * float(norms.sum())))
    return z, np.array(history)


@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_iterates_are_those_of_a_dense_matrix(setting: str, start: str) -> None:
    """Allowed: twice the worst of three runs in which every rounding is bad."""
    problem = small_problem(setting)
    model = problem.model
    p = preconditioner_of(model, problem.shape)
    initial = None if start == "cold" else problem.initial
    for count in (1, 2, 5, 20, 130):
        result = solve(problem, max_iter=count, initial=initial)
        a, history = dense_primal_dual(problem, p, count, initial)
        worst_a, worst = np.zeros_like(a), np.zeros_like(history)
        for seed in range(3):
            bad_a, bad = dense_primal_dual(problem, p, count, initial, badly(seed))
            worst_a = np.maximum(worst_a, np.abs(bad_a - a).max())
            worst = np.maximum(worst, np.abs(bad - history))
        own = gamma_n(200) * history.sum(axis=1, keepdims=True)  # of the sums themselves
        assert np.all(np.abs(result.history - history) <= 2 * worst + own)
        assert np.all(np.abs(result.a - a) <= 2 * worst_a + 1e-6 * a.max())
        assert worst[-1].max() < 0.01 * history[-1].sum()  # or the lines above would say little


# --- against the interior-point method ---------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_end_point_is_the_interior_points(setting: str) -> None:
    problem = small_problem(setting)
    result = solve(problem, max_iter=4000)
    a, optimum = result.a.astype(np.float64), problem.optimum
    assert optimum - problem.accuracy <= sum(problem.objective(a)) <= optimum * (1 + 1e-5)
    assert np.all(a >= 0)
    assert np.all(a[:, problem.mask == 0] == 0)
    aleph = problem.xi > 0
    assert result.score == pytest.approx(np.sqrt((a[aleph] ** 2).sum(axis=0)), rel=gamma_n(6))
    assert result.objective == pytest.approx(sum(problem.objective(a)), rel=1e-5)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_gap_is_a_certificate_at_every_iteration(setting: str) -> None:
    problem = small_problem(setting)
    for count in (0, 1, 2, 5, 10, 30, 100, 200, 1000, 4000):
        result = solve(problem, max_iter=count)
        rounding = problem.certified_rounding(result)
        assert -rounding <= result.gap <= 1
        proven = result.objective * (1 - result.gap)
        assert proven <= problem.optimum + rounding * result.objective
    assert abs(result.gap) < 1e-4


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("factor", [1.0, 1e4], ids=["near", "far"])
def test_a_bad_start_leads_to_the_same_objective(factor: float, setting: str) -> None:
    problem = small_problem(setting)
    start = factor * np.random.default_rng(50).uniform(-1, 1, (3, *problem.shape))
    result = solve(problem, initial=start, max_iter=4000)
    assert result.objective == pytest.approx(problem.optimum, rel=1e-4)


# --- units -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [2.0**-22, 2.0**20, 2.0**30], ids=lambda u: f"{u:.0e}")
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_answer_scales_with_the_image(setting: str, unit: float) -> None:
    """To the last bit for a power of two: no constant of the method has a unit."""
    problem = small_problem(setting)
    one = solve(problem, max_iter=150)
    options = {"w": problem.w, "mask": problem.mask, "xi": problem.xi, "threads": 1}
    other = sc.solve(
        unit * problem.image, problem.model, unit * problem.lam, tol=0, max_iter=150, **options
    )
    assert np.array_equal(other.a, unit * one.a)
    assert np.array_equal(other.history, unit**2 * one.history)
    assert other.gap == one.gap


@pytest.mark.parametrize("setting", SETTINGS)
def test_only_the_product_of_lam_and_xi_matters(setting: str) -> None:
    problem = small_problem(setting)
    one = solve(problem, max_iter=150)
    other = solve(problem, max_iter=150, lam=problem.lam / 64, xi=64 * problem.xi)
    assert np.array_equal(other.a, one.a)
    assert other.gap == one.gap


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_dim_and_bright_images(unit: float) -> None:
    problem = small_problem("plain")
    one = sc.solve(problem.image, problem.model, problem.lam)
    other = sc.solve(unit * problem.image, problem.model, unit * problem.lam)
    assert other.iterations == one.iterations
    assert other.objective == pytest.approx(unit**2 * one.objective, rel=1e-4)
    assert other.a == pytest.approx(unit * one.a, abs=1e-3 * unit * float(one.a.max()))


# --- corners -----------------------------------------------------------------------------------

MODEL = sc.ObservationModel.gaussian((0.8, 1.6, 3.0))
BLOBS = MODEL.forward(
    np.where(np.random.default_rng(51).random((2, 14, 17)) < 0.03, 300.0, 0.0)
) + np.random.default_rng(52).normal(size=(14, 17))
ZERO = {
    "black": {"image": 0 * BLOBS},
    "negative": {"image": -np.abs(BLOBS)},
    "all_masked": {"mask": np.zeros(BLOBS.shape)},
    "lam_above_lambda_max": {"lam": 1.0001 * sc.lambda_max(BLOBS, MODEL)},
    "background_of_a_black_image": {"image": 0 * BLOBS, "xi": (1, 0)},
    "no_penalty_on_a_black_image": {"image": 0 * BLOBS, "lam": 0.0},
}


@pytest.mark.parametrize("initial", [None, np.ones((2, *BLOBS.shape))], ids=["cold", "warm"])
@pytest.mark.parametrize("name", ZERO)
def test_where_zero_is_the_answer_it_is_found_at_once(name: str, initial: Any) -> None:
    result = sc.solve(**({"image": BLOBS, "model": MODEL, "initial": initial} | ZERO[name]))
    assert not result.a.any()
    assert result.iterations == 0
    assert result.stop_reason == "tol"
    assert result.history.shape == (0, 2)
    assert abs(result.gap) < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"lam": 0.99 * sc.lambda_max(BLOBS, MODEL)},
        {"lam": 0.0},
        {"lam": 1e-6},
        {"lam": 1e6, "xi": (1, 0)},
        {"xi": (0, 0)},
        {"xi": (0.1, 10)},
        {"w": np.where(BLOBS > 20, 10, 0.1)},
        {"w": np.arange(BLOBS.size).reshape(BLOBS.shape) == 100},
        {"mask": np.arange(BLOBS.size).reshape(BLOBS.shape) == 100},
    ],
    ids=lambda o: "-".join(f"{k}_{v}" if np.size(v) < 3 else k for k, v in o.items()),
)
def test_corners_end_where_fista_ends(options: dict[str, Any]) -> None:
    fista = sc.solve(BLOBS, MODEL, method="fista", tol=0, max_iter=5000, threads=1, **options)
    result = sc.solve(BLOBS, MODEL, tol=0, max_iter=1000, threads=1, **options)
    assert np.isfinite(result.a).all()
    # A background that the penalty does not scale takes longer.
    slack = 1.01 if options.get("xi") == (1, 0) else 1.001
    assert result.objective <= slack * fista.objective


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 200)], ids=str)
def test_small_and_narrow_images_end_where_fista_ends(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(53).uniform(0, 255, shape)
    for limits in ((0.8, 1.6, 3.0), (0.0, 0.7), (5.0, 20.0)):
        model = sc.ObservationModel.gaussian(limits)
        fista = sc.solve(image, model, method="fista", tol=0, max_iter=5000, threads=1)
        result = sc.solve(image, model, threads=1)
        assert result.objective <= 1.01 * fista.objective
        longer = sc.solve(image, model, tol=0, max_iter=2000, threads=1)
        assert longer.objective <= 1.001 * fista.objective


# --- stopping ----------------------------------------------------------------------------------


def test_stops_on_the_relative_change_once_the_threshold_rests() -> None:
    result = sc.solve(BLOBS, MODEL, tol=1e-3, max_iter=2000)
    assert result.stop_reason == "tol"
    assert 110 <= result.iterations < 2000
    objective = result.history.sum(axis=1)
    changes = np.abs(objective[10:] - objective[:-10])[9::10] / objective[19::10]
    assert changes[-1] <= 1e-3
    assert np.all(changes[9:-1] > 1e-3)  # from iteration 110 on
    assert sc.solve(BLOBS, MODEL, tol=1e-6, max_iter=2000).iterations > result.iterations


@pytest.mark.parametrize("gap_tol", [0.3, 0.01, 1e-3])
def test_stops_on_the_gap(gap_tol: float) -> None:
    result = sc.solve(BLOBS, MODEL, tol=0, gap_tol=gap_tol, max_iter=5000)
    assert result.stop_reason == "gap_tol"
    assert result.gap <= gap_tol
    assert 0 < result.iterations < 5000


@pytest.mark.parametrize("count", [0, 1, 2, 5, 17])
def test_stops_at_the_iteration_limit(count: int) -> None:
    result = sc.solve(BLOBS, MODEL, max_iter=count)
    assert result.stop_reason == "max_iter"
    assert result.iterations == count
    assert result.history.shape == (count, 2)
    if count == 0:
        assert not result.a.any()
        assert result.objective == pytest.approx(float((BLOBS**2).sum()))
    else:
        assert result.history[-1].tolist() == [result.data_term, result.penalty]


def test_a_warm_start_stays_where_it_is() -> None:
    end = sc.solve(BLOBS, MODEL, tol=1e-5)
    again = sc.solve(BLOBS, MODEL, initial=end.a)
    assert again.stop_reason == "tol"
    assert again.iterations <= 30
    assert again.objective == pytest.approx(end.objective, rel=5e-4)
    assert again.gap < 0.05
    early = [sc.solve(BLOBS, MODEL, initial=end.a, max_iter=n).objective for n in range(1, 10)]
    assert early == pytest.approx([end.objective] * 9, rel=0.01)


# --- the papers' images ------------------------------------------------------------------------


def test_the_recorded_image_of_750_cells(shared_data: Path) -> None:
    """By default at least as good as the file's ten thousand iterations of FISTA."""
    with np.load(shared_data / "solver" / "fista_750.npz") as data:
        image, limits, cells = data["image"], data["sigma_limits"], data["positions"]
        recorded = float(data["cost"][data["iterations"] == 10_000, 0][0])
    result = sc.solve(image, sc.ObservationModel.gaussian(limits))
    assert result.objective <= 1.001 * recorded
    assert result.gap <= 0.01
    assert result.iterations <= 200
    f1 = sc.best_f1(result.score, cells, radius=3).f1
    assert f1 >= 0.9666  # what ten thousand iterations of FISTA reach, to four digits


@pytest.mark.parametrize("n_cells", [16, 47, 78])  # 250, 750 and 1250 on 512 x 512
def test_simulated_images_of_three_densities(n_cells: int) -> None:
    image = sc.simulate(n_cells, (128, 128), seed=54).image
    model = sc.ObservationModel.gaussian(PART2_SIGMA_LIMITS)
    fista = sc.solve(image, model, method="fista", tol=0, max_iter=3000)
    result = sc.solve(image, model)
    assert result.stop_reason == "tol"
    assert result.objective <= 1.001 * fista.objective
