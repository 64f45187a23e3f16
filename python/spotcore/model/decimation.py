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
coarse grid are found as those of ``g`` are (`spotcore.model.kernels`).

Everything is chosen from one error budget ``tol``, relative to the kernel: the grid is the coarsest
that aliases less than that, the taps that are cut off weigh less, and so do the factors left out.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from spotcore.model.kernels import SeparableKernel, omega, quadrature, thin_factors

if TYPE_CHECKING:
    from numpy.typing import NDArray

KERNEL_TOL = 4e-5
"""Error budget of a kernel by default: the operator is then good to 1e-4."""
# Low-pass: a Kaiser window of this width in coarse pixels. Its spectrum falls to 1e-5 at the first
# multiple of the coarse sampling frequency (beta), in the fewest taps that do.
_LOWPASS_WIDTH = 7
_LOWPASS_BETA = 13.0
#: Half length of a kernel on its own grid, which takes some three seconds to make; a bin of both
#: sharp and very wide kernels would take minutes.
_LONGEST = 2048
_COARSEST = 16


@functools.lru_cache(maxsize=32)
def multiscale_kernels(
    sigma_limits: tuple[float, ...], tol: float = KERNEL_TOL
) -> tuple[SeparableKernel, ...]:
    """Kernels of all bins of sigma, each on the coarsest grid that it can be computed on.

    Parameters
    ----------
    sigma_limits : tuple of float
        Limits of the sigma bins in pixels, increasing.
    tol : float
        Error budget relative to each kernel, of each of: aliasing, length, rank.

    Returns
    -------
    tuple of SeparableKernel
        One per bin.
    """
    return tuple(_kernel(lower, upper, tol) for lower, upper in itertools.pairwise(sigma_limits))


def coarsest_scale(lower: float, upper: float, tol: float) -> int:
    """Largest power of two, up to 16, at whose Nyquist frequency a bin's spectrum is below `tol`.

    Relative to its value at 0: the grid of every s-th pixel mirrors there what lies beyond.
    """
    sigma, weights = quadrature(lower, upper)
    scale = 1
    while scale < _COARSEST:
        spectrum = np.exp(-0.5 * (sigma * math.pi / (2 * scale)) ** 2)
        if weights @ spectrum > tol * weights.sum():
            break
        scale *= 2
    return scale


def half_length(lower: float, upper: float, tol: float) -> int:
    """Smallest half length that leaves at most `tol` of a bin's kernel outside (Frobenius norm)."""
    sigma, weights = quadrature(lower, upper)
    longest = math.ceil(7.0 * upper)
    columns = omega(sigma, longest) * np.sqrt(weights)[:, None]  # [Q, offset]
    whole = np.linalg.norm(columns @ columns.T)  # [Q, Q]; of the same norm as the kernel
    shortest, enough = 0, longest
    while shortest < enough:
        half = (shortest + enough) // 2
        inside = columns[:, longest - half : longest + half + 1]
        # ||g||^2 - ||inside||^2 is what was cut off, squared.
        lost = 1.0 - (np.linalg.norm(inside @ inside.T) / whole) ** 2
        if lost <= tol**2:
            enough = half
        else:
            shortest = half + 1
    return enough


def lowpass(scale: int) -> NDArray[np.float64]:
    """Low-pass of ``D``: symmetric taps whose sum ``sqrt(scale)`` makes ``||D||`` about 1."""
    width = _LOWPASS_WIDTH * scale
    half = (width - 1) // 2
    m = np.arange(-half, half + 1)
    taps = np.i0(_LOWPASS_BETA * np.sqrt(1.0 - (2.0 * m / width) ** 2))
    return np.asarray(taps * (math.sqrt(scale) / taps.sum()))


def _kernel(lower: float, upper: float, tol: float) -> SeparableKernel:
    scale = coarsest_scale(lower, upper, tol)
    if 7.0 * upper / scale > _LONGEST:
        raise ValueError(
            f"sigma_limits: expected bins whose kernels reach at most {_LONGEST} points of their "
            f"grid, got one from {lower:g} to {upper:g} pixels, on a grid of {scale}: split it"
        )
    sigma, weights = quadrature(lower, upper)
    half = half_length(lower, upper, tol)
    if scale == 1:
        columns = omega(sigma, half)
        taps = np.zeros(0)
    else:
        taps = lowpass(scale)
        columns = fit_coarse(sigma, scale, taps, half // scale)  # the low-pass reaches beyond
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
    # Of the two phases x, y only x - y and the coarse offset are left in the normal equations. With
    # R the autocorrelation of p and r(e) = R(s e) they are
    #   sum_j' (r * r)(j - j') c_j' = (R * omega)(s j).
    # The spectrum of r * r falls to 1e-9 of its peak at the coarse Nyquist frequency. What rounding
    # does to c there is as small in D^T c D as before the system was solved.
    reach = len(taps) // 2
    autocorrelation = np.correlate(taps, taps, "full")  # of lags -2 reach .. 2 reach
    sampled = autocorrelation[2 * reach % scale :: scale]
    gram = np.convolve(sampled, sampled)
    offsets = np.arange(-half, half + 1)
    lags = offsets[:, None] - offsets + len(gram) // 2
    inside = (lags >= 0) & (lags < len(gram))
    matrix = np.where(inside, gram[np.where(inside, lags, 0)], 0.0)

    longest = scale * half + 2 * reach
    lines = np.lib.stride_tricks.sliding_window_view(omega(sigma, longest), 4 * reach + 1, axis=1)
    right = lines[:, ::scale] @ autocorrelation  # [Q, 2 * half + 1]
    fitted = np.linalg.solve(matrix, right.T).T
    return (fitted + fitted[:, ::-1]) / 2.0  # symmetric to the last bit
