"""Laws that hold for any input, on random input.

The compiled core in float32, the reference in float64 where a law is about the formulas rather
than about rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotcore import _core, reference
from support import oracles
from support.cases import Case, single
from support.compiled import Array, f32
from support.single_precision import conv_bound, forward_bound, gamma_n, shrink_bound

THREADS = 2

law = settings(deadline=None, max_examples=60)
costly_law = settings(deadline=None, max_examples=15)

seeds = st.integers(0, 2**32 - 1)
weights = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(2.0**-6, 8.0, width=32))
thresholds = st.one_of(st.just(0.0), st.floats(2.0**-10, 30.0, width=32))


@st.composite
def models(draw: Any, max_side: int = 60, max_half: int = 45) -> Case:
    """Draw an image shape and 1 to 6 kernels of any ranks and lengths, longer ones included."""
    bins = draw(st.integers(1, 6))
    shape = (draw(st.integers(1, max_side)), draw(st.integers(1, max_side)))
    lengths = draw(st.lists(st.integers(0, max_half), min_size=bins, max_size=bins))
    ranks = draw(st.lists(st.integers(1, 3), min_size=bins, max_size=bins))
    return Case("drawn", shape, tuple(2 * half + 1 for half in lengths), tuple(ranks))


@st.composite
def groups(draw: Any) -> tuple[Array, Array, float]:
    """Draw maps [K, H, W] around the threshold, weights ξ and a threshold γ; float32 values."""
    xi = np.array(draw(st.lists(weights, min_size=1, max_size=8)))
    shape = (len(xi), draw(st.integers(1, 9)), draw(st.integers(1, 40)))
    rng = np.random.default_rng(draw(seeds))
    x = rng.normal(size=shape) * 10.0 ** rng.uniform(-2, 2, size=(1, *shape[1:]))
    return single(x), xi, draw(thresholds)


def plan_of(case: Case, seed: int) -> tuple[Any, list[Array]]:
    factors = case.factors(seed)
    return _core.Operations([f32(f) for f in factors], *case.shape, threads=THREADS), factors


def shrink(x: Array, gamma: float, xi: Array) -> Array:
    y = _core.group_shrink(f32(x), gamma, f32(xi), threads=THREADS)
    assert np.isfinite(y).all()
    return np.asarray(y, dtype=np.float64)


# --- the observation model ---------------------------------------------------------------------


@law
@given(models(), seeds, st.booleans(), st.booleans())
def test_adjointness(case: Case, seed: int, masked: bool, positive: bool) -> None:
    """⟨A (μ⊙x), y⟩ = ⟨x, μ⊙(A* y)⟩, to 1e-5 of ‖A (μ⊙x)‖ ‖y‖ and ‖x‖ ‖μ⊙A* y‖ in float32."""
    plan, _ = plan_of(case, seed)
    mask = f32(case.mask(seed + 3)) if masked else np.ones(case.shape, np.float32)
    x, y = f32(case.maps(seed + 1)), f32(case.image(seed + 2))
    if positive:  # no cancellation in the inner products: rounding that leans one way shows
        x, y = np.abs(x), np.abs(y)
    predicted = plan.forward(x * mask).astype(np.float64)
    returned = (mask * plan.adjoint(y)).astype(np.float64)
    assert np.isfinite(predicted).all()
    assert np.isfinite(returned).all()
    left, right = float(np.sum(predicted * y)), float(np.sum(x * returned))
    size = max(
        np.linalg.norm(predicted) * np.linalg.norm(y), np.linalg.norm(x) * np.linalg.norm(returned)
    )
    assert abs(left - right) <= 1e-5 * size


@law
@given(models(max_side=30, max_half=20), seeds, st.floats(-4, 4, width=32))
def test_linearity(case: Case, seed: int, factor: float) -> None:
    """A (x + c y) = A x + c A y, up to the rounding of each term."""
    plan, factors = plan_of(case, seed)
    x, y = case.maps(seed + 1), case.maps(seed + 2)
    mixed = single(x + factor * y)
    left = plan.forward(f32(mixed)).astype(np.float64)
    right = plan.forward(f32(x)).astype(np.float64) + factor * plan.forward(f32(y))
    # forward_bound(z)[y, x] is γ_n Σ|f||z|; rounding x + c y costs one more u of the same sum.
    bound = forward_bound(np.abs(x) + abs(factor) * np.abs(y), factors)
    assert np.all(np.abs(left - right) <= 2 * bound)


@law
@given(models(max_side=30, max_half=20), seeds, st.integers(-5, 5), st.integers(-5, 5))
def test_shift_equivariance_away_from_the_border(case: Case, seed: int, dy: int, dx: int) -> None:
    """A source that stays inside the image gives the same picture, moved."""
    rng = np.random.default_rng(seed)
    height, width = case.shape[0] + 12, case.shape[1] + 12
    case = Case("shifted", (height, width), case.lengths, case.ranks)
    plan, factors = plan_of(case, seed)
    a = np.zeros((case.n_bins, height, width))
    a[:, 6:-6, 6:-6] = single(rng.normal(size=(case.n_bins, height - 12, width - 12)))
    moved = np.roll(a, (dy, dx), axis=(1, 2))  # nothing wraps: the outer 6 pixels are zero
    inner = np.s_[5:-5, 5:-5]
    expected = plan.forward(f32(a)).astype(np.float64)[inner]
    shifted = np.roll(plan.forward(f32(moved)).astype(np.float64), (-dy, -dx), axis=(0, 1))[inner]
    bound = forward_bound(a, factors)[inner]
    assert np.all(np.abs(shifted - expected) <= 2 * bound)


@law
@given(models(max_side=25, max_half=15), seeds)
def test_transposition(case: Case, seed: int) -> None:
    """g(m, n) = g(n, m): a transposed map gives the transposed picture."""
    factors = case.factors(seed)
    x = case.maps(seed + 1)
    tall = _core.separable_conv(f32(x), [f32(f) for f in factors], threads=THREADS)
    flat = np.ascontiguousarray(x.transpose(0, 2, 1))
    wide = _core.separable_conv(f32(flat), [f32(f) for f in factors], threads=THREADS)
    difference = np.abs(tall.astype(np.float64) - wide.astype(np.float64).transpose(0, 2, 1))
    assert np.all(difference <= 2 * conv_bound(x, factors))


@costly_law
@given(models(max_side=9, max_half=8), seeds)
def test_norm_squared_bounds_every_image(case: Case, seed: int) -> None:
    """‖A‖² from the power iteration is the dense one, and ‖A x‖² ≤ ‖A‖² ‖x‖² for any x."""
    factors = [np.abs(f) for f in case.factors(seed)]  # smoothing kernels have no negative entries
    plan = _core.Operations([f32(f) for f in factors], *case.shape, threads=THREADS)
    norm = plan.norm_squared(1e-9, 100_000)
    matrix = oracles.dense_matrix([oracles.kernel_of(f) for f in factors], case.shape)
    exact = oracles.norm_squared(matrix)
    rounding = 3 * gamma_n(4 * max(case.lengths) + 20)
    # An iteration that changes the estimate by less than 1e-9 can be as much as 1e-9 / (1 − q)
    # away, q the squared ratio of the leading eigenvalues; q < 1 − 1e-5 covers near ties, where
    # the estimate is close whichever eigenvector it follows.
    assert norm == pytest.approx(exact, rel=rounding + 1e-4)
    assert norm <= exact * (1 + rounding)
    x = case.maps(seed + 1)
    energy = float(np.sum(plan.forward(f32(x)).astype(np.float64) ** 2))
    assert energy <= exact * float(np.sum(x**2)) * (1 + rounding)


# --- the group shrinkage -----------------------------------------------------------------------


@law
@given(groups())
def test_moreau_identity(group: tuple[Array, Array, float]) -> None:
    """y = prox(x) splits x: x − y is the projection onto the polar set, and ⟨x − y, y⟩ = γ‖ξ⊙y‖.

    The penalty γ‖ξ⊙·‖₂ on y ≥ 0 is the support function of C = {u : ‖[u]₊/ξ‖₂ ≤ γ over ℵ,
    u ≤ 0 outside}. Moreau: x = prox(x) + P_C(x), and the two meet at ⟨P_C(x), y⟩ = γ‖ξ⊙y‖₂.
    """
    x, xi, gamma = group
    y = shrink(x, gamma, xi)
    u = x - y
    bins = len(xi)
    error = shrink_bound(x)
    aleph = xi > 0
    assert np.all(u[~aleph] <= error)
    weighted = np.maximum(u[aleph], 0) / xi[aleph][:, None, None]
    slack = error * np.sqrt(np.sum(1 / xi[aleph] ** 2)) if aleph.any() else 0 * error
    assert np.all(np.sqrt((weighted**2).sum(axis=0)) <= gamma + slack + gamma_n(4) * gamma)
    products = (u * y).sum(axis=0)
    support = gamma * np.sqrt(((xi[:, None, None] * y) ** 2).sum(axis=0))
    size = np.abs(u).sum(axis=0) + np.abs(y).sum(axis=0) + gamma * xi.max() * math.sqrt(bins)
    assert np.all(np.abs(products - support) <= error * size + bins * error**2)


@law
@given(groups(), seeds)
def test_the_shrinkage_does_not_expand(group: tuple[Array, Array, float], seed: int) -> None:
    """‖p − q‖ ≤ ‖x − z‖ and ‖p − q‖² ≤ ⟨p − q, x − z⟩ at each pixel, p = prox(x), q = prox(z)."""
    x, xi, gamma = group
    z = single(x + np.random.default_rng(seed).normal(size=x.shape) * np.abs(x).mean())
    difference = shrink(x, gamma, xi) - shrink(z, gamma, xi)
    error = len(xi) ** 0.5 * (shrink_bound(x) + shrink_bound(z))
    apart = np.sqrt(((x - z) ** 2).sum(axis=0))
    square = (difference**2).sum(axis=0)
    assert np.all(np.sqrt(square) <= apart + error)
    inner = (difference * (x - z)).sum(axis=0)
    assert np.all(square <= inner + error * (apart + 2 * np.sqrt(square) + error))


@law
@given(groups())
def test_the_shrinkage_scales(group: tuple[Array, Array, float]) -> None:
    """prox of 2γ at 2x is twice prox of γ at x, to the last bit: doubling rounds nothing."""
    x, xi, gamma = group
    assert np.array_equal(shrink(2 * x, 2 * gamma, xi), 2 * shrink(x, gamma, xi))


@law
@given(groups())
def test_pixels_do_not_meet(group: tuple[Array, Array, float]) -> None:
    """Each pixel's result is its own, wherever it lies: the shrinkage commutes with any order."""
    x, xi, gamma = group
    flipped = np.ascontiguousarray(x[:, ::-1, ::-1])
    assert np.array_equal(shrink(flipped, gamma, xi)[:, ::-1, ::-1], shrink(x, gamma, xi))


@law
@given(groups())
def test_optimality_in_float64(group: tuple[Array, Array, float]) -> None:
    """The reference's result satisfies the conditions that single out the minimiser.

    With n = ‖ξ⊙y‖ > 0: for k with y_k > 0 the slope y_k − x_k + γ ξ_k² y_k / n is 0, for y_k = 0
    it is −x_k ≥ 0. With n = 0: ‖[x]₊/ξ‖ ≤ γ over ℵ.
    """
    x, xi, gamma = group
    y = reference.group_shrink(x, gamma, xi)
    norm = np.sqrt(((xi[:, None, None] * y) ** 2).sum(axis=0))
    size = 1e-12 * (np.abs(x).max() + gamma * xi.max())
    alive = norm > 1e-9 * np.abs(x).max()
    slope = y - x + gamma * (xi**2)[:, None, None] * y / np.where(alive, norm, 1.0)
    assert np.all(np.abs(np.where(alive & (y > 0), slope, 0)) <= size * 1e3)
    assert np.all(np.where(alive & (y == 0), x, 0) <= size)
    aleph = xi > 0
    rest = np.maximum(x[aleph], 0) / xi[aleph][:, None, None]
    inside = np.sqrt((rest**2).sum(axis=0)) <= gamma * (1 + 1e-12)
    assert np.all(inside[norm == 0] | (np.abs(x).max() == 0))


# --- local maxima ------------------------------------------------------------------------------


@law
@given(seeds, st.integers(1, 20), st.integers(1, 20), st.integers(1, 6))
def test_local_maxima(seed: int, height: int, width: int, levels: int) -> None:
    """As the labelled plateaus have it, for few levels (long plateaus) and many."""
    score = np.random.default_rng(seed).integers(-1, levels + 1, (height, width)).astype(float)
    yx, value = _core.local_maxima(f32(score))
    expected_yx, expected_value = oracles.local_maxima(score)
    assert np.array_equal(yx, expected_yx)
    assert np.array_equal(value, expected_value)
