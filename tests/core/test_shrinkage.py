"""The compiled shrinkage and the step made of it, on values far around every threshold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spotcore import _core, reference
from spotcore.model.decimation import multiscale_kernels
from support import oracles
from support.cases import CASES, single
from support.compiled import checked, f32, f32_all, same_for_all_threads
from support.single_precision import (
    forward_bound,
    gamma_n,
    shrink_bound,
)

THREADS = (1, 2, 3)
XI = {
    "ones": lambda k: np.ones(k),
    "aleph": lambda k: (np.arange(k) % 3 != 1).astype(np.float64),
    "no_aleph": lambda k: np.zeros(k),
    "one_weight": lambda k: np.full(k, 0.625),
    "weights": lambda k: single(np.linspace(0.3, 2.0, k)),
    "far_apart": lambda k: single(np.where(np.arange(k) % 2, 1e-2, 10.0) * (np.arange(k) != 4)),
}
GROUP_SHAPES = [(1, 1, 1), (8, 1, 1), (1, 3, 5), (3, 13, 21), (8, 16, 16), (5, 1, 257), (4, 64, 65)]


def spread(shape: tuple[int, int, int], seed: int) -> NDArray[np.float64]:
    """Draw maps whose pixels lie far below, around and far above a threshold of 1."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-3, 3, size=(1, *shape[1:]))
    return single(rng.normal(size=shape) * scale)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("xi_name", XI)
@pytest.mark.parametrize("shape", GROUP_SHAPES, ids=str)
def test_group_shrink_is_the_reference(shape: tuple[int, int, int], xi_name: str) -> None:
    x, xi = spread(shape, 10), XI[xi_name](shape[0])
    for gamma in (0.0, 2.0**-10, 1.0, 1e4):
        results = [
            (_core.group_shrink(f32(x), gamma, f32(xi), threads=threads),) for threads in THREADS
        ]
        y = checked(results[0][0], shape)
        assert np.all(y >= 0)
        assert np.all(np.abs(y - reference.group_shrink(x, gamma, xi)) <= shrink_bound(x))
        same_for_all_threads(results)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("xi_name", XI)
def test_group_shrink_is_the_minimiser(xi_name: str) -> None:
    x, xi = spread((5, 3, 4), 11), XI[xi_name](5)
    y = checked(_core.group_shrink(f32(x), 0.75, f32(xi)), x.shape)
    bound = shrink_bound(x)
    for m in range(3):
        for n in range(4):
            best = oracles.shrink_pixel(x[:, m, n], 0.75, xi)
            # The minimiser's own accuracy: an excess e of the 1-strongly convex objective, here
            # its rounding in float64, means a distance of at most (2 e)^½.
            size = float(np.sum(x[:, m, n] ** 2))
            accuracy = math.sqrt(2 * 100 * np.finfo(np.float64).eps * size)
            assert np.all(np.abs(y[:, m, n] - best) <= bound[m, n] + accuracy)


def impulse_factors(bins: int) -> list[NDArray[np.float64]]:
    """Kernels of one pixel, of sizes that are exact: A* r is then [g_1 r, ..., g_K r]."""
    return [np.array([[2.0 ** -(k % 3)]]) for k in range(bins)]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("masked", [False, True], ids=["no_mask", "mask"])
@pytest.mark.parametrize("xi_name", XI)
@pytest.mark.parametrize("shape", GROUP_SHAPES, ids=str)
def test_fista_step_is_the_reference(
    shape: tuple[int, int, int], xi_name: str, masked: bool
) -> None:
    factors, xi = impulse_factors(shape[0]), XI[xi_name](shape[0])
    residual = spread((1, *shape[1:]), 12)[0]
    a, a_prev = np.maximum(spread(shape, 13), 0), np.maximum(spread(shape, 14), 0)
    mask = (np.random.default_rng(15).random(shape[1:]) < 0.7).astype(np.float64)
    step, alpha, gamma = 0.125, 0.75, 1.0
    weights = f32(mask) if masked else None
    results = []
    for threads in THREADS:
        plan = _core.Operations(f32_all(factors), *shape[1:], threads=threads)
        arrays = map(f32, (residual, a, a_prev))
        results.append(plan.fista_step(*arrays, weights, step, alpha, gamma, f32(xi)))
    a_next, image, penalty = results[0]
    gradient = reference.adjoint(residual, factors)
    expected, _, expected_penalty = reference.fista_step(
        residual, a, a_prev, mask if masked else None, step, alpha, gamma, xi, factors
    )
    # b − ημ∇ takes five roundings of terms no larger than these; the shrinkage does not expand
    # distances, so that a pixel's error is the norm of its input's, plus its own.
    size = np.abs(a) * (1 + alpha) + alpha * np.abs(a_prev) + step * np.abs(gradient)
    bound = gamma_n(5) * np.sqrt((size**2).sum(axis=0)) + shrink_bound(size)
    assert np.all(np.abs(checked(a_next, shape) - expected) <= bound)
    # Each pixel's norm is off by max ξ times its bound; what remains is the sum, whose partial
    # sums may be taken in float32 (32 terms deep), and which has no cancellation.
    error = xi.max() * bound.sum() + gamma_n(32) * expected_penalty
    assert math.isfinite(penalty)
    assert abs(penalty - expected_penalty) <= error
    exact = reference.forward(a_next.astype(np.float64), factors)
    assert np.all(
        np.abs(checked(image, shape[1:]) - exact) <= forward_bound(a_next.astype(float), factors)
    )
    same_for_all_threads(results)


MULTISCALE = multiscale_kernels((2.3, 5.0, 9.0, 13.0, 23.0, 33.0, 43.0))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (70, 129), (131, 64), (66, 67)], ids=str)
@pytest.mark.parametrize("kernels", [MULTISCALE, MULTISCALE[1:4], f32_all(CASES[-3].factors())])
def test_fista_step_is_its_parts(kernels: Any, shape: tuple[int, int]) -> None:
    """In blocks it does what A*, the step and A do in turn."""
    rng = np.random.default_rng(20)
    bins = len(kernels)
    residual = rng.normal(size=shape).astype(np.float32)
    a, a_prev = rng.random((2, bins, *shape), dtype=np.float32)
    mask = (rng.random(shape) < 0.8).astype(np.float32)
    xi = np.arange(bins, dtype=np.float32)
    results = []
    for threads in THREADS:
        plan = _core.Operations(kernels, *shape, threads=threads)
        results.append(plan.fista_step(residual, a, a_prev, mask, 0.25, 0.5, 0.01, xi))
    a_next, image, _ = results[0]
    same_for_all_threads(results)
    plan = _core.Operations(kernels, *shape)
    gradient = plan.adjoint(residual).astype(np.float64)
    b = a.astype(np.float64) + 0.5 * (a.astype(np.float64) - a_prev)
    expected = reference.group_shrink(b - 0.25 * mask * gradient, 0.01, xi.astype(np.float64))
    size = 1.5 * np.abs(a) + 0.5 * np.abs(a_prev) + 0.25 * np.abs(gradient)
    bound = gamma_n(5) * np.sqrt((size**2).sum(axis=0)) + shrink_bound(size)
    assert np.all(np.abs(checked(a_next, a.shape) - expected) <= bound)
    assert np.array_equal(image, plan.forward(a_next))


@pytest.mark.usefixtures("backend")
def test_fista_step_keeps_its_input() -> None:
    """The core may reuse a_prev's memory inside a solve, but not that of a caller."""
    a, a_prev = (f32(spread((3, 20, 30), seed)) for seed in (17, 18))
    residual = f32(spread((1, 20, 30), 16)[0])
    copies = residual.copy(), a.copy(), a_prev.copy()
    plan = _core.Operations(f32_all(impulse_factors(3)), 20, 30)
    plan.fista_step(residual, a, a_prev, None, 0.1, 0.5, 1.0, np.ones(3, np.float32))
    for now, before in zip((residual, a, a_prev), copies, strict=True):
        assert np.array_equal(now, before)


@pytest.mark.usefixtures("backend")
def test_a_threshold_of_a_few_units_in_the_last_place_is_not_rounded_to_another() -> None:
    """On average the norms of one binade shrink by gamma, though gamma is no whole number of ulp.

    ``norm - gamma`` in float32 would be rounded the same way at every pixel, by 0.4 ulp here, and
    10 000 iterations end elsewhere. Unbiased roundings leave 1 ulp / sqrt(pixels) = 0.002 ulp.
    """
    rng = np.random.default_rng(0)
    direction = rng.random((8, 512, 512))
    direction /= np.linalg.norm(direction, axis=0)
    x = (direction * rng.uniform(600, 1000, (512, 512))).astype(np.float32)
    ulp = float(np.spacing(np.float32(600)))
    gamma = float(np.float32(63.4 * ulp))
    y = _core.group_shrink(x, gamma, np.ones(8, np.float32))
    shrunk = np.linalg.norm(x.astype(np.float64), axis=0) - np.linalg.norm(
        y.astype(np.float64), axis=0
    )
    assert abs(shrunk.mean() - gamma) < 0.02 * ulp
