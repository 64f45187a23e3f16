"""Error bounds for float32 results, from operation counts and sizes, never from measurements.

A sum of n products in any order is off by at most ``γ_n Σ|f||x|`` with ``γ_n = n u / (1 − n u)``
and u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1);
fused multiplication only lowers n. The sizes ``Σ|f||x|`` come from the same operation on absolute
values, so that each output has its own bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spotcore import reference

Array = NDArray[np.float64]

U = 2.0**-24
TINY = float(np.finfo(np.float32).tiny)  # below it, products lose digits: n of them lose n TINY


def gamma_n(n: int) -> float:
    """Compute γ_n."""
    return n * U / (1 - n * U)


def operations(factors: Sequence[Array]) -> int:
    """Count the roundings on the way from an input of A or A* to an output.

    Two passes of L products each, then a sum over the R_k parts of each of K kernels.
    """
    return 2 * max(f.shape[1] for f in factors) + sum(f.shape[0] for f in factors)


def conv_bound(x: Array, factors: Sequence[Array]) -> Array:
    """Bound the error of each output of `separable_conv`: [K, H, W]."""
    n = operations(factors)
    size = reference.separable_conv(np.abs(x), [np.abs(f) for f in factors])
    return gamma_n(n) * size + n * TINY


def forward_bound(a: Array, factors: Sequence[Array]) -> Array:
    """Bound the error of each output of `forward`: [H, W]."""
    n = operations(factors)
    return gamma_n(n) * reference.forward(np.abs(a), [np.abs(f) for f in factors]) + n * TINY


def adjoint_bound(d: Array, factors: Sequence[Array]) -> Array:
    """Bound the error of each output of `adjoint`: [K, H, W]."""
    n = operations(factors)
    return gamma_n(n) * reference.adjoint(np.abs(d), [np.abs(f) for f in factors]) + n * TINY


def shrink_bound(x: Array) -> Array:
    """Bound the error of each output of `group_shrink` at x, and of ‖ξ⊙y‖₂ / max ξ: [H, W].

    Theorem 2: the norm r is off by (K/2 + 2) u r, hence ``r − γ`` by (K/2 + 3) u r, and each
    output, at most ``(r − γ) x / r``, by (K/2 + 6) u x.
    Theorem 1: let N be off by δ relative at the t that is taken for the root. With
    ``q = t/(ξ² + t)``, ``y = x q`` moves by ``δ x q(1 − q) Σ x²q(1 − q) / Σ x²q²(1 − q)``, which
    by Cauchy and Schwarz is at most ``δ ‖x‖₂``; δ is the rounding of N and of γ, (K/2 + 4) u, and
    the products that follow add 4 u.
    Both are below (K/2 + 10) u ‖[x]₊‖₂. Squares underflow below the root of TINY.
    """
    bins = x.shape[0]
    norm = np.sqrt((np.maximum(x, 0) ** 2).sum(axis=0))
    bound: Array = gamma_n(bins // 2 + 10) * norm + np.sqrt(bins * TINY)
    return bound
