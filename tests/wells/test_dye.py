"""From samples to light, and from colours to one dye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spotcore.images.light import flattened, linear
from spotcore.images.picture import Picture, luminance
from spotcore.settings import Settings
from spotcore.simulation.demo import plate_like
from spotcore.wells import dye, prepare_well
from spotcore.wells.detector import look
from spotcore.wells.from_picture import prepare_picture
from spotcore.wells.membrane import find_membrane
from spotcore.wells.prepare import SIGMA_LIMITS_UM, saturated

# Density in red, green and blue by Landini's table of stains for ImageJ's "Colour Deconvolution".
AEC = (0.2743, 0.6796, 0.6803)


def grey_picture(pixels, full_scale=255):
    return Picture(np.asarray(pixels, np.float32), full_scale, None, "grey", "")


def colour_picture(colours, full_scale=255):
    colours = np.asarray(colours, np.float32)
    return Picture(luminance(colours), full_scale, None, "luminance", "", colours)


def prepared(picture, settings, pixel_size=None):
    return prepare_picture(replace(picture, pixel_size=pixel_size), settings)[2]


def in_colour(picture, stain="auto", polarity=None):
    """As an analysis does it: with the membrane and the polarity of the picture."""
    sight = look(picture.pixels, polarity or "auto")
    membrane = find_membrane(sight, picture.pixels.shape)
    return dye.in_colour(picture, stain, sight.polarity, membrane)


def unit(v):
    return np.array(v) / np.linalg.norm(v)


def angle(a, b):
    """Between two directions, in degrees."""
    return np.degrees(np.arccos(np.clip(unit(a) @ unit(b), -1, 1)))


def stained_well(vector, full_scale=255, seed=0, noise=0.004, n=60, hair=False):
    """A membrane of its own colour with spots of a dye, white around; the dye's density too."""
    rng = np.random.default_rng(seed)
    size = 256
    y, x = np.ogrid[:size, :size]
    distance = np.hypot(y - 128, x - 128)
    inside = distance < 115
    dye = np.zeros((size, size))
    for a, b in rng.integers(60, 196, (n, 2)):
        dye += rng.uniform(0.1, 0.5) * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * 2.5**2))
    membrane = np.array([0.05, 0.08, 0.12]) * (1 + 0.3 * (distance / 115) ** 2)[..., None]
    density = membrane + dye[..., None] * np.array(vector)
    if hair:
        density[100:102, 60:180] += np.array([0.9, 0.0, 0.1])
    light = np.where(inside[..., None], 10.0**-density, 1.0)
    light = light + noise * rng.standard_normal(light.shape)
    return np.clip(np.rint(full_scale * light), 0, full_scale), dye, inside


# --------------------------------------------------------------------------------------- colour


@pytest.mark.parametrize("full_scale", [255, 65535])
@pytest.mark.parametrize("vector", [AEC, (0.75, 0.6, 0.28), (0.2, 0.2, 0.96)])
def test_the_spots_colour_is_found(vector, full_scale):
    image, _, _ = stained_well(vector, full_scale)
    made, colour = in_colour(colour_picture(image, full_scale))
    assert colour.source == "found" and colour.pixels > 500
    assert np.mean(colour.vector) == pytest.approx(1.0)
    assert angle(colour.vector, vector) < 3
    assert made.colours is None and made.pixels.shape == image.shape[:2]


def test_a_stain_by_name():
    image, _, _ = stained_well(AEC, 65535)
    _, colour = in_colour(colour_picture(image, 65535), "aec")
    assert colour.source == "given" and angle(colour.vector, AEC) < 0.01


def test_a_hair_of_another_colour_does_not_turn_it():
    image, _, _ = stained_well((0.2, 0.4, 0.9), hair=True)
    _, colour = in_colour(colour_picture(image))
    assert angle(colour.vector, (0.2, 0.4, 0.9)) < 8
    assert angle(colour.vector, (0.9, 0.0, 0.1)) > 45


def test_the_density_of_the_dye_is_what_was_put_there():
    vector = np.array([0.3, 1.2, 1.5])  # mean 1
    image, dye, inside = stained_well(vector, 65535, noise=0.0)
    made, _ = in_colour(colour_picture(image, 65535), tuple(vector))
    density = np.log10(65535.5 / (made.pixels + 0.5))
    membrane = density[inside & (dye < 1e-6)]
    # On the membrane's own density, which is smooth
    assert np.ptp(membrane) < 0.05
    spots = inside & (dye > 0.2)
    np.testing.assert_allclose(density[spots] - membrane.mean(), dye[spots], atol=0.05)


def test_a_dye_that_luminance_hardly_sees():
    image, dye, _ = stained_well((0.02, 0.03, 0.98), noise=0.01)
    picture = colour_picture(image)
    contrast = {}
    for stain in ("auto", "luminance"):
        well = prepare_well(in_colour(picture, stain)[0].pixels, preset="well", polarity="dark")
        strong = well.membrane & (dye > 0.1)
        contrast[stain] = np.median(well.signal[strong]) / well.noise
    assert contrast["auto"] > 1.5 * contrast["luminance"]


@pytest.mark.parametrize("full_scale", [255, 65535])
def test_bright_spots(full_scale):
    rng = np.random.default_rng(2)
    y, x = np.ogrid[:200, :200]
    inside = np.hypot(y - 100, x - 100) < 90
    glow = sum(
        0.4 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18.0)
        for a, b in rng.integers(50, 150, (30, 2))
    )
    colours = (0.05 + glow[..., None] * np.array([0.1, 0.9, 0.3])) * inside[..., None]
    colours = np.clip(colours + 0.003 * rng.standard_normal(colours.shape), 0, 1)
    image = np.rint(full_scale * colours)
    made, colour = in_colour(colour_picture(image, full_scale))
    assert angle(colour.vector, (0.1, 0.9, 0.3)) < 3
    assert made.pixels.min() >= 0 and made.pixels.max() <= full_scale


def test_grey_saved_as_colour_gives_the_same_picture():
    image, _ = plate_like(40, 200, seed=3)
    colours = np.repeat(image[..., None], 3, axis=2).astype(np.float32)
    made, colour = in_colour(colour_picture(colours))
    assert angle(colour.vector, (1, 1, 1)) < 0.5
    np.testing.assert_allclose(made.pixels, image, atol=0.6)
    grey = grey_picture(image)
    assert in_colour(grey) == (grey, None)
    assert in_colour(colour_picture(colours), "luminance")[1] is None


def test_without_spots_there_is_no_colour():
    image, _, _ = stained_well((0.3, 0.3, 0.9), n=0)
    made, colour = in_colour(colour_picture(image), polarity="dark")
    assert colour.source == "none"
    np.testing.assert_array_equal(made.pixels, luminance(image.astype(np.float32)))


@pytest.mark.parametrize("stain", ["indigo", (0, 0, 0), (1, -1, 0), (1, 2), (np.nan, 1, 1)])
def test_bad_stains(stain):
    with pytest.raises(ValueError, match=r"stain: expected auto, luminance, aec"):
        in_colour(grey_picture(np.zeros((64, 64))), stain)


# ------------------------------------------------------------------------------------- light


def test_srgb_against_its_definition():
    levels = np.array([[0.0, 10.0, 128.0, 255.0]])
    light = linear(grey_picture(levels), "srgb").pixels[0]
    # IEC 61966-2-1: 10/255 lies on the straight part, below 0.04045.
    assert light[0] == 0 and light[3] == pytest.approx(255)
    assert light[1] == pytest.approx(255 * (10 / 255) / 12.92)
    # Decoding, then the inverse curve
    share = light[2] / 255
    assert 1.055 * share ** (1 / 2.4) - 0.055 == pytest.approx(128 / 255, abs=1e-5)


def test_gamma_of_sixteen_bits_and_colours():
    colours = np.array([[[0, 30000, 65535]]], np.float32)
    made = linear(colour_picture(colours, 65535), 2.0)
    np.testing.assert_allclose(made.colours[0, 0], [0, 30000**2 / 65535, 65535], rtol=1e-5)
    np.testing.assert_allclose(made.pixels, luminance(made.colours))
    picture = grey_picture([[5.0]])
    assert linear(picture, "none") is picture and linear(picture, 1.0) is picture
    for gamma in (0.0, -1.0, np.inf, np.nan, "rec709"):
        with pytest.raises(ValueError, match="gamma: expected none, srgb or a number"):
            linear(picture, gamma)


def test_the_lamps_pattern_is_divided_out():
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 120, (50, 60))
    y, x = np.ogrid[:50, :60]
    lamp = 0.5 + 0.5 * np.exp(-((y - 10) ** 2 + (x - 40) ** 2) / 2000)
    offset = 7.0
    flat, dark = grey_picture(180 * lamp + offset), grey_picture(np.full((50, 60), offset))
    seen = grey_picture(truth * lamp + offset)
    even = flattened(seen, flat, dark).pixels
    np.testing.assert_allclose(even, truth * lamp.mean(), rtol=1e-4)
    # The flat field itself is flat then, and a flat of one level changes nothing.
    np.testing.assert_allclose(flattened(flat, flat, dark).pixels.std(), 0, atol=1e-3)
    ones = grey_picture(np.full((50, 60), 99.0))
    np.testing.assert_allclose(flattened(seen, ones).pixels, seen.pixels, rtol=1e-5)
    colours = np.repeat(seen.pixels[..., None], 3, axis=2) * np.float32([0.5, 1, 1])
    made = flattened(colour_picture(colours), flat)
    np.testing.assert_allclose(made.colours[..., 0] * 2, made.colours[..., 1], rtol=1e-5)


def test_bad_flat_fields():
    seen = grey_picture(np.ones((8, 9)))
    with pytest.raises(ValueError, match="flat_field: expected 8 x 9 pixels"):
        flattened(seen, grey_picture(np.ones((9, 8))))
    with pytest.raises(ValueError, match="dark_frame: expected 8 x 9 pixels"):
        flattened(seen, seen, grey_picture(np.ones((9, 8))))
    with pytest.raises(ValueError, match="flat_field: expected it brighter"):
        flattened(seen, seen, seen)
    dead = np.full((8, 9), 100.0)
    dead[2, 3] = 0
    assert np.isfinite(flattened(seen, grey_picture(dead)).pixels).all()


@pytest.mark.parametrize("full_scale", [255, 4095, 65535])
def test_saturated_pixels(full_scale):
    picture = grey_picture([[0, 1, full_scale - 1, full_scale]], full_scale)
    np.testing.assert_array_equal(saturated(picture, "bright"), [[0, 0, 0, 1]])
    np.testing.assert_array_equal(saturated(picture, "dark"), [[1, 0, 0, 0]])
    one = np.array([[[full_scale, 3, 3], [3, 3, 0], [3, 3, 3]]])
    np.testing.assert_array_equal(saturated(colour_picture(one, full_scale), "bright"), [[1, 0, 0]])
    np.testing.assert_array_equal(saturated(colour_picture(one, full_scale), "dark"), [[0, 1, 0]])


def test_saturated_pixels_weigh_nothing_on_real_wells_only():
    image, _ = plate_like(40, 200, seed=3, dark=False)
    bright = np.clip(image * 2.0, 0, 255)
    picture = grey_picture(bright)
    well = prepared(picture, Settings())
    assert well.polarity == "bright" and (bright[well.membrane] == 255).any()
    assert not well.w[bright == 255].any() and well.w[(well.mask > 0) & (bright < 255)].all()
    assert well.saturated == pytest.approx((bright[well.membrane] == 255).mean())
    papers = prepared(picture, Settings(preset="paper"))
    assert (papers.w == 1).all()


@pytest.mark.parametrize("pixel_size", [6.4, 12.8, 40.0])
def test_sigma_bins_from_the_pixel_size(pixel_size):
    image, _ = plate_like(40, 200, seed=3)
    picture = grey_picture(image)
    well = prepared(picture, Settings(), pixel_size)
    np.testing.assert_allclose(well.sigma_limits * pixel_size, SIGMA_LIMITS_UM)
    # lam follows: the same number of deviations of the noise in another statistic.
    own = prepared(picture, Settings(sigma_limits=SIGMA_LIMITS_UM), pixel_size)
    np.testing.assert_allclose(own.sigma_limits, well.sigma_limits)
    assert own.lam == pytest.approx(well.lam)
    assert prepared(picture, Settings(lam=3.0), pixel_size).lam == 3.0
    pixels = prepared(picture, Settings(sigma_limits=(1.0, 3.0, 9.0)))
    np.testing.assert_array_equal(pixels.sigma_limits, [1, 3, 9])
