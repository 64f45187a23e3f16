"""When `solve` stops, what it reports then, and what its certificate is worth."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest

import spotcore as sc
from spotcore import reference
from support import oracles
from support.cases import PART2_SIGMA_LIMITS, single
from support.single_precision import gamma_n
from support.small_problem import SmallProblem, small_problem

MOMENTA = ("beck-teboulle", "chambolle-dossal")
SETTINGS = ("plain", "weighted")
METHODS = ("fista", "primal-dual")


# --- the certificate ---------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_gap_is_a_certificate_at_every_iteration(setting: str) -> None:
    problem = small_problem(setting)
    optimum = problem.optimum
    for count in (0, 1, 5, 20, 100, 500, 3000):
        result = problem.solve(max_iter=count)
        rounding = problem.certified_rounding(result)
        assert -rounding <= result.gap <= 1
        proven = result.objective * (1 - result.gap)
        assert proven <= optimum + rounding * result.objective


@pytest.mark.parametrize("momentum", MOMENTA)
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_gap_vanishes_at_the_end(setting: str, momentum: str) -> None:
    problem = small_problem(setting)
    result = problem.solve(momentum=momentum, max_iter=8000)
    start = problem.solve(momentum=momentum, max_iter=10)
    assert start.gap > 0.05
    assert result.gap < 1e-3
    assert abs(result.gap) < 0.01 * start.gap


def test_the_gap_is_the_one_of_the_residual() -> None:
    """With ξ = 1 and w > 0 no worse than a scale of at most 1, in float64."""
    problem = SmallProblem("plain")  # its own: it is changed here
    problem.w = single(np.random.default_rng(20).uniform(0.3, 1.2, problem.shape))
    for count in (1, 10, 100, 1000):
        result = problem.solve(max_iter=count)
        a = result.a.astype(np.float64)
        dual = oracles.dual_value(
            a, problem.image, problem.matrix, problem.lam, problem.xi, problem.w, problem.mask
        )
        simple = 1 - dual / sum(problem.objective(a))
        assert result.gap <= simple + problem.certified_rounding(result)


@pytest.mark.parametrize("xi", [(1.0, 1.0, 1.0), (0.5, 2.0, 1.5)], ids=str)
def test_lambda_max_separates_zero_from_the_rest(xi: tuple[float, ...]) -> None:
    problem = SmallProblem("weighted")  # its own: it is changed here
    problem.xi = np.array(xi)
    slope = 2 * reference.adjoint(problem.w**2 * problem.image, problem.factors) * problem.mask
    norms = np.sqrt(((np.maximum(slope, 0) / problem.xi[:, None, None]) ** 2).sum(axis=0))
    lam_max = float(norms.max())
    margin = gamma_n(1000)
    above = problem.solve(lam=lam_max * (1 + margin), initial=None, max_iter=50)
    assert not above.a.any()
    assert not above.score.any()
    assert above.penalty == 0
    assert abs(above.gap) <= problem.certified_rounding(above)
    below = problem.solve(lam=0.99 * lam_max, initial=None, max_iter=50)
    assert below.a.any()
    # From anywhere else the way back to zero takes more than one step, and ends there.
    back = problem.solve(lam=2 * lam_max, max_iter=500)
    assert not back.a.any()


def test_lambda_max_is_the_formula() -> None:
    problem = small_problem("weighted")
    slope = 2 * reference.adjoint(problem.w**2 * problem.image, problem.factors) * problem.mask
    expected = float(np.sqrt((np.maximum(slope, 0) ** 2).sum(axis=0)).max())
    found = sc.lambda_max(problem.image, problem.model, w=problem.w, mask=problem.mask)
    assert found == pytest.approx(expected, rel=gamma_n(1000))


# --- stopping ----------------------------------------------------------------------------------


def test_stops_on_the_relative_change_of_the_objective() -> None:
    problem = small_problem("plain")
    result = problem.solve(tol=1e-4, max_iter=5000)
    assert result.stop_reason == "tol"
    assert 10 <= result.iterations < 5000
    objective = result.history.sum(axis=1)
    assert result.objective == objective[-1]
    changes = np.abs(objective[10:] - objective[:-10]) / objective[10:]
    assert changes[-1] <= 1e-4
    assert np.all(changes[9:-1:10] > 1e-4)  # it was not reached ten iterations, twenty, ... before
    looser = problem.solve(tol=1e-2, max_iter=5000)
    assert looser.iterations < result.iterations


def test_stops_on_the_gap() -> None:
    problem = small_problem("plain")
    result = problem.solve(gap_tol=0.01, max_iter=5000)
    assert result.stop_reason == "gap_tol"
    assert 0 < result.iterations < 5000
    assert result.gap <= 0.01


def test_stops_at_the_iteration_limit() -> None:
    result = small_problem("plain").solve(max_iter=17)
    assert result.stop_reason == "max_iter"
    assert result.iterations == 17


@pytest.mark.parametrize("method", METHODS)
def test_the_callback_sees_every_iteration(method: str) -> None:
    seen: list[tuple[int, float, float, float, float]] = []

    def note(p: Any) -> None:
        seen.append((p.iteration, p.objective, p.data_term, p.penalty, p.gap))

    result = small_problem("plain").solve(method=method, max_iter=25, callback=note)
    assert [row[0] for row in seen] == list(range(1, 26))
    table = np.array(seen)
    assert table[:, 1] == pytest.approx(table[:, 2] + table[:, 3], rel=1e-12)
    assert np.array_equal(table[:, 2:4], result.history)
    assert np.isfinite(table).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("answer", [True, np.True_, 1], ids=str)
def test_the_callback_can_cancel(answer: Any, method: str) -> None:
    problem = small_problem("plain")

    def cancel(p: Any) -> Any:
        return answer if p.iteration == 7 else None

    result = problem.solve(method=method, max_iter=100, callback=cancel)
    assert result.stop_reason == "cancelled"
    assert result.iterations == 7
    whole = problem.solve(method=method, max_iter=100)
    assert [result.data_term, result.penalty] == whole.history[6].tolist()


@pytest.mark.parametrize("method", METHODS)
def test_what_a_callback_raises_reaches_the_caller(method: str) -> None:
    class Refused(Exception):
        pass

    def refuse(p: Any) -> None:
        if p.iteration == 3:
            raise Refused("three")

    with pytest.raises(Refused, match="three"):
        small_problem("plain").solve(method=method, max_iter=100, callback=refuse)


def test_a_callback_may_solve() -> None:
    problem = small_problem("plain")
    inner: list[sc.Result] = []
    outer = problem.solve(max_iter=3, callback=lambda p: inner.append(problem.solve(max_iter=3)))
    assert np.array_equal(inner[-1].a, outer.a)


# --- Ctrl-C ------------------------------------------------------------------------------------


def press_ctrl_c_inside(work: Callable[[], object], pressed: list[int]) -> None:
    """Press Ctrl-C in the midst of one call of `work` into the core, and see that it ends there.

    Alarms come all the time. Python answers them where somebody asks for signals: while a call into
    the core runs, only the core can. One that does not ask is at most asked for once, when it
    returns, for signals that wait are one. So at the third answer from one place in one frame the
    core has asked twice in the midst of its work; whether it heeds the answer shows then. `pressed`
    gets an entry at that time.
    """
    asked: Counter[tuple[FrameType | None, int]] = Counter()

    def answer(_: int, frame: FrameType | None) -> None:
        place = frame, -1 if frame is None else frame.f_lasti
        asked[place] += 1
        if asked[place] == 3:
            signal.setitimer(signal.ITIMER_REAL, 0)
            pressed.append(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, answer)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        assert pressed
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@POSIX
@pytest.mark.parametrize("with_callback", [False, True], ids=["bare", "callback"])
@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_stops_a_solve(method: str, with_callback: bool) -> None:
    image = np.random.default_rng(21).uniform(0, 255, (512, 512))
    model = sc.ObservationModel.gaussian(PART2_SIGMA_LIMITS)
    pressed: list[int] = []
    called_after: list[int] = []

    def note(progress: Any) -> None:
        if pressed:
            called_after.append(progress.iteration)

    options: dict[str, Any] = {"method": method, "tol": 0, "max_iter": 1000}
    options["callback"] = note if with_callback else None
    if method == "fista":
        options["step"] = 1 / 64.7
    else:
        model.preconditioned_plan(image.shape)  # else Ctrl-C stops what builds the preconditioner
    press_ctrl_c_inside(lambda: sc.solve(image, model, **options), pressed)
    assert called_after == []


@POSIX
def test_ctrl_c_stops_the_search_for_the_step() -> None:
    """The power iteration that finds the default step takes long on a big image, too."""
    model = sc.ObservationModel.gaussian(PART2_SIGMA_LIMITS)
    press_ctrl_c_inside(lambda: model.norm_squared((2048, 2048)), [])
