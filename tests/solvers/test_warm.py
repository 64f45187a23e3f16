"""Warm starts, and what a stopping rule may call an answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import spotcore as sc

MODEL = sc.ObservationModel.gaussian([2.3, 5.0, 9.0, 13.0])
SHAPE = (56, 72)
TOL = 5e-4  # the default of the primal-dual method
TRIAL = 20  # iterations after which the last start that proved to be far is given up


def picture(seed: int, cells: int = 20, noise: float = 1.0) -> NDArray[np.float32]:
    """What `cells` cells at random leave behind."""
    rng = np.random.default_rng(seed)
    a = np.zeros((MODEL.n_bins, *SHAPE), np.float32)
    y, x = (rng.integers(0, size, cells) for size in SHAPE)
    a[:, y, x] = rng.gamma(2.0, 100.0, (MODEL.n_bins, cells))
    return MODEL.forward(a) + rng.normal(0.0, noise, SHAPE).astype(np.float32)


def neighbours(image: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The same well, seen once more."""
    noise = np.random.default_rng(seed).normal(0.0, 1.0, SHAPE)
    return image + noise.astype(np.float32)


STARTS = {
    "zeros": lambda image, lam, how: np.zeros((MODEL.n_bins, *SHAPE)),
    "the answer": lambda image, lam, how: sc.solve(image, MODEL, lam, **how).a,
    "ten times the answer": lambda image, lam, how: 10 * sc.solve(image, MODEL, lam, **how).a,
    "a tenth of the answer": lambda image, lam, how: sc.solve(image, MODEL, lam, **how).a / 10,
    "a larger lam": lambda image, lam, how: sc.solve(image, MODEL, 3 * lam, **how).a,
    "a smaller lam": lambda image, lam, how: sc.solve(image, MODEL, lam / 3, **how).a,
    "a far larger lam": lambda image, lam, how: sc.solve(image, MODEL, 50 * lam, **how).a,
    "a neighbour": lambda image, lam, how: sc.solve(neighbours(image, 1), MODEL, lam, **how).a,
    "moved": lambda image, lam, how: np.roll(sc.solve(image, MODEL, lam, **how).a, 2, axis=1),
    "noise": lambda image, lam, how: np.random.default_rng(0).random((MODEL.n_bins, *SHAPE)) * 1e3,
}


@given(
    start=st.sampled_from(sorted(STARTS)),
    seed=st.integers(0, 10**6),
    cells=st.integers(1, 60),
    lam=st.floats(-1.5, 1.2).map(lambda power: 10.0**power),
    masked=st.booleans(),
    weighted=st.booleans(),
    xi=st.sampled_from([None, (1.0, 0.5, 2.0), (1.0, 1.0, 0.0)]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_warm_start_is_never_worse_than_a_cold_one(
    start: str,
    seed: int,
    cells: int,
    lam: float,
    masked: bool,
    weighted: bool,
    xi: tuple[float, ...] | None,
) -> None:
    """Within what both stop at: ten times the share that ten more iterations would change."""
    image, how = picture(seed, cells), dict[str, Any](xi=xi)
    rng = np.random.default_rng(seed)
    if masked:
        how["mask"] = rng.random(SHAPE) < 0.8
    if weighted:
        how["w"] = rng.uniform(0.3, 1.2, SHAPE)
    cold = sc.solve(image, MODEL, lam, **how)
    warm = sc.solve(image, MODEL, lam, initial=STARTS[start](image, lam, how), **how)
    assert warm.objective <= cold.objective * (1 + 10 * TOL)
    assert warm.stop_reason == cold.stop_reason
    assert cold.stop_reason != "tol" or warm.gap <= 0.1


@pytest.mark.parametrize("start", ["zeros", "noise", "a far larger lam"])
def test_what_is_no_help_is_given_up(start: str) -> None:
    """The answer is then the cold one, to the bit."""
    image = picture(2)
    cold = sc.solve(image, MODEL)
    warm = sc.solve(image, MODEL, initial=STARTS[start](image, 0.5, {}))
    assert np.array_equal(warm.a, cold.a)
    assert cold.iterations <= warm.iterations <= cold.iterations + TRIAL


@pytest.mark.parametrize("start", ["the answer", "ten times the answer", "a tenth of the answer"])
def test_the_answer_is_known_again_at_any_scale(start: str) -> None:
    image = picture(3)
    cold = sc.solve(image, MODEL)
    warm = sc.solve(image, MODEL, initial=STARTS[start](image, 0.5, {}))
    assert warm.stop_reason == "tol"
    assert warm.iterations < cold.iterations / 2
    assert warm.objective == pytest.approx(cold.objective, rel=2 * TOL)


@pytest.mark.parametrize("lam", [0.5 * 1.25**k for k in (-2, -1, 1, 2)])
def test_a_path_of_lam_and_a_neighbour_gain_time(lam: float) -> None:
    image = picture(4)
    before = sc.solve(image, MODEL, 0.5)
    cold, warm = sc.solve(image, MODEL, lam), sc.solve(image, MODEL, lam, initial=before.a)
    assert warm.iterations < cold.iterations
    other = neighbours(image, 9)
    cold, warm = sc.solve(other, MODEL), sc.solve(other, MODEL, initial=before.a)
    assert warm.iterations < cold.iterations


def test_fista_begins_at_the_best_multiple() -> None:
    """So that no start is worse than none: `max_iter=0` returns the start itself."""
    image = picture(5)
    answer = sc.solve(image, MODEL, method="fista", max_iter=300)
    for factor in (0.0, 0.1, 1.0, 10.0):
        begun = sc.solve(image, MODEL, method="fista", initial=factor * answer.a, max_iter=0)
        if factor > 0:
            assert begun.objective == pytest.approx(answer.objective, rel=1e-3)
        else:
            assert begun.objective == pytest.approx(float(np.sum(image.astype(float) ** 2)))


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.0])
def test_too_long_a_step_is_no_answer(scale: float) -> None:
    image = picture(6)
    try:
        result = sc.solve(image, MODEL, method="fista", step_scale=scale)
    except OverflowError:
        return
    assert result.stop_reason == "stalled"
    assert result.gap > 0.1
