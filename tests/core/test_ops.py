"""Every operation on every backend against its float64 twin, for any number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
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
    background_ratio_bound,
    conv_bound,
    data_term_bound,
    dual_norm_bound,
    dual_residual_bound,
    fista_step_bound,
    forward_bound,
    gamma_n,
    magnitudes,
    normal_solve_bound,
    primal_dual_step_bound,
    relaxed_bound,
    residual_bound,
    shrink_bound,
)

THREADS = (1, 2, 3)


@cache
def kernels_of(case: Case | GaussianCase) -> list[Any]:
    return list(case.factors())


@cache
def preconditioner_of(case: Case | GaussianCase) -> Preconditioner:
    kernels = [k if isinstance(k, tuple) else SeparableKernel(f32(k)) for k in kernels_of(case)]
    return build(kernels, case.shape).scaled(1.25)


@dataclass(frozen=True)
class Inputs:
    """What the operations of one model are given; every value a float32 number.

    Attributes
    ----------
    case : Case or GaussianCase
        The model and the image's size.
    given : frozenset of str
        Which arguments are given of those that may be left out. The weights of the bins are all
        ones if left out.
    """

    case: Case | GaussianCase
    given: frozenset[str] = frozenset()

    step, alpha, gamma, relaxation, rho = 0.25, 0.75, 1.0, 1.75, 0.625

    @property
    def kernels(self) -> list[Any]:
        return kernels_of(self.case)

    @property
    def preconditioner(self) -> Preconditioner:
        return preconditioner_of(self.case)

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
    def e(self) -> Array | None:
        return self.case.maps(6) if "e" in self.given else None

    @property
    def gamma_z(self) -> float:
        """A threshold that some pixels of the primal-dual step's pass, and some do not."""
        if self.e is not None:
            return self.gamma
        v = reference.adjoint(self.nu, self.kernels)
        largest = reference.dual_norm(v, None, 0.0, None, np.ones(self.case.n_bins))
        return float(np.float32(self.step * largest / 2))

    @property
    def nu(self) -> Array:
        return self.case.image(7)

    @property
    def images(self) -> tuple[Array, Array, Array]:
        """Those of z, and of the relaxed y and z; or of two iterates."""
        return self.case.image(8), self.case.image(9), self.case.image(10)

    @property
    def v(self) -> Array:
        return self.case.maps(11)

    @property
    def h(self) -> Array:
        """Maps that are positive wherever v is, so that some multiple can be taken off v."""
        maps = self.case.maps(12)
        return np.where(self.v > 0, np.abs(maps), maps)

    @property
    def q(self) -> Array | None:
        return self.h if "q" in self.given else None

    @property
    def mask(self) -> Array | None:
        return self.case.mask() if "mask" in self.given else None

    @property
    def w(self) -> Array | None:
        """Weights of which about one in four is 0."""
        return np.abs(self.case.image(13)) * self.case.mask(14) if "w" in self.given else None

    @property
    def xi(self) -> Array:
        """All ones, or weights of which one in three is 0."""
        k = np.arange(self.case.n_bins)
        return single(0.3 + 0.4 * k) * (k % 3 != 1) if "xi" in self.given else np.ones(len(k))

    @property
    def c(self) -> list[float]:
        """From the smallest that the preconditioner is good for to its largest eigenvalue."""
        p = self.preconditioner
        return [float(np.float32(c)) for c in (p.floor, 100 * p.floor, p.eigenvalues.max())]

    def plan(self, threads: int) -> _core.Operations:
        return _core.Operations(
            f32_all(self.kernels),
            *self.case.shape,
            threads=threads,
            preconditioner=self.preconditioner,
        )


class Operation(NamedTuple):
    """One row of the table: three functions that return as many arrays or numbers, or None."""

    compiled: Callable[[Inputs, int], tuple[Any, ...]]  # given a number of threads
    twin: Callable[[Inputs], tuple[Any, ...]]
    bound: Callable[[Inputs], tuple[Any, ...]]
    optional: tuple[str, ...] = ()  # arguments that may be left out: every choice is tried

    def choices(self) -> list[frozenset[str]]:
        """What to give: from nothing to all."""
        sizes = range(len(self.optional) + 1)
        return [frozenset(c) for n in sizes for c in combinations(self.optional, n)]


def optional_f32(array: Array | None) -> Any:
    return None if array is None else f32(array)


def stepped_bounds(i: Inputs, a: Array, norms: float, bound: Array) -> tuple[Any, ...]:
    """Those of maps, each pixel's off by `bound` [H, W]; of their image; of the sum of norms.

    The pixels' errors pass through A. Each norm is off by max ξ times its pixel's bound; what
    remains is the sum, whose partial sums may be taken in float32 (32 terms deep), and which has no
    cancellation.
    """
    every = np.broadcast_to(bound, a.shape)
    image = reference.forward(np.ascontiguousarray(every), magnitudes(i.kernels))
    image += forward_bound(a + every, i.kernels)
    of_norms = i.xi.max() * bound.sum()
    return every, image, of_norms + gamma_n(32) * (norms + of_norms)


def fista_step_twin(i: Inputs) -> tuple[Any, ...]:
    return reference.fista_step(i.d, *i.a, i.mask, i.step, i.alpha, i.gamma, i.xi, i.kernels)


def fista_step_bounds(i: Inputs) -> tuple[Any, ...]:
    a_next, _, norms = fista_step_twin(i)
    bound = fista_step_bound(i.d, *i.a, i.mask, i.step, i.alpha, i.xi, i.kernels)
    return stepped_bounds(i, a_next, norms, bound)


def primal_dual_step_twin(i: Inputs) -> tuple[Any, ...]:
    return reference.primal_dual_step(
        i.nu, i.e, i.mask, i.step, i.relaxation, i.gamma_z, i.xi, i.kernels
    )


def primal_dual_step_bounds(i: Inputs) -> tuple[Any, ...]:
    """The shrinkage does not expand distances: a pixel's error is the norm of its input's, plus
    the shrinkage's own.
    """
    z, _, _, norms = primal_dual_step_twin(i)
    moved, shrunk = primal_dual_step_bound(i.nu, i.e, i.mask, i.step, i.kernels)
    bound = np.sqrt((moved**2).sum(axis=0)) + shrunk
    of_z, image, of_norms = stepped_bounds(i, z, norms, bound)
    of_e = None if i.e is None else relaxed_bound(i.e, z, of_z, i.relaxation)
    return of_z, of_e, image, of_norms


def dual_residual_twin(i: Inputs, relaxation: float) -> tuple[Any, ...]:
    Az, e_y, Ae = i.images
    return reference.dual_residual(i.nu, Az, i.d, i.w, i.step, relaxation, e_y, Ae)


def dual_residual_bounds(i: Inputs) -> tuple[Any, ...]:
    Az, e_y, Ae = i.images
    of_y, of_residual = dual_residual_bound(i.nu, Az, i.d, i.w, i.step, e_y, Ae)
    _, y, _, data_term = dual_residual_twin(i, 1.0)  # e_y + (y - e_y)
    return (
        of_residual,
        relaxed_bound(e_y, y, of_y, i.relaxation),
        relaxed_bound(Ae, Az, 0.0, i.relaxation),
        data_term_bound(data_term),
    )


def compiled_dual_residual(i: Inputs, threads: int) -> tuple[Any, ...]:
    Az, e_y, Ae = map(f32, i.images)
    return i.plan(threads).dual_residual(
        f32(i.nu), Az, f32(i.d), optional_f32(i.w), i.step, i.relaxation, e_y, Ae
    )


def residual_twin(i: Inputs) -> tuple[Any, ...]:
    return reference.residual(*i.images[:2], i.alpha, i.d, i.w)


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
        optional=("xi",),
    ),
    "fista_step": Operation(
        lambda i, threads: i.plan(threads).fista_step(
            *map(f32, (i.d, *i.a)), optional_f32(i.mask), i.step, i.alpha, i.gamma, f32(i.xi)
        ),
        fista_step_twin,
        fista_step_bounds,
        optional=("mask", "xi"),
    ),
    "primal_dual_step": Operation(
        lambda i, threads: i.plan(threads).primal_dual_step(
            f32(i.nu),
            optional_f32(i.e),
            optional_f32(i.mask),
            i.step,
            i.relaxation,
            i.gamma_z,
            f32(i.xi),
        ),
        primal_dual_step_twin,
        primal_dual_step_bounds,
        optional=("e", "mask", "xi"),
    ),
    "dual_residual": Operation(
        compiled_dual_residual,
        lambda i: dual_residual_twin(i, i.relaxation),
        dual_residual_bounds,
        optional=("w",),
    ),
    "normal_solve": Operation(
        lambda i, threads: tuple(map(i.plan(threads).normal_solve, [f32(i.d)] * 3, i.c)),
        lambda i: tuple(
            reference.normal_solve(i.d, c, 1.0, np.zeros(i.case.shape), i.preconditioner)
            for c in i.c
        ),
        lambda i: tuple(normal_solve_bound(i.d, c, i.preconditioner) for c in i.c),
    ),
    "residual": Operation(
        lambda i, threads: i.plan(threads).residual(
            *map(f32, i.images[:2]), i.alpha, f32(i.d), optional_f32(i.w)
        ),
        residual_twin,
        lambda i: (
            residual_bound(*i.images[:2], i.alpha, i.d, i.w),
            data_term_bound(residual_twin(i)[1]),
        ),
        optional=("w",),
    ),
    "background_ratio": Operation(
        lambda i, threads: (
            i.plan(threads).background_ratio(f32(i.v), f32(i.h), optional_f32(i.mask), f32(i.xi)),
        ),
        lambda i: (reference.background_ratio(i.v, i.h, i.mask, i.xi),),
        lambda i: (background_ratio_bound(reference.background_ratio(i.v, i.h, i.mask, i.xi)),),
        optional=("mask", "xi"),
    ),
    "dual_norm": Operation(
        lambda i, threads: (
            i.plan(threads).dual_norm(
                f32(i.v), optional_f32(i.q), i.rho, optional_f32(i.mask), f32(i.xi)
            ),
        ),
        lambda i: (reference.dual_norm(i.v, i.q, i.rho, i.mask, i.xi),),
        lambda i: (
            dual_norm_bound(reference.dual_norm(i.v, i.q, i.rho, i.mask, i.xi), i.case.n_bins),
        ),
        optional=("q", "mask", "xi"),
    ),
}


@cache
def exact(name: str, inputs: Inputs) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What the twin gives and how far off a backend may be: for all backends at once."""
    return OPERATIONS[name].twin(inputs), OPERATIONS[name].bound(inputs)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("case", [*CASES, *GAUSSIAN_CASES], ids=lambda c: c.name)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_its_twin(name: str, case: Case | GaussianCase) -> None:
    for given in OPERATIONS[name].choices():
        inputs = Inputs(case, given)
        runs = [OPERATIONS[name].compiled(inputs, threads) for threads in THREADS]
        for found, expected, bound in zip(runs[0], *exact(name, inputs), strict=True):
            if expected is None:
                assert found is None
                continue
            if isinstance(expected, float):
                assert math.isfinite(found)
            else:
                found = checked(found, expected.shape)
            assert np.all(np.abs(found - expected) <= bound)
        same_for_all_threads(runs)


@pytest.mark.parametrize("case", [*CASES, *GAUSSIAN_CASES], ids=lambda c: c.name)
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "normal_solve"])
def test_the_bounds_say_something(name: str, case: Case | GaussianCase) -> None:
    """They are small beside the results, though factors on coarse grids cancel.

    Those of `normal_solve` at the smallest c are not: little is left of r / c.
    """
    inputs = Inputs(case, OPERATIONS[name].choices()[-1])
    for expected, bound in zip(*exact(name, inputs), strict=True):
        if np.any(expected):  # a shrinkage leaves nothing of some single pixels
            assert np.mean(bound) <= 2e-3 * np.mean(np.abs(expected))
