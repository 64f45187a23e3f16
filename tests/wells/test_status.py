"""What a well's count is worth: on real and simulated wells, blurred, empty, confluent, clipped."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import spotcore as sc
from spotcore.detections import Cells
from spotcore.images.picture import Picture
from spotcore.images.read import read_image
from spotcore.settings import Settings
from spotcore.simulation.demo import plate_like
from spotcore.wells import find_spots, prepare_well
from spotcore.wells.confluence import Staining, bare_level
from spotcore.wells.confluence import overlap as density_of
from spotcore.wells.from_picture import prepare_picture
from spotcore.wells.measure import measure_cells
from spotcore.wells.status import focus, well_status

CONFLUENT = ("D3", "D6", "D9")


def judged(image, *, full_scale=255.0, membrane=None, focus_limit=None, pixel_size=None, **options):
    """Status as `detect` gives it; the secretions are those of a few iterations."""
    grey = np.asarray(image, np.float32)
    well = prepare_well(grey, full_scale=full_scale, **options)
    model = sc.ObservationModel.gaussian(well.sigma_limits, rank=1)
    result = sc.solve(well.signal, model, lam=well.lam, w=well.w, mask=well.mask, max_iter=15)
    cells = find_spots(well, result).cells
    return well_status(
        well,
        cells,
        measure_cells(well, cells),
        grey,
        full_scale=full_scale,
        membrane=membrane,
        focus_limit=focus_limit,
        pixel_size=pixel_size,
    )


def status_of(well, grey):
    """Status of a well in which no cell was found."""
    cells = Cells(*np.zeros((2, 0), np.int64), np.zeros(0, np.float32), None, None, 0.0)
    return well_status(well, cells, measure_cells(well, cells), np.asarray(grey, np.float32))


def membrane_only(size=256, grey=200.0, noise=2.0, surround=255.0, seed=0):
    y, x = np.ogrid[:size, :size]
    disc = 1 / (1 + np.exp((np.hypot(y - size / 2, x - size / 2) - 0.45 * size) / 1.5))
    picture = disc * grey + (1 - disc) * surround
    noisy = picture + noise * np.random.default_rng(seed).standard_normal(picture.shape)
    return np.clip(noisy, 0.0, 255.0)


# ------------------------------------------------------------------------------------- statuses


def test_a_countable_well():
    image, cells = plate_like(60, 256, seed=2)
    status = judged(image)
    assert status.status == "counted" and status.reason is None
    low, high = status.interval
    assert low <= status.count <= high <= 2 * len(cells)
    assert status.secretion > 0


@pytest.mark.parametrize("grey, surround", [(200.0, 255.0), (150.0, 255.0), (15.0, 0.0)])
def test_an_empty_well(grey, surround):
    polarity = "dark" if surround else "bright"
    status = judged(membrane_only(grey=grey, surround=surround), polarity=polarity)
    assert (status.status, status.count) == ("empty", 0)
    assert status.interval[0] == 0 and status.interval[1] <= 8


def test_a_flat_picture_is_rejected():
    status = judged(np.full((100, 100), 255.0), preset="well", polarity="dark")
    assert status.status == "rejected" and "same grey level" in status.reason
    assert status.count is None and status.interval is None


def test_a_saturated_picture_is_rejected():
    image = np.clip(membrane_only(grey=258, surround=0, noise=5), 0, 255)
    status = judged(image, polarity="bright", preset="well")
    assert status.status == "rejected" and "black or saturated" in status.reason


@pytest.mark.parametrize("pixels", [0, 100])
def test_no_membrane_is_no_well(pixels):
    grey = membrane_only()
    seen = prepare_well(grey)
    membrane = np.zeros(grey.shape, bool)
    membrane.ravel()[:pixels] = True
    status = status_of(replace(seen, membrane=membrane, clipped=1.0), grey)
    assert (status.status, status.count) == ("no_well", None)
    assert status.reason == f"only {pixels} pixels of membrane"


def test_a_picture_of_something_else_is_rejected():
    """A page of writing, say: the network sees little membrane in it."""
    grey = membrane_only()
    well = prepare_well(grey)
    kinds = np.zeros_like(well.sight.kinds)
    kinds[well.sight.number_of("writing")] = 0.8
    kinds[well.sight.number_of("membrane")] = 0.2
    status = status_of(replace(well, sight=replace(well.sight, kinds=kinds)), grey)
    assert (status.status, status.count) == ("rejected", None)
    assert status.reason == "80% of what the picture shows is no membrane with spots"


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_spots_that_merge_in_saturation_are_not_counted(share):
    image, truth = plate_like(60, 256, seed=2, dark=False)
    grey = image.astype(np.float32)
    inside = prepare_well(grey).membrane
    gain = 255 / np.quantile(grey[inside], 1 - share)
    saturated = np.minimum(np.rint(grey * gain), 255).astype(np.uint8)
    picture = Picture(saturated.astype(np.float32), 255, None, "grey", "")
    well = prepare_picture(picture, Settings())[2]
    cells = Cells(*truth.T, np.ones(len(truth), np.float32), None, None, 0.0)
    status = well_status(well, cells, measure_cells(well, cells), picture.pixels)
    assert (status.status == "counted") == (share < 0.03), status.reason
    if status.status != "counted":
        assert status.status == "rejected" and "of the well is saturated" in status.reason


def test_noise_is_an_empty_well():
    noise = np.random.default_rng(0).normal(100, 3, (200, 200))
    status = judged(noise)
    assert status.status in ("empty", "no_well", "rejected") or status.count <= 1


@pytest.mark.parametrize("dark", [True, False])
def test_a_simulated_confluent_well(dark):
    image, _ = plate_like(6000, 400, seed=3, dark=dark)
    polarity = "dark" if dark else "bright"
    status = judged(image, polarity=polarity, membrane=215.0 if dark else 20.0)
    assert status.status == "too_numerous" and "confluent" in status.reason
    assert status.count is None
    few, _ = plate_like(40, 400, seed=3, dark=dark)
    assert judged(few, polarity=polarity, membrane=215.0 if dark else 20.0).status == "counted"


@pytest.mark.parametrize("overlap", [3.0, 30.0])
def test_confluence_by_campbells_theorem(overlap):
    # Shot noise with a known number of spots under the area of one, 4 pi sigma^2 for Gaussians.
    rng, sigma, size = np.random.default_rng(5), 3.0, 400
    n = rng.poisson(overlap * size**2 / (4 * np.pi * sigma**2))
    impulses = np.zeros((size, size))
    np.add.at(impulses, tuple(rng.integers(0, size, (2, n))), 1.0)
    grey = 20 + 100 * ndimage.gaussian_filter(impulses, sigma, mode="wrap")
    well = prepare_well(rng.normal(100, 3, (size, size)), preset="well", polarity="bright")
    signal = (grey - np.median(grey)).astype(np.float32)
    well = replace(well, signal=signal, membrane=np.ones((size, size), bool))
    staining = Staining.of(well, grey.astype(np.float32), 255.0)
    found = density_of(staining, bare_level("bright", 255.0, 20.0), False)
    # The median and its deviation stand for mean and standard deviation: of the order of the skew.
    assert found == pytest.approx(overlap, rel=0.15 + 4 / (3 * np.sqrt(overlap)) / 2)
    # Of a Gaussian pulse, with kappa_3 and kappa_2 from its integrals.
    assert staining.skewness == pytest.approx(4 / (3 * np.sqrt(overlap)), rel=0.35)


def test_the_plates_confluent_wells(shared_data):
    plate = shared_data / "plate-a-to-d"
    with (plate / "reader_counts.csv").open() as file:
        names = {row["well"]: row["cmvision_index"] for row in csv.DictReader(file)}
    found = {}
    for well, index in names.items():
        grey = read_image(plate / f"image1_Well_{index}.png").pixels
        status = status_of(prepare_well(grey), grey)
        found[well] = status.confluence
        assert (status.status == "too_numerous") == (well in CONFLUENT), (well, found[well])
    # The reader parts them, whatever the limit between: the crowded D4, D5 and D12 are the next.
    confluent = min(found[well] for well in CONFLUENT)
    others = max(density for well, density in found.items() if well not in CONFLUENT)
    assert confluent > 3.24 * others


# ---------------------------------------------------------------------------------------- focus


@pytest.mark.parametrize("sigma", [2.0, 4.0, 7.0])
def test_focus_of_gaussian_spots(sigma):
    y, x = np.ogrid[:300, :300]
    centres = np.array([(a, b) for a in (60, 150, 240) for b in (60, 150, 240)], float)
    well = prepare_well(np.random.default_rng(0).normal(100, 3, (300, 300)), polarity="bright")

    def found(spots):
        signal = sum(50 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * sigma**2)) for a, b in spots)
        seen = replace(well, signal=signal.astype(np.float32), spot_scale=sigma)
        return focus(seen, Cells(*spots.T, np.ones(len(spots), np.float32), None, None, 0.5))

    # Measured on a signal that is smoothed by a pixel first.
    assert found(centres) == pytest.approx(np.hypot(sigma, 1.0), rel=0.05)
    assert found(centres[:4]) is None


@pytest.mark.parametrize("name", ["test1", "test3", "test4", "test6"])
def test_blurred_wells(shared_data, name):
    grey = read_image(shared_data / f"wells/{name}.tif").pixels

    def status(blur, pixel_size):
        return judged(ndimage.gaussian_filter(grey, blur), pixel_size=pixel_size).status

    # These wells are some 490 pixels wide: of a 96-well plate's, a pixel is 13 µm.
    assert [status(0, 13.0), status(1.5, 13.0), status(4, 13.0)] == [
        "counted",
        "counted",
        "out_of_focus",
    ]
    # Without it, the well's own radius says as much.
    assert [status(0, None), status(4, None)] == ["counted", "out_of_focus"]


@pytest.mark.parametrize("name", ["test4", "test6"])
def test_a_blurred_well_is_not_empty(shared_data, name):
    grey = read_image(shared_data / f"wells/{name}.tif").pixels
    for blur in (3.0, 4.0):
        assert judged(ndimage.gaussian_filter(grey, blur)).status == "out_of_focus"


def test_a_plate_of_large_pixels_is_in_focus(shared_data):
    for index in (1, 2, 28, 40, 48):
        grey = read_image(shared_data / f"plate-a-to-d/image1_Well_{index}.png").pixels
        for pixel_size in (None, 45.0):
            assert judged(grey, pixel_size=pixel_size).status == "counted", index


@pytest.mark.parametrize("seed", range(6))
def test_a_small_well_of_few_cells_is_in_focus(seed):
    image, _ = plate_like(8, 72, seed=seed)
    assert judged(image).status == "counted"


def test_a_blurred_simulated_well():
    image, _ = plate_like(80, 512, seed=6)
    assert judged(image).status == "counted"
    blurred = judged(ndimage.gaussian_filter(image.astype(np.float32), 6.0))
    assert blurred.status == "out_of_focus" and blurred.count is None
    assert "sharpest spots" in blurred.reason
    assert judged(image, focus_limit=1.0).status == "out_of_focus"
