"""Algorithm 3 of Part II, whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spotcore.reference._jit import Array
from spotcore.reference.fista_step import fista_step
from spotcore.reference.observation import adjoint, forward, norm_squared


class History(NamedTuple):
    """The objective at the iterates a^(1) .. a^(I), not at the extrapolated points b^(i).

    Attributes
    ----------
    data_term : ndarray of float64, [I]
        ``‖w ⊙ (A a − d)‖²``.
    penalty : ndarray of float64, [I]
        ``λ Σ_{m,n} ‖ξ ⊙ a_{m,n}‖₂``.
    """

    data_term: Array
    penalty: Array

    @property
    def objective(self) -> Array:
        """The sum of both terms, [I]."""
        return self.data_term + self.penalty


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
# with a^(0) = b^(0) = μ ⊙ [initial]₊ and η ≤ 1 / (‖A‖² max w²)          (Part II, Algorithm 3)
def fista(
    image: Array,
    factors: Sequence[Array],
    lam: float,
    xi: Array | None = None,
    w: Array | None = None,
    mask: Array | None = None,
    step: float | None = None,
    momentum: str = "beck-teboulle",
    momentum_a: float = 3.0,
    max_iter: int = 100,
    initial: Array | None = None,
) -> tuple[Array, History]:
    """Run `max_iter` iterations of the accelerated proximal gradient method.

    Parameters
    ----------
    image : ndarray of float64, [H, W]
        The observation d.
    factors : sequence of K ndarrays of float64, [R_k, L_k]
        The kernels g_k, as in `separable_conv`.
    lam : float
        λ ≥ 0.
    xi : ndarray of float64, [K], optional
        The weights ξ ≥ 0 of the σ bins; ones if not given.
    w : ndarray of float64, [H, W], optional
        The weights w ≥ 0 of the pixels; ones if not given.
    mask : ndarray of float64, [H, W], optional
        μ ∈ {0, 1}, where cells may lie; ones if not given.
    step : float, optional
        η; ``1 / (‖A‖² max w²)`` if not given.
    momentum : {"beck-teboulle", "chambolle-dossal"}
        The momentum sequence, see `momentum_sequence`.
    momentum_a : float
        The parameter of the second sequence.
    max_iter : int
        I, the number of iterations, all of which are done.
    initial : ndarray of float64, [K, H, W], optional
        Where to start; zero if not given. It is clipped at zero and masked.

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
    bins, (height, width) = len(factors), image.shape
    xi = np.ones(bins) if xi is None else xi
    w = np.ones((height, width)) if w is None else w
    mask = np.ones((height, width)) if mask is None else mask
    if step is None:
        step = 1.0 / (norm_squared(factors, (height, width)) * float(w.max()) ** 2)
    t = momentum_sequence(momentum, momentum_a, max_iter)

    start = np.zeros((bins, height, width)) if initial is None else initial
    a = a_prev = mask * np.maximum(start, 0.0)
    prediction = previous = forward(a, factors)  # A a, A a⁻: A b follows from them, A being linear
    alpha = 0.0
    data_term, penalty = np.empty(max_iter), np.empty(max_iter)
    for i in range(1, max_iter + 1):
        residual = prediction + alpha * (prediction - previous) - image  # A b − d
        gradient = adjoint(w**2 * residual, factors)
        a_next, norms = fista_step(gradient, a, a_prev, mask, step, alpha, step * lam / 2, xi)
        a, a_prev = a_next, a
        prediction, previous = forward(a, factors), prediction
        alpha = (t[i - 1] - 1.0) / t[i]
        data_term[i - 1] = np.sum((w * (prediction - image)) ** 2)
        penalty[i - 1] = lam * norms
    return a, History(data_term, penalty)
