"""The front end as a whole: presets, choices, bad and empty pictures, a well that is solved."""

from __future__ import annotations

import numpy as np
import pytest

import spotcore as sc
from spotcore.simulation.demo import plate_like
from spotcore.wells import find_cells, prepare_well
from support.solved import TWO_WIDTHS, resolvable, solved


def test_simulated_images_get_the_papers_settings():
    image = sc.simulate(100, (128, 128), seed=1).image
    well = prepare_well(image)
    assert well.preset == "paper" and well.polarity == "bright" and well.circle is None
    assert well.lam == 0.5
    # Part II, Table III.
    assert well.sigma_limits.tolist() == [2.3, 5.0, 9.0, 13.0, 23.0, 33.0, 43.0, 53.0, 67.0]
    np.testing.assert_allclose(well.signal, image * (255 / image.max()), rtol=1e-6)
    assert (well.w == 1).all() and (well.mask == 1).all()
    cells = find_cells(well, sc.solve(image, sc.ObservationModel.gaussian([1, 2]), max_iter=3))
    plain = sc.detect(sc.solve(image, sc.ObservationModel.gaussian([1, 2]), max_iter=3))
    np.testing.assert_array_equal(cells.yx, plain.yx)


def test_choices_override_what_is_found():
    image, _ = plate_like(20, 128, seed=1)
    well = prepare_well(image)
    assert (well.preset, well.polarity) == ("well", "dark")
    assert (well.w[well.mask == 0] == 0).all() and 0 < well.mask.mean() < 1
    assert ((well.w >= 0) & (well.w <= 1)).all()
    other = prepare_well(
        image, preset="paper", polarity="bright", lam=3.0, sigma_limits=[1, 2, 4], full_scale=100
    )
    assert (other.preset, other.polarity, other.lam) == ("paper", "bright", 3.0)
    assert other.sigma_limits.tolist() == [1, 2, 4]
    assert other.clipped > well.clipped
    np.testing.assert_array_equal(other.mask, well.mask)  # the well stays where it is
    bare = prepare_well(np.asarray(image)[32:96, 32:96], preset="well")
    assert bare.circle is None and (bare.mask == 1).all()
    assert bare.signal.dtype == np.float32 and bare.signal.flags.c_contiguous


@pytest.mark.parametrize(
    "image, options, error, words",
    [
        (np.full((4, 4), np.nan), {}, ValueError, "image"),
        (np.zeros((4, 4, 3)), {}, ValueError, "image"),
        (np.zeros((4, 4), complex), {}, TypeError, "image"),
        (np.zeros((4, 4)), {"preset": "best"}, ValueError, "preset"),
        (np.zeros((4, 4)), {"polarity": "grey"}, ValueError, "polarity"),
        (np.zeros((4, 4)), {"lam": -1.0}, ValueError, "lam"),
        (np.zeros((4, 4)), {"sigma_limits": [2, 1]}, ValueError, "sigma_limits"),
    ],
)
def test_bad_input(image, options, error, words):
    with pytest.raises(error, match=words):
        prepare_well(image, **options)


@pytest.mark.parametrize("polarity", ["auto", "dark", "bright"])
@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (64, 64)])
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
    assert found.precision == 1.0 and found.recall >= resolvable(truth, TWO_WIDTHS)
    # 16 bits of the same light: as many of the cells, and nothing else.
    deep, same = solved(image.astype(np.uint16) * 257, full_scale=65535)
    assert deep.polarity == well.polarity
    again = sc.match(same, truth)
    assert again.precision == 1.0 and again.recall >= found.recall
