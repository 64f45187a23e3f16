"""One proximal gradient step with momentum."""

from __future__ import annotations

import numpy as np

from spotcore.reference._jit import Array
from spotcore.reference.group_shrink import group_shrink


# b  = a + α (a − a⁻)                                  (Part II, Algorithm 3, step 12)
# a⁺ = prox_γ [ b − η μ ⊙ ∇ ]                          (steps 6, 8 and 10)
#
# ∇ = A*(w² ⊙ (A b − d)) is half the gradient of the data term, which has no ½: this is why the
# threshold is γ = ηλ/2.
def fista_step(
    gradient: Array,
    a: Array,
    a_prev: Array,
    mask: Array | None,
    step: float,
    alpha: float,
    gamma: float,
    xi: Array,
) -> tuple[Array, float]:
    """Extrapolate, step against the gradient, and shrink.

    Parameters
    ----------
    gradient : ndarray of float64, [K, H, W]
        ``A*(w² ⊙ (A b − d))`` at the extrapolated point b.
    a, a_prev : ndarray of float64, [K, H, W]
        The last two iterates.
    mask : ndarray of float64, [H, W], or None
        μ ∈ {0, 1}, where cells may lie; None allows every pixel.
    step : float
        η > 0.
    alpha : float
        The momentum that takes `a` and `a_prev` to b.
    gamma : float
        The threshold of the shrinkage, ηλ/2.
    xi : ndarray of float64, [K]
        The weights ξ ≥ 0 of the σ bins.

    Returns
    -------
    a_next : ndarray of float64, [K, H, W]
        The next iterate.
    penalty : float
        ``Σ_{m,n} ‖ξ ⊙ a_next[:, m, n]‖₂``, without λ.

    Notes
    -----
    Source: Part II, Algorithm 3, steps 6 to 12.
    """
    b = a + alpha * (a - a_prev)
    if mask is not None:
        gradient = mask * gradient
    a_next = group_shrink(b - step * gradient, gamma, xi)
    norms = np.sqrt(np.sum((xi[:, None, None] * a_next) ** 2, axis=0))  # [H, W]
    return a_next, float(norms.sum())
