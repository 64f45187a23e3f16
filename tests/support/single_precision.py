"""Error bounds for float32 results, from operation counts and sizes, never from measurements.

A sum of n products in any order is off by at most ``γ_n Σ|f||x|`` with ``γ_n = n u / (1 − n u)``
and u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1);
fused multiplication only lowers n. The sizes ``Σ|f||x|`` come from the same operation on absolute
values, so that each output has its own bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from spotcore import reference
from spotcore.model.preconditioner import Preconditioner

Array = NDArray[np.float64]

U = 2.0**-24
U_DOUBLE = 2.0**-53
TINY = float(np.finfo(np.float32).tiny)  # below it, products lose digits: n of them lose n TINY


Gamma = Callable[[int], float]


def gamma_n(n: int, u: float = U) -> float:
    """Compute γ_n."""
    return n * u / (1 - n * u)


def probable(n: int) -> float:
    """Compute what errors of either sign add up to instead of γ_n: √n u.

    Higham and Mary, "A new approach to probabilistic rounding error analysis", SIAM J. Sci.
    Comput. 41, 2019. To take the place of γ_n in the bounds of single operations, where the
    question is what a driver makes of them.
    """
    return math.sqrt(n) * U


def operations(kernels: Sequence[reference.Kernel]) -> list[int]:
    """Count the roundings on the way from an input of A or A* through each kernel to an output.

    Two passes of L products each, then a sum over the R_k parts of each of K kernels. With a
    low-pass of P taps, two passes of P products lead to the coarse grid, and two back from it, of
    the ⌈P/s⌉ that reach a pixel.
    """
    taken = [reference.parts(kernel) for kernel in kernels]
    summed = sum(len(factors) for factors, _, _ in taken)
    return [
        2 * (factors.shape[1] + len(lowpass) + -(-len(lowpass) // scale)) + summed
        for factors, scale, lowpass in taken
    ]


def magnitudes(kernels: Sequence[reference.Kernel]) -> list[reference.Kernel]:
    """Replace every tap by its absolute value."""
    taken = (reference.parts(kernel) for kernel in kernels)
    return [(np.abs(factors), scale, np.abs(lowpass)) for factors, scale, lowpass in taken]


def conv_bound(x: Array, kernels: Sequence[reference.Kernel], gamma: Gamma = gamma_n) -> Array:
    """Bound the error of each output of `separable_conv`: [K, H, W]."""
    n = operations(kernels)
    size = reference.separable_conv(np.abs(x), magnitudes(kernels))
    return np.array([gamma(n_k) * size_k + n_k * TINY for n_k, size_k in zip(n, size, strict=True)])


def forward_bound(a: Array, kernels: Sequence[reference.Kernel], gamma: Gamma = gamma_n) -> Array:
    """Bound the error of each output of `forward`: [H, W]."""
    bound: Array = conv_bound(a, kernels, gamma).sum(axis=0)
    return bound


def adjoint_bound(d: Array, kernels: Sequence[reference.Kernel], gamma: Gamma = gamma_n) -> Array:
    """Bound the error of each output of `adjoint`: [K, H, W]."""
    return conv_bound(np.broadcast_to(d, (len(kernels), *d.shape)), kernels, gamma)


def shrink_bound(x: Array, gamma: Gamma = gamma_n) -> Array:
    """Bound the error of each output of `group_shrink` at x, and of ‖ξ⊙y‖₂ / max ξ: [H, W].

    Theorem 2: the norm r is off by (K/2 + 2) u r, hence ``r − γ`` by (K/2 + 3) u r, and each
    output, at most ``(r − γ) x / r``, by (K/2 + 6) u x.
    Theorem 1: let N be off by δ relative at the t that is taken for the root. With
    ``q = t/(ξ² + t)``, ``y = x q`` moves by ``δ x q(1 − q) Σ x²q(1 − q) / Σ x²q²(1 − q)``, which
    by Cauchy and Schwarz is at most ``δ ‖x‖₂``; δ is the rounding of N and of γ, (K/2 + 4) u, and
    the products that follow add 4 u.
    Both are below (K/2 + 10) u ‖[x]₊‖₂. Squares underflow below the root of TINY.
    """
    bins = x.shape[0]
    norm = np.sqrt((np.maximum(x, 0) ** 2).sum(axis=0))
    bound: Array = gamma(bins // 2 + 10) * norm + np.sqrt(bins * TINY)
    return bound


def fista_step_bound(
    residual: Array,
    a: Array,
    a_prev: Array,
    mask: Array | None,
    step: float,
    alpha: float,
    xi: Array,
    kernels: Sequence[reference.Kernel],
) -> Array:
    """Bound the error of each output of `fista_step`, and of ‖ξ⊙a⁺‖₂ / max ξ: [H, W].

    b − ημ∇ takes five roundings of terms no larger than these, and ∇ has its own; the shrinkage
    does not expand distances, so that a pixel's error is the norm of its input's, plus its own.
    """
    allowed = 1.0 if mask is None else mask
    gradient = np.abs(reference.adjoint(residual, kernels))
    own = allowed * adjoint_bound(residual, kernels)
    size = np.abs(a) * (1 + alpha) + alpha * np.abs(a_prev) + step * (gradient + own)
    moved: Array = np.sqrt(((gamma_n(5) * size + step * own) ** 2).sum(axis=0))
    return moved + shrink_bound(size)


def primal_dual_step_bound(
    nu: Array,
    e: Array | None,
    mask: Array | None,
    step: float,
    kernels: Sequence[reference.Kernel],
    gamma: Gamma = gamma_n,
) -> tuple[Array, Array]:
    """Bound the error of what `primal_dual_step` shrinks, [K, H, W], and of the shrinkage, [H, W].

    μ (e + t A* ν) takes four roundings, and A* ν has its own.
    """
    allowed = 1.0 if mask is None else mask
    correlation, own = np.abs(reference.adjoint(nu, kernels)), adjoint_bound(nu, kernels, gamma)
    size = allowed * (step * (correlation + own) + (0.0 if e is None else np.abs(e)))
    return gamma(4) * size + allowed * step * own, shrink_bound(size, gamma)


def dual_residual_bound(
    nu: Array,
    Az: Array,
    d: Array,
    w: Array | None,
    step_y: float,
    e_y: Array,
    Ae: Array,
    gamma: Gamma = gamma_n,
) -> tuple[Array, Array]:
    """Bound the errors of y in `dual_residual`, and of its residual: both [H, W].

    y is a quotient of three terms that take eight roundings.
    """
    pull = 2 * step_y * (1.0 if w is None else w**2)
    size = (np.abs(e_y) + step_y * np.abs(nu)) / (1 + pull) + np.abs(d)
    of_y = gamma(8) * size
    terms = 2 * size + np.abs(e_y) + 2 * np.abs(Az) + np.abs(Ae)
    return of_y, 2 * of_y + gamma(3) * terms


def relaxed_bound(e: Array, target: Array, error: Array | float, relaxation: float) -> Array:
    """Bound the error of e + ρ (t − e), with t, the target, off by `error`.

    A difference, a product and a sum, of terms that are no larger than these.
    """
    size = np.abs(e) + relaxation * (np.abs(target) + error + np.abs(e))
    bound: Array = relaxation * error + gamma_n(3) * size
    return bound


def residual_bound(Aa: Array, Aa_prev: Array, alpha: float, d: Array, w: Array | None) -> Array:
    """Bound the error of each output of `residual`: [H, W].

    A a⁻ takes most roundings, six: the difference from A a, the product with α, the sum with A a,
    the difference from d, and w², itself a rounding, times that. In the order
    (1 + α) A a − α A a⁻ − d no term takes more.
    """
    weight = 1.0 if w is None else w**2
    size = np.abs(Aa) + alpha * (np.abs(Aa) + np.abs(Aa_prev)) + np.abs(d)
    bound: Array = gamma_n(6) * weight * size
    return bound


def data_term_bound(data_term: float) -> float:
    """Bound the error of ‖w (A a − d)‖², which `residual` and `dual_residual` return.

    w (A a − d) takes two roundings, hence its square four. Squares of float32 numbers are exact in
    float64, where they are added: for an image of N pixels that is N roundings of float64, and N
    more of the twin's, together less than one of float32 if N < 2²⁸. No term is negative, so that
    the sum is as accurate as its terms.
    """
    return gamma_n(5) * data_term


def background_ratio_bound(ratio: float) -> float:
    """Bound the error of `background_ratio`.

    A quotient of float32 numbers that is taken in float64 has one rounding, and the twin's has
    another. The largest of numbers that are all off by a share is off by no larger a share.
    """
    return gamma_n(2, U_DOUBLE) * ratio


def dual_norm_bound(norm: float, bins: int) -> float:
    """Bound the error of `dual_norm`.

    In float64 ρ q is exact, as a product of float32 numbers, so that v − ρ q has one rounding and
    nothing cancels that was rounded before. Division by ξ is the second; the square doubles both
    and adds a fifth. K squares, none of them negative, take K − 1 more to add. The root halves
    these K + 4 and adds one; the twin's are as many. The largest is as accurate as each.
    """
    return 2 * gamma_n((bins + 5) // 2 + 1, U_DOUBLE) * norm


def normal_solve_operations(preconditioner: Preconditioner, shape: tuple[int, ...]) -> int:
    """Count the roundings on the way from an input of `normal_solve` to an output.

    Two sums over half of the height or width, two over the vectors of an axis, and ten: pixels
    that are mirror images are added before and after, and there are the quotients.
    """
    return sum(shape) // 2 + sum(preconditioner.eigenvalues.shape) + 10


def normal_solve_bound(r: Array, c: float, preconditioner: Preconditioner) -> Array:
    """Bound the error of each output of `normal_solve` at x = 0 and ρ = 1: [H, W]."""
    rows, columns = map(np.abs, reference.basis(preconditioner, (r.shape[0], r.shape[1])))
    eigenvalues = preconditioner.eigenvalues.astype(np.float64)
    known = eigenvalues / (c * (c + eigenvalues)) * (rows.T @ np.abs(r) @ columns)
    size = rows @ known @ columns.T + np.abs(r) / c
    n = normal_solve_operations(preconditioner, r.shape)
    bound: Array = gamma_n(n) * size / preconditioner.scale
    return bound


def dual_bound_between(
    problem: reference.Problem, kernels: Sequence[reference.Kernel], nu: Array, error: Array
) -> tuple[float, float]:
    """Enclose `dual_bound`, evaluated in float32 at what is at most `error` [H, W] off ν.

    ``max_s s L − s² Q`` over 0 ≤ s ≤ λ/N rises with L = ⟨ν, d⟩ and falls with Q = ‖ν/w‖²/4 and
    N = ‖A* ν‖, so that the ends follow from those of L, Q and N. These are sums in float64 of what
    is off by `error` and by A*'s own rounding, over pixels and bins: distances, to which norms add
    nothing.
    """
    d, xi, mask = problem.image, problem.xi, problem.mask
    w = np.ones(d.shape) if problem.w is None else problem.w
    v = reference.adjoint(nu, kernels)
    v_error = reference.adjoint(error, magnitudes(kernels))
    v_error += adjoint_bound(np.abs(nu) + error, kernels)
    if np.any(xi == 0):
        h = w**2
        q = reference.adjoint(h, kernels)
        q_error = adjoint_bound(h, kernels) + gamma_n(2) * np.abs(q)
        low = reference.background_ratio(v - v_error, q + q_error, mask, xi)
        high = reference.background_ratio(v + v_error, q - q_error, mask, xi) * (1 + gamma_n(3))
        rho = reference.background_ratio(v, q, mask, xi)
        error = error + (high - low) * h + gamma_n(3) * (np.abs(nu) + high * h)
        v_error = v_error + high * q_error + (high - low) * np.abs(q)
        nu, v = nu - rho * h, v - rho * q
    least, most = (
        reference.dual_norm(v + sign * v_error, None, 0.0, mask, xi) for sign in (-1.0, 1.0)
    )
    linear, off = float(np.sum(nu * d)), float(np.sum(error * np.abs(d)))
    sizes = [np.maximum(np.abs(nu) + sign * error, 0)[w > 0] / w[w > 0] for sign in (-1, 1)]
    small, large = (float(np.sum(size**2)) / 4 for size in sizes)

    def value(linear: float, quadratic: float, norm: float) -> float:
        if linear <= 0:
            return 0.0
        s = linear / (2 * quadratic)
        if s * norm > problem.lam:
            s = problem.lam / norm
        return s * linear - s**2 * quadratic

    return value(linear - off, large, most), value(linear + off, small, least)
