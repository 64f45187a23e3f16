"""The front end as a whole: presets, choices, bad and empty pictures, a well that is solved."""

from __future__ import annotations

import numpy as np
import pytest

import spotcore as sc
from spotcore.images.picture import Picture
from spotcore.settings import Settings
from spotcore.simulation.demo import plate_like
from spotcore.wells import find_cells, prepare_well
from spotcore.wells.from_picture import prepare_picture
from support.solved import TWO_WIDTHS, resolvable, solved

BLACK = np.zeros((20, 24))


def test_simulated_images_get_the_papers_settings():
    image = sc.simulate(100, (128, 128), seed=1).image
    well = prepare_well(image, preset="paper")
    assert well.polarity == "bright" and well.circle is None
    assert well.lam == 0.5
    # Part II, Table III.
    assert well.sigma_limits.tolist() == [2.3, 5.0, 9.0, 13.0, 23.0, 33.0, 43.0, 53.0, 67.0]
    np.testing.assert_allclose(well.signal, image * (255 / image.max()), rtol=1e-6)
    assert (well.w == 1).all() and (well.mask == 1).all()
    cells = find_cells(
        well, sc.solve(well.signal, sc.ObservationModel.gaussian([1, 2]), max_iter=3)
    )
    plain = sc.detect(sc.solve(well.signal, sc.ObservationModel.gaussian([1, 2]), max_iter=3))
    np.testing.assert_array_equal(cells.yx, plain.yx)


def test_choices_override_what_is_found():
    image, _ = plate_like(20, 128, seed=1)
    well = prepare_well(image)
    assert (well.preset, well.polarity) == ("well", "dark")
    assert 0 < well.membrane.mean() < 1 and not well.w[~well.membrane].any()
    assert ((well.w >= 0) & (well.w <= 1)).all() and well.w[well.mask > 0].all()
    other = prepare_well(image, preset="paper", polarity="bright", lam=3.0, sigma_limits=[1, 2, 4])
    assert (other.preset, other.polarity, other.lam) == ("paper", "bright", 3.0)
    assert other.sigma_limits.tolist() == [1, 2, 4]
    grey = np.minimum(image, 120)
    assert prepare_well(grey, full_scale=120).clipped > prepare_well(grey).clipped == 0
    bare = prepare_well(np.asarray(image)[32:96, 32:96])
    assert bare.circle is None and bare.membrane.all()
    assert bare.signal.dtype == np.float32 and bare.signal.flags.c_contiguous


def test_auto_is_well():
    """Files of settings from before have it, and locked ones are to keep their hash."""
    picture = Picture.of(np.rint(plate_like(20, 128, seed=1)[0]).astype(np.uint8))
    _, _, auto = prepare_picture(picture, Settings(preset="auto"))
    _, _, well = prepare_picture(picture, Settings(preset="well"))
    assert auto.preset == "well"
    np.testing.assert_array_equal(auto.signal, well.signal)


@pytest.mark.parametrize("side", [None, 4.0, 10.0])
def test_a_spots_diameter_is_in_micrometres_where_pixels_have_a_size(side):
    picture = Picture.of(np.rint(plate_like(20, 160, seed=1)[0]).astype(np.uint8))
    settings = Settings(pixel_size=side, spot_diameter=4.0 * (side or 1.0))
    _, _, given = prepare_picture(picture, settings)
    _, _, pixels = prepare_picture(picture, Settings(spot_diameter=4.0))
    _, _, found = prepare_picture(picture, Settings(pixel_size=side))
    # Its spots are larger than that: a view that enlarges them is read.
    assert given.sight.view.factor == pixels.sight.view.factor > found.sight.view.factor
    np.testing.assert_array_equal(given.marks.yx, pixels.marks.yx)


def test_cells_can_lie_where_marks_are():
    image, _ = plate_like(20, 160, seed=1)
    well = prepare_well(image)
    marks = well.marks[well.marks.probability >= 0.5]
    y, x = np.rint(marks.yx).astype(int).T
    assert (well.mask[y, x] == 1).all() and well.mask.sum() < 60 * len(marks)
    few = prepare_well(image, contrast=12.0)
    assert few.mask.sum() <= well.mask.sum()
    given = prepare_well(image, spot_diameter=12.0)
    assert given.sight.view.factor < 1.0


@pytest.mark.parametrize(
    "image, options, error, words",
    [
        (np.full((4, 4), np.nan), {}, ValueError, "image"),
        (np.zeros((4, 4, 3)), {}, ValueError, "image"),
        (np.zeros((4, 4), complex), {}, TypeError, "image"),
        (BLACK, {"preset": "best"}, ValueError, "preset"),
        (BLACK, {"polarity": "grey"}, ValueError, "polarity"),
        (BLACK, {"lam": -1.0}, ValueError, "lam"),
        (BLACK, {"sigma_limits": [2, 1]}, ValueError, "sigma_limits"),
        (BLACK, {"full_scale": 0}, ValueError, "full_scale"),
        (BLACK, {"full_scale": -1}, ValueError, "full_scale"),
        (BLACK, {"full_scale": np.nan}, ValueError, "full_scale"),
        (BLACK + 256, {"full_scale": 255}, ValueError, "values up to 255, got 256"),
        (BLACK - 1, {}, ValueError, "at least 0"),
        (BLACK, {"preset": "auto"}, ValueError, "preset"),
        (BLACK, {"spot_diameter": 0}, ValueError, "spot_diameter"),
        (BLACK, {"contrast": -1}, ValueError, "contrast"),
        (BLACK, {"pixel_size": 0.05}, ValueError, "0.5 to 50 µm, got 0.05"),
        (BLACK, {"pixel_size": 84.7}, ValueError, "0.5 to 50 µm, got 84.7"),
        (np.zeros((3, 100)), {}, ValueError, "at least 16 pixels high and wide, .*got 3 x 100"),
        (np.zeros((20, 300)), {}, ValueError, "at most 8 times as long as wide"),
        (np.zeros((5001, 5001)), {}, ValueError, "25,000,000 pixels"),
    ],
)
def test_bad_input(image, options, error, words):
    with pytest.raises(error, match=words):
        prepare_well(image, **options)


@pytest.mark.parametrize("polarity", ["auto", "dark", "bright"])
@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("shape", [(16, 16), (17, 90), (64, 64)])
def test_empty_pictures_have_no_cells(shape, value, polarity):
    well, cells = solved(np.full(shape, value, np.uint8), preset="well", polarity=polarity)
    assert np.isfinite(well.signal).all() and len(cells) == 0
    # The papers' preset takes no background off: only black is empty there.
    well, cells = solved(np.zeros(shape, np.uint8), preset="paper", polarity=polarity)
    assert np.isfinite(well.signal).all() and len(cells) == 0


@pytest.mark.parametrize("dark", [True, False])
def test_the_demo_well_is_solved(dark):
    image, truth = plate_like(150, 512, seed=5, dark=dark)
    well, cells = solved(image)
    found = sc.match(cells, truth)
    assert well.polarity == ("dark" if dark else "bright")
    # Cells nearer than two widths of a spot are one in the picture: they cost recall only.
    assert found.precision >= 0.98 and found.recall >= resolvable(truth, TWO_WIDTHS)
    # 16 bits of the same light: as many of the cells, and nothing else.
    deep, same = solved(image.astype(np.uint16) * 257, full_scale=65535)
    assert deep.polarity == well.polarity
    np.testing.assert_allclose(same.yx, cells.yx, atol=0.01)


def test_shares_of_full_scale_are_the_grey_levels():
    """As scikit-image has them: `image / 255`, in either precision, and 16 bits."""
    image, _ = plate_like(30, 128, seed=2)
    grey = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
    well = prepare_well(grey)
    for shares in (grey / 255, (grey / 255).astype(np.float32), (grey / 255).astype(np.float16)):
        same = prepare_well(shares)
        np.testing.assert_array_equal(same.signal, well.signal)
        assert same.clipped == well.clipped
    deep = prepare_well(grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(
        prepare_well((grey.astype(np.uint16) * 257) / 65535, full_scale=1).sigma_limits,
        deep.sigma_limits,
    )


def test_the_result_of_another_well_is_refused():
    wells = [prepare_well(plate_like(20, 128, seed=seed)[0]) for seed in (3, 4)]
    model = sc.ObservationModel.gaussian(wells[0].sigma_limits)
    result = sc.solve(wells[0].signal, model, wells[0].lam, max_iter=2)
    find_cells(wells[0], result)
    with pytest.raises(ValueError, match="same well's signal"):
        find_cells(wells[1], result)
    part = sc.solve(wells[0].signal[:64], model, wells[0].lam, max_iter=2)
    with pytest.raises(ValueError, match="same well's signal"):
        find_cells(wells[0], part)
