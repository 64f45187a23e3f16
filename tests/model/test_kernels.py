"""The table of the kernels, and the laws they obey (Part II, Section II-C and Table III)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spotcore.model.kernels import gaussian_kernels, kernel_half_length, omega, separable_factors

PART2_LIMITS = [2.3, 5, 9, 13, 23, 33, 43, 53, 67]

# side, sum of g_k, S1 / sum S, relative Frobenius error of rank 1 and of rank 3, as printed
TABLE = [
    (31, "1.64224094", "0.97725", "0.0227", "1.7e-05"),
    (55, "1.99839996", "0.98629", "0.0137", "3.8e-06"),
    (79, "1.99754635", "0.99448", "0.0055", "2.4e-07"),
    (139, "3.15935281", "0.98697", "0.0130", "3.2e-06"),
    (199, "3.15798696", "0.99466", "0.0053", "2.1e-07"),
    (259, "3.15669543", "0.99711", "0.0029", "3.2e-08"),
    (319, "3.15554851", "0.99819", "0.0018", "7.5e-09"),
    (403, "3.73428851", "0.99773", "0.0023", "1.5e-08"),
]


def relative_error(g: np.ndarray, factors: np.ndarray) -> float:
    return float(np.linalg.norm(g - factors.T @ factors) / np.linalg.norm(g))


@pytest.mark.parametrize("k", range(8))
def test_table_to_all_printed_digits(k: int) -> None:
    side, total, share, error1, error3 = TABLE[k]
    g = gaussian_kernels(PART2_LIMITS)[k]
    singular = np.linalg.svd(g, compute_uv=False)
    assert g.shape == (side, side)
    assert f"{g.sum():.8f}" == total
    assert f"{singular[0] / singular.sum():.5f}" == share
    assert f"{relative_error(g, separable_factors(PART2_LIMITS, 1)[k]):.4f}" == error1
    assert f"{relative_error(g, separable_factors(PART2_LIMITS, 3)[k]):.1e}" == error3


def test_smallest_shares_that_the_paper_states() -> None:
    spectra = [np.linalg.svd(g, compute_uv=False) for g in gaussian_kernels(PART2_LIMITS)]
    smallest = [min(s[:r].sum() / s.sum() for s in spectra) for r in (1, 3)]
    # The paper says 97.72 % and 99.99 %, cut after two digits, not rounded.
    assert [int(share * 1e4) / 100 for share in smallest] == [97.72, 99.99]


def test_omega_values_and_mass() -> None:
    assert [f"{v:.8f}" for v in omega(2.3, 30)[30:34]] == [
        "0.17077155",
        "0.15582305",
        "0.11837935",
        "0.07487480",
    ]
    assert_allclose(omega(2.3, 30).sum(), 1.0, rtol=1e-14)


def test_omega_variance_is_sigma_squared_plus_two_pixels() -> None:
    # A Gaussian, and two boxes of variance 1/12 each: source and sensor pixel.
    m = np.arange(-60, 61)
    assert_allclose((m**2 * omega(4.0, 60)).sum(), 16.0 + 2.0 / 12.0, rtol=1e-12)


def test_omega_tends_to_two_pixels_overlap_as_sigma_vanishes() -> None:
    assert_allclose(omega(1e-9, 2), [0, 0, 1, 0, 0], atol=1e-8)


def test_omega_of_several_sigmas_is_row_by_row() -> None:
    rows = omega(np.array([0.7, 3.0]), 9)
    assert_allclose(rows, [omega(0.7, 9), omega(3.0, 9)], rtol=0)


def test_quadrature_has_converged_in_the_hardest_bin() -> None:
    # From sigma = 0 omega is not analytic: against 4000 midpoints, whose error falls as n^-2.
    upper, n = 2.038, 4000
    sigma = (np.arange(n) + 0.5) * upper / n
    half = kernel_half_length(upper)
    rows = omega(sigma, half)
    brute = rows.T @ rows * (upper / n) / np.sqrt(upper)
    assert_allclose(gaussian_kernels([0, upper])[0], brute, atol=1e-7 * brute.max())


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
def test_automatic_rank_is_the_smallest_within_tolerance(tol: float) -> None:
    for g, f in zip(
        gaussian_kernels(PART2_LIMITS), separable_factors(PART2_LIMITS, tol=tol), strict=True
    ):
        assert relative_error(g, f) <= tol
        if len(f) > 1:
            assert relative_error(g, f[:-1]) > tol


def test_factors_are_symmetric_to_the_last_bit() -> None:
    for f in separable_factors(PART2_LIMITS):
        assert (f == f[:, ::-1]).all()


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        ([3.0], "at least two increasing"),
        ([3.0, 3.0], "at least two increasing"),
        ([5.0, 3.0], "at least two increasing"),
        ([-1.0, 3.0], "at least two increasing"),
        ([1.0, np.nan], "finite"),
        ([], "non-empty"),
        ([[1.0, 2.0]], "shape"),
    ],
)
def test_bad_limits_are_named(limits: list[float], what: str) -> None:
    with pytest.raises(ValueError, match=f"sigma_limits: expected.*{what}"):
        gaussian_kernels(limits)


def test_bad_rank_is_named() -> None:
    with pytest.raises(ValueError, match="rank: expected an integer >= 1, got 0"):
        separable_factors(PART2_LIMITS, 0)
