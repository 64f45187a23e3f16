"""Inverse diffusion: find what the cells secreted from the image of a well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore import _core
from spotcore._arrays import (
    as_choice,
    as_count,
    as_image,
    as_number,
    as_shaped_image,
    as_stack,
    as_vector,
)
from spotcore._backends import as_device
from spotcore.model.observation import ObservationModel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Result", "lambda_max", "solve"]

_METHODS = ("auto", "fista", "primal-dual")
_MOMENTA = ("beck-teboulle", "chambolle-dossal")
_DEFAULT_MAX_ITER = 10_000  # the papers' count
_BOX = 16  # pixels
_DEFAULT_TOL = {"primal-dual": 5e-4, "fista": 1e-4}
# Squares of intensities are summed in float32 across bins; beyond this they could overflow.
_LARGEST_INTENSITY = 1e12
_LARGEST_WEIGHT = 1e6

Callback = Callable[[_core.Progress], "bool | None"]


@dataclass(frozen=True, eq=False)
class Result:
    """Answer of `solve`.

    Attributes
    ----------
    a : ndarray, shape [K, H, W], float32
        Source density per sigma bin, in units of the image's intensity.
    score : ndarray, shape [H, W], float32
        Pseudo-likelihood of a cell: ``sqrt(sum_{k in aleph} a_k^2)`` (Part II, Section III).
    data_term, penalty, objective : float
        ``||w (A a - d)||^2``, ``lam sum ||xi a||_2`` and their sum, at `a`.
    gap : float
        Relative duality gap: the objective is within ``gap * objective`` of the optimum.
    iterations : int
    stop_reason : str
        ``"tol"``, ``"gap_tol"``, ``"max_iter"``, ``"cancelled"``, or ``"stalled"``: the objective
        stands still, and `gap` does not prove that it is near the optimum. With ``"fista"`` the
        step is then likely to be too long.
    history : ndarray, shape [iterations, 2]
        Data term and penalty after each iteration.
    model : ObservationModel
    lam : float
    xi : ndarray, shape [K]
        Weights of the sigma bins; bins with 0 hold background and belong to no cell.
    step : float or None
        Step length that was used; None for a method that takes none.
    method : str
        Solver that was used.
    image : ndarray, shape [H, W], float32
        What was solved.
    """

    a: NDArray[np.float32] = field(repr=False)
    score: NDArray[np.float32] = field(repr=False)
    data_term: float
    penalty: float
    gap: float
    iterations: int
    stop_reason: str
    history: NDArray[np.float64] = field(repr=False)
    model: ObservationModel
    lam: float
    xi: NDArray[np.float32]
    step: float | None
    method: str
    image: NDArray[np.float32] = field(repr=False)

    @property
    def objective(self) -> float:
        """``data_term + penalty``."""
        return self.data_term + self.penalty


def solve(
    image: ArrayLike,
    model: ObservationModel,
    lam: float = 0.5,
    method: str = "auto",
    *,
    max_iter: int | None = None,
    tol: float | None = None,
    gap_tol: float | None = None,
    step: float | None = None,
    step_scale: float = 1.0,
    momentum: str = "beck-teboulle",
    momentum_a: float = 3.0,
    w: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    xi: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    threads: int | None = None,
    device: str = "cpu",
    callback: Callback | None = None,
) -> Result:
    r"""Recover the source density of a well by non-negative group-sparse inverse diffusion.

    Solves, over ``a >= 0`` that vanishes where ``mask`` is 0,

    .. math:: \min_a \|w (A a - d)\|^2 + \lambda \sum_{m,n} \|\xi a_{m,n,:}\|_2 .

    Parameters
    ----------
    image : array_like, shape [H, W]
        Observed image ``d``, spots bright. The papers' scale is [0, 255]; `lam` is on that scale.
    model : ObservationModel
        Kernels of the sigma bins.
    lam : float
        Weight of the group sparsity, >= 0.
    method : {"auto", "primal-dual", "fista"}
        Solver. ``"auto"`` takes the fastest, ``"primal-dual"``, unless the image is so thin that
        what it prepares would be far larger than the image. It is a preconditioned primal-dual
        method that reaches in about a hundred iterations what ``"fista"``, Algorithm 3 of Part II,
        reaches in ten thousand. It starts from few, strong cells: its first objectives are high.
    max_iter : int, optional
        Iteration limit, 10 000 by default.
    tol : float, optional
        Stop when ten iterations change the objective by less than this share of it and the relative
        duality gap is at most 0.1; 0 never does. By default 5e-4, with ``"fista"`` 1e-4.
        ``"primal-dual"`` asks from its 100th iteration on; from a warm start at once, for less than
        0.4 of this share.
    gap_tol : float, optional
        Stop when the relative duality gap falls to this value.
    step : float, optional
        Step length ``eta`` of ``"fista"``. The default is safe: ``1 / (||A||^2 max w^2)``.
    step_scale : float
        Multiplies the step of ``"fista"``. Up to 4/3 of the default step no mode of a quadratic
        grows, whatever the momentum; the theory of FISTA promises nothing beyond 1.
    momentum : {"beck-teboulle", "chambolle-dossal"}
        Sequence ``t(i)`` of the acceleration of ``"fista"``; no other method has one.
    momentum_a : float
        Parameter ``a > 2`` of the Chambolle-Dossal sequence.
    w : array_like, shape [H, W], optional
        Weight of each pixel, >= 0; 0 leaves a pixel out (outside the well, saturated).
    mask : array_like, shape [H, W], optional
        1 (or True) where cells can lie, 0 elsewhere.
    xi : array_like, shape [K], optional
        Weight of each sigma bin in the group sparsity, >= 0. Bins with 0 are outside aleph: they
        are only non-negative, as befits a smooth background.
    initial : array_like, shape [K, H, W], optional
        Warm start; clipped at 0, masked, and scaled to its best multiple. It saves
        ``"primal-dual"`` time where it is near the answer: the answer for another `lam`, within a
        factor of about 2, or for the image before. One that ten or twenty iterations do not prove
        to be near is given up for none.
    threads : int, optional
        Threads to use; one per processor by default. The answer does not depend on it.
    device : {"cpu"}
        Where to compute.
    callback : callable, optional
        Called after every iteration with an object with ``iteration``, ``objective``,
        ``data_term``, ``penalty`` and ``gap`` (refreshed every ten iterations). Cancels the
        solve by returning True; what was reached is returned.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If a shape or value is not what is expected.
    TypeError
        If an argument has the wrong type.
    OverflowError
        If the iteration leaves the range of float32, as it does with too long a `step`.

    References
    ----------
    del Aguila Pla and Jalden, "Cell detection by functional inverse diffusion and non-negative
    group sparsity, Part II", IEEE TSP 66(20), 2018: equation (6), Theorems 1 and 2, Algorithm 3.
    Chambolle and Pock, "On the ergodic convergence rates of a first-order primal-dual algorithm",
    Math. Program. 159, 2016. Liang, Luo and Schonlieb, "Improving 'Fast iterative
    shrinkage-thresholding algorithm': faster, smarter, and greedier", SIAM J. Sci. Comput. 44(3),
    2022: steps beyond 1. Pock and Chambolle, "Diagonal preconditioning for first order
    primal-dual algorithms in convex optimization", ICCV 2011.
    """
    d = as_image(image, "image")
    brightest = float(np.abs(d).max())
    if brightest > _LARGEST_INTENSITY:
        raise ValueError(
            f"image: expected intensities up to {_LARGEST_INTENSITY:g}, got {brightest:g}"
        )
    if not isinstance(model, ObservationModel):
        raise TypeError(f"model: expected an ObservationModel, got {type(model).__name__}")
    as_choice(method, "method", _METHODS)
    as_choice(momentum, "momentum", _MOMENTA)
    as_device(device)
    lam = as_number(lam, "lam", minimum=0.0)
    if lam > _LARGEST_INTENSITY * _LARGEST_WEIGHT:
        raise ValueError(f"lam: expected a number within float32, got {lam:g}")
    step_scale = as_number(step_scale, "step_scale", minimum=0.0, strict=True)
    momentum_a = as_number(momentum_a, "momentum_a", minimum=2.0, strict=True)
    weights = None if w is None else as_weights(w, d.shape)
    allowed = None if mask is None else as_mask(mask, d.shape)
    bin_weights = as_bin_weights(xi, model.n_bins)
    start = None
    if initial is not None:
        start = as_stack(initial, "initial", model.n_bins)
        if start.shape[1:] != d.shape:
            raise ValueError(
                f"initial: expected shape {(model.n_bins, *d.shape)}, got {start.shape}"
            )
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: expected a callable or None, got {type(callback).__name__}")
    seen, whole, box = d, d.shape, _box(weights, allowed)
    d, weights, allowed = (_cut(image, box) for image in (d, weights, allowed))
    start = None if start is None else np.ascontiguousarray(start[:, *box])
    if method == "auto":
        method = "primal-dual" if model.preconditioner_fits(d.shape) else "fista"
    problem: dict[str, Any] = {
        "image": d,
        "w": weights,
        "mask": allowed,
        "xi": bin_weights,
        "lam": lam,
        "tol": _DEFAULT_TOL[method] if tol is None else as_number(tol, "tol", minimum=0.0),
        "gap_tol": 0.0 if gap_tol is None else as_number(gap_tol, "gap_tol", minimum=0.0),
        "max_iter": _DEFAULT_MAX_ITER if max_iter is None else as_count(max_iter, "max_iter"),
        "initial": start,
        "callback": None if callback is None else _cancelling(callback),
    }
    if method == "primal-dual":
        if step is not None:
            step = as_number(step, "step", minimum=0.0, strict=True)
            raise ValueError(f"step: expected None, as only 'fista' takes one, got {step:g}")
        if step_scale != 1.0:
            raise ValueError(
                f"step_scale: expected 1, as only 'fista' takes steps, got {step_scale}"
            )
        if momentum != _MOMENTA[0] or momentum_a != 3.0:
            raise ValueError(
                f"momentum: expected the default, as only 'fista' has one, got {momentum!r}"
                f" with momentum_a {momentum_a:g}"
            )
        found = _core.primal_dual(model.preconditioned_plan(d.shape, threads), **problem)
    else:
        if step is None:
            largest = 1.0 if weights is None else float(weights.max())
            step = model.safe_step(d.shape, threads=threads) / largest**2
        step = as_number(step, "step", minimum=0.0, strict=True)
        step *= step_scale
        if step * lam / 2.0 > float(np.finfo(np.float32).max):
            raise ValueError(f"lam: expected step * lam / 2 within float32, got lam {lam:g}")
        found = _core.fista(
            model.plan(d.shape, threads),
            **problem,
            step=step,
            momentum=momentum,
            momentum_a=momentum_a,
        )
    a: NDArray[np.float32] = found["a"]
    if d.shape != whole:
        a = np.zeros((model.n_bins, *whole), np.float32)
        a[:, *box] = found["a"]
    return Result(
        a=a,
        score=np.sqrt(np.einsum("khw,khw->hw", a[bin_weights > 0], a[bin_weights > 0])),
        data_term=found["data_term"],
        penalty=found["penalty"],
        gap=found["gap"],
        iterations=found["iterations"],
        stop_reason=found["stop_reason"],
        history=np.stack([found["data_terms"], found["penalties"]], axis=1),
        model=model,
        lam=lam,
        xi=bin_weights,
        step=step,
        method=method,
        image=seen,
    )


def lambda_max(
    image: ArrayLike,
    model: ObservationModel,
    *,
    w: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Smallest `lam` for which the answer of `solve` is ``a = 0`` (with every ``xi`` 1).

    ``max over pixels of || [2 A* (w^2 d)]_+ ||_2``.
    """
    d = as_image(image, "image")
    if w is not None:
        d = as_weights(w, d.shape) ** 2 * d
    correlation = np.clip(2.0 * model.adjoint(d), 0.0, None)
    norms = np.sqrt(np.einsum("khw,khw->hw", correlation, correlation))
    if mask is not None:
        norms = norms * as_mask(mask, d.shape)
    return float(norms.max())


def as_weights(w: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Convert pixel weights: >= 0, not all zero, their squares within float32."""
    weights = as_shaped_image(w, "w", shape)
    least, most = float(weights.min()), float(weights.max())
    if least < 0 or not 1.0 / _LARGEST_WEIGHT <= most <= _LARGEST_WEIGHT:
        raise ValueError(
            f"w: expected weights >= 0, not all 0, the largest from {1 / _LARGEST_WEIGHT:g} to "
            f"{_LARGEST_WEIGHT:g}, got {least:g} to {most:g}"
        )
    return weights


def as_mask(mask: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Convert a mask of 0 and 1 (or booleans)."""
    allowed = as_shaped_image(mask, "mask", shape)
    other = allowed[(allowed != 0.0) & (allowed != 1.0)]
    if other.size:
        raise ValueError(f"mask: expected only 0 and 1 (or booleans), got {other[0]:g}")
    return allowed


def as_bin_weights(xi: ArrayLike | None, n_bins: int) -> NDArray[np.float32]:
    """Convert weights of the sigma bins: finite, >= 0; all ones by default."""
    if xi is None:
        return np.ones(n_bins, np.float32)
    weights: NDArray[np.float32] = as_vector(xi, "xi", n_bins)
    if weights.min() < 0:
        raise ValueError(f"xi: expected weights >= 0, got {weights.min():g}")
    return weights


def _box(w: NDArray[np.float32] | None, mask: NDArray[np.float32] | None) -> tuple[slice, slice]:
    """Return the rows and columns of an image that its solution depends on.

    A pixel that weighs nothing and cannot hold a cell may as well lie outside of the image. The
    box is as large as a multiple of `_BOX` pixels where it can be: wells of a plate that differ a
    little share what is prepared once per shape.
    """
    if w is None or mask is None:
        return slice(None), slice(None)
    counts = (w > 0) | (mask > 0)
    return _span(np.asarray(counts.any(axis=1))), _span(np.asarray(counts.any(axis=0)))


def _span(counts: NDArray[np.bool_]) -> slice:
    """Return the smallest slice with all that counts, rounded up to `_BOX` where there is room."""
    first, last = np.flatnonzero(counts)[[0, -1]]
    length = min(-(-(last + 1 - first) // _BOX) * _BOX, len(counts))
    start = min(first, len(counts) - length)
    return slice(int(start), int(start + length))


def _cut(image: NDArray[np.float32] | None, box: tuple[slice, slice]) -> Any:
    return None if image is None else np.ascontiguousarray(image[box])


def _cancelling(callback: Callback) -> Callable[[_core.Progress], bool]:
    """Let callbacks that return nothing go on."""
    return lambda progress: bool(callback(progress))
