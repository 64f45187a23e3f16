"""Training of the wells' network: its crops, what is asked of them, and runs that go on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from spotcore.networks.hourglass import LIMITS, Hourglass
from spotcore.train.wells.calibrate import fit, judged, truth, visible
from spotcore.train.wells.data import CROP, HELD_OUT, Crop, crops, shown
from spotcore.wells.detector import look, shipped
from spotcore.wells.view import resampled
from support.result_folder import write_result

torch = pytest.importorskip("torch", reason="PyTorch is not installed (make trainer)")

from spotcore.train.wells.losses import UNKNOWN, batch_of, loss_of  # noqa: E402
from spotcore.train.wells.model import WellNet  # noqa: E402
from spotcore.train.wells.own import Mixed, OwnWell, mean_f1, own_crops, own_wells  # noqa: E402
from spotcore.train.wells.pool import Pool, make_pool  # noqa: E402
from spotcore.train.wells.trainer import Trainer, WellsRecipe  # noqa: E402

SMALL = WellsRecipe(steps=4, batch=2, wells=3, warm_up=2)


@pytest.fixture(scope="module")
def some():
    return [crop for seed in range(3) for crop in crops(seed)]


def crop_of(cells):
    kinds = np.zeros((CROP // 2, CROP // 2), np.uint8)
    view = np.ones((2, CROP, CROP), np.float16)
    return Crop(view, np.array(cells, np.float32).reshape(-1, 4), kinds)


def test_crops_are_the_seeds(some):
    again = list(crops(0))
    assert len(again) >= 3
    for one, other in zip(some, again, strict=False):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert all(c.view.shape == (2, CROP, CROP) and np.isfinite(c.view).all() for c in some)


@pytest.mark.parametrize("seed", range(HELD_OUT, HELD_OUT + 12))
def test_cells_that_are_asked_for_stand_out(seed):
    """The picture is brighter at them than around, by the noise that their visibility is over."""
    picture = shown(seed)
    well = picture.well
    clear = (well.hidden_by < 0) & (well.visibility > 60) & (well.width < 6)
    for (y, x), width in zip(well.cells[clear], well.width[clear], strict=True):
        reach = math.ceil(4 * width) + 2
        v, u = round(y), round(x)
        part = picture.grey[max(v - reach, 0) : v + reach + 1, max(u - reach, 0) : u + reach + 1]
        middle = picture.grey[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2].mean()
        assert middle > np.median(part)


def test_marks_are_drawn_by_their_visibility():
    cells = [(30.2, 40.7, 0.5, math.log(v)) for v in (100.0,)]
    cells += [(80.0, 90.0, 0.2, math.log(1.2 * LIMITS[0])), (100.0, 20.0, 0.0, 0.0)]
    batch = batch_of([crop_of(cells), crop_of(cells)], [1, -1])
    assert batch.marks.shape == (2, len(LIMITS), CROP, CROP)
    strong, faint = batch.marks[0, :, 30, 41], batch.marks[0, :, 80, 90]
    assert (strong > 0.9).all() and faint[0] == 1 and not faint[1:].any()
    assert batch.width[0, 30, 41] == 0.5 and batch.near[0, 30, 41]
    assert batch.weight[0, 100, 20] == 0 and batch.weight[0, 60, 60] == 1
    # Seen inverted, it holds nothing.
    assert not batch.marks[1].any() and (batch.views[1] == -1).all()


def test_a_right_answer_costs_less():
    batch = batch_of([crop_of([(60.0, 60.0, 0.3, 4.0)])], [1])
    right = torch.zeros(1, len(LIMITS) + 1, CROP, CROP)
    right[:, :-1] = torch.logit(batch.marks.clamp(0.001, 0.999))
    right[:, -1] = 0.3
    kinds = torch.zeros(1, 6, CROP // 2, CROP // 2)
    kinds[:, 0] = 8.0
    best = loss_of(right, kinds, batch)[0]
    assert best < loss_of(right - 3.0, kinds, batch)[0]
    assert best < loss_of(torch.zeros_like(right), kinds, batch)[0]
    unknown = batch._replace(kinds=torch.full_like(batch.kinds, UNKNOWN))
    assert torch.isfinite(loss_of(right, kinds, unknown)).all()


def test_a_stopped_run_ends_like_one_that_was_not(some, tmp_path):
    whole = Trainer(SMALL, tmp_path / "whole").run(some)
    stopped = Trainer(SMALL, tmp_path / "stopped")

    class Enough(Exception):
        pass

    def stop(trainer):
        if trainer.step == 2:
            trainer.save()
            raise Enough

    with pytest.raises(Enough):
        stopped.run(some, progress=stop)
    on = Trainer(SMALL, tmp_path / "stopped")
    on.resume()
    assert on.step == 2
    ended = on.run(some)
    for name, tensor in whole.tensors.items():
        np.testing.assert_array_equal(ended.tensors[name], tensor)
    other = Trainer(replace(SMALL, seed=1), tmp_path / "stopped")
    with pytest.raises(ValueError, match="not a checkpoint of this recipe"):
        other.resume()


def test_a_run_begins_with_weights(some, tmp_path):
    trainer = Trainer(SMALL, tmp_path, shipped())
    for name, tensor in trainer.network.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), shipped().tensors[name])
    made = trainer.run(some)
    assert isinstance(made, Hourglass) and made.record["step"] == SMALL.steps


def test_a_pool_is_made_once(tmp_path):
    done = []
    files = make_pool(tmp_path, 5, 2, 1, done.append)
    assert sum(done) == 2 and len(files) == 1
    before = files[0].stat().st_mtime_ns
    assert make_pool(tmp_path, 5, 2, 1, done.append) == files
    assert files[0].stat().st_mtime_ns == before
    pool = Pool(files)
    expected = [crop for seed in (5, 6) for crop in crops(seed)]
    assert len(pool) == len(expected)
    for number in (0, len(pool) - 1):
        np.testing.assert_array_equal(pool[number].cells, expected[number].cells)


def test_probabilities_are_made_true():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 3, 20_000)
    hit = rng.random(len(odds)) < 1 / (1 + np.exp(-(0.6 * odds - 0.8)))
    assert fit(odds, hit) == pytest.approx((0.6, -0.8), abs=0.06)


def test_marks_of_simulated_wells_are_judged():
    picture = shown(HELD_OUT + 3)
    found = judged(shipped(), picture)
    assert (
        found.true == len(truth(picture.well, look(picture.grey))) and found.hit.sum() <= found.true
    )
    assert 0.0 <= found.f1(0.5) <= 1.0


def test_own_wells_become_crops(some):
    picture = shown(HELD_OUT + 3)
    cells = picture.well.cells[visible(picture.well)]
    well = OwnWell("mine", picture.grey, cells)
    made = own_crops([well, well], shipped(), 0)
    assert made and all((crop.kinds == UNKNOWN).all() for crop in made)
    assert sum(len(crop.cells) for crop in made) > 0
    view = resampled(picture.grey, 1.0)
    np.testing.assert_allclose(view.to_picture(view.to_view(cells)), cells)
    mixed = Mixed(made, some)
    assert len(mixed) == 2 * len(some)
    assert (mixed[1].kinds == UNKNOWN).all() and mixed[2] is some[1]
    assert 0.0 <= mean_f1([well], shipped()) <= 1.0


def test_a_folder_without_edits_is_refused(tmp_path):
    folder = write_result(tmp_path / "out")
    with pytest.raises(ValueError, match="at least 4 wells with saved edits"):
        own_wells(folder)


def test_the_module_s_parameters_are_the_files():
    module = WellNet()
    assert set(module.state_dict()) == set(shipped().tensors)
