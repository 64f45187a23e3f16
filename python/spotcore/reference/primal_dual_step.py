"""The primal half of a step of the primal-dual method."""

from __future__ import annotations

from collections.abc import Sequence

from spotcore.reference._jit import Array
from spotcore.reference.group_shrink import group_shrink
from spotcore.reference.observation import adjoint, forward
from spotcore.reference.problem import group_norms
from spotcore.reference.separable_conv import Kernel


# z  = prox_γ [ μ ⊙ (e + t A* ν) ],   γ = tλ
# e⁺ = e + ρ (z − e)
def primal_dual_step(
    nu: Array,
    e: Array | None,
    mask: Array | None,
    step: float,
    relaxation: float,
    gamma: float,
    xi: Array,
    kernels: Sequence[Kernel],
) -> tuple[Array, Array | None, Array, float]:
    """Step along ``A* ν``, shrink, and relax.

    Parameters
    ----------
    nu : ndarray of float64, [H, W]
        The dual point.
    e : ndarray of float64, [K, H, W], or None
        The relaxed z; None is zero, and stays it.
    mask : ndarray of float64, [H, W], or None
        μ ∈ {0, 1}, where cells may lie; None allows every pixel.
    step : float
        t > 0.
    relaxation : float
        ρ.
    gamma : float
        The threshold of the shrinkage.
    xi : ndarray of float64, [K]
        The weights ξ ≥ 0 of the σ bins.
    kernels : sequence of K kernels
        The kernels g_k, as in `separable_conv`.

    Returns
    -------
    z : ndarray of float64, [K, H, W]
        The next iterate.
    e : ndarray of float64, [K, H, W], or None
        The next relaxed one.
    Az : ndarray of float64, [H, W]
        The image of z.
    norms : float
        ``Σ_{m,n} ‖ξ ⊙ z[:, m, n]‖₂``.

    Notes
    -----
    Source: Chambolle and Pock, Math. Program. 159, 2016, Algorithm 1 and section 4.1.
    """
    moved = step * adjoint(nu, kernels)
    if e is not None:
        moved = e + moved
    if mask is not None:
        moved = mask * moved
    z = group_shrink(moved, gamma, xi)
    if e is not None:
        e = e + relaxation * (z - e)
    return z, e, forward(z, kernels), float(group_norms(z, xi).sum())
