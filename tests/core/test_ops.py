"""Every operation on every backend against its float64 twin, for any number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import pytest

from spotcore import _core, reference
from spotcore.model.kernels import SeparableKernel
from spotcore.model.preconditioner import Preconditioner, build
from support.cases import CASES, GAUSSIAN_CASES, Case, GaussianCase, single
from support.compiled import Array, checked, f32, f32_all, same_for_all_threads
from support.single_precision import (
    adjoint_bound,
    conv_bound,
    fista_step_bound,
    forward_bound,
    gamma_n,
    magnitudes,
    normal_solve_bound,
    shrink_bound,
)

THREADS = (1, 2, 3)


@dataclass(frozen=True)
class Inputs:
    """What the operations of one model are given, with optional arguments or without them."""

    case: Case | GaussianCase
    optional: bool

    step, alpha, gamma = 0.25, 0.75, 1.0

    @cached_property
    def kernels(self) -> list[Any]:
        return list(self.case.factors())

    @cached_property
    def preconditioner(self) -> Preconditioner:
        kernels = [k if isinstance(k, tuple) else SeparableKernel(f32(k)) for k in self.kernels]
        return build(kernels, self.case.shape).scaled(1.25)

    @property
    def x(self) -> Array:
        return self.case.maps()

    @property
    def d(self) -> Array:
        return self.case.image()

    @property
    def a(self) -> tuple[Array, Array]:
        return np.maximum(self.case.maps(4), 0), np.maximum(self.case.maps(5), 0)

    @property
    def mask(self) -> Array | None:
        return self.case.mask() if self.optional else None

    @property
    def xi(self) -> Array:
        """All ones, or weights of which one in three is 0."""
        k = np.arange(self.case.n_bins)
        return single(0.3 + 0.4 * k) * (k % 3 != 1) if self.optional else np.ones(len(k))

    @property
    def c(self) -> list[float]:
        """From the smallest that the preconditioner is good for to its largest eigenvalue."""
        p = self.preconditioner
        return [float(np.float32(c)) for c in (p.floor, 100 * p.floor, p.eigenvalues.max())]

    def plan(self, threads: int) -> _core.Observation:
        return _core.Observation(
            f32_all(self.kernels),
            *self.case.shape,
            threads=threads,
            preconditioner=self.preconditioner,
        )


class Operation(NamedTuple):
    """One row of the table: three functions that return as many arrays or numbers."""

    compiled: Callable[[Inputs, int], tuple[Any, ...]]  # given a number of threads
    twin: Callable[[Inputs], tuple[Any, ...]]
    bound: Callable[[Inputs], tuple[Any, ...]]


def optional_f32(array: Array | None) -> Any:
    return None if array is None else f32(array)


def fista_step_twin(i: Inputs) -> tuple[Any, ...]:
    return reference.fista_step(i.d, *i.a, i.mask, i.step, i.alpha, i.gamma, i.xi, i.kernels)


def fista_step_bounds(i: Inputs) -> tuple[Any, ...]:
    """Those of a⁺; of its image, where the pixels' errors pass through A; of the sum of norms.

    Each norm is off by max ξ times its pixel's bound; what remains is the sum, whose partial sums
    may be taken in float32 (32 terms deep), and which has no cancellation.
    """
    a_next, _, norms = fista_step_twin(i)
    bound = fista_step_bound(i.d, *i.a, i.mask, i.step, i.alpha, i.xi, i.kernels)
    every = np.broadcast_to(bound, a_next.shape)
    image = reference.forward(np.ascontiguousarray(every), magnitudes(i.kernels))
    image += forward_bound(a_next + every, i.kernels)
    return every, image, i.xi.max() * bound.sum() + gamma_n(32) * norms


OPERATIONS = {
    "separable_conv": Operation(
        lambda i, threads: (_core.separable_conv(f32(i.x), f32_all(i.kernels), threads=threads),),
        lambda i: (reference.separable_conv(i.x, i.kernels),),
        lambda i: (conv_bound(i.x, i.kernels),),
    ),
    "forward": Operation(
        lambda i, threads: (i.plan(threads).forward(f32(i.x)),),
        lambda i: (reference.forward(i.x, i.kernels),),
        lambda i: (forward_bound(i.x, i.kernels),),
    ),
    "adjoint": Operation(
        lambda i, threads: (i.plan(threads).adjoint(f32(i.d)),),
        lambda i: (reference.adjoint(i.d, i.kernels),),
        lambda i: (adjoint_bound(i.d, i.kernels),),
    ),
    "group_shrink": Operation(
        lambda i, threads: (_core.group_shrink(f32(i.x), i.gamma, f32(i.xi), threads=threads),),
        lambda i: (reference.group_shrink(i.x, i.gamma, i.xi),),
        lambda i: (np.broadcast_to(shrink_bound(i.x), i.x.shape),),
    ),
    "fista_step": Operation(
        lambda i, threads: i.plan(threads).fista_step(
            *map(f32, (i.d, *i.a)), optional_f32(i.mask), i.step, i.alpha, i.gamma, f32(i.xi)
        ),
        fista_step_twin,
        fista_step_bounds,
    ),
    "normal_solve": Operation(
        lambda i, threads: tuple(map(i.plan(threads).normal_solve, [f32(i.d)] * 3, i.c)),
        lambda i: tuple(
            reference.normal_solve(i.d, c, 1.0, np.zeros(i.case.shape), i.preconditioner)
            for c in i.c
        ),
        lambda i: tuple(normal_solve_bound(i.d, c, i.preconditioner) for c in i.c),
    ),
}
TAKES_OPTIONAL = ("group_shrink", "fista_step")  # a mask, or weights of the bins


@cache
def exact(name: str, inputs: Inputs) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What the twin gives and how far off a backend may be: for all backends at once."""
    return OPERATIONS[name].twin(inputs), OPERATIONS[name].bound(inputs)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("case", [*CASES, *GAUSSIAN_CASES], ids=lambda c: c.name)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_its_twin(name: str, case: Case | GaussianCase) -> None:
    for optional in (False, True) if name in TAKES_OPTIONAL else (False,):
        inputs = Inputs(case, optional)
        runs = [OPERATIONS[name].compiled(inputs, threads) for threads in THREADS]
        for found, expected, bound in zip(runs[0], *exact(name, inputs), strict=True):
            if isinstance(expected, float):
                assert math.isfinite(found)
            else:
                found = checked(found, expected.shape)
            assert np.all(np.abs(found - expected) <= bound)
        same_for_all_threads(runs)


@pytest.mark.parametrize("case", [*CASES, *GAUSSIAN_CASES], ids=lambda c: c.name)
def test_the_bounds_say_something(case: Case | GaussianCase) -> None:
    """They are small beside what the kernels give, though factors on coarse grids cancel."""
    inputs = Inputs(case, True)
    for name in ("separable_conv", "forward", "adjoint"):
        for expected, bound in zip(*exact(name, inputs), strict=True):
            assert np.mean(bound) <= 2e-3 * np.mean(np.abs(expected))
