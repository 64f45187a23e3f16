"""The membrane: the rim, the polarity of what lies on it, background and noise."""

from __future__ import annotations

import numpy as np
import pytest

from spotcore.images.read import read_image
from spotcore.simulation.demo import plate_like
from spotcore.wells.circle import Circle, find_well
from spotcore.wells.membrane import background, find_polarity, noise_sigma, rim_shading
from support.synthetic_well import gaussian


def test_rim_shading_is_what_depends_on_the_depth():
    y, x = np.indices((300, 300)) - 150.0
    away = np.hypot(y, x)
    depth = np.maximum(120 - away, 0).astype(np.float32)
    rim = 10 * np.exp(-depth / 4) * (1 + 0.3 * x / 150)
    image = (rim + 40 * gaussian(rim.shape, 150, 264, 2, 2)).astype(np.float32)
    found = rim_shading(image, depth, (150.0, 150.0), 30)
    error = np.abs(found - rim)[(depth > 1.5) & (depth < 25)]
    # Interpolation between steps of 1 px: 1/8 of the second derivative, 10/16, is 0.08.
    assert error.max() < 0.5 and np.median(error) < 0.1
    assert (found[depth == 0] == 0).all() and (found[depth > 30] == 0).all()


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("cells", [3, 60, 400])
def test_polarity(dark, cells):
    image, _ = plate_like(cells, 256, seed=cells, dark=dark)
    grey = image.astype(np.float32)
    circle = find_well(grey)
    assert circle is not None
    inside = circle.inside(grey.shape, circle.rim)
    assert find_polarity(grey, inside) == ("dark" if dark else "bright")
    assert find_polarity(255 - grey, inside) == ("bright" if dark else "dark")


def test_polarity_of_nothing():
    image = np.full((40, 40), 7, np.float32)
    assert find_polarity(image, np.ones((40, 40), bool)) == "bright"
    assert find_polarity(image, np.zeros((40, 40), bool)) == "bright"


@pytest.mark.parametrize("density", [0.3, 2.0, 8.0])
@pytest.mark.parametrize("cells", [10, 250, 1200])
def test_polarity_of_strong_and_crowded_spots(monkeypatch, cells, density):
    monkeypatch.setattr(
        "spotcore.simulation.demo.DENSITY", density
    )  # at 8, most of a crowded well is black
    image, _ = plate_like(cells, 512, seed=3)
    inside = Circle(255.5, 255.5, 230.4, 8.0).inside(image.shape, 8.0)
    grey = image.astype(np.float32)
    assert find_polarity(grey, inside) == "dark"
    assert find_polarity(255 - grey, inside) == "bright"


@pytest.mark.parametrize("name", ["wells", "plate-a-to-d"])
def test_polarity_of_real_wells(shared_data, name):
    dark = name == "wells"
    for path in [*(shared_data / name).glob("*.tif"), *(shared_data / name).glob("*.png")]:
        grey = read_image(path).pixels
        circle = find_well(grey)
        inside = circle.inside(grey.shape, circle.rim)
        assert find_polarity(grey, inside) == ("dark" if dark else "bright"), path.name
        assert find_polarity(255 - grey, inside) == ("bright" if dark else "dark"), path.name


def shaded(size=240, seed=0):
    """A membrane with vignetting and no spots, its disc, noise of 1."""
    y, x = np.indices((size, size)) / size - 0.5
    shading = 100 - 20 * (y**2 + x**2) + 10 * y
    noise = np.random.default_rng(seed).normal(size=shading.shape)
    return shading, noise, np.hypot(y, x) < 0.45


def test_background_follows_the_shading_but_not_the_spots():
    shading, noise, inside = shaded()
    spots = np.zeros_like(shading)
    rng = np.random.default_rng(1)
    for y, x in rng.integers(30, 210, (60, 2)):
        spots += 30 * gaussian(spots.shape, y, x, 2.5, 2.5)
    for extra in (0.0, spots):
        signal = (shading + noise + extra).astype(np.float32)
        fit = background(signal, inside, 15.0, 1.0)
        error = (fit - shading)[inside]
        # Cutting at one sigma pulls the fit of pure noise down: the mean of min(n, c + 1) is c at
        # c = -0.12. A plane under a window of 15 px misses half of 15^2 times the Laplacian of the
        # shading, 80/240^2: -0.16. Spots on a tenth of the area pull it up again by up to 0.2.
        assert np.abs(error).max() < 1.0
        assert abs(error.mean()) < 0.4
    flat = background(np.where(inside, 7.0, 0.0).astype(np.float32), inside, 15.0, 1.0)
    np.testing.assert_allclose(flat[inside], 7.0, rtol=1e-5)


def test_background_is_equivariant():
    shading, noise, inside = shaded()
    signal = shading + noise
    fit = background(signal.astype(np.float32), inside, 15.0, 1.0)
    higher = background((3 * signal + 50).astype(np.float32), inside, 15.0, 3.0)
    # Rounding of inputs of about 350 to float32 (2e-5), summed with averaging.
    np.testing.assert_allclose(higher[inside], 3 * fit[inside] + 50, atol=1e-3)
    turned = background(signal.T.astype(np.float32), inside.T, 15.0, 1.0)
    np.testing.assert_allclose(turned.T[inside], fit[inside], atol=1e-3)


def test_noise_of_white_noise():
    _, noise, inside = shaded(512)
    for scale in (0.6, 1.2, 2.0):
        measured = noise_sigma(noise.astype(np.float32), inside, scale, 50.0)
        # The quietest of some 200 tiles, of 2500 / (4 pi scale^2) independent values each: their
        # medians spread by 1.17 / sqrt(that), and the quietest lies some 2 to 2.5 of it below 1.
        spread = 1.17 / np.sqrt(2500 / (4 * np.pi * scale**2))
        assert 1 - 3.5 * spread < measured < 1.0
        tripled = noise_sigma(3 * noise.astype(np.float32), inside, scale, 50.0)
        assert tripled == pytest.approx(3 * measured, rel=1e-4)


def test_spots_do_not_pass_for_noise():
    _, noise, inside = shaded(512)
    quiet = noise_sigma(noise.astype(np.float32), inside, 1.2, 50.0)
    rng = np.random.default_rng(2)
    spots = np.zeros_like(noise)
    for y, x in rng.integers(0, 512, (400, 2)):
        spots += 30 * gaussian(spots.shape, y, x, 2.0, 2.0)
    crowded = noise_sigma((noise + spots).astype(np.float32), inside, 1.2, 50.0)
    assert quiet <= crowded < 1.3 * quiet
    # The figure that it replaces, of the whole image:
    assert np.std(noise + spots) > 2.5


def test_resampled_noise_is_seen():
    coarse = np.random.default_rng(0).normal(size=(171, 171))
    noise = np.kron(coarse, np.ones((3, 3))).astype(np.float32)  # every pixel three times, each way
    inside = np.ones(noise.shape, bool)
    # White noise with the same power at low frequencies has 3 times the deviation.
    assert 1.5 < noise_sigma(noise, inside, 3.0, 50.0) < 3.0
