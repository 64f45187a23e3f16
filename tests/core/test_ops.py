"""The compiled operations against oracles and reference: operation x instruction set x threads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spotcore import _core, reference
from spotcore.model.decimation import multiscale_kernels
from support import oracles
from support.cases import CASES, PART2_LENGTHS, Case, single
from support.single_precision import (
    adjoint_bound,
    conv_bound,
    forward_bound,
    gamma_n,
    shrink_bound,
)

ISAS = ("v4", "v3", "baseline")
THREADS = (1, 2, 3)
SMALL = [case for case in CASES if math.prod(case.shape) * sum(case.lengths) < 4e5]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> str:
    """Name each instruction set in turn; those that this processor lacks count as skipped."""
    here = _core.isa_names()
    if request.param not in here:
        pytest.skip(f"this processor does not run {request.param}, only {', '.join(here)}")
    return str(request.param)


def f32(x: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(x, dtype=np.float32)


def f32_all(factors: list[NDArray[np.float64]]) -> list[NDArray[np.float32]]:
    return [f32(f) for f in factors]


def checked(y: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Reject what no tolerance should let through, before any comparison; then to float64."""
    assert isinstance(y, np.ndarray)
    assert y.dtype == np.float32
    assert y.shape == shape
    assert y.flags.c_contiguous
    assert np.isfinite(y).all()
    return y.astype(np.float64)


def same_for_all_threads(results: list[tuple[Any, ...]]) -> None:
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert np.array_equal(first, second)


# --- separable_conv and observation ------------------------------------------------------------


@pytest.mark.parametrize("case", SMALL, ids=lambda c: c.name)
def test_separable_conv_is_the_sum_over_all_pixels(case: Case, isa: str) -> None:
    x, factors = case.maps(), case.factors()
    y = _core.separable_conv(f32(x), f32_all(factors), threads=2, isa=isa)
    expected = [oracles.convolve(x[k], oracles.kernel_of(factors[k])) for k in range(case.n_bins)]
    assert np.all(np.abs(checked(y, x.shape) - expected) <= conv_bound(x, factors))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_observation_is_the_reference_for_any_thread_count(case: Case, isa: str) -> None:
    x, d, factors = case.maps(), case.image(), case.factors()
    results = []
    for threads in THREADS:
        plan = _core.Observation(f32_all(factors), *case.shape, threads=threads, isa=isa)
        conv = _core.separable_conv(f32(x), f32_all(factors), threads=threads, isa=isa)
        results.append((conv, plan.forward(f32(x)), plan.adjoint(f32(d))))
    conv, predicted, returned = results[0]
    error = np.abs(checked(conv, x.shape) - reference.separable_conv(x, factors))
    assert np.all(error <= conv_bound(x, factors))
    error = np.abs(checked(predicted, d.shape) - reference.forward(x, factors))
    assert np.all(error <= forward_bound(x, factors))
    error = np.abs(checked(returned, x.shape) - reference.adjoint(d, factors))
    assert np.all(error <= adjoint_bound(d, factors))
    same_for_all_threads(results)


def test_the_environment_chooses_the_instruction_set(
    isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[-2]
    x, factors = f32(case.maps()), f32_all(case.factors())
    asked = _core.separable_conv(x, factors, isa=isa)
    monkeypatch.setenv("SPOTCORE_ISA", isa)
    assert _core.isa_default() == isa
    assert np.array_equal(_core.separable_conv(x, factors), asked)
    monkeypatch.setenv("SPOTCORE_ISA", "mmx")
    with pytest.raises(ValueError, match=r"isa: .*baseline.*'mmx'"):
        _core.separable_conv(x, factors)


def test_a_plan_can_run_again(isa: str) -> None:
    """A plan's workspace must not carry one call into the next."""
    case = CASES[-2]
    x, factors = case.maps(), case.factors()
    plan = _core.Observation(f32_all(factors), *case.shape, isa=isa)
    first = plan.forward(f32(x))
    plan.forward(np.full_like(f32(x), 1e30))
    plan.adjoint(np.full(case.shape, -1e30, dtype=np.float32))
    assert np.array_equal(plan.forward(f32(x)), first)


def test_an_impulse_gives_the_kernel(isa: str) -> None:
    case = Case("impulse", (45, 47), (9, 21), (2, 1))
    factors = case.factors()
    plan = _core.Observation(f32_all(factors), *case.shape, isa=isa)
    for k in range(2):
        a = np.zeros((2, *case.shape))
        a[k, 22, 23] = 1
        half = case.lengths[k] // 2
        image = checked(plan.forward(f32(a)), case.shape)
        seen = image[22 - half : 23 + half, 23 - half : 24 + half]
        bound = gamma_n(2 * case.lengths[k]) * oracles.kernel_of(np.abs(factors[k]))
        assert np.all(np.abs(seen - oracles.kernel_of(factors[k])) <= bound)
        assert np.count_nonzero(image) <= case.lengths[k] ** 2


def test_the_part2_grid_at_a_few_rows(isa: str) -> None:
    """Lengths up to 403 on an image that is much smaller, and of another width than height."""
    case = Case("part2", (37, 150), PART2_LENGTHS, (2,) * 8)
    a, factors = case.maps(), case.factors()
    image = checked(
        _core.Observation(f32_all(factors), *case.shape, isa=isa).forward(f32(a)), (37, 150)
    )
    assert np.all(np.abs(image - reference.forward(a, factors)) <= forward_bound(a, factors))


NORM_CASES = [
    Case("one_pixel", (1, 1), (3,), (1,)),
    Case("short", (9, 8), (3, 5, 7), (1, 2, 1)),
    Case("long", (6, 11), (21, 31), (2, 1)),
]


@pytest.mark.parametrize("case", NORM_CASES, ids=lambda c: c.name)
def test_norm_squared_is_the_largest_eigenvalue(case: Case, isa: str) -> None:
    factors = [np.abs(f) for f in case.factors()]  # smoothing kernels have no negative entries
    matrix = oracles.dense_matrix([oracles.kernel_of(f) for f in factors], case.shape)
    exact = oracles.norm_squared(matrix)
    plan = _core.Observation(f32_all(factors), *case.shape, isa=isa)
    norm = plan.norm_squared(1e-9, 10_000)
    # Both passes of A A* are off by γ_n of a sum of positive terms; the vector is one of them.
    assert norm == pytest.approx(exact, rel=3 * gamma_n(sum(case.lengths) * 2 + 8) + 1e-8)


# --- group_shrink and fista_step ---------------------------------------------------------------

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


@pytest.mark.parametrize("xi_name", XI)
@pytest.mark.parametrize("shape", GROUP_SHAPES, ids=str)
def test_group_shrink_is_the_reference(shape: tuple[int, int, int], xi_name: str, isa: str) -> None:
    x, xi = spread(shape, 10), XI[xi_name](shape[0])
    for gamma in (0.0, 2.0**-10, 1.0, 1e4):
        results = [
            (_core.group_shrink(f32(x), gamma, f32(xi), threads=threads, isa=isa),)
            for threads in THREADS
        ]
        y = checked(results[0][0], shape)
        assert np.all(y >= 0)
        assert np.all(np.abs(y - reference.group_shrink(x, gamma, xi)) <= shrink_bound(x))
        same_for_all_threads(results)


@pytest.mark.parametrize("xi_name", XI)
def test_group_shrink_is_the_minimiser(xi_name: str, isa: str) -> None:
    x, xi = spread((5, 3, 4), 11), XI[xi_name](5)
    y = checked(_core.group_shrink(f32(x), 0.75, f32(xi), isa=isa), x.shape)
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


@pytest.mark.parametrize("masked", [False, True], ids=["no_mask", "mask"])
@pytest.mark.parametrize("xi_name", XI)
@pytest.mark.parametrize("shape", GROUP_SHAPES, ids=str)
def test_fista_step_is_the_reference(
    shape: tuple[int, int, int], xi_name: str, masked: bool, isa: str
) -> None:
    factors, xi = impulse_factors(shape[0]), XI[xi_name](shape[0])
    residual = spread((1, *shape[1:]), 12)[0]
    a, a_prev = np.maximum(spread(shape, 13), 0), np.maximum(spread(shape, 14), 0)
    mask = (np.random.default_rng(15).random(shape[1:]) < 0.7).astype(np.float64)
    step, alpha, gamma = 0.125, 0.75, 1.0
    weights = f32(mask) if masked else None
    results = []
    for threads in THREADS:
        plan = _core.Observation(f32_all(factors), *shape[1:], threads=threads, isa=isa)
        arrays = map(f32, (residual, a, a_prev))
        results.append(plan.fista_step(*arrays, weights, step, alpha, gamma, f32(xi)))
    a_next, image, penalty = results[0]
    gradient = reference.adjoint(residual, factors)
    expected, expected_penalty = reference.fista_step(
        gradient, a, a_prev, mask if masked else None, step, alpha, gamma, xi
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


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (70, 129), (131, 64), (66, 67)], ids=str)
@pytest.mark.parametrize("kernels", [MULTISCALE, MULTISCALE[1:4], f32_all(CASES[-3].factors())])
def test_fista_step_is_its_parts(kernels: Any, shape: tuple[int, int], isa: str) -> None:
    """In blocks it does what A*, the step and A do in turn."""
    rng = np.random.default_rng(20)
    bins = len(kernels)
    residual = rng.normal(size=shape).astype(np.float32)
    a, a_prev = rng.random((2, bins, *shape), dtype=np.float32)
    mask = (rng.random(shape) < 0.8).astype(np.float32)
    xi = np.arange(bins, dtype=np.float32)
    results = []
    for threads in THREADS:
        plan = _core.Observation(kernels, *shape, threads=threads, isa=isa)
        results.append(plan.fista_step(residual, a, a_prev, mask, 0.25, 0.5, 0.01, xi))
    a_next, image, _ = results[0]
    same_for_all_threads(results)
    plan = _core.Observation(kernels, *shape, isa=isa)
    gradient = plan.adjoint(residual).astype(np.float64)
    expected, _ = reference.fista_step(
        gradient, a.astype(np.float64), a_prev.astype(np.float64), mask, 0.25, 0.5, 0.01, xi
    )
    size = 1.5 * np.abs(a) + 0.5 * np.abs(a_prev) + 0.25 * np.abs(gradient)
    bound = gamma_n(5) * np.sqrt((size**2).sum(axis=0)) + shrink_bound(size)
    assert np.all(np.abs(checked(a_next, a.shape) - expected) <= bound)
    assert np.array_equal(image, plan.forward(a_next))


def test_fista_step_keeps_its_input(isa: str) -> None:
    """The core may reuse a_prev's memory inside a solve, but not that of a caller."""
    a, a_prev = (f32(spread((3, 20, 30), seed)) for seed in (17, 18))
    residual = f32(spread((1, 20, 30), 16)[0])
    copies = residual.copy(), a.copy(), a_prev.copy()
    plan = _core.Observation(f32_all(impulse_factors(3)), 20, 30, isa=isa)
    plan.fista_step(residual, a, a_prev, None, 0.1, 0.5, 1.0, np.ones(3, np.float32))
    for now, before in zip((residual, a, a_prev), copies, strict=True):
        assert np.array_equal(now, before)


# --- local_maxima ------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 4, 1000])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (13, 1), (12, 15)])
def test_local_maxima_are_the_labelled_plateaus(shape: tuple[int, int], levels: int) -> None:
    rng = np.random.default_rng(levels)
    for _ in range(20):
        score = rng.integers(-1, levels, size=shape).astype(np.float64)
        yx, value = _core.local_maxima(f32(score))
        expected_yx, expected_value = oracles.local_maxima(score)
        assert yx.dtype == np.int64
        assert value.dtype == np.float32
        assert yx.shape == (len(value), 2)
        assert np.array_equal(yx, expected_yx)
        assert np.array_equal(value, expected_value)


def test_local_maxima_of_a_large_map_are_the_references() -> None:
    rng = np.random.default_rng(19)
    score = single(np.round(rng.normal(size=(300, 411)), 1))  # many plateaus, many ties
    yx, value = _core.local_maxima(f32(score))
    expected_yx, expected_value = reference.local_maxima(score)
    assert np.array_equal(yx, expected_yx)
    assert np.array_equal(value, expected_value)


def test_local_maxima_of_a_flat_map() -> None:
    assert _core.local_maxima(np.full((4, 6), 2, np.float32))[0].tolist() == [[0, 0]]
    assert _core.local_maxima(np.zeros((4, 6), np.float32))[0].shape == (0, 2)


@pytest.mark.parametrize("isa", _core.isa_names())
def test_a_threshold_of_a_few_units_in_the_last_place_is_not_rounded_to_another(isa: str) -> None:
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
    y = _core.group_shrink(x, gamma, np.ones(8, np.float32), isa=isa)
    shrunk = np.linalg.norm(x.astype(np.float64), axis=0) - np.linalg.norm(
        y.astype(np.float64), axis=0
    )
    assert abs(shrunk.mean() - gamma) < 0.02 * ulp
