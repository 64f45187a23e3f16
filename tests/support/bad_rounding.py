"""The operations of the reference with bad luck in every rounding: what a driver makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spotcore import reference
from spotcore.model.preconditioner import Preconditioner
from support.compiled import Array
from support.single_precision import (
    adjoint_bound,
    dual_residual_bound,
    forward_bound,
    normal_solve_operations,
    primal_dual_step_bound,
    probable,
)


class BadlyRounded(reference.Operations):
    """Each result is off by what it may probably be off in float32, up or down at random."""

    def __init__(
        self, kernels: Sequence[reference.Kernel], preconditioner: Preconditioner, seed: int
    ) -> None:
        super().__init__(kernels, preconditioner)
        self._rng = np.random.default_rng(seed)

    def _bad(self, value: Array, bound: Array) -> Array:
        return value + bound * self._rng.choice([-1.0, 1.0], value.shape)

    def forward(self, a: Array) -> Array:
        return self._bad(super().forward(a), forward_bound(a, self.kernels, probable))

    def adjoint(self, d: Array) -> Array:
        return self._bad(super().adjoint(d), adjoint_bound(d, self.kernels, probable))

    def primal_dual_step(
        self,
        nu: Array,
        e: Array | None,
        mask: Array | None,
        step: float,
        relaxation: float,
        gamma: float,
        xi: Array,
    ) -> tuple[Array, Array | None, Array, float]:
        z, _, _, _ = super().primal_dual_step(nu, e, mask, step, relaxation, gamma, xi)
        moved, shrunk = primal_dual_step_bound(nu, e, mask, step, self.kernels, probable)
        z = self._bad(z, (moved + shrunk) * (z > 0))
        if e is not None:
            size = np.abs(z) + np.abs(e)
            e = self._bad(e + relaxation * (z - e), probable(3) * size)
        return z, e, self.forward(z), float(reference.group_norms(z, xi).sum())

    def dual_residual(
        self,
        nu: Array,
        Az: Array,
        d: Array,
        w: Array | None,
        step_y: float,
        relaxation: float,
        e_y: Array,
        Ae: Array,
    ) -> tuple[Array, Array, Array, float]:
        of_y, of_residual = dual_residual_bound(nu, Az, d, w, step_y, e_y, Ae, probable)
        exact = super().dual_residual(nu, Az, d, w, step_y, relaxation, e_y, Ae)
        residual, e_y, Ae, data_term = exact
        return self._bad(residual, of_residual), self._bad(e_y, relaxation * of_y), Ae, data_term

    def normal_solve(self, r: Array, c: float, relaxation: float, x: Array) -> Array:
        """In its two halves: what is wrong with a coefficient spreads over the image."""
        p = self._preconditioner()
        rows, columns = reference.basis(p, (r.shape[0], r.shape[1]))
        n = normal_solve_operations(p, r.shape) // 2
        size = np.abs(rows.T) @ np.abs(r) @ np.abs(columns)
        known = self._bad(rows.T @ r @ columns, probable(n) * size)
        known *= p.eigenvalues / (c * (c + p.eigenvalues.astype(np.float64)))
        share = relaxation / p.scale
        size = np.abs(r) / c + np.abs(rows) @ np.abs(known) @ np.abs(columns.T)
        bound = probable(n) * np.abs(share) * size + probable(2) * np.abs(x)
        return self._bad(x + share * (r / c - rows @ known @ columns.T), bound)
