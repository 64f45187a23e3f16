"""The proximal operator of the non-negative group-sparsity regulariser."""

from __future__ import annotations

import math

import numpy as np

from spotcore.reference._jit import Array, jit

_NEWTON_STEPS = 100  # a safeguard: five to ten are the rule


# y = argmin_{y ≥ 0} ½ ‖y − x‖² + γ ‖ξ ⊙ y‖₂          at each pixel, over k
#
# ℵ = {k : ξ_k > 0}; the bins outside ℵ are only made non-negative. Clipping comes FIRST
# (Part II, Lemma 4): prox = shrinkage ∘ [·]₊.
@jit
def group_shrink(x: Array, gamma: float, xi: Array) -> Array:
    """Clip at zero, then shrink the σ bins of each pixel together.

    Parameters
    ----------
    x : ndarray of float64, [K, H, W]
        The point whose proximal point is wanted.
    gamma : float
        The threshold γ ≥ 0; in Algorithm 3 it is ηλ/2.
    xi : ndarray of float64, [K]
        The weights ξ ≥ 0 of the σ bins.

    Returns
    -------
    ndarray of float64, [K, H, W]
        The proximal point, at each pixel the minimiser over ``y ≥ 0`` of
        ``½ ‖y − x‖² + γ ‖ξ ⊙ y‖₂``.

    Notes
    -----
    Source: Part II, Theorem 2 for ξ ∈ {0, 1}, Theorem 1 and Property 2 for any ξ.
    """
    bins, height, width = x.shape
    plain = True
    for k in range(bins):
        plain = plain and (xi[k] == 0.0 or xi[k] == 1.0)
    y = np.maximum(x, 0.0)
    if gamma > 0.0:
        for m in range(height):
            for n in range(width):
                if plain:
                    _shrink_plain(y[:, m, n], gamma, xi)
                else:
                    _shrink_weighted(y[:, m, n], gamma, xi)
    return y


# y_k = x_k (1 − γ / ‖x_ℵ‖₂)₊,   k ∈ ℵ                                   (Part II, Theorem 2)
@jit
def _shrink_plain(x: Array, gamma: float, xi: Array) -> None:  # [K] in place, x ≥ 0
    norm = math.sqrt(np.sum((xi * x) ** 2))
    scale = 1.0 - gamma / norm if norm > gamma else 0.0
    for k in range(x.size):
        if xi[k] > 0.0:
            x[k] *= scale


# y_k = x_k t / (ξ_k² + t),   k ∈ ℵ;   t > 0 solves N(t) = γ,
# N(t) = (Σ_ℵ ξ² x² / (ξ² + t)²)^½;   t = 0 if N(0) = ‖x/ξ‖₂ ≤ γ      (Part II, Theorem 1, where
#                     x − y is the projection of x on the ellipsoid ‖·/ξ‖₂ ≤ γ, and Property 2)
@jit
def _shrink_weighted(x: Array, gamma: float, xi: Array) -> None:  # [K] in place, x ≥ 0
    t = _secular_root(x, gamma, xi)
    for k in range(x.size):
        if xi[k] > 0.0:
            x[k] *= t / (xi[k] ** 2 + t)


# Newton's method for 1/N(t) = 1/γ, started at t = 0. The reciprocal of the norm is increasing and
# concave, and linear where all ξ are equal, so that no step passes the root:
#   t ← t + (N(t) − γ) N(t)² / (γ S(t)),   S(t) = Σ_ℵ ξ² x² / (ξ² + t)³ = −N N'
@jit
def _secular_root(x: Array, gamma: float, xi: Array) -> float:  # [K], x ≥ 0
    t = 0.0
    for _ in range(_NEWTON_STEPS):
        norm_squared, slope = 0.0, 0.0
        for k in range(x.size):
            if xi[k] > 0.0 and x[k] > 0.0:
                term = (xi[k] * x[k] / (xi[k] ** 2 + t)) ** 2
                norm_squared += term
                slope += term / (xi[k] ** 2 + t)
        norm = math.sqrt(norm_squared)
        if norm <= gamma:  # at t = 0: the whole pixel is inside the ellipsoid; later: converged
            break
        before = t
        t += (norm - gamma) * norm_squared / (gamma * slope)
        if t == before:
            break
    return t
