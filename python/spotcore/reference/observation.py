"""The observation model: A, its adjoint A*, and ‖A‖²."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spotcore.reference._jit import Array
from spotcore.reference.separable_conv import Kernel, separable_conv


# A a = Σ_k g_k ⊛ a_k                                        (Part II, Algorithm 3, step 4)
def forward(a: Array, kernels: Sequence[Kernel]) -> Array:
    """Predict the image that the maps `a` give.

    Parameters
    ----------
    a : ndarray of float64, [K, H, W]
        The discrete PSDR, one map per σ bin.
    kernels : sequence of K kernels
        The kernels g_k, as in `separable_conv`.

    Returns
    -------
    ndarray of float64, [H, W]
        ``A a``.

    Notes
    -----
    Source: Part II, Algorithm 3, step 4.
    """
    image: Array = separable_conv(a, kernels).sum(axis=0)
    return image


# (A* d)_k = g_k ⊛ d           (Part II, Algorithm 3, step 6; g_k(-m, -n) = g_k(m, n), and the
#                               padding is zero, so that g_k ⊛ is its own adjoint)
def adjoint(d: Array, kernels: Sequence[Kernel]) -> Array:
    """Apply the adjoint of `forward`.

    Parameters
    ----------
    d : ndarray of float64, [H, W]
        An image.
    kernels : sequence of K kernels
        The kernels g_k, each symmetric about its centre.

    Returns
    -------
    ndarray of float64, [K, H, W]
        ``A* d``.

    Notes
    -----
    Source: Part II, Algorithm 3, step 6.
    """
    return separable_conv(np.broadcast_to(d, (len(kernels), *d.shape)), kernels)


# ‖A‖² = the largest eigenvalue of A A*, by power iteration: v ← A A* v / ‖A A* v‖. The operator
# A A* acts on images, which are K times smaller than the maps on which A* A acts.
def norm_squared(
    kernels: Sequence[Kernel], shape: tuple[int, int], tol: float = 1e-10, max_iter: int = 10_000
) -> float:
    """Compute the squared operator norm of `forward` on images of one shape.

    Parameters
    ----------
    kernels : sequence of K kernels
        The kernels g_k.
    shape : (int, int)
        Height and width of the image.
    tol : float
        Relative change of the estimate at which the iteration stops.
    max_iter : int
        Iterations after which it stops in any case.

    Returns
    -------
    float
        ``‖A‖²``, approached from below.

    Notes
    -----
    Source: Part II, Algorithm 1, which needs ‖A‖² or an upper bound of it for its step. Part I's
    bound for this A is ``σ_K − σ_0``.
    """
    # Positive, so that it is not orthogonal to the leading eigenvector of a non-negative A A*;
    # irregular, so that it is not orthogonal to that of any other A A* either.
    v = np.random.default_rng(0).uniform(0.5, 1.5, shape)
    v /= np.linalg.norm(v)
    estimate = 0.0
    for _ in range(max_iter):
        v = forward(adjoint(v, kernels), kernels)
        previous, estimate = estimate, float(np.linalg.norm(v))
        if estimate - previous <= tol * estimate:
            break
        v /= estimate
    return estimate
