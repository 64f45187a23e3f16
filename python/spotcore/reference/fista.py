"""Algorithm 3 of Part II, whole."""

from __future__ import annotations

import math

import numpy as np

from spotcore.reference._jit import Array
from spotcore.reference.observation import norm_squared
from spotcore.reference.operations import Operations
from spotcore.reference.problem import History, Problem, project_start
from spotcore.reference.scale_start import scale_start


# Beck-Teboulle:     t(0) = 1,   t(i) = ½ + (¼ + t²(i−1))^½
# Chambolle-Dossal:  t(0) = 1,   t(i) = (i + a − 1) / a,   a > 2         (Part II, section II-A)
def momentum_sequence(momentum: str, momentum_a: float, length: int) -> Array:
    """Compute the sequence t that sets the momentum ``α_i = (t(i−1) − 1) / t(i)``.

    Parameters
    ----------
    momentum : {"beck-teboulle", "chambolle-dossal"}
        Which sequence.
    momentum_a : float
        The a > 2 of Chambolle and Dossal.
    length : int
        Index of the last value.

    Returns
    -------
    ndarray of float64, [length + 1]
        ``t(0) .. t(length)``.

    Raises
    ------
    ValueError
        If the sequence is unknown, or a is not above 2.
    """
    t = np.ones(length + 1)
    if momentum == "beck-teboulle":
        for i in range(1, length + 1):
            t[i] = 0.5 + math.sqrt(0.25 + t[i - 1] ** 2)
    elif momentum == "chambolle-dossal":
        if not momentum_a > 2.0:
            raise ValueError(f"momentum_a: expected a number above 2, got {momentum_a!r}")
        t[1:] = (np.arange(1, length + 1) + momentum_a - 1.0) / momentum_a
    else:
        raise ValueError(
            f"momentum: expected 'beck-teboulle' or 'chambolle-dossal', got {momentum!r}"
        )
    return t


# min_{a ≥ 0} ‖w ⊙ (A a − d)‖² + λ Σ_{m,n} ‖ξ ⊙ a_{m,n}‖₂,   a = 0 where μ = 0
#
# for i = 1 .. I:
#   a^(i) = prox [ b^(i−1) − η μ ⊙ A*(w² ⊙ (A b^(i−1) − d)) ],   threshold ηλ/2
#   b^(i) = a^(i) + α_i (a^(i) − a^(i−1)),   α_i = (t(i−1) − 1) / t(i)
# with a^(0) = b^(0) = s μ ⊙ [initial]₊, s ≥ 0 the best one, and η ≤ 1 / (‖A‖² max w²)
#                                                                       (Part II, Algorithm 3)
def fista(
    ops: Operations,
    problem: Problem,
    step: float | None = None,
    momentum: str = "beck-teboulle",
    momentum_a: float = 3.0,
    max_iter: int = 100,
    initial: Array | None = None,
) -> tuple[Array, History]:
    """Run `max_iter` iterations of the accelerated proximal gradient method.

    Parameters
    ----------
    ops : Operations
        The model's.
    problem : Problem
        What to solve.
    step : float, optional
        η; ``1 / (‖A‖² max w²)`` if not given.
    momentum : {"beck-teboulle", "chambolle-dossal"}
        The momentum sequence, see `momentum_sequence`.
    momentum_a : float
        The parameter of the second sequence.
    max_iter : int
        I, the number of iterations, all of which are done.
    initial : ndarray of float64, [K, H, W], optional
        Where to start; zero if not given. It is clipped at zero, masked and scaled.

    Returns
    -------
    a : ndarray of float64, [K, H, W]
        The last iterate a^(I).
    history : History
        Both terms of the objective at a^(1) .. a^(I).

    Raises
    ------
    ValueError
        If the momentum is not one that `momentum_sequence` knows.

    Notes
    -----
    Source: Part II, Algorithm 3; with w and ξ as in its equation (1).
    """
    d, lam, xi, w, mask = problem
    if step is None:
        largest = 1.0 if w is None else float(w.max())
        step = 1.0 / (norm_squared(ops.kernels, (d.shape[0], d.shape[1])) * largest**2)
    t = momentum_sequence(momentum, momentum_a, max_iter)

    start = np.zeros((len(xi), *d.shape)) if initial is None else initial
    a = a_prev = scale_start(ops, problem, project_start(start, mask))
    Aa = ops.forward(a)  # A b follows from A a and A a⁻, A being linear
    residual, _ = ops.residual(Aa, Aa, 0.0, d, w)
    alpha = 0.0
    data_term, penalty = np.empty(max_iter), np.empty(max_iter)
    for i in range(1, max_iter + 1):
        a_next, A_next, norms = ops.fista_step(
            residual, a, a_prev, mask, step, alpha, step * lam / 2, xi
        )
        a, a_prev, Aa, Aa_prev = a_next, a, A_next, Aa
        alpha = (t[i - 1] - 1.0) / t[i]
        residual, data_term[i - 1] = ops.residual(Aa, Aa_prev, alpha, d, w)
        penalty[i - 1] = lam * norms
    return a, History(data_term, penalty)
