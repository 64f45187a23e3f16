"""A deconvolution problem that is small enough to solve to the end, and its solution."""

from __future__ import annotations

import math
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import numpy as np

import spotcore as sc
from spotcore import reference
from support import oracles
from support.cases import single
from support.single_precision import gamma_n


class SmallProblem:
    """Three cells on a 9x8 image seen through three Gaussian bins; every value a float32 number.

    Parameters
    ----------
    setting : {"plain", "weighted"}
        "plain" leaves w, μ and ξ at 1 and starts at 0. "weighted" draws them, with pixels of
        w = 0, pixels of μ = 0 and one bin outside ℵ, and starts anywhere, below 0 as well.
    """

    SIGMA_LIMITS = (0.6, 1.3, 2.0, 2.7)

    def __init__(self, setting: str) -> None:
        rng = np.random.default_rng(8)
        self.shape, self.n_bins, self.lam = (9, 8), 3, 0.5
        self.factors = _factors()
        kernels = [oracles.kernel_of(f) for f in self.factors]
        self.matrix = oracles.dense_matrix(kernels, self.shape)
        truth = np.zeros((self.n_bins, *self.shape))
        for y, x in ((2, 2), (6, 5), (4, 7)):
            truth[:, y, x] = rng.uniform(1, 6, self.n_bins)
        clean = (self.matrix @ truth.ravel()).reshape(self.shape)
        self.image = single(clean + 0.05 * rng.normal(size=self.shape))
        self.xi, self.w, self.mask = np.ones(3), np.ones(self.shape), np.ones(self.shape)
        self.initial = np.zeros((self.n_bins, *self.shape))
        if setting == "weighted":
            self.xi = single(np.array([0.6, 1.5, 0.0]))
            self.w = single(rng.uniform(0.2, 1.3, self.shape) * (rng.random(self.shape) < 0.9))
            self.mask = (rng.random(self.shape) < 0.8).astype(np.float64)
            self.initial = single(rng.uniform(-1, 2, self.initial.shape))

    @cached_property
    def solution(self) -> oracles.Array:
        """What the interior-point method finds, [K, H, W]; see `accuracy`."""
        return oracles.solve_interior_point(
            self.image, self.matrix, self.n_bins, self.lam, self.xi, self.w, self.mask
        )

    @property
    def optimum(self) -> float:
        """The objective at `solution`: above the true optimum, by `accuracy` at most."""
        return sum(self.objective(self.solution))

    @property
    def accuracy(self) -> float:
        """The interior-point method stops when it is this near to the optimum."""
        return 1e-9 * float(np.sum((self.w * self.image) ** 2))

    def objective(self, a: oracles.Array) -> tuple[float, float]:
        """Compute the data term and the penalty at a [K, H, W], in float64."""
        return oracles.objective(a, self.image, self.matrix, self.lam, self.xi, self.w)

    @property
    def model(self) -> sc.ObservationModel:
        """The same kernels in spotcore."""
        return sc.ObservationModel(self.SIGMA_LIMITS, self.factors)

    def certified_rounding(self, result: sc.Result) -> float:
        """Bound how far rounding can move the gap's lower bound, relative to the objective.

        The dual value ``s ⟨ν, d⟩ − s² ‖ν/w‖²/4`` moves with ν, which A a's rounding moves, and
        with s, which is as accurate as the sums of A* ν, γ_n relative to them.
        """
        a = result.a.astype(np.float64)
        size = reference.forward(np.abs(a), self.factors) + np.abs(self.image)
        linear = 2 * float(np.sum(self.w**2 * size * np.abs(self.image)))
        n = 4 * max(f.shape[1] for f in self.factors) + 20
        return gamma_n(n) * linear / result.objective

    def solve(self, **options: Any) -> sc.Result:
        """Run `max_iter` iterations, FISTA's unless the options say otherwise."""
        arguments = {
            "lam": self.lam,
            "method": "fista",
            "w": self.w,
            "mask": self.mask,
            "xi": self.xi,
            "initial": self.initial,
            "tol": 0,
            "threads": 1,  # 72 pixels: handing them to threads takes longer than they do
        }
        result = sc.solve(self.image, self.model, **(arguments | options))
        assert np.isfinite(result.a).all()
        assert np.isfinite(result.score).all()
        assert math.isfinite(result.objective)
        assert math.isfinite(result.gap)
        return result


@cache
def small_problem(setting: str) -> SmallProblem:
    """Share one problem per setting among the tests, which must not change it."""
    return SmallProblem(setting)


@cache
def _factors() -> list[oracles.Array]:
    bins = pairwise(SmallProblem.SIGMA_LIMITS)
    kernels = [oracles.gaussian_kernel(low, high, panels=8) for low, high in bins]
    return [single(_split(kernel)) for kernel in kernels]


def _split(kernel: oracles.Array, rank: int = 3) -> oracles.Array:
    """Approximate a kernel by ``Σ_r f_r f_rᵀ`` from its leading eigenvectors: [rank, L]."""
    values, vectors = np.linalg.eigh(kernel)
    factors = (vectors * np.sqrt(np.maximum(values, 0)))[:, -rank:].T
    return np.ascontiguousarray(factors + factors[:, ::-1]) / 2  # symmetric to the last bit
