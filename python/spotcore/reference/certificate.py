"""The duality gap: a proof of how far an answer is from the optimum."""

from __future__ import annotations

import math

import numpy as np

from spotcore.reference._jit import Array
from spotcore.reference.operations import Operations
from spotcore.reference.problem import Problem

# Of `repair`: the radius aimed at over λ, and the longest and the shortest relaxation.
_INSIDE, _LONGEST, _SHORTEST = 0.998, 18.0, 1.0


# ν = 2 w² ⊙ (d − A a), the solution of the dual problem if a is that of the primal one
def dual_point(Aa: Array, d: Array, w: Array | None) -> Array:
    """Compute the dual point that belongs to maps.

    Parameters
    ----------
    Aa, d : ndarray of float64, [H, W]
        The image of the maps, and the observation.
    w : ndarray of float64, [H, W], or None
        The weights of the pixels; None is all ones.

    Returns
    -------
    ndarray of float64, [H, W]
        ν.
    """
    return 2.0 * (d - Aa) if w is None else 2.0 * w**2 * (d - Aa)


# min {ρ ≥ 0 : v_k − ρ q_k ≤ 0 for k ∉ ℵ, where μ = 1}
def background_ratio(v: Array, q: Array, mask: Array | None, xi: Array) -> float:
    """Find how much of q has to be taken off v for the bins outside ℵ.

    Parameters
    ----------
    v, q : ndarray of float64, [K, H, W]
        ``A* ν`` and ``A* h``.
    mask : ndarray of float64, [H, W], or None
        μ ∈ {0, 1}; None is all ones.
    xi : ndarray of float64, [K]
        The weights of the σ bins.

    Returns
    -------
    float
        ρ; infinite where v > 0 and q ≤ 0.
    """
    allowed = np.ones(v.shape[1:], bool) if mask is None else mask != 0
    above, below = v[xi == 0][:, allowed], q[xi == 0][:, allowed]
    above, below = above[above > 0], np.maximum(below[above > 0], 0.0)
    if np.any(below == 0.0):
        return math.inf
    return float(np.max(above / below, initial=0.0))


# max_{m,n : μ = 1} ‖[v_{m,n} − ρ q_{m,n}]₊ / ξ‖₂ over ℵ
def dual_norm(v: Array, q: Array | None, rho: float, mask: Array | None, xi: Array) -> float:
    """Compute the norm that the dual problem bounds by λ.

    Parameters
    ----------
    v : ndarray of float64, [K, H, W]
        ``A* ν``.
    q : ndarray of float64, [K, H, W], or None
        ``A* h``; None is zero.
    rho : float
        ρ.
    mask : ndarray of float64, [H, W], or None
        μ ∈ {0, 1}; None is all ones.
    xi : ndarray of float64, [K]
        The weights of the σ bins.

    Returns
    -------
    float
        The norm; 0 where ℵ or the mask is empty.
    """
    aleph = xi > 0
    excess = v[aleph] if q is None else v[aleph] - rho * q[aleph]
    norms = np.sqrt(np.sum((np.maximum(excess, 0.0) / xi[aleph, None, None]) ** 2, axis=0))
    return float(np.max(norms if mask is None else norms[mask != 0], initial=0.0))


# max_ν ⟨ν, d⟩ − ‖ν / w‖² / 4  over images ν, 0 where w = 0, with at every pixel where μ = 1
#   ‖[A* ν]₊ / ξ‖₂ ≤ λ over ℵ,   [A* ν]_k ≤ 0 outside ℵ
#
# Any ν becomes feasible as s (ν − ρ h), h = w²: A* h > 0 as kernels are non-negative, so that some
# ρ ≥ 0 mends the second constraint; then s ∈ [0, λ / ‖A* (ν − ρ h)‖] mends the first, of which the
# best is taken:   max_s s ⟨ν, d⟩ − s² ‖ν / w‖² / 4.
def dual_bound(ops: Operations, problem: Problem, nu: Array, repairs: int = 0) -> float:
    """Bound the optimum from below.

    Parameters
    ----------
    ops : Operations
        The model's.
    problem : Problem
        The problem.
    nu : ndarray of float64, [H, W]
        A point of the dual problem that need not be feasible.
    repairs : int
        Steps towards feasibility to try first, see `repair`. What they lead to is taken if it
        proves more.

    Returns
    -------
    float
        The bound; 0, which ν = 0 proves, where nothing better is found.
    """
    bound = _feasible_value(ops, problem, _seen(nu, problem.w))
    if repairs:
        repaired = repair(ops, problem, _seen(nu, problem.w), repairs)
        bound = max(bound, _feasible_value(ops, problem, repaired))
    return bound


def relative_gap(objective: float, bound: float) -> float:
    """Compute ``(objective − bound) / objective``; 0 where the objective is."""
    return (objective - bound) / objective if objective > 0 else 0.0


# ν ← ν − ρ (c + M)⁻¹ A θ,   θ = prox of 0.998 λ ‖ξ ⊙ ·‖₂ at A* ν
#
# By Moreau's identity θ is A* ν minus its projection on the (a little smaller) dual ball: the step
# falls on the squared distance to it, and c + M ≥ A A* makes ρ = 1 a safe one. Violations are
# sparse, so far longer ones are safe too, until what sticks out grows.
def repair(ops: Operations, problem: Problem, nu: Array, steps: int) -> Array:
    """Make a nearly feasible point more so.

    Parameters
    ----------
    ops, problem, nu
        As of `dual_bound`; ν is 0 where w is.
    steps : int
        How many, at most.

    Returns
    -------
    ndarray of float64, [H, W]
        The repaired ν.
    """
    relaxation, before = _LONGEST, math.inf
    for _ in range(steps):
        _, _, image, out = ops.primal_dual_step(
            nu, None, problem.mask, 1.0, 0.0, _INSIDE * problem.lam, problem.xi
        )
        if out == 0.0:
            break
        if out > before:
            relaxation = max(_SHORTEST, relaxation / 3.0)
        before = out
        nu = _seen(ops.normal_solve(image, ops.floor, -relaxation, nu), problem.w)
    return nu


def _seen(nu: Array, w: Array | None) -> Array:  # ν is 0 where w = 0
    return nu if w is None else np.where(w == 0.0, 0.0, nu)


def _feasible_value(ops: Operations, problem: Problem, nu: Array) -> float:
    weight = np.ones(nu.shape) if problem.w is None else problem.w
    v = ops.adjoint(nu)
    q, rho = None, 0.0
    if np.any(problem.xi == 0):
        q = ops.adjoint(weight**2)
        rho = background_ratio(v, q, problem.mask, problem.xi)
        if rho == math.inf:
            return 0.0
        nu = nu - rho * weight**2
    norm = dual_norm(v, q, rho, problem.mask, problem.xi)
    linear = float(np.sum(nu * problem.image))
    quadratic = float(np.sum((nu[weight > 0] / weight[weight > 0]) ** 2)) / 4.0
    if linear <= 0 or quadratic <= 0:
        return 0.0
    s = linear / (2.0 * quadratic)
    if s * norm > problem.lam:
        s = problem.lam / norm
    return s * linear - s**2 * quadratic
