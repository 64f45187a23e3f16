"""Brute-force float64 versions of what spotcore computes; imports nothing of spotcore.

Each one follows the definition rather than a formula derived from it, or a different algorithm:
sums over all pixels for convolutions, quadrature for kernels, a general-purpose minimiser for the
proximal operator, an interior-point method (which knows no proximal operator) for the whole
problem. They are slow, and right for inputs of a few hundred numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import scipy.optimize
import scipy.sparse.csgraph
from numpy.typing import NDArray

Array = NDArray[np.float64]


# --- Kernels -----------------------------------------------------------------------------------


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def omega(sigma: float, m: int) -> float:
    """Integrate the 1-D Gaussian over the source pixel and over the sensor pixel around m.

    The double integral over two unit pixels is a single one against the triangle that is the
    distribution of the difference of two uniform positions; it is cut at the triangle's kinks.
    """
    total = 0.0
    for low, high in ((-1.0, 0.0), (0.0, 1.0)):
        x = low + (high - low) * (_NODES + 1) / 2
        gauss = np.exp(-((m + x) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        total += float(np.sum(_WEIGHTS * (1 - np.abs(x)) * gauss)) * (high - low) / 2
    return total


def gaussian_kernel(sigma_low: float, sigma_high: float, panels: int = 64) -> Array:
    """Compute g_k of MODEL.md, section 2, by Simpson's rule over σ: [L, L], L = 2⌈3σ_k⌉ + 1."""
    half = math.ceil(3 * sigma_high)
    grid = np.linspace(sigma_low, sigma_high, 2 * panels + 1)
    weight = np.ones(grid.size)
    weight[1:-1:2], weight[2:-1:2] = 4, 2
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    for sigma, c in zip(grid, weight, strict=True):
        profile = np.array([omega(sigma, m) for m in range(half + 1)])
        row = np.concatenate([profile[:0:-1], profile])
        kernel += c * np.outer(row, row)
    step = (sigma_high - sigma_low) / (2 * panels)
    integral: Array = kernel * step / 3
    return integral / math.sqrt(sigma_high - sigma_low)


def kernel_of(factors: Array) -> Array:
    """Compute ``g[m, n] = Σ_r f_r(m) f_r(n)``: [R, L] -> [L, L]."""
    length = factors.shape[1]
    kernel = np.zeros((length, length))
    for factor in factors:
        for m in range(length):
            for n in range(length):
                kernel[m, n] += factor[m] * factor[n]
    return kernel


# --- Observation model -------------------------------------------------------------------------


def convolve(image: Array, kernel: Array) -> Array:
    """Compute ``Σ_{u,v} g[u, v] x[y − u, x − v]``, zeros outside: [H, W] and [L, L] -> [H, W]."""
    height, width = image.shape
    half = kernel.shape[0] // 2
    padded = np.pad(image, half)
    out = np.zeros((height, width))
    for u in range(-half, half + 1):
        for v in range(-half, half + 1):
            window = padded[half - u : half - u + height, half - v : half - v + width]
            out += kernel[half + u, half + v] * window
    return out


def forward(a: Array, kernels: Sequence[Array]) -> Array:
    """Compute A a: [K, H, W] -> [H, W]."""
    total = np.zeros(a.shape[1:])
    for a_k, kernel in zip(a, kernels, strict=True):
        total += convolve(a_k, kernel)
    return total


def dense_matrix(kernels: Sequence[Array], shape: tuple[int, int]) -> Array:
    """Write A as a matrix, ``A[p, (k, q)] = g_k[p − q]`` for pixels p and q: [HW, KHW]."""
    y, x = np.indices(shape).reshape(2, -1)
    dy, dx = y[:, None] - y[None, :], x[:, None] - x[None, :]
    blocks = []
    for kernel in kernels:
        half = kernel.shape[0] // 2
        inside = (np.abs(dy) <= half) & (np.abs(dx) <= half)
        taps = kernel[np.clip(half + dy, 0, 2 * half), np.clip(half + dx, 0, 2 * half)]
        blocks.append(np.where(inside, taps, 0.0))
    return np.hstack(blocks)


def norm_squared(matrix: Array) -> float:
    """Compute ‖A‖², the largest eigenvalue of the dense A Aᵀ."""
    return float(np.linalg.eigvalsh(matrix @ matrix.T)[-1])


# --- Group shrinkage ---------------------------------------------------------------------------


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


# --- Local maxima ------------------------------------------------------------------------------


def local_maxima(score: Array) -> tuple[NDArray[np.int64], Array]:
    """Find the regional maxima by labelling the plateaus of each value in turn."""
    eight = np.ones((3, 3), dtype=bool)
    found = []
    for value in np.unique(score[score > 0]):
        labels, count = scipy.ndimage.label(score == value, structure=eight)
        for label in range(1, count + 1):
            plateau = labels == label
            around = scipy.ndimage.binary_dilation(plateau, structure=eight)
            if score[around].max() == value:
                y, x = np.argwhere(plateau)[0]
                found.append((-value, y, x))
    found.sort()
    yx = np.array([(y, x) for _, y, x in found], dtype=np.int64).reshape(-1, 2)
    return yx, np.array([-value for value, _, _ in found], dtype=np.float64)


# --- An image as a landscape --------------------------------------------------------------------


def climb(landscape: Array) -> NDArray[np.int64]:
    """Let each pixel take the value of the highest neighbour's summit, until nothing changes."""
    h, w = landscape.shape
    own = np.arange(h * w).reshape(h, w)
    near = np.pad(landscape, 1, constant_values=-np.inf)
    index = np.pad(own, 1)
    # The pixel itself before its neighbours in raster order: argmax takes the first.
    places = [(1, 1)] + [(dy, dx) for dy in range(3) for dx in range(3) if (dy, dx) != (1, 1)]
    heights = np.stack([near[dy : dy + h, dx : dx + w] for dy, dx in places])
    indices = np.stack([index[dy : dy + h, dx : dx + w] for dy, dx in places])
    summit = np.take_along_axis(indices, heights.argmax(axis=0)[None], axis=0)[0]
    while True:
        further = summit.reshape(-1)[summit]
        if np.array_equal(summit, further):
            return summit
        summit = further


def watershed(
    landscape: Array, marks: NDArray[np.int64], used: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Cut SciPy's minimum spanning tree of all used pixels and one that stands for all marks."""
    size = int(used.sum())
    number = np.full(used.shape, -1)
    number[used] = np.arange(size)
    ends = []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        h, w = used.shape
        here = number[: h - dy, max(-dx, 0) : w - max(dx, 0)]
        there = number[dy:, max(dx, 0) : w + min(dx, 0)]
        both = (here >= 0) & (there >= 0)
        ends.append(np.stack([here[both], there[both]]))
    p, q = np.concatenate(ends, axis=1)
    rank = np.empty(size)
    rank[np.argsort(landscape[used], kind="stable")] = np.arange(size)
    low, high = np.minimum(rank[p], rank[q]), np.maximum(rank[p], rank[q])
    weight = (size - low) * size + (size - high) + 1.0  # SciPy takes 0 for no edge
    roots = number.reshape(-1)[marks]
    graph = scipy.sparse.coo_array(
        (
            np.concatenate([weight, np.full(len(roots), 0.5)]),
            (np.concatenate([p, roots]), np.concatenate([q, np.full(len(roots), size)])),
        ),
        shape=(size + 1, size + 1),
    ).tocsr()
    forest = scipy.sparse.csgraph.minimum_spanning_tree(graph)[:size, :size]
    _, tree = scipy.sparse.csgraph.connected_components(forest, directed=False)
    mark_of = np.zeros(tree.max() + 1, np.int32)
    mark_of[tree[roots]] = np.arange(1, len(roots) + 1)
    owner = np.zeros(used.shape, np.int32)
    owner[used] = mark_of[tree]
    return owner


# --- The whole problem -------------------------------------------------------------------------


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
    """Bound the optimum from below by the scaled residual at a (MODEL.md, section 3); ξ > 0.

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
    """Solve the problem of MODEL.md, section 3, by a logarithmic barrier: -> a [K, H, W].

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


# --- Networks ----------------------------------------------------------------------------------


def correlate(maps: Array, kernels: Array) -> Array:
    """Sum ``g[k, c, u, v] x[c, y + u, x + v]``, zeros outside: [C, H, W] -> [K, H, W]."""
    height, width = maps.shape[1:]
    half = kernels.shape[-1] // 2
    padded = np.pad(maps, ((0, 0), (half, half), (half, half)))
    out = np.zeros((len(kernels), height, width))
    for u in range(2 * half + 1):
        for v in range(2 * half + 1):
            window = padded[:, u : u + height, v : v + width]
            out += np.tensordot(kernels[:, :, u, v], window, axes=1)
    return out


def nonlinearity(x: Array, b: float, kind: str) -> Array:
    """Apply a non-linearity of SpotNet to maps [K, H, W], pixel by pixel."""
    out = np.zeros(x.shape)
    for m in range(x.shape[1]):
        for n in range(x.shape[2]):
            v = x[:, m, n]
            if kind == "soft":
                out[:, m, n] = np.sign(v) * np.maximum(np.abs(v) - b, 0)
            elif kind == "nonneg":
                out[:, m, n] = np.maximum(v - b, 0)
            elif kind == "shifted_abs":
                out[:, m, n] = np.abs(v + b)
            else:
                positive = np.maximum(v, 0)
                norm = math.sqrt(float(positive @ positive))
                out[:, m, n] = positive * max(1 - b / norm, 0) if norm > 0 else 0
    return out


def spotnet(
    image: Array,
    analysis: Array,
    synthesis: Array,
    bias: Array,
    alpha: Array,
    kind: str,
) -> Array:
    """Run SpotNet as printed: [H, W] -> x_L, [K, H, W]."""
    x = nonlinearity(correlate(image[None], analysis[0][:, None]), bias[0], kind)
    z = (1 + alpha[0]) * x
    for layer in range(1, len(analysis)):
        u = correlate(z, synthesis[layer - 1][None]) - image
        previous, x = x, nonlinearity(z - correlate(u, analysis[layer][:, None]), bias[layer], kind)
        if layer < len(alpha):
            z = x + alpha[layer] * (x - previous)
    return x


def convnet(image: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    """Run full and depthwise layers (kernels, bias), each with a ReLU: [H, W] -> [K, H, W]."""
    x = image[None]
    for kernels, bias in layers:
        if kernels.shape[1] == len(x):
            y = correlate(x, kernels)
        else:
            of_each = len(kernels) // len(x)
            parts = [correlate(x[k // of_each][None], g[None]) for k, g in enumerate(kernels)]
            y = np.concatenate(parts)
        x = np.maximum(y + bias[:, None, None], 0)
    return x
