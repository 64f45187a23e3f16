"""The preconditioned primal-dual method, whole."""

from __future__ import annotations

import numpy as np

from spotcore.reference._jit import Array
from spotcore.reference.certificate import (
    background_ratio,
    dual_bound,
    dual_norm,
    dual_point,
    relative_gap,
)
from spotcore.reference.operations import Operations
from spotcore.reference.problem import (
    History,
    Problem,
    group_norms,
    project_start,
)
from spotcore.reference.scale_start import scale_start

_RELAXATION = 1.95  # ρ
_FIRST, _LAST = 60.0, 0.5  # γ over the reference threshold
_CONTINUATION = 100  # iterations from the first to the last
_TRIALS = {10: 0.3, 20: 0.1}  # by iteration, the gap beyond which a warm start is given up
_SMALLEST = 2e-4  # λ that t is measured by, over λ_max


# min_{a ≥ 0, y} max_ν λ Σ ‖ξ ⊙ a‖₂ + ‖w ⊙ (y − d)‖² + ⟨ν, y − A a⟩,   a = 0 where μ = 0
#
# for i = 1 .. I, with c = τ / t:
#   z   = prox_{tλ} [ μ ⊙ (e + t A* ν) ],   y = prox_τ (e_y − τ ν)
#   ν⁺  = ν + (ρ / t) (c + M)⁻¹ ((2 y − e_y) − A (2 z − e))
#   e⁺  = e + ρ (z − e),   e_y⁺ = e_y + ρ (y − e_y)
# (Chambolle and Pock, Math. Program. 159, 2016, Algorithm 1 and section 4.1, in the metric of Pock
# and Chambolle, ICCV 2011.) It converges for 0 < ρ < 2 and c + M ≥ c + A A*.
#
# t = γ / λ, where the threshold γ falls from 60 to ½ of the norms of the least-squares solution's
# pixels: the support grows from the strongest cells.
def primal_dual(
    ops: Operations, problem: Problem, max_iter: int = 100, initial: Array | None = None
) -> tuple[Array, Array, History]:
    """Run `max_iter` iterations, none where zero is the answer.

    Parameters
    ----------
    ops : Operations
        The model's, with a preconditioner.
    problem : Problem
        What to solve.
    max_iter : int
        I, the number of iterations.
    initial : ndarray of float64, [K, H, W], optional
        A guess that is near the answer. It is clipped at zero, masked and scaled; where ten
        or twenty iterations do not prove that it was near, the method begins anew from zero.

    Returns
    -------
    z : ndarray of float64, [K, H, W]
        The last iterate.
    nu : ndarray of float64, [H, W]
        The last dual point, which `dual_bound` makes a certificate of.
    history : History
        Both terms of the objective at each z.
    """
    d, lam, xi, w, mask = problem
    # Without a bin in ℵ there is no penalty, and step lengths are those of λ = 0.
    measure = problem if xi.any() else problem._replace(xi=np.ones(len(xi)), lam=0.0)

    slope = ops.adjoint(dual_point(np.zeros(d.shape), d, w))  # a = 0 solves if this is feasible
    lambda_max = dual_norm(slope, None, 0.0, mask, measure.xi)
    zero = lambda_max <= measure.lam and background_ratio(slope, slope, mask, xi) == 0.0
    cold = np.zeros((len(xi), *d.shape))
    start = cold
    if zero:
        max_iter = 0
    elif initial is not None:
        start = scale_start(ops, problem, project_start(initial, mask))
    warm = bool(start.any())
    threshold = 0.0 if zero else reference_threshold(ops, measure)
    lam_t = min(max(measure.lam, _SMALLEST * lambda_max), lambda_max)
    weight = 1.0 if w is None else float(w.max())
    falling = min(_CONTINUATION, max_iter - max_iter // 5)

    z = e = start
    Az = Ae = e_y = ops.forward(z)
    nu = dual_point(Az, d, w) if warm or zero else np.zeros(d.shape)
    if warm:  # the residual is as long as it is; λ says how long ν may be
        norm = dual_norm(ops.adjoint(nu), None, 0.0, mask, measure.xi)
        nu = nu * (measure.lam / norm if norm > measure.lam else 1.0)
    begun, first = ops.residual(Az, Az, 0.0, d, w)[1] + lam * float(group_norms(z, xi).sum()), 0
    bound = 0.0  # of the optimum, by the trials
    data_term, penalty = np.empty(max_iter), np.empty(max_iter)
    for i in range(max_iter):
        if warm and i in _TRIALS:
            bound = max(bound, dual_bound(ops, problem, nu))
        if warm and i in _TRIALS and relative_gap(begun, bound) > _TRIALS[i]:
            warm, first = False, i
            e, nu = cold, np.zeros(d.shape)
            Ae = e_y = np.zeros(d.shape)
        fallen = falling if warm else i - first
        progress = fallen / falling if fallen < falling else 1.0
        gamma = threshold * _FIRST * (_LAST / _FIRST) ** progress
        t = gamma / lam_t if gamma > 0 and lam_t > 0 else 1.0
        step_y = max(1.0 / weight**2, ops.floor * t)
        z, e_next, Az, norms = ops.primal_dual_step(nu, e, mask, t, _RELAXATION, t * lam, xi)
        assert e_next is not None  # as `e` is none
        e = e_next
        r, e_y, Ae, data_term[i] = ops.dual_residual(nu, Az, d, w, step_y, _RELAXATION, e_y, Ae)
        nu = ops.normal_solve(r, step_y / t, _RELAXATION / t, nu)
        penalty[i] = lam * norms
    return z, nu, History(data_term, penalty)


# Σ_{m,n} ‖x_{m,n}‖₂² / Σ_{m,n} ‖ξ ⊙ x_{m,n}‖₂ over ℵ,   x = μ ⊙ [A* (c + M)⁻¹ d]₊
def reference_threshold(ops: Operations, problem: Problem) -> float:
    """Average the norms of the least-squares solution's pixels, with themselves as weights.

    Parameters
    ----------
    ops, problem
        As of `primal_dual`.

    Returns
    -------
    float
        The threshold that all others are measured by, in units of ξ.
    """
    d, w = problem.image, problem.w
    seen = d if w is None else np.where(w > 0, d, 0.0)
    solved = ops.normal_solve(seen, ops.floor, 1.0, np.zeros(d.shape))
    x = project_start(ops.adjoint(solved), problem.mask)
    norms = float(group_norms(x, problem.xi).sum())
    return float(np.sum(x[problem.xi > 0] ** 2)) / norms if norms > 0 else 0.0
