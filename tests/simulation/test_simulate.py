"""Simulated images: laws of the rendering, statistics of the draws, and a published image."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.fft

from spotcore.model.kernels import omega
from spotcore.simulation.diffusion import secretion_matrix, sigma_grid
from spotcore.simulation.simulate import ISBI2019, PART2_2018, PRESETS, Physics, render, simulate

# Same-size float32 convolutions with factors exact to 1e-6: what the observation model promises.
EXACT = 1e-5


def bound(simulation):
    """Particles bound at the end, [n], in shares of the largest possible secretion."""
    widths = np.diff(simulation.sigma_limits)
    return simulation.psdr @ np.sqrt(widths) / simulation.scale


# -------------------------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_draws_follow_the_text(name):
    sim = simulate(4000, (64, 80), name, bits=None, seed=5)
    assert sim.preset is PRESETS[name]
    assert sim.cells.shape == (4000, 2)
    assert sim.times.shape == (4000, 2)
    assert sim.psdr.shape == (4000, 30)
    assert sim.sigma_limits.shape == (31,)
    assert sim.cells.min() >= 0
    assert (sim.cells.max(axis=0) == [63, 79]).all()  # missed with probability 1e-22
    assert (sim.times >= 3600).all()
    assert (sim.times <= 6 * 3600).all()
    assert (np.diff(sim.times) > 0).all()
    assert 0.5 <= sim.secretion.min() < 0.51
    assert 0.99 < sim.secretion.max() <= 1.0
    # Means of n uniform draws (of length b - a: the expected length is a third of the window),
    # within five standard errors.
    for sample, mean in (
        (sim.cells[:, 0], 31.5),
        (sim.cells[:, 1], 39.5),
        (sim.secretion, 0.75),
        (np.diff(sim.times)[:, 0], 6000.0),
    ):
        assert abs(sample.mean() - mean) < 5 * sample.std() / math.sqrt(4000)


def test_presets_hold_the_published_settings():
    assert {p.name: (p.assay.adsorption, p.assay.max_captures) for p in PRESETS.values()} == {
        "part2_2018": (1e-7, 10),
        "isbi2019": (6e-9, 20),
    }
    for preset in PRESETS.values():
        assay = preset.assay
        assert (assay.desorption, assay.diffusion, assay.duration) == (1e-4, 3e-12, 28800.0)
        assert (assay.pixel_size, assay.n_times, assay.n_bins) == (6.45e-6, 1000, 30)
        assert preset.optical_blur == 2.28


def test_seed_decides_everything():
    one, same, other = (simulate(40, (60, 50), seed=seed) for seed in (3, 3, 4))
    given = simulate(40, (60, 50), seed=np.random.default_rng(3))
    for field in ("image", "clean", "cells", "secretion", "times", "psdr"):
        np.testing.assert_array_equal(getattr(one, field), getattr(same, field))
        np.testing.assert_array_equal(getattr(one, field), getattr(given, field))
        assert not np.array_equal(getattr(one, field), getattr(other, field))
    assert (one.seed, given.seed) == (3, None)


def test_a_generator_goes_on():
    rng = np.random.default_rng(3)
    first, second = (simulate(10, (20, 20), seed=rng) for _ in range(2))
    assert not np.array_equal(first.cells, second.cells)


def test_noise_is_drawn_last():
    clean, noisy = (simulate(30, (40, 40), bits=bits, seed=1) for bits in (None, 4))
    np.testing.assert_array_equal(clean.cells, noisy.cells)
    np.testing.assert_array_equal(clean.clean, noisy.clean)
    np.testing.assert_array_equal(clean.image, clean.clean)
    assert not np.shares_memory(clean.image, clean.clean)


@pytest.mark.parametrize("bits", [4, 6, 10])
def test_noise_has_the_variance_of_quantisation(bits):
    sim = simulate(100, (256, 256), bits=bits, seed=2)
    deviation = 255 * 2.0**-bits / math.sqrt(12)
    far = (sim.clean > 6 * deviation) & (sim.clean < 255 - 6 * deviation)  # never clipped
    noise = (sim.image - sim.clean)[far].astype(np.float64)
    n = noise.size
    assert n > 10_000
    # Five standard errors of the mean and of the standard deviation of n normal draws.
    assert abs(noise.mean()) < 5 * deviation / math.sqrt(n)
    assert abs(noise.std() / deviation - 1) < 5 / math.sqrt(2 * n)
    assert sim.image.min() >= 0
    assert sim.image.max() <= 255


# ------------------------------------------------------------------------------- sizes and types


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (7, 300), (200, 3), (64, 64)])
@pytest.mark.parametrize("n_cells", [0, 1, 9])
@pytest.mark.parametrize("bits", [None, 8])
def test_any_size_and_count(shape, n_cells, bits):
    sim = simulate(n_cells, shape, "part2_2018", bits, seed=1)
    for image in (sim.image, sim.clean):
        assert image.shape == shape
        assert image.dtype == np.float32
        assert image.flags.c_contiguous
        assert image.min() >= 0
    assert sim.image.max() <= 255
    assert sim.clean.max() == (255 if n_cells else 0)
    assert len(sim.cells) == len(sim.times) == len(sim.psdr) == len(sim.secretion) == n_cells
    assert np.isfinite(sim.scale)


# ------------------------------------------------------------------------------------------ laws


def test_psdr_gives_the_clean_image():
    sim = simulate(60, (90, 70), bits=None, seed=8)
    np.testing.assert_allclose(render(sim.cells, sim.psdr, (90, 70)), sim.clean, rtol=EXACT)
    unscaled = render(sim.cells, sim.psdr / sim.scale, (90, 70))
    np.testing.assert_allclose(unscaled * sim.scale, sim.clean, rtol=EXACT)


@pytest.mark.parametrize("preset", [PART2_2018, ISBI2019])
def test_what_is_bound_was_secreted(preset):
    sim = simulate(500, (32, 32), preset, bits=None, seed=4)
    assert (sim.psdr >= 0).all()
    # Each particle stays bound with a probability that depends on its release only: the share of
    # a pulse lies between those of the time bins it covers (whole bins, to be on the safe side).
    share = bound(sim) / sim.secretion
    by_release = secretion_matrix(preset.assay) @ np.sqrt(np.diff(sim.sigma_limits))
    for (start, end), value in zip(sim.times / preset.assay.time_step, share, strict=True):
        covered = by_release[math.floor(start) : math.ceil(end)]
        assert covered.min() * (1 - 1e-12) <= value <= covered.max() * (1 + 1e-12)


def test_cells_on_one_pixel_add():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 30))
    together = render([[10, 12], [10, 12]], [first, second], (31, 25))
    merged = render([[10, 12]], [first + second], (31, 25))
    np.testing.assert_allclose(together, merged, rtol=EXACT)
    sim = simulate(3, (1, 1), bits=None, seed=0)  # all three share the only pixel
    assert len(sim.psdr) == 3
    merged = render([[0, 0]], sim.psdr.sum(axis=0, keepdims=True), (1, 1))
    np.testing.assert_allclose(merged, sim.clean, rtol=EXACT)


def test_rendering_is_linear_and_does_not_see_the_order():
    sim = simulate(20, (50, 64), bits=None, seed=6)
    whole = render(sim.cells, sim.psdr, (50, 64))
    order = np.random.default_rng(1).permutation(20)
    parts = render(sim.cells[order[:7]], 2 * sim.psdr[order[:7]], (50, 64)) / 2
    parts += render(sim.cells[order[7:]], 4 * sim.psdr[order[7:]], (50, 64)) / 4
    np.testing.assert_allclose(parts, whole, rtol=EXACT)


def test_rendering_follows_shifts_and_transposition():
    psdr = simulate(1, (1, 1), seed=7).psdr
    image = render([[20, 33]], psdr, (60, 70))
    shifted = render([[22, 30]], psdr, (60, 70))
    # Within reach of the optical blur, 7 px, the border shows: what lies beyond it is not blurred
    # back into the image.
    window, moved = image[7:-9, 10:-7], shifted[9:-7, 7:-10]
    np.testing.assert_allclose(moved, window, rtol=EXACT)
    np.testing.assert_allclose(render([[33, 20]], psdr, (70, 60)).T, image, rtol=EXACT)


def test_one_cell_shows_nearly_all_that_it_bound():
    sim = simulate(1, (1, 1), bits=None, seed=9)
    particles = float(bound(sim)[0])
    size = 2 * math.ceil(3 * sim.sigma_limits[-1]) + 2 * math.ceil(3 * 2.28) + 1
    image = render([[size // 2, size // 2]], sim.psdr / sim.scale, (size, size))
    # Kernels and blur are cut at three standard deviations or a little more in each direction.
    inside = math.erf(3 / math.sqrt(2)) ** 4
    assert inside < image.sum(dtype=np.float64) / particles < 1
    assert np.unravel_index(image.argmax(), image.shape) == (size // 2, size // 2)


def test_blur_is_a_gaussian_integrated_over_pixels():
    # A cell whose particles hardly move shows the blur itself: compare two widths with each other.
    psdr = np.zeros((1, 30))
    psdr[0, 0] = 1.0
    for blur in (0.4, 2.28, 5.0):
        preset = dataclasses.replace(ISBI2019, optical_blur=blur)
        half = math.ceil(3 * blur)
        taps = np.diff(
            [math.erf((m - 0.5) / blur / math.sqrt(2)) / 2 for m in range(-half, half + 2)]
        )
        size = 2 * (half + 7) + 1  # 7 = 3 sigma of the first bin, rounded up
        image = render([[size // 2, size // 2]], psdr, (size, size), preset)
        spot = first_bin_kernel(7)
        expected = np.zeros((size, size))
        for (i, u), (j, v) in itertools.product(enumerate(taps), repeat=2):
            expected[i : i + 15, j : j + 15] += u * v * spot
        np.testing.assert_allclose(image, expected, rtol=0, atol=EXACT * expected.max())


def first_bin_kernel(half_length):
    limits = sigma_grid(ISBI2019.assay)[:2]
    nodes, weights = np.polynomial.legendre.leggauss(64)
    rows = omega(limits[1] * (nodes + 1) / 2, half_length)
    return np.einsum("q,qm,qn->mn", weights, rows, rows) * limits[1] / 2 / math.sqrt(limits[1])


def test_a_pulse_of_no_length_and_pulses_within_a_bin_secrete_all():
    step = ISBI2019.assay.time_step
    row = secretion_matrix(ISBI2019.assay)[200]
    at_once = dataclasses.replace(ISBI2019, pulse_window=(200.5 * step, 200.5 * step))
    within = dataclasses.replace(ISBI2019, pulse_window=(200.2 * step, 200.9 * step))
    for preset in (at_once, within):
        sim = simulate(5, (8, 8), preset, seed=0)
        expected = row * sim.secretion[:, None] * sim.scale
        np.testing.assert_allclose(sim.psdr, expected, rtol=1e-10)


def test_pulses_are_integrated_exactly_over_the_time_bins():
    # Against midpoint sums of the rate on a grid 400 times finer than the time bins, which are
    # off by at most one fine step at each end of a pulse.
    sim = simulate(6, (8, 8), seed=11)
    assay = sim.preset.assay
    fine = 400
    t = (np.arange(assay.n_times * fine) + 0.5) * assay.time_step / fine
    for (start, end), total, psdr in zip(sim.times, sim.secretion, sim.psdr, strict=True):
        rate = ((t >= start) & (t < end)).reshape(assay.n_times, fine).mean(axis=1)
        released = rate * assay.time_step * total / (end - start)
        expected = released @ secretion_matrix(assay) * sim.scale
        largest_row = secretion_matrix(assay).max(axis=0) * total * sim.scale
        error = 2 * assay.time_step / fine / (end - start) * largest_row
        assert (np.abs(psdr - expected) <= error).all()


# --------------------------------------------------------------------------- a published image


def test_published_image_is_reproduced(shared_data):
    """The published simulation's PSDRs give its noise-free image.

    It was made with kernels that all reach to three times the largest sigma, those of this model
    end at ceil(3 sigma_k). The difference is therefore computed and added; what remains is below
    one grey level of a 16-bit image, the finest that an image file stores. (The file's first
    kernel, whose sigma starts at 0, comes from a coarser quadrature: 9e-6 of full scale.)
    """
    data = np.load(shared_data / "spotnet-isbi2019/reference_250_0.npz")
    preset = dataclasses.replace(ISBI2019, optical_blur=2.279)  # of the published code
    shape = data["clean"].shape
    image = render(data["positions"], data["psdr"], shape, preset)
    tails = beyond_three_sigma(data["positions"], data["psdr"], shape, preset)
    one_level = 255 / 65535
    np.testing.assert_allclose(image + tails, data["clean"], rtol=0, atol=one_level)
    assert data["clean"].max() == 255
    # The tails themselves: no more than what a Gaussian holds outside the square of 3 sigma.
    share = tails.sum() / data["clean"].sum(dtype=np.float64)
    assert 0 < share < 1 - math.erf(3 / math.sqrt(2)) ** 2


def beyond_three_sigma(cells, psdr, shape, preset):
    """Image of what the kernels leave out, with the optical blur; float64, by FFT."""
    limits = sigma_grid(preset.assay)
    reach = math.ceil(3 * limits[-1])
    blur_reach = math.ceil(3 * preset.optical_blur)
    size = [scipy.fft.next_fast_len(n + 2 * reach) for n in shape]
    nodes, weights = np.polynomial.legendre.leggauss(16)
    total = 0
    for k, (low, high) in enumerate(itertools.pairwise(limits)):
        rows = omega(low + (high - low) * (nodes + 1) / 2, reach)
        tail = np.einsum("q,qm,qn->mn", weights * (high - low) / 2, rows, rows, optimize=True)
        cut = reach - math.ceil(3 * high)
        tail[cut : len(tail) - cut, cut : len(tail) - cut] = 0
        source = np.zeros(shape)
        np.add.at(source, tuple(cells.T), psdr[:, k] / math.sqrt(high - low))
        total = total + scipy.fft.rfft2(source, size) * scipy.fft.rfft2(tail, size)
    image = scipy.fft.irfft2(total, size)[reach : reach + shape[0], reach : reach + shape[1]]
    edges = (np.arange(-blur_reach, blur_reach + 2) - 0.5) / preset.optical_blur / math.sqrt(2)
    taps = np.diff([math.erf(edge) / 2 for edge in edges])
    for axis in (0, 1):
        image = np.apply_along_axis(np.convolve, axis, image, taps, mode="same")
    return image


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_cells": -1}, ValueError, "n_cells: .*>= 0.*got -1"),
        ({"n_cells": 2.5}, TypeError, "n_cells: .*got 2.5"),
        ({"shape": (0, 5)}, ValueError, "shape: .*>= 1.*got 0"),
        ({"shape": (5, 5, 5)}, ValueError, "shape: .*got"),
        ({"preset": "isbi2020"}, ValueError, "preset: .*isbi2019.*part2_2018.*got 'isbi2020'"),
        ({"preset": 3}, TypeError, "preset: .*got 3"),
        ({"bits": 0}, ValueError, "bits: .*>= 1.*got 0"),
        ({"bits": 6.5}, TypeError, "bits: .*got 6.5"),
        ({"seed": -1}, ValueError, "seed: .*got -1"),
        ({"seed": None}, TypeError, "seed: .*got None"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        simulate(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optical_blur": 0.0}, "optical_blur: .*> 0.*got 0.0"),
        ({"pulse_window": (2.0, 1.0)}, "pulse_window: .*got"),
        ({"pulse_window": (0.0, 30000.0)}, "pulse_window: .*28800.*got"),
        ({"secretion_range": (0.5, math.nan)}, "secretion_range: .*nan"),
    ],
)
def test_impossible_presets_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Physics(**{"name": "mine", "assay": ISBI2019.assay, **change})


@pytest.mark.parametrize(
    ("cells", "psdr", "message"),
    [
        ([[0, 5]], np.ones((1, 30)), r"cells: .*\(4, 5\).*\[0.0, 5.0\]"),
        ([[-1, 0]], np.ones((1, 30)), "cells: .*-1.0"),
        ([[1.5, 0]], np.ones((1, 30)), "cells: .*1.5"),
        ([[np.nan, 0]], np.ones((1, 30)), "cells: .*nan"),
        ([[1, 1]], np.ones((1, 8)), r"psdr: expected shape \(1, 30\), got \(1, 8\)"),
        ([[1, 1]], np.full((1, 30), np.inf), "psdr: .*inf"),
    ],
)
def test_render_names_what_is_wrong(cells, psdr, message):
    with pytest.raises(ValueError, match=message):
        render(cells, psdr, (4, 5))
