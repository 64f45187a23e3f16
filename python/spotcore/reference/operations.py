"""The operations of one model, as the drivers see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spotcore.reference._jit import Array
from spotcore.reference.data_fit import dual_residual, residual
from spotcore.reference.fista_step import fista_step
from spotcore.reference.normal_solve import normal_solve
from spotcore.reference.observation import adjoint, forward
from spotcore.reference.primal_dual_step import primal_dual_step
from spotcore.reference.separable_conv import Kernel

if TYPE_CHECKING:
    from spotcore.model.preconditioner import Preconditioner


class Operations:
    """Each method is the function of its name, with the model's kernels and preconditioner.

    The drivers see only this interface, as those in ``cpp/`` do: a test that wants to know what
    rounding does overrides a method.

    Parameters
    ----------
    kernels : sequence of K kernels
        The kernels g_k, as in `separable_conv`.
    preconditioner : Preconditioner, optional
        What `normal_solve` needs.
    """

    def __init__(
        self, kernels: Sequence[Kernel], preconditioner: Preconditioner | None = None
    ) -> None:
        self.kernels = kernels
        self.preconditioner = preconditioner

    @property
    def floor(self) -> float:
        """The smallest c that `normal_solve` is good for."""
        return self._preconditioner().floor

    def forward(self, a: Array) -> Array:
        """Compute ``A a``."""
        return forward(a, self.kernels)

    def adjoint(self, d: Array) -> Array:
        """Compute ``A* d``."""
        return adjoint(d, self.kernels)

    def fista_step(
        self,
        residual: Array,
        a: Array,
        a_prev: Array,
        mask: Array | None,
        step: float,
        alpha: float,
        gamma: float,
        xi: Array,
    ) -> tuple[Array, Array, float]:
        """Extrapolate, step against the gradient, and shrink."""
        return fista_step(residual, a, a_prev, mask, step, alpha, gamma, xi, self.kernels)

    def residual(
        self, Aa: Array, Aa_prev: Array, alpha: float, d: Array, w: Array | None
    ) -> tuple[Array, float]:
        """Compute the weighted residual at the extrapolated point, and the data term at a."""
        return residual(Aa, Aa_prev, alpha, d, w)

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
        """Step along ``A* ν``, shrink, and relax."""
        return primal_dual_step(nu, e, mask, step, relaxation, gamma, xi, self.kernels)

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
        """Step in the image that the data term sees, and compare it with the maps' image."""
        return dual_residual(nu, Az, d, w, step_y, relaxation, e_y, Ae)

    def normal_solve(self, r: Array, c: float, relaxation: float, x: Array) -> Array:
        """Add a multiple of ``(c + M)⁻¹ r`` to an image."""
        return normal_solve(r, c, relaxation, x, self._preconditioner())

    def _preconditioner(self) -> Preconditioner:
        if self.preconditioner is None:
            raise ValueError("preconditioner: expected one, as normal_solve needs it, got None")
        return self.preconditioner
