"""The shrinkage of one pixel and the whole problem, solved without a proximal operator."""

from __future__ import annotations

import math

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

Array = NDArray[np.float64]


def shrink_objective(y: Array, x: Array, gamma: float, xi: Array) -> float:
    """Compute ``½ ‖y − x‖² + γ ‖ξ ⊙ y‖₂`` of one pixel, [K]."""
    return 0.5 * float(np.sum((y - x) ** 2)) + gamma * float(np.linalg.norm(xi * y))


def shrink_pixel(x: Array, gamma: float, xi: Array) -> Array:
    """Minimise `shrink_objective` over y ≥ 0 with a general-purpose minimiser, [K] -> [K].

    The objective is smooth except where ξ ⊙ y = 0, so there are two candidates: the best point
    with ξ ⊙ y = 0, and what L-BFGS-B finds from a point away from it.
    """
    flat = np.where(xi > 0, 0.0, np.maximum(x, 0))

    def value_and_slope(y: Array) -> tuple[float, Array]:
        norm = max(float(np.linalg.norm(xi * y)), 1e-300)
        return shrink_objective(y, x, gamma, xi), y - x + gamma * xi**2 * y / norm

    start = np.maximum(x, 0) + 1e-3
    for _ in range(3):  # restarts clear the memory of the quasi-Newton method
        found = scipy.optimize.minimize(
            value_and_slope,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * x.size,
            options={"ftol": 0.0, "gtol": 1e-14, "maxiter": 2000, "maxcor": 20},
        )
        start = found.x
    if shrink_objective(start, x, gamma, xi) < shrink_objective(flat, x, gamma, xi):
        return np.asarray(start, dtype=np.float64)
    return flat


def objective(
    a: Array, image: Array, matrix: Array, lam: float, xi: Array, w: Array
) -> tuple[float, float]:
    """Compute the data term and the penalty at a: [K, H, W]; `matrix` is [HW, KHW]."""
    residual = w * (matrix @ a.ravel() - image.ravel()).reshape(image.shape)
    penalty = lam * float(np.sqrt(((xi[:, None, None] * a) ** 2).sum(axis=0)).sum())
    return float(np.sum(residual**2)), penalty


def dual_value(
    a: Array, image: Array, matrix: Array, lam: float, xi: Array, w: Array, mask: Array
) -> float:
    """Bound the optimum from below by the scaled residual at a; ξ > 0.

    For ν with ``‖[A*ν]₊ / ξ‖₂ ≤ λ`` at each pixel of the mask, and ν = 0 where w = 0, the dual
    value is ``⟨ν, d⟩ − ‖ν/w‖²/4``. Here ν = s·2w²⊙(d − Aa) with the s in [0, 1] that is best.
    """
    residual = w.ravel() * (image.ravel() - matrix @ a.ravel())
    nu = 2 * w.ravel() * residual
    slope = (matrix.T @ nu).reshape(a.shape) * mask
    worst = float(np.sqrt(((np.maximum(slope, 0) / xi[:, None, None]) ** 2).sum(axis=0)).max())
    linear, square = float(nu @ image.ravel()), float(residual @ residual)
    if linear <= 0 or square == 0:
        return 0.0
    s = min(1.0, lam / worst if worst > 0 else 1.0, linear / (2 * square))
    return s * linear - s**2 * square


def solve_interior_point(
    image: Array,
    matrix: Array,
    n_bins: int,
    lam: float,
    xi: Array | None = None,
    w: Array | None = None,
    mask: Array | None = None,
    accuracy: float = 1e-9,
) -> Array:
    """Solve problem (6) of Part II by a logarithmic barrier: -> a [K, H, W].

    The penalty becomes ``λ Σ_p s_p`` under the cone constraints ``‖ξ ⊙ a_p‖₂ ≤ s_p``, one per
    pixel p of the mask. For growing T, Newton's method minimises

        T (‖w ⊙ (A a − d)‖² + λ Σ s_p) − Σ log(s_p² − ‖ξ ⊙ a_p‖²) − Σ log a_kp,

    whose minimiser is within (number of barrier terms, cones counted twice) / T of the optimum
    (Boyd and Vandenberghe, Convex Optimization, section 11.6.2). The loop ends when this bound is
    `accuracy` times the objective at a = 0.
    """
    pixels = image.size
    xi = np.ones(n_bins) if xi is None else xi
    w = np.ones(image.shape) if w is None else w
    allowed = np.ones(pixels, bool) if mask is None else mask.ravel() > 0
    count = int(allowed.sum())
    active = (matrix * w.ravel()[:, None])[:, np.tile(allowed, n_bins)]  # [HW, K count]
    target = (w * image).ravel()
    maps, size = n_bins * count, n_bins * count + count  # unknowns: a (k, then p), then s
    squares = np.repeat(xi**2, count)
    gram, linear = 2 * active.T @ active, -2 * active.T @ target

    scale = max(float(image.max()), 1.0) / n_bins
    z = np.concatenate([np.full(maps, scale), np.full(count, 2 * scale * np.linalg.norm(xi) + 1)])

    def barrier(z: Array, weight: float) -> float:
        a, s = z[:maps], z[maps:]
        slack = s**2 - (squares * a**2).reshape(n_bins, count).sum(axis=0)
        if (a <= 0).any() or (s <= 0).any() or (slack <= 0).any():
            return math.inf
        cost = float(np.sum((active @ a - target) ** 2)) + lam * float(s.sum())
        return weight * cost - float(np.log(slack).sum()) - float(np.log(a).sum())

    def newton(z: Array, weight: float) -> tuple[Array, float]:
        a, s = z[:maps], z[maps:]
        slack = s**2 - (squares * a**2).reshape(n_bins, count).sum(axis=0)
        every = np.tile(1 / slack, n_bins)
        slope = np.concatenate(
            [
                weight * (gram @ a + linear) + 2 * squares * a * every - 1 / a,
                weight * lam - 2 * s / slack,
            ]
        )
        hessian = np.zeros((size, size))
        hessian[:maps, :maps] = weight * gram
        # d slack_p / d(a_p, s_p), [K + 1, count]; only the unknowns of one pixel meet in a cone.
        towards = np.vstack([(-2 * squares * a).reshape(n_bins, count), 2 * s[None, :]])
        curvature = np.append(-2 * xi**2, 2.0)
        p = np.arange(count)
        for i in range(n_bins + 1):
            for j in range(n_bins + 1):
                hessian[i * count + p, j * count + p] += towards[i] * towards[j] / slack**2
            hessian[i * count + p, i * count + p] -= curvature[i] / slack
        hessian[np.arange(maps), np.arange(maps)] += 1 / a**2
        # Scaling by the diagonal keeps the factorisation accurate when some unknowns go to zero.
        d = 1 / np.sqrt(np.diag(hessian))
        direction = -d * np.linalg.solve(hessian * d[:, None] * d[None, :], d * slope)
        return direction, float(-slope @ direction)

    terms = maps + 2 * count
    at_zero = float(np.sum(target**2))
    weight = terms / max(at_zero, 1e-300)
    while True:
        for _ in range(50):
            direction, decrement = newton(z, weight)
            length, here = 1.0, barrier(z, weight)
            while barrier(z + length * direction, weight) > here - 0.1 * length * decrement:
                length /= 2
                if length < 1e-12:  # rounding: the centre is reached
                    break
            else:
                z = z + length * direction
            if decrement < 1e-6 or length < 1e-12:
                break
        if terms / weight <= accuracy * at_zero:
            break
        weight *= 8
    a = np.zeros((n_bins, pixels))
    a[:, allowed] = z[:maps].reshape(n_bins, count)
    return a.reshape(n_bins, *image.shape)
