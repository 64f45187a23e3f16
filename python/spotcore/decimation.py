"""Smooth kernels on coarse grids: the same operator for a tenth of the work.

The spectrum of a wide Gaussian is empty beyond a small disc. So ``g (*) a`` can be computed on
every s-th pixel: with ``D`` a low-pass ``p`` followed by decimation by ``s`` along both axes,

    g (*) a  ~  D^T C D a,

``C`` a convolution on the coarse grid.  The product is exactly self-adjoint whatever ``C`` is, as
long as that is symmetric, and it follows ``g`` up to the border, because the coarse grid reaches
beyond the image.  ``C`` is fitted: for one Gaussian, the taps ``c`` that minimise, over all phases
of the grid,

    sum_{x, y} ( sum_{n, j} p(x - s n) c_j p(y - s (n + j)) - omega_sigma(x - y) )^2,

a small linear least-squares problem in one dimension.  A bin of sigma is a quadrature of products
of such Gaussians, ``g = sum_q w_q omega_q omega_q^T``, and so is its ``C``, whose factors on the
coarse grid are found as those of ``g`` are (`spotcore.kernels`).  For sigma >= 2 s the fit is good
to 1e-5; it follows the whole Gaussian, not one cut at 3 sigma.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from spotcore.kernels import SeparableKernel, omega, quadrature, thin_factors

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Low-pass: a Gaussian of this standard deviation in coarse pixels, to this many of them.
_LOWPASS_SIGMA = 0.9
_LOWPASS_REACH = 4.0
# Kernels are carried to this many sigma; beyond it a Gaussian has 4e-6 of its mass.
_KERNEL_REACH = 4.2
_SIGMA_PER_PIXEL = 2.0  # narrowest sigma in coarse pixels
_COARSEST = 16


@functools.lru_cache(maxsize=32)
def multiscale_kernels(
    sigma_limits: tuple[float, ...], tol: float = 1e-5
) -> tuple[SeparableKernel, ...]:
    """Kernels of all bins of sigma, each on the coarsest grid that it can be computed on.

    Parameters
    ----------
    sigma_limits : tuple of float
        Limits of the sigma bins in pixels, increasing.
    tol : float
        Relative error allowed to the factors of each kernel (Frobenius norm).

    Returns
    -------
    tuple of SeparableKernel
        One per bin.
    """
    return tuple(_kernel(lower, upper, tol) for lower, upper in itertools.pairwise(sigma_limits))


def coarsest_scale(sigma: float) -> int:
    """Largest power of two, up to 16, that leaves `sigma` two pixels of the coarse grid."""
    if sigma < 2.0 * _SIGMA_PER_PIXEL:
        return 1
    return min(_COARSEST, 1 << int(math.log2(sigma / _SIGMA_PER_PIXEL)))


def lowpass(scale: int) -> NDArray[np.float64]:
    """Low-pass of ``D``: symmetric taps whose sum ``sqrt(scale)`` makes ``||D||`` about 1."""
    half = math.ceil(_LOWPASS_REACH * scale)
    m = np.arange(-half, half + 1)
    taps = np.exp(-0.5 * (m / (_LOWPASS_SIGMA * scale)) ** 2)
    return np.asarray(taps * (math.sqrt(scale) / taps.sum()))


def _kernel(lower: float, upper: float, tol: float) -> SeparableKernel:
    scale = coarsest_scale(lower)
    sigma, weights = quadrature(lower, upper)
    half = math.ceil(_KERNEL_REACH * upper / scale)
    if scale == 1:
        columns = omega(sigma, half)
        taps = np.zeros(0)
    else:
        taps = lowpass(scale)
        columns = fit_coarse(sigma, scale, taps, half)
    factors = thin_factors((columns * np.sqrt(weights)[:, None]).T, tol=tol)
    return SeparableKernel(factors.astype(np.float32), scale, taps.astype(np.float32))


def fit_coarse(
    sigma: NDArray[np.float64], scale: int, taps: NDArray[np.float64], half: int
) -> NDArray[np.float64]:
    """Coarse taps ``c`` with ``D^T c D ~ omega_sigma``, in one dimension.

    Parameters
    ----------
    sigma : ndarray, shape [Q]
        Standard deviations in pixels of the image.
    scale : int
        Decimation ``s``.
    taps : ndarray, shape [P]
        Low-pass ``p``.
    half : int
        Half length of ``c`` in coarse pixels.

    Returns
    -------
    ndarray, shape [Q, 2 * half + 1]
    """
    reach = len(taps) // 2
    target_half = scale * half + 2 * reach
    # One period of x is enough: the product is invariant to shifts by `scale`.
    x = np.arange(scale)
    y = np.arange(-target_half, target_half + scale)
    n = np.arange(-(reach // scale) - 1, (reach + scale) // scale + 1)  # seen from x

    def low(offsets: NDArray[np.int64]) -> NDArray[np.float64]:
        inside = np.abs(offsets) <= reach
        return np.where(inside, taps[np.where(inside, offsets + reach, 0)], 0.0)

    from_x = low(x[:, None] - scale * n)  # [x, n]
    design = np.empty((half + 1, scale, len(y)))
    for j in range(half + 1):
        to_y = low(y[:, None] - scale * (n + j))
        if j:
            to_y = to_y + low(y[:, None] - scale * (n - j))
        design[j] = from_x @ to_y.T
    offsets = np.abs(y - x[:, None])  # [x, y]
    target = omega(sigma, int(offsets.max()))[:, offsets.max() :]  # [Q, offset]
    fitted, *_ = np.linalg.lstsq(
        design.reshape(half + 1, -1).T, target[:, offsets].reshape(len(sigma), -1).T, rcond=1e-12
    )
    return np.concatenate([fitted[:0:-1], fitted]).T
