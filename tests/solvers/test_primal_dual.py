"""The primal-dual method: against the reference, independent solvers, and FISTA."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import spotcore as sc
from spotcore import reference
from support.bad_rounding import BadlyRounded
from support.cases import PART2_SIGMA_LIMITS
from support.single_precision import gamma_n
from support.small_problem import PROBLEMS, Problem, problem_of, small_problem

Array = NDArray[np.float64]
SETTINGS = ("plain", "weighted")


def solve(problem: Problem, **options: Any) -> sc.Result:
    return problem.solve(**({"method": "primal-dual", "initial": None} | options))


# --- against the reference ---------------------------------------------------------------------

COUNTS = (1, 2, 5, 20, 130)
REPAIRS = 24  # of the dual point, at the end
TRIALS = (10, 20)  # iterations after which a warm start may be given up


class Run(NamedTuple):
    """What the reference finds, exactly or badly rounded."""

    a: Array
    history: Array
    nu: Array
    bound: float  # that `nu` proves


def run(problem: Problem, count: int, initial: Array | None, seed: int | None = None) -> Run:
    kernels, p = problem.kernels, problem.preconditioner
    operations = (
        reference.Operations(kernels, p) if seed is None else BadlyRounded(kernels, p, seed)
    )
    a, nu, history = reference.primal_dual(operations, problem.stated, count, initial)
    bound = reference.dual_bound(operations, problem.stated, nu, REPAIRS)
    for trial in TRIALS if initial is not None else ():  # they prove something too
        if count > trial:
            _, tried, _ = reference.primal_dual(operations, problem.stated, trial, initial)
            bound = max(bound, reference.dual_bound(operations, problem.stated, tried))
    return Run(a, np.stack(history, axis=1), nu, bound)


@cache
def exact_and_worst(name: str, start: str, count: int) -> tuple[Run, Run]:
    """The reference's run, and how far from it the worst of three bad ones is."""
    problem = problem_of(name)
    initial = None if start == "cold" else problem.initial
    exact = run(problem, count, initial)
    bad = [run(problem, count, initial, seed) for seed in range(3)]
    worst = Run(
        *(np.max([abs(x - y) for y in ys], axis=0) for x, *ys in zip(exact, *bad, strict=True))
    )
    return exact, worst


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_iterates_and_gap_are_the_references(name: str, start: str) -> None:
    """Allowed: twice the worst of three runs in which every rounding is bad."""
    problem = problem_of(name)
    for count in COUNTS:
        exact, worst = exact_and_worst(name, start, count)
        result = solve(
            problem, max_iter=count, initial=None if start == "cold" else problem.initial
        )
        objective = exact.history.sum(axis=1, keepdims=True)
        own = gamma_n(200) * objective  # of the sums themselves
        assert np.all(np.abs(result.history - exact.history) <= 2 * worst.history + own)
        assert np.all(np.abs(result.a - exact.a) <= 2 * worst.a.max() + 1e-6 * exact.a.max())
        bound = result.objective * (1 - result.gap)
        assert abs(bound - exact.bound) <= 2 * worst.bound + own[-1, 0]
        assert worst.history[-1].max() < 0.01 * objective[-1]  # or the lines above would say little
        assert worst.bound < 0.01 * objective[-1]


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
