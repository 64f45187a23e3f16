"""An approximate inverse of ``c + A A*`` in two small changes of basis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spotcore.reference._jit import Array

if TYPE_CHECKING:
    from spotcore.model.preconditioner import Preconditioner


# M = (R ⊗ C) diag(Λ) (R ⊗ C)ᵀ ≈ A A*, so that with V = R ⊗ C, whose columns are orthonormal,
#   (c + M)⁻¹ r = r / c − V [Λ / (c (c + Λ))] Vᵀ r
# and x⁺ = x + ρ / s (c + M)⁻¹ r, where s scales M up to s (c + M) ≥ c + A A*.
def normal_solve(
    r: Array, c: float, relaxation: float, x: Array, preconditioner: Preconditioner
) -> Array:
    """Add a multiple of ``(c + M)⁻¹ r`` to an image.

    Parameters
    ----------
    r : ndarray of float64, [H, W]
        The right-hand side.
    c : float
        c > 0, not below the preconditioner's floor.
    relaxation : float
        ρ.
    x : ndarray of float64, [H, W]
        The image to add to.
    preconditioner : Preconditioner
        R, C, Λ and s.

    Returns
    -------
    ndarray of float64, [H, W]
        x⁺.

    Notes
    -----
    Source: `spotcore.model.preconditioner`.
    """
    rows, columns = basis(preconditioner, (r.shape[0], r.shape[1]))
    eigenvalues = preconditioner.eigenvalues.astype(np.float64)
    known = eigenvalues / (c * (c + eigenvalues)) * (rows.T @ r @ columns)
    solved = r / c - rows @ known @ columns.T
    return x + relaxation / preconditioner.scale * solved


def basis(preconditioner: Preconditioner, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Write the vectors on both axes as columns.

    Parameters
    ----------
    preconditioner : Preconditioner
        Has their first halves.
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    rows, columns : ndarray of float64, [H, n] and [W, m]
        R and C, symmetric vectors before antisymmetric ones.
    """
    return _whole(preconditioner.rows, shape[0]), _whole(preconditioner.columns, shape[1])


def _whole(halves: tuple[NDArray[np.float32], NDArray[np.float32]], size: int) -> Array:
    even, odd = (half.astype(np.float64) for half in halves)
    even = np.hstack([even, even[:, : size // 2][:, ::-1]])
    odd = np.hstack([odd, np.zeros((len(odd), size % 2)), -odd[:, ::-1]])
    return np.vstack([even, odd]).T
