"""Physics of one cell: the map from secretion over time to the PSDR."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special

from spotcore.simulation.diffusion import Assay, first_capture, secretion_matrix, sigma_grid

WEAK = Assay(adsorption=6e-9, max_captures=20)  # of preset isbi2019
STRONG = Assay(adsorption=1e-7, max_captures=10)  # of preset part2_2018
SMALL = Assay(adsorption=5e-8, max_captures=4, n_times=40, n_bins=4)


def bound_by_age(assay):
    """Share of particles bound at the end, [N_t]; entry m: released m + 1 time bins before it."""
    return (secretion_matrix(assay) @ np.sqrt(np.diff(sigma_grid(assay))))[::-1]


def digits(text):
    """Half a unit of the last printed digit."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


# ------------------------------------------------------------------------------- known numbers


@pytest.mark.parametrize("assay", [WEAK, STRONG])
def test_sigma_grid_has_the_published_limits(assay):
    grid = sigma_grid(assay)
    assert grid.shape == (31,)
    assert grid[0] == 0
    for value, printed in zip(
        [*grid[1:4], *grid[-2:]],
        ["2.03803742", "4.07607485", "6.44484021", "62.28530458", "64.44840214"],
        strict=True,
    ):
        assert value == pytest.approx(float(printed), abs=digits(printed), rel=0)


@pytest.mark.parametrize(
    ("assay", "first", "total"),
    [
        (WEAK, ["0.0206361", "0.00835199", "0.0063328"], "0.42673203"),
        (STRONG, ["0.27211512", "0.07907138", "0.05144431"], "0.94271298"),
    ],
)
def test_first_capture_has_the_published_values(assay, first, total):
    bins = first_capture(assay)
    for value, printed in zip([*bins[:3], bins.sum()], [*first, total], strict=True):
        assert value == pytest.approx(float(printed), abs=digits(printed), rel=0)


def test_first_capture_integrates_the_density():
    assay = STRONG

    def density_of_root(u):  # of u = sqrt(tau), which takes the singularity at 0 away
        x = assay.adsorption * u / math.sqrt(assay.diffusion)
        first_term = assay.adsorption / math.sqrt(math.pi * assay.diffusion)
        second = assay.adsorption**2 / assay.diffusion * u * scipy.special.erfcx(x)
        return 2 * (first_term - second)

    bins = first_capture(assay)
    for n in (0, 1, 7, 400, 999):
        edges = np.sqrt(np.array([n, n + 1]) * assay.time_step)
        expected, error = scipy.integrate.quad(density_of_root, *edges, epsabs=1e-14)
        # The bins are differences of numbers near 1.
        assert bins[n] == pytest.approx(expected, abs=1e-15 + error, rel=1e-10)


@pytest.mark.parametrize("adsorption", [6e-9, 1e-7, 1e-6, 1e-3])
def test_first_capture_stays_accurate_for_any_adsorption(adsorption):
    # At 1e-6 and 1e-3 the argument of erfcx exceeds 25, where exp and erfc leave float64.
    assay = Assay(adsorption, 1, n_bins=4)
    times = np.linspace(0, assay.duration, assay.n_times + 1)
    erfcx = scipy.special.erfcx(adsorption * np.sqrt(times / assay.diffusion))
    # exp(x^2) erfc(x) loses up to x^2 < 625 ulp of a value of at most 1.
    np.testing.assert_allclose(first_capture(assay), -np.diff(erfcx), rtol=0, atol=1e-13)
    assert (first_capture(assay) > 0).all()


# ---------------------------------------------------------------------------------- definitions


def test_matrix_is_the_definition_written_as_loops():
    assay, n = SMALL, SMALL.n_times
    phi = first_capture(assay)
    powers = [phi]
    for _ in range(assay.max_captures - 1):
        last = powers[-1]
        powers.append(np.array([sum(last[i] * phi[m - i] for i in range(m + 1)) for m in range(n)]))
    sigma = np.sqrt(2 * assay.diffusion * np.arange(n + 1) * assay.time_step) / assay.pixel_size
    grid = sigma_grid(assay)
    expected = np.zeros((n, assay.n_bins))
    for release in range(n):
        age = n - 1 - release
        for i in range(age + 1):
            k = int(np.searchsorted(grid, sigma[i], side="right")) - 1
            releases = assay.desorption * (age - i + 0.5) * assay.time_step
            for j, power in enumerate(powers):
                poisson = math.exp(-releases) * releases**j / math.factorial(j)
                expected[release, k] += power[i] * poisson / math.sqrt(grid[k + 1] - grid[k])
    np.testing.assert_allclose(secretion_matrix(assay), expected, rtol=1e-12, atol=1e-16)


# ----------------------------------------------------------------------------------------- laws


@pytest.mark.parametrize("assay", [WEAK, STRONG])
def test_without_desorption_the_first_capture_is_the_last(assay):
    forever = dataclasses.replace(assay, desorption=0.0)
    np.testing.assert_allclose(bound_by_age(forever), np.cumsum(first_capture(assay)), rtol=1e-12)


@pytest.mark.parametrize("assay", [WEAK, STRONG, SMALL])
def test_no_more_is_bound_than_was_released(assay):
    matrix = secretion_matrix(assay)
    assert (matrix >= 0).all()
    assert (bound_by_age(assay) <= 1).all()


def test_more_recaptures_bind_more_and_converge():
    bound = [bound_by_age(dataclasses.replace(STRONG, max_captures=j)) for j in (1, 3, 10, 30, 40)]
    for fewer, more in itertools.pairwise(bound):
        assert (more >= fewer).all()
    # No term beyond 30 counts: Poisson(30; kappa_d T = 2.88) is below 1e-18.
    np.testing.assert_allclose(bound[-1], bound[-2], rtol=1e-14)


@pytest.mark.parametrize("assay", [WEAK, SMALL])
def test_a_particle_cannot_be_free_longer_than_since_its_release(assay):
    matrix, grid = secretion_matrix(assay), sigma_grid(assay)
    ages = (assay.n_times - np.arange(assay.n_times)) * assay.time_step
    reach = np.sqrt(2 * assay.diffusion * ages) / assay.pixel_size
    beyond = grid[None, :-1] >= reach[:, None] * (1 + 1e-12)  # bins that start past the reach
    assert (matrix[beyond] == 0).all()
    assert (matrix[grid[None, :-1] < reach[:, None] * (1 - 1e-12)] > 0).all()


def test_a_longer_experiment_shifts_the_release():
    # What a particle does depends on the time since its release only.
    half = dataclasses.replace(WEAK, duration=WEAK.duration / 2, n_times=WEAK.n_times // 2)
    np.testing.assert_allclose(bound_by_age(half), bound_by_age(WEAK)[: half.n_times], rtol=1e-12)


@pytest.mark.parametrize("adsorption", [6e-9, 1e-7])
def test_bound_share_solves_the_diffusion_equation(adsorption):
    """Against the solution in the Laplace domain, which knows no sum over captures.

    Free particles in a half space, ``c_t = D c_zz``, and bound ones, ``b' = kappa_a c(0) -
    kappa_d b``, both fed by one particle at the wall, give ``b(p) = 1 / (p + sqrt(p D) (p +
    kappa_d) / kappa_a)``.
    """
    errors = []
    for n_times in (500, 1000, 2000):
        assay = Assay(adsorption, max_captures=30, n_times=n_times, n_bins=10)
        ages = (np.arange(n_times) + 1) * assay.time_step

        def bound(p, assay=assay):
            wall = np.sqrt(p * assay.diffusion) * (p + assay.desorption) / assay.adsorption
            return 1 / (p + wall)

        exact = np.array([inverse_laplace(bound, age) for age in ages])
        errors.append(np.abs(bound_by_age(assay) - exact).max())
        # A time is off by at most one step, within which a bound particle leaves with at most
        # this probability.
        assert errors[-1] < assay.desorption * assay.time_step
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.05)  # first order in the step
    assert errors[2] / errors[1] == pytest.approx(0.5, abs=0.05)


def inverse_laplace(transform, t, terms=24):
    """Fixed Talbot method (Abate and Valko, 2004): about 0.6 digits per term."""
    theta = np.arange(1, terms) * np.pi / terms
    cot = 1 / np.tan(theta)
    rate = 2 * terms / (5 * t)
    p = rate * np.concatenate([[1.0], theta * (cot + 1j)])
    weight = np.concatenate([[0.5], 1 + 1j * (theta + (theta * cot - 1) * cot)])
    return rate / terms * np.sum(weight * np.exp(p * t) * transform(p)).real


# ------------------------------------------------------------------------------ published PSDRs


def test_published_psdrs_are_pulses_through_the_matrix(shared_data):
    """Each PSDR of a published simulation is that of some square pulse of whole time bins.

    The pulses are not in the file: all within the window are tried, each with its best amplitude.
    """
    psdr = np.load(shared_data / "spotnet-isbi2019/reference_250_0.npz")["psdr"].astype(np.float64)
    released = np.concatenate([np.zeros((1, 30)), np.cumsum(secretion_matrix(WEAK), axis=0)])
    first, last = 120, 760  # the window is 1 h to 6 h: bins 125 to 750
    for target in psdr[::10]:
        best = np.inf
        for start in range(first, last):
            pulses = released[start + 1 : last + 1] - released[start]
            amplitude = pulses @ target / np.sum(pulses**2, axis=1)
            residual = np.linalg.norm(amplitude[:, None] * pulses - target, axis=1)
            best = min(best, residual.min())
        # The file holds float32 numbers, each within 2^-24 of its value.
        assert best <= 2.0**-24 * np.linalg.norm(target)


# ------------------------------------------------------------------------------------ interface


def test_matrix_is_built_once_and_cannot_be_changed():
    assert secretion_matrix(SMALL) is secretion_matrix(dataclasses.replace(SMALL))
    with pytest.raises(ValueError, match="read-only"):
        secretion_matrix(SMALL)[0, 0] = 1.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"adsorption": 0.0}, ValueError, "adsorption: .*> 0.*got 0.0"),
        ({"diffusion": math.nan}, ValueError, "diffusion: .*got nan"),
        ({"duration": -1.0}, ValueError, "duration: .*got -1.0"),
        ({"pixel_size": math.inf}, ValueError, "pixel_size: .*got inf"),
        ({"desorption": -1e-9}, ValueError, "desorption: .*>= 0.*got -1e-09"),
        ({"max_captures": 0}, ValueError, "max_captures: .*got 0"),
        ({"n_bins": 2.5}, TypeError, "n_bins: .*got 2.5"),
        ({"adsorption": "fast"}, TypeError, "adsorption: .*got 'fast'"),
        ({"n_times": 100}, ValueError, "n_times: .*30 distinct sigma bins.*got 100"),
    ],
)
def test_impossible_parameters_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(WEAK, **change)
