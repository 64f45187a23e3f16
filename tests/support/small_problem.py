"""Deconvolution problems that are small enough for float64, one also to be solved to the end."""

from __future__ import annotations

import math
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import numpy as np

import spotcore as sc
from spotcore import reference
from spotcore.model.preconditioner import Preconditioner
from support import oracles
from support.cases import single
from support.preconditioners import preconditioner_of
from support.single_precision import gamma_n


class Problem:
    """An image, its model, and what else `solve` is given; every value a float32 number.

    Attributes
    ----------
    image, w, mask : ndarray of float64, [H, W]
    xi : ndarray of float64, [K]
    lam : float
    initial : ndarray of float64, [K, H, W]
        Where solvers start that are not told otherwise.
    model : ObservationModel
    """

    image: oracles.Array
    xi: oracles.Array
    w: oracles.Array
    mask: oracles.Array
    initial: oracles.Array
    model: sc.ObservationModel
    lam: float

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.image.shape
        return height, width

    @property
    def kernels(self) -> tuple[reference.Kernel, ...]:
        """The model's, as the reference takes them."""
        return self.model.kernels

    @property
    def preconditioner(self) -> Preconditioner:
        """What `solve` uses."""
        return preconditioner_of(self.model, self.shape)

    @property
    def stated(self) -> reference.Problem:
        """The same problem for the reference."""
        return reference.Problem(self.image, self.lam, self.xi, self.w, self.mask)

    def objective(self, a: oracles.Array) -> tuple[float, float]:
        """Compute the data term and the penalty at a [K, H, W], in float64."""
        residual = self.w * (reference.forward(a, self.kernels) - self.image)
        return float(np.sum(residual**2)), self.lam * float(reference.group_norms(a, self.xi).sum())

    def certified_rounding(self, result: sc.Result) -> float:
        """Bound how far rounding can move the gap's lower bound, relative to the objective.

        The dual value ``s ⟨ν, d⟩ − s² ‖ν/w‖²/4`` moves with ν, which A a's rounding moves, and
        with s, which is as accurate as the sums of A* ν, γ_n relative to them.
        """
        a = result.a.astype(np.float64)
        size = reference.forward(np.abs(a), self.kernels) + np.abs(self.image)
        linear = 2 * float(np.sum(self.w**2 * size * np.abs(self.image)))
        n = 4 * max(k.factors.shape[1] for k in self.model.kernels) + 20
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
            "threads": 1,  # a few pixels: handing them to threads takes longer than they do
        }
        result = sc.solve(self.image, self.model, **(arguments | options))
        assert np.isfinite(result.a).all()
        assert np.isfinite(result.score).all()
        assert math.isfinite(result.objective)
        assert math.isfinite(result.gap)
        return result


class SmallProblem(Problem):
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
        self.n_bins, self.lam, shape = 3, 0.5, (9, 8)
        self.factors = _factors()
        self.model = sc.ObservationModel(self.SIGMA_LIMITS, self.factors)
        kernels = [oracles.kernel_of(f) for f in self.factors]
        self.matrix = oracles.dense_matrix(kernels, shape)
        truth = np.zeros((self.n_bins, *shape))
        for y, x in ((2, 2), (6, 5), (4, 7)):
            truth[:, y, x] = rng.uniform(1, 6, self.n_bins)
        clean = (self.matrix @ truth.ravel()).reshape(shape)
        self.image = single(clean + 0.05 * rng.normal(size=shape))
        self.xi, self.w, self.mask = np.ones(3), np.ones(shape), np.ones(shape)
        self.initial = np.zeros((self.n_bins, *shape))
        if setting == "weighted":
            self.xi = single(np.array([0.6, 1.5, 0.0]))
            self.w = single(rng.uniform(0.2, 1.3, shape) * (rng.random(shape) < 0.9))
            self.mask = (rng.random(shape) < 0.8).astype(np.float64)
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


class DefaultProblem(Problem):
    """A few cells through the kernels of the default model, most of them on coarser grids.

    Parameters
    ----------
    setting : {"plain", "weighted"}
        As of `SmallProblem`, but for the start, which is near the answer. The certificate of the
        plain one needs its repairs.
    """

    def __init__(self, setting: str) -> None:
        rng = np.random.default_rng(1)
        weighted = setting == "weighted"
        limits, shape = (
            ((0.8, 2.3, 5.0, 11.0), (29, 34)) if weighted else ((2.3, 5.0, 9.0, 13.0), (40, 44))
        )
        self.model, self.lam = sc.ObservationModel.gaussian(limits), 0.5
        share = 0.02 if weighted else 8 / math.prod(shape)
        truth = 300 * rng.random((3, *shape)) * (rng.random(shape) < share)
        noise = rng.normal(size=shape)
        self.image = single(self.model.forward(truth) + (10 * noise if weighted else noise))
        self.xi, self.w, self.mask = np.ones(3), np.ones(shape), np.ones(shape)
        if weighted:
            self.xi = single(np.array([1.0, 0.7, 0.0]))
            self.w = single(rng.uniform(0.2, 1.3, shape) * (rng.random(shape) < 0.9))
            self.mask = (rng.random(shape) < 0.8).astype(np.float64)
        self.initial = single(truth + rng.uniform(-1, 1, truth.shape))


PROBLEMS = ("plain", "weighted", "default-plain", "default-weighted")


@cache
def problem_of(name: str) -> Problem:
    """Share one problem per name among the tests, which must not change it."""
    kind, _, setting = name.rpartition("-")
    return DefaultProblem(setting) if kind else small_problem(setting)


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
