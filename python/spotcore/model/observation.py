"""The discrete observation model: from what cells secreted to the image, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from spotcore import _core
from spotcore._arrays import as_image, as_number, as_real, as_shape, as_sigma_limits, as_stack
from spotcore._backends import as_threads, one_blas_thread
from spotcore.model.decimation import KERNEL_TOL, multiscale_kernels
from spotcore.model.kernels import SeparableKernel, separable_factors
from spotcore.model.preconditioner import Preconditioner, build, fits

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ObservationModel"]

# The power iteration finds the ratio from below.
_RATIO_ITERATIONS = 30
_RATIO_MARGIN = 1.1


class ObservationModel:
    """Linear model ``d = A a = sum_k g_k (*) a_k`` of a well's image.

    ``(*)`` is the same-size convolution with zeros outside the image, and ``a`` [K, H, W] the post
    adsorption-desorption source density: how much arrived on the membrane after diffusing by a
    ``sigma`` in bin ``k``, per pixel of origin.

    Parameters
    ----------
    sigma_limits : array_like, shape [K + 1]
        Limits of the sigma bins in pixels, increasing.
    factors : sequence of array_like, shape [R_k, L_k], or of SeparableKernel
        Symmetric separable factors of the kernels, ``g_k = sum_r outer(f_r, f_r)``; ``L_k`` odd.

    Attributes
    ----------
    sigma_limits : ndarray, shape [K + 1]
    widths : ndarray, shape [K]
        ``Delta_k = sigma_k - sigma_{k-1}`` in pixels.
    kernels : tuple of SeparableKernel
        Factors of each bin and the grid that they are on.

    Notes
    -----
    The model holds no threads, and per image size only what a solve prepares (a step, the factors
    of a preconditioner). Threads can share it: two that come first prepare the same thing twice.

    References
    ----------
    del Aguila Pla and Jalden, IEEE TSP 66(20), 2018 (Part II), equation (6).
    """

    def __init__(
        self, sigma_limits: ArrayLike, factors: Sequence[ArrayLike | SeparableKernel]
    ) -> None:
        self.sigma_limits = as_sigma_limits(sigma_limits)
        self.widths: NDArray[np.float64] = np.diff(self.sigma_limits)
        self.kernels = tuple(
            f
            if isinstance(f, SeparableKernel)
            else SeparableKernel(as_real(f, f"factors[{k}]", "[R, L]", 2))
            for k, f in enumerate(factors)
        )
        if len(self.kernels) != len(self.widths):
            raise ValueError(
                f"factors: expected one kernel per sigma bin ({len(self.widths)}), "
                f"got {len(self.kernels)}"
            )
        # Also checks the factors: odd lengths, symmetric, not all zero.
        self._norm_squared_bound: float = _core.norm_squared_bound(self.kernels)
        self._safe_steps: dict[tuple[int, int], float] = {}
        self._preconditioners: dict[tuple[int, int], Preconditioner] = {}

    @classmethod
    def gaussian(
        cls, sigma_limits: ArrayLike, rank: int | None = None, *, tol: float = KERNEL_TOL
    ) -> Self:
        """Model of free diffusion: doubly integrated Gaussians over bins of sigma.

        Parameters
        ----------
        sigma_limits : array_like, shape [K + 1]
            Limits of the sigma bins in pixels, increasing, the first one >= 0.
        rank : int, optional
            Separable factors per kernel, all on the image's own grid; 1 is the papers'
            approximation, off by up to 2 %. The default computes each kernel on the coarsest grid
            that it can be computed on and takes as many factors as it needs: the operator is then
            good to 1e-4, and several times faster than with rank 1.
        tol : float
            What each of these may cost, relative to the kernel: its grid, its length, its factors.
            A larger one is faster.
        """
        if rank is not None:
            return cls(sigma_limits, separable_factors(sigma_limits, rank))
        limits = as_sigma_limits(sigma_limits)
        tol = as_number(tol, "tol", minimum=0.0, strict=True)
        return cls(limits, multiscale_kernels(tuple(limits.tolist()), tol))

    def __repr__(self) -> str:
        limits = ", ".join(f"{s:g}" for s in self.sigma_limits)
        scales = ", ".join(str(kernel.scale) for kernel in self.kernels)
        return f"ObservationModel(sigma_limits=[{limits}], scales=[{scales}])"

    @property
    def n_bins(self) -> int:
        """Number K of sigma bins."""
        return len(self.kernels)

    def plan(self, shape: tuple[int, int], threads: int | None = None) -> _core.Operations:
        """Compiled plan for images of one shape: threads and workspace, reused by a solver."""
        return _core.Operations(self.kernels, *shape, threads=as_threads(threads))

    def preconditioner_fits(self, shape: tuple[int, int]) -> bool:
        """Tell whether `preconditioned_plan` takes memory in proportion to images of a shape."""
        return fits(self.kernels, as_shape(shape))

    def preconditioned_plan(
        self, shape: tuple[int, int], threads: int | None = None
    ) -> _core.Operations:
        """Plan that can also solve with ``c + M ~ c + A A*`` (`spotcore.model.preconditioner`).

        ``M`` is built once per shape: a tenth of a second at 512 x 512, a few at 2048 x 2048.
        """
        key, count = as_shape(shape), as_threads(threads)

        def plan(preconditioner: Preconditioner) -> _core.Operations:
            return _core.Operations(
                self.kernels, *key, threads=count, preconditioner=preconditioner
            )

        if key not in self._preconditioners:
            if not fits(self.kernels, key):
                raise ValueError(
                    f"image: expected one that is not so thin for the method 'primal-dual', got "
                    f"{key[0]} x {key[1]} pixels: take 'fista'"
                )
            with one_blas_thread():
                unscaled = build(self.kernels, key)
            ratio = plan(unscaled).preconditioner_ratio(_RATIO_ITERATIONS)
            self._preconditioners[key] = unscaled.scaled(_RATIO_MARGIN * max(1.0, ratio))
        return plan(self._preconditioners[key])

    def forward(self, a: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Image of a source density.

        Parameters
        ----------
        a : array_like, shape [K, H, W]
            Source density per sigma bin.
        threads : int, optional
            Threads to use; the default is one per processor. The answer does not depend on it.

        Returns
        -------
        ndarray, shape [H, W], float32

        Raises
        ------
        ValueError
            If the shape is wrong or a value is not finite.
        TypeError
            If `a` does not hold real numbers.
        """
        stack = as_stack(a, "a", self.n_bins)
        return self.plan(stack.shape[1:], threads).forward(stack)

    def adjoint(self, d: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Adjoint of `forward`: ``[g_1 (*) d, ..., g_K (*) d]``.

        Parameters
        ----------
        d : array_like, shape [H, W]
        threads : int, optional
            Threads to use; the default is one per processor.

        Returns
        -------
        ndarray, shape [K, H, W], float32

        Raises
        ------
        ValueError
            If the shape is wrong or a value is not finite.
        TypeError
            If `d` does not hold real numbers.
        """
        image = as_image(d, "d")
        return self.plan(image.shape, threads).adjoint(image)

    def norm_squared(
        self, shape: tuple[int, int], *, tol: float = 1e-6, threads: int | None = None
    ) -> float:
        """Squared operator norm ``||A||^2`` on images of a shape, by power iteration.

        Parameters
        ----------
        shape : tuple of int
            Image size (H, W).
        tol : float
            Stop when an iteration changes the estimate by less than this share of it. The estimate
            rises to the norm from below, and is then off by about five times as much.
        threads : int, optional
            Threads to use; the default is one per processor.
        """
        plan = self.plan(as_shape(shape), threads)
        return plan.norm_squared(tol=as_number(tol, "tol", minimum=0.0))

    def safe_step(self, shape: tuple[int, int], *, threads: int | None = None) -> float:
        """Step ``eta <= 1 / ||A||^2`` of a proximal gradient method with weights ``w <= 1``.

        From the smaller of Young's bound ``sum_k (sum |g_k|)^2``, which is what the paper uses
        (``sigma_K - sigma_0``), and the power iteration with 1 % to spare. Computed once per shape.
        """
        key = as_shape(shape)
        if key not in self._safe_steps:
            norm = 1.01 * self.norm_squared(key, tol=1e-3, threads=threads)
            norm = min(norm, self._norm_squared_bound)
            self._safe_steps[key] = 1.0 / norm if norm > 0 else 1.0
        return self._safe_steps[key]
