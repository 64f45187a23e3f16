"""Smooth kernels on coarse grids against the kernels themselves, in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import fftconvolve

import spotcore as sc
from spotcore import _core
from spotcore.model.decimation import (
    coarsest_scale,
    fit_coarse,
    half_length,
    lowpass,
    multiscale_kernels,
)
from spotcore.model.kernels import gaussian_kernels, omega, quadrature
from support.cases import PART2_SIGMA_LIMITS

SHAPES = [(512, 512), (200, 333), (41, 30), (7, 90), (1, 64), (1, 1)]


def whole_kernels(limits: list[float]) -> list[np.ndarray]:
    """Return the kernels carried to 7 sigma, where nothing is left of a Gaussian."""
    kernels = []
    for lower, upper in itertools.pairwise(limits):
        sigma, weights = quadrature(lower, upper)
        rows = omega(sigma, int(np.ceil(7 * upper)))
        kernels.append((rows.T * weights) @ rows)
    return kernels


def convolve(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Convolve at the same size with zeros outside the image, in float64."""
    half = len(g) // 2
    full = fftconvolve(x.astype(np.float64), g, mode="full")
    return full[half : half + x.shape[0], half : half + x.shape[1]]


def cells_and_image(shape: tuple[int, int], n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    a = rng.random((n_bins, *shape)) ** 20  # few strong pixels, as a solution has
    return a.astype(np.float32), (255 * rng.random(shape)).astype(np.float32)


def relative(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.linalg.norm(x - y) / np.linalg.norm(y))


@pytest.mark.parametrize("shape", SHAPES)
def test_operator_follows_the_whole_kernels_up_to_the_border(shape: tuple[int, int]) -> None:
    model = sc.ObservationModel.gaussian(PART2_SIGMA_LIMITS)
    a, d = cells_and_image(shape, model.n_bins)
    kernels = whole_kernels(PART2_SIGMA_LIMITS)
    exact = sum(convolve(a_k, g) for a_k, g in zip(a, kernels, strict=True))
    exact_adjoint = np.stack([convolve(d, g) for g in kernels])
    image, adjoint = model.forward(a), model.adjoint(d)
    assert relative(image, exact) < 1e-4
    # Up to the border: no pixel there may be worse than the inside is allowed to be.
    assert np.abs(image - exact).max() < 1e-4 * exact.max()
    for mine, theirs in zip(adjoint, exact_adjoint, strict=True):
        assert relative(mine, theirs) < 1e-4
        assert np.abs(mine - theirs).max() < 1e-4 * theirs.max()


def test_operator_against_the_kernels_cut_at_three_sigma() -> None:
    """The cut takes up to 0.2 % of a kernel's mass, which the whole kernels keep."""
    model = sc.ObservationModel.gaussian(PART2_SIGMA_LIMITS)
    a, d = cells_and_image((512, 512), model.n_bins)
    kernels = gaussian_kernels(PART2_SIGMA_LIMITS)
    exact = sum(convolve(a_k, g) for a_k, g in zip(a, kernels, strict=True))
    lost = max(
        1 - cut.sum() / whole.sum()
        for cut, whole in zip(kernels, whole_kernels(PART2_SIGMA_LIMITS), strict=True)
    )
    assert relative(model.forward(a), exact) < lost
    for mine, g in zip(model.adjoint(d), kernels, strict=True):
        assert relative(mine, convolve(d, g)) < lost


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", SHAPES)
def test_adjoint_to_1e_5(shape: tuple[int, int]) -> None:
    kernels = multiscale_kernels(tuple(PART2_SIGMA_LIMITS))
    plan = _core.Operations(kernels, *shape, threads=2)
    a, d = cells_and_image(shape, len(kernels))
    image, adjoint = plan.forward(a), plan.adjoint(d)
    left = np.vdot(image.astype(np.float64), d)
    right = np.vdot(a.astype(np.float64), adjoint)
    assert abs(left - right) < 1e-5 * np.linalg.norm(image) * np.linalg.norm(d)


def test_forward_is_the_sum_of_the_separate_convolutions() -> None:
    kernels = multiscale_kernels(tuple(PART2_SIGMA_LIMITS))
    a, _ = cells_and_image((97, 140), len(kernels))
    separate = _core.separable_conv(a, kernels)
    together = _core.Operations(kernels, 97, 140).forward(a)
    assert relative(separate.sum(axis=0, dtype=np.float64), together) < 1e-6


def test_same_answer_for_every_number_of_threads() -> None:
    kernels = multiscale_kernels(tuple(PART2_SIGMA_LIMITS))
    a, d = cells_and_image((150, 201), len(kernels))
    plans = [_core.Operations(kernels, 150, 201, threads=n) for n in (1, 2, 5)]
    assert len({plan.forward(a).tobytes() for plan in plans}) == 1
    assert len({plan.adjoint(d).tobytes() for plan in plans}) == 1


@pytest.mark.parametrize(
    "limits",
    [PART2_SIGMA_LIMITS, (1.2, 2.2, 3.5, 5.5, 8.5, 13, 20, 30, 45), (0, 1, 3, 60), (2, 2.1)],
    ids=str,
)
def test_each_kernel_keeps_to_1e_4_on_any_grid_of_sigma(limits: tuple[float, ...]) -> None:
    """On noise, which holds every frequency, and far from the border, which no kernel reaches."""
    kernels = multiscale_kernels(tuple(map(float, limits)))
    side = 64 + 2 * int(7 * limits[-1])
    d = np.zeros((side, side), np.float32)
    middle = np.s_[side // 2 - 32 : side // 2 + 32]
    d[middle, middle] = np.random.default_rng(5).normal(size=(64, 64))
    adjoint = _core.Operations(kernels, side, side).adjoint(d)
    for mine, g in zip(adjoint, whole_kernels(list(limits)), strict=True):
        assert relative(mine, convolve(d, g)) < 1e-4


@pytest.mark.parametrize("tol", [1e-3, 4e-5, 1e-7])
@pytest.mark.parametrize("limits", list(itertools.pairwise(PART2_SIGMA_LIMITS)))
def test_scale_and_length_are_the_extremes_within_the_budget(
    limits: tuple[float, float], tol: float
) -> None:
    sigma, weights = quadrature(*limits)
    scale = coarsest_scale(*limits, tol)

    def aliased(scale: int) -> float:
        return float(weights @ np.exp(-((sigma * np.pi / scale) ** 2) / 2) / weights.sum())

    assert scale == 1 or aliased(scale) <= tol
    assert scale == 16 or aliased(2 * scale) > tol
    g = whole_kernels(list(limits))[0]
    half = half_length(*limits, tol)
    for shorter, within in [(0, True), (1, False)]:
        cut = g.copy()
        reach = len(g) // 2 - half + shorter
        cut[reach : len(g) - reach, reach : len(g) - reach] = 0
        assert (np.linalg.norm(cut) <= tol * np.linalg.norm(g)) == within


def test_part2_scales() -> None:
    scales = [kernel.scale for kernel in multiscale_kernels(tuple(PART2_SIGMA_LIMITS))]
    assert scales == [1, 4, 4, 8, 16, 16, 16, 16]


@pytest.mark.parametrize("scale", [2, 4, 8, 16])
@pytest.mark.parametrize("width", [2.0, 3.1])
def test_fit_in_one_dimension(scale: int, width: float) -> None:
    """D^T C D as dense matrices against the Gaussian, away from the matrices' own ends."""
    sigma, taps = width * scale, lowpass(scale)
    reach, half = len(taps) // 2, int(np.ceil(4.6 * width))
    c = fit_coarse(np.array([sigma]), scale, taps, half)[0]
    n, x = np.arange(-40, 41), np.arange(-scale, scale)
    offset = x[:, None] - scale * n
    low = np.where(np.abs(offset) <= reach, taps[np.clip(offset + reach, 0, 2 * reach)], 0.0)
    between = n[:, None] - n
    coarse = np.where(np.abs(between) <= half, c[np.clip(between + half, 0, 2 * half)], 0.0)
    exact = omega(sigma, 2 * scale)[np.abs(x[:, None] - x) + 2 * scale]
    assert_allclose(low @ coarse @ low.T, exact, atol=2e-5 * exact.max())


def test_bound_of_the_norm_is_one_and_not_far() -> None:
    model = sc.ObservationModel.gaussian(PART2_SIGMA_LIMITS)
    bound = _core.norm_squared_bound(model.kernels)
    assert model.norm_squared((512, 512)) < bound < 1.05 * (67 - 2.3)


def test_bad_kernels_are_named() -> None:
    taps, low = np.ones((1, 3), np.float32), np.ones(5, np.float32)
    for kernel, what in [
        ((taps, 2, low[:4]), r"factors\[0\]: expected scale 1"),
        ((taps, 1, low), r"factors\[0\]: expected scale 1"),
        ((taps, 0, low), r"factors\[0\]: expected scale 1"),
        ((taps, 2, np.arange(5, dtype=np.float32)), "low-pass: expected symmetric"),
        ((taps, 2), r"expected \(factors, scale, lowpass\)"),
    ]:
        with pytest.raises(ValueError, match=what):
            _core.Operations([kernel], 8, 8)
    with pytest.raises(ValueError, match="one low-pass for all kernels of scale 2"):
        _core.Operations([(taps, 2, low), (taps, 2, 2 * low)], 8, 8)


@pytest.mark.parametrize("limits", [(2.3, 5000.0), (5000.0, 10_000.0)])
def test_a_bin_that_would_take_minutes_is_refused(limits: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"sigma_limits: expected bins whose kernels .*split it"):
        sc.ObservationModel.gaussian(limits)
    sc.ObservationModel.gaussian((1000.0, 2000.0))  # as wide, and cheap on its own grid
