"""What every driver is given, and does with it before its first iteration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spotcore.reference._jit import Array


class Problem(NamedTuple):
    """The data of ``min_{a ≥ 0} ‖w ⊙ (A a − d)‖² + λ Σ_{m,n} ‖ξ ⊙ a_{m,n}‖₂``, a = 0 where μ = 0.

    Attributes
    ----------
    image : ndarray of float64, [H, W]
        The observation d.
    lam : float
        λ ≥ 0.
    xi : ndarray of float64, [K]
        The weights ξ ≥ 0 of the σ bins; those with ξ_k > 0 are ℵ.
    w : ndarray of float64, [H, W], or None
        The weights w ≥ 0 of the pixels; None is all ones.
    mask : ndarray of float64, [H, W], or None
        μ ∈ {0, 1}, where cells may lie; None allows every pixel.
    """

    image: Array
    lam: float
    xi: Array
    w: Array | None = None
    mask: Array | None = None


class History(NamedTuple):
    """The objective at the points that a driver would return, after each iteration.

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


# a = μ ⊙ [a]₊
def project_start(a: Array, mask: Array | None) -> Array:
    """Make a first guess satisfy the constraints.

    Parameters
    ----------
    a : ndarray of float64, [K, H, W]
        Any maps.
    mask : ndarray of float64, [H, W], or None
        μ.

    Returns
    -------
    ndarray of float64, [K, H, W]
        The nearest maps that are non-negative, and zero where μ = 0.
    """
    positive = np.maximum(a, 0.0)
    return positive if mask is None else mask * positive


# ‖ξ ⊙ a_{m,n}‖₂
def group_norms(a: Array, xi: Array) -> Array:
    """Compute the weighted norm of each pixel, whose sum is the penalty without λ.

    Parameters
    ----------
    a : ndarray of float64, [K, H, W]
        Maps.
    xi : ndarray of float64, [K]
        ξ.

    Returns
    -------
    ndarray of float64, [H, W]
        The norms.
    """
    norms: Array = np.sqrt(np.sum((xi[:, None, None] * a) ** 2, axis=0))
    return norms
