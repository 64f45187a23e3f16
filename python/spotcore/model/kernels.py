"""Kernels of the observation model: doubly integrated Gaussians over bins of sigma.

The discrete kernel of bin ``k`` is (Part II, Section II-C; Part I, Section IV)

    g_k[m, n] = 1/sqrt(Delta_k) * integral_{sigma_{k-1}}^{sigma_k} omega_s(m) omega_s(n) ds,

with ``Delta_k = sigma_k - sigma_{k-1}`` and ``omega_s`` a Gaussian of standard deviation ``s``
integrated over the source pixel and over the sensor pixel.  The quadrature of that integral is
``g_k = B B^T`` with one column of ``B`` per node: the kernel is positive semi-definite, and the
singular vectors of the thin ``B`` are its optimal separable factors.  The 2-D kernel itself is
never needed to find them.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spotcore._arrays import as_count, as_sigma_limits

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SeparableKernel",
    "gaussian_kernels",
    "kernel_half_length",
    "omega",
    "separable_factors",
]

# Gauss-Legendre nodes per bin.  The hardest bin starts at sigma = 0, where omega is smooth but not
# analytic; 32 nodes leave an error below 1e-10 there (tests/model/test_kernels.py measures it).
_QUADRATURE_NODES = 32


class SeparableKernel(NamedTuple):
    """Factors of one kernel, on the image's grid or on a coarser one (`spotcore.model.decimation`).

    Attributes
    ----------
    factors : ndarray, shape [R, L], float32
        Symmetric factors of ``g``, or of the ``C`` in ``g = D^T C D`` where the scale is above 1.
    scale : int
        Pixels of the image per pixel of the grid of the factors.
    lowpass : ndarray, shape [P], float32
        Taps of the low-pass of ``D``; empty for scale 1.
    """

    factors: NDArray[np.float32]
    scale: int = 1
    lowpass: NDArray[np.float32] = np.zeros(0, np.float32)


def omega(sigma: float | NDArray[np.float64], half_length: int) -> NDArray[np.float64]:
    """Gaussian integrated over the source pixel and over the sensor pixel.

    ``omega_s(m) = F(m + 1) + F(m - 1) - 2 F(m)`` with ``F(x) = x Phi(x) + s^2 phi(x)``, where
    ``Phi`` and ``phi`` are the cdf and pdf of N(0, s^2) (closed form after Owen, 1980).

    Parameters
    ----------
    sigma : float or ndarray, shape [S]
        Standard deviations in pixels, all > 0.
    half_length : int
        Largest offset ``m``.

    Returns
    -------
    ndarray, shape [2 * half_length + 1] or [S, 2 * half_length + 1]
        ``omega_sigma(m)`` for ``m = -half_length .. half_length``.
    """
    s = np.atleast_1d(np.asarray(sigma, dtype=np.float64))[:, None]  # [S, 1]
    x = np.arange(half_length + 2, dtype=np.float64)[None, :]  # [1, M+2]
    # F(x) = x Phi(x) + s^2 phi(x) grows like x, and its second difference would cancel.
    # F(x) - x = s^2 phi(x) - x (1 - Phi(x)) has the same second difference on x >= 0 and decays.
    upper_tail = _erfc(x / (s * math.sqrt(2.0))) / 2.0
    tail = s * np.exp(-0.5 * (x / s) ** 2) / math.sqrt(2.0 * math.pi) - x * upper_tail
    positive = tail[:, 2:] + tail[:, :-2] - 2.0 * tail[:, 1:-1]  # m = 1 .. half_length
    # At m = 0: F(-1) = F(1) - 1, because F(-x) = F(x) - x.
    centre = 2.0 * (tail[:, 1:2] - tail[:, 0:1]) + 1.0
    out = np.concatenate([positive[:, ::-1], centre, positive], axis=1)
    return out if np.ndim(sigma) else out[0]


def kernel_half_length(sigma_upper: float) -> int:
    """Half length ``ceil(3 sigma_k)`` of the kernel of a bin whose upper limit is ``sigma_k``."""
    return math.ceil(3.0 * sigma_upper)


def gaussian_kernels(sigma_limits: ArrayLike) -> list[NDArray[np.float64]]:
    """Two-dimensional kernels ``g_k``, without rank reduction.

    Parameters
    ----------
    sigma_limits : array_like, shape [K + 1]
        Limits of the sigma bins in pixels, increasing, the first one >= 0.

    Returns
    -------
    list of ndarray, shape [L_k, L_k]
        ``L_k = 2 ceil(3 sigma_k) + 1``.

    Raises
    ------
    ValueError
        If the limits are not finite, not increasing or fewer than two.

    References
    ----------
    del Aguila Pla and Jalden, IEEE TSP 66(20), 2018 (Part II), Section II-C and Table III.
    """
    return [columns @ columns.T for columns in _quadrature_columns(sigma_limits)]


def separable_factors(
    sigma_limits: ArrayLike, rank: int | None = None, tol: float = 1e-6
) -> list[NDArray[np.float64]]:
    """Factors ``f`` of the kernels: ``g_k ~ sum_r outer(f[r], f[r])``.

    Parameters
    ----------
    sigma_limits : array_like, shape [K + 1]
        Limits of the sigma bins in pixels.
    rank : int, optional
        Number of factors of each kernel. The default takes, for each kernel, as few as keep the
        relative Frobenius error of the kernel below `tol`.
    tol : float
        Relative Frobenius error allowed when `rank` is None.

    Returns
    -------
    list of ndarray, shape [R_k, L_k]
        Symmetric factors, largest first; truncation is optimal (Eckart-Young).
    """
    if rank is not None:
        rank = as_count(rank, "rank", minimum=1)
    return [thin_factors(columns, rank, tol) for columns in _quadrature_columns(sigma_limits)]


def thin_factors(
    columns: NDArray[np.float64], rank: int | None = None, tol: float = 1e-6
) -> NDArray[np.float64]:
    """Best symmetric factors [R, L] of ``B B^T``, from the thin ``B`` [L, Q].

    Of the given rank, or of the smallest with a relative Frobenius error of at most `tol`.
    """
    vectors, singular, _ = np.linalg.svd(columns, full_matrices=False)
    eigenvalues = singular**2
    keep = _rank_within(eigenvalues, tol) if rank is None else min(rank, len(eigenvalues))
    f = vectors[:, :keep].T * singular[:keep, None]
    return np.ascontiguousarray((f + f[:, ::-1]) / 2.0)  # symmetric to the last bit


def _rank_within(eigenvalues: NDArray[np.float64], tol: float) -> int:
    """Smallest rank whose relative Frobenius error is at most `tol`."""
    squares = eigenvalues**2
    tails = np.append(np.cumsum(squares[::-1])[::-1], 0.0)  # tails[r] = error^2 of rank r
    return max(1, int(np.argmax(tails <= tol**2 * tails[0])))


def quadrature(lower: float, upper: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights [Q] of ``1/sqrt(upper - lower)`` times the integral over a bin of sigma."""
    nodes, weights = np.polynomial.legendre.leggauss(_QUADRATURE_NODES)
    width = upper - lower
    return lower + width * (nodes + 1.0) / 2.0, weights * math.sqrt(width) / 2.0


def _quadrature_columns(sigma_limits: ArrayLike) -> list[NDArray[np.float64]]:
    """Return ``B_k`` [L_k, Q] with ``g_k = B_k B_k^T``: scaled ``omega`` at quadrature nodes."""
    columns = []
    for lower, upper in itertools.pairwise(as_sigma_limits(sigma_limits)):
        sigma, weights = quadrature(lower, upper)
        columns.append(omega(sigma, kernel_half_length(upper)).T * np.sqrt(weights))
    return columns


_erfc = np.vectorize(math.erfc, otypes=[np.float64])
