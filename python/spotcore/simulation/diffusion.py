"""From secretion over time to the image of one cell: the physics of the assay.

Particles that a cell releases diffuse in the well, are captured by its coated bottom and released
again.  With ``tau`` the time that a particle has spent free, in seconds, and ``t`` the time since
its release, the density of being captured at ``t`` after free time ``tau`` is (Part I, Lemma 2)

    phi(tau, t) = sum_{j >= 1} phi^{j*}(tau) Poisson(j - 1; kappa_d (t - tau)),   0 <= tau < t,

``phi^{j*}`` being the j-fold convolution power of the density of a first capture

    phi(tau) = kappa_a / sqrt(pi D tau) - (kappa_a^2 / D) erfcx(kappa_a sqrt(tau / D)).

A source density rate (SDR) ``s(t)`` becomes ``v(tau) = int_tau^T s(T - t) phi(tau, t) dt``, and as
free time and blur are tied by ``sigma = sqrt(2 D tau)``, the post adsorption-desorption source
density rate (PSDR) is ``v`` on bins of sigma.  The map is linear and the same for all cells, so
that it is one matrix here (`secretion_matrix`) and a plate of cells is one matrix product.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore._arrays import as_count, as_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Assay", "first_capture", "secretion_matrix", "sigma_grid"]


@dataclass(frozen=True)
class Assay:
    """Physical and numerical parameters of one assay; hashable, so that it can key a cache.

    The defaults are those that both papers share (Part II, Table I).

    Parameters
    ----------
    adsorption : float
        ``kappa_a``, metres per second, > 0.
    max_captures : int
        ``J``, number of terms kept of the sum over captures, at least 1.
    desorption : float
        ``kappa_d``, per second, >= 0.
    diffusion : float
        ``D``, square metres per second, > 0.
    duration : float
        ``T``, length of the experiment in seconds, > 0.
    pixel_size : float
        Side of a pixel in metres, > 0.
    n_times : int
        ``N_t``, number of equal time bins.
    n_bins : int
        ``K_g``, number of sigma bins.

    Raises
    ------
    ValueError
        If a parameter is out of range, or if `n_times` is too small to give each of the `n_bins`
        limits of sigma a value of its own (about ``n_bins**2 / 2`` are needed).
    TypeError
        If a parameter is not a number, or a count is not an integer.
    """

    adsorption: float
    max_captures: int
    desorption: float = 1e-4
    diffusion: float = 3e-12
    duration: float = 8 * 3600.0
    pixel_size: float = 6.45e-6
    n_times: int = 1000
    n_bins: int = 30

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("adsorption", "diffusion", "duration", "pixel_size"):
            as_number(getattr(self, name), name, minimum=0.0, strict=True)
        as_number(self.desorption, "desorption", minimum=0.0)
        for name in ("max_captures", "n_times", "n_bins"):
            as_count(getattr(self, name), name, minimum=1)
        if (np.diff(_nearest_times(self)) <= 0).any():
            raise ValueError(
                f"n_times: expected enough time bins for {self.n_bins} distinct sigma bins "
                f"(about n_bins**2 / 2), got {self.n_times}"
            )

    @property
    def time_step(self) -> float:
        """Length of a time bin in seconds."""
        return self.duration / self.n_times


def first_capture(assay: Assay) -> NDArray[np.float64]:
    """Probability that a released particle is first captured in each time bin.

    ``phi`` has the antiderivative ``-erfcx(kappa_a sqrt(tau / D))`` (differentiate, with
    ``erfcx'(x) = 2 x erfcx(x) - 2 / sqrt(pi)``): its bins are exact, no quadrature is needed.

    Parameters
    ----------
    assay : Assay
        The parameters.

    Returns
    -------
    ndarray, shape [N_t]
        ``int phi`` over each bin; their sum ``1 - erfcx(kappa_a sqrt(T / D))`` is below 1, the
        rest being still free at the end.
    """
    limits = np.linspace(0.0, assay.duration, assay.n_times + 1)
    free: NDArray[np.float64] = _erfcx(assay.adsorption * np.sqrt(limits / assay.diffusion))
    return -np.diff(free)


def sigma_grid(assay: Assay) -> NDArray[np.float64]:
    """Limits of the sigma bins of the simulation, in pixels.

    Equal steps in ``[0, sqrt(2 D T) / pixel_size]``, each limit moved to the nearest value that a
    limit of a time bin corresponds to, so that every sigma bin is a union of time bins.

    Parameters
    ----------
    assay : Assay
        The parameters.

    Returns
    -------
    ndarray, shape [K_g + 1]
        Increasing, from 0.
    """
    return _sigma_of_time_limits(assay)[_nearest_times(assay)]


@functools.lru_cache(maxsize=8)
def secretion_matrix(assay: Assay) -> NDArray[np.float64]:
    """Linear map from the SDR of a cell to its PSDR.

    The PSDR of a cell that releases ``s[n]`` particles in time bin ``n`` is ``s @ matrix``, that is
    ``a_k = (int of v over sigma bin k) / sqrt(Delta_k)``, ``Delta_k`` the width of the bin in
    pixels.  Hence ``sum_k sqrt(Delta_k) a_k`` is the number of particles bound at the end.

    A particle counts as released at the start of its time bin and as captured in the middle of a
    bin of free time: the Poisson factor is taken at ``(i + 1/2)`` steps.

    Parameters
    ----------
    assay : Assay
        The parameters.

    Returns
    -------
    ndarray, shape [N_t, K_g]
        Row ``n`` belongs to the release in ``[n, n + 1) * time_step``. Shared and read-only.

    References
    ----------
    del Aguila Pla and Jalden, IEEE TSP 66(20), 2018 (Part II), Section III-B, after Part I,
    Theorem 2.
    """
    first = first_capture(assay)
    bins = _nearest_times(assay)
    bound_releases = (np.arange(assay.n_times) + 0.5) * assay.time_step * assay.desorption
    power = first  # phi^{j*} [N_t]
    poisson = np.exp(-bound_releases)  # Poisson(j - 1; kappa_d (t - tau)) [N_t]
    by_age = np.zeros((assay.n_times, assay.n_bins))  # row m: released m + 1 bins before the end
    for j in range(1, assay.max_captures + 1):
        for k, (lower, upper) in enumerate(itertools.pairwise(bins)):
            captured = np.convolve(power[lower:upper], poisson[: assay.n_times - lower])
            by_age[lower:, k] += captured[: assay.n_times - lower]
        power = np.convolve(power, first)[: assay.n_times]
        poisson = poisson * bound_releases / j
    matrix = by_age[::-1] / np.sqrt(np.diff(sigma_grid(assay)))
    matrix.setflags(write=False)
    return matrix


def _sigma_of_time_limits(assay: Assay) -> NDArray[np.float64]:
    """Compute sigma in pixels at the limits of the time bins, [N_t + 1]."""
    limits = np.linspace(0.0, assay.duration, assay.n_times + 1)
    return np.sqrt(2.0 * assay.diffusion * limits) / assay.pixel_size


def _nearest_times(assay: Assay) -> NDArray[np.intp]:
    """Find the time limits whose sigma is nearest to equal steps, [K_g + 1] indices."""
    available = _sigma_of_time_limits(assay)
    wanted = np.linspace(0.0, available[-1], assay.n_bins + 1)
    nearest: NDArray[np.intp] = np.abs(available - wanted[:, None]).argmin(axis=1)
    return nearest


def _erfcx_scalar(x: float) -> float:
    """Compute the scaled complementary error function ``exp(x^2) erfc(x)``, ``x >= 0``."""
    if x < 25.0:  # erfc(x) is still a normal number, and exp(x^2) loses at most x^2 ulp
        return math.exp(x * x) * math.erfc(x)
    u = 0.5 / (x * x)  # asymptotic series; the first term left out is below 10395 u^6 = 3e-15
    series = 1.0 - u * (1.0 - 3.0 * u * (1.0 - 5.0 * u * (1.0 - 7.0 * u * (1.0 - 9.0 * u))))
    return series / (x * math.sqrt(math.pi))


# NumPy has no error function, and simulating should not need SciPy for a thousand values of it.
_erfcx = np.vectorize(_erfcx_scalar, otypes=[np.float64])
