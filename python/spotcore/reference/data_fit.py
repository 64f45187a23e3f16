"""What an iteration does with images alone: the data term and its residuals."""

from __future__ import annotations

import numpy as np

from spotcore.reference._jit import Array


# r = w² ⊙ (A b − d),   A b = A a + α (A a − A a⁻)              (Part II, Algorithm 3, step 5)
def residual(
    Aa: Array, Aa_prev: Array, alpha: float, d: Array, w: Array | None
) -> tuple[Array, float]:
    """Compute the weighted residual at the extrapolated point, and the data term at a.

    Parameters
    ----------
    Aa, Aa_prev : ndarray of float64, [H, W]
        The images of the last two iterates.
    alpha : float
        The momentum α that takes them to b.
    d : ndarray of float64, [H, W]
        The observation.
    w : ndarray of float64, [H, W], or None
        The weights of the pixels; None is all ones.

    Returns
    -------
    residual : ndarray of float64, [H, W]
        r.
    data_term : float
        ``‖w ⊙ (A a − d)‖²``.
    """
    weight = np.ones(d.shape) if w is None else w
    extrapolated = Aa + alpha * (Aa - Aa_prev)
    return weight**2 * (extrapolated - d), float(np.sum((weight * (Aa - d)) ** 2))


# y    = argmin_y ‖w ⊙ (y − d)‖² + ‖y − e_y + τ ν‖² / (2 τ) = (e_y − τ ν + 2 τ w² d) / (1 + 2 τ w²)
# r    = (2 y − e_y) − (2 A z − A e)
# e_y⁺ = e_y + ρ (y − e_y),   (A e)⁺ = A e + ρ (A z − A e)
#
# The dual half of a step of `primal_dual`, but for its last line.
def dual_residual(
    nu: Array,
    Az: Array,
    d: Array,
    w: Array | None,
    step_y: float,
    relaxation: float,
    e_y: Array,
    Ae: Array,
) -> tuple[Array, Array, Array, float]:
    """Step in the image that the data term sees, and compare it with the maps' image.

    Parameters
    ----------
    nu, Az, d : ndarray of float64, [H, W]
        The dual point, the image of the last z, and the observation.
    w : ndarray of float64, [H, W], or None
        The weights of the pixels; None is all ones.
    step_y : float
        τ > 0.
    relaxation : float
        ρ.
    e_y, Ae : ndarray of float64, [H, W]
        The relaxed y, and the image of the relaxed z.

    Returns
    -------
    residual : ndarray of float64, [H, W]
        r.
    e_y, Ae : ndarray of float64, [H, W]
        The next ones.
    data_term : float
        ``‖w ⊙ (A z − d)‖²``.

    Notes
    -----
    Source: Chambolle and Pock, Math. Program. 159, 2016, Algorithm 1 and section 4.1.
    """
    weight = np.ones(d.shape) if w is None else w
    pull = 2.0 * step_y * weight**2
    y = (e_y - step_y * nu + pull * d) / (1.0 + pull)
    residual = (2.0 * y - e_y) - (2.0 * Az - Ae)
    data_term = float(np.sum((weight * (Az - d)) ** 2))
    return residual, e_y + relaxation * (y - e_y), Ae + relaxation * (Az - Ae), data_term
