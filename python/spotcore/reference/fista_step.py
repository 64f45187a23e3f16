"""One proximal gradient step with momentum."""

from __future__ import annotations

from collections.abc import Sequence

from spotcore.reference._jit import Array
from spotcore.reference.group_shrink import group_shrink
from spotcore.reference.observation import adjoint, forward
from spotcore.reference.problem import group_norms
from spotcore.reference.separable_conv import Kernel


# b  = a + α (a − a⁻)                                  (Part II, Algorithm 3, step 12)
# a⁺ = prox_γ [ b − η μ ⊙ A* r ]                       (steps 6, 8 and 10)
#
# A* r with r = w² ⊙ (A b − d) is half the gradient of the data term, which has no ½: this is why
# the threshold is γ = ηλ/2.
def fista_step(
    residual: Array,
    a: Array,
    a_prev: Array,
    mask: Array | None,
    step: float,
    alpha: float,
    gamma: float,
    xi: Array,
    kernels: Sequence[Kernel],
) -> tuple[Array, Array, float]:
    """Extrapolate, step against the gradient, and shrink.

    Parameters
    ----------
    residual : ndarray of float64, [H, W]
        ``w² ⊙ (A b − d)`` at the extrapolated point b.
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
    kernels : sequence of K kernels
        The kernels g_k, as in `separable_conv`.

    Returns
    -------
    a_next : ndarray of float64, [K, H, W]
        The next iterate.
    A_next : ndarray of float64, [H, W]
        Its image.
    norms : float
        ``Σ_{m,n} ‖ξ ⊙ a_next[:, m, n]‖₂``.

    Notes
    -----
    Source: Part II, Algorithm 3, steps 6 to 12.
    """
    gradient = adjoint(residual, kernels)
    if mask is not None:
        gradient = mask * gradient
    b = a + alpha * (a - a_prev)
    a_next = group_shrink(b - step * gradient, gamma, xi)
    return a_next, forward(a_next, kernels), float(group_norms(a_next, xi).sum())
