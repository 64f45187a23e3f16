"""Training: what the networks see, what they learn from, and that a run can be killed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed (extra 'train'); these tests train networks"
)

from spotcore.simulation.simulate import simulate  # noqa: E402
from spotcore.train import recipes  # noqa: E402
from spotcore.train.data import (  # noqa: E402
    draw_batch,
    training_image,
    typical_score,
    validation_images,
)
from spotcore.train.eigen_adam import EigenAdam  # noqa: E402
from spotcore.train.inference import maps_of  # noqa: E402
from spotcore.train.losses import Detection, part_loss, parts_of  # noqa: E402
from spotcore.train.model import build  # noqa: E402
from spotcore.train.saved import load_evaluated  # noqa: E402
from spotcore.train.trainer import CheckpointError, Trainer  # noqa: E402
from spotcore.train.truth import Truth, squared_error  # noqa: E402

TINY = {"layers": 2, "size": 3, "tied": False, "nonlinearity": "nonneg", "learn_score": True}


@pytest.fixture(scope="module")
def images():
    """Two small images, simulated once."""
    return [training_image(recipe_of(), index) for index in range(2)]


def recipe_of(**changes):
    settings = {
        "options": TINY,
        "steps": 6,
        "batch": 2,
        "crop": 48,
        "image_size": 96,
        "cells": (20, 60),
        "images": 2,
        "refresh": 2,
        "warm_up": 2,
        "validate_every": 2,
        "validation": (20, 40),
        "detection_weight": 1.0,
        "peaks_weight": 1.0,
        "peaks_from": 3,
    }
    return recipes.Recipe("test", "spotnet", **(settings | changes))


# -- the data -------------------------------------------------------------------------------------


def test_paper_recipe_has_the_papers_constants():
    for kind in ("spotnet", "convnet"):
        recipe = recipes.isbi2019(kind)
        assert recipe.kind == kind
        assert (recipe.learning_rate, recipe.batch, recipe.steps) == (1e-3, 1, 400_000)
        assert (recipe.images, recipe.cells, recipe.refresh) == (7, (1250, 1250), 0)
        assert recipe.validation == (1250,) * 3 and recipe.validate_every == 4000
        assert (recipe.crop, recipe.image_size) == (512, 512) and not recipe.augment
        assert (recipe.bits, recipe.presets) == ((6,), ("isbi2019",))
        assert (recipe.schedule, recipe.warm_up, recipe.clip) == ("constant", 0, None)
        assert (recipe.average, recipe.keep, recipe.detection_weight) == (None, "best", 0.0)
        assert not recipe.relative and recipe.maps_weight == 1.0


def test_no_image_is_shared_between_training_validation_and_evaluation():
    recipe = recipe_of()
    seeds = {training_image(recipe, index).seed for index in range(3)}
    other = {training_image(replace(recipe, seed=1), index).seed for index in range(3)}
    checked = {simulation.seed for simulation in validation_images(recipe)}
    assert len(seeds | other | checked) == 8
    assert min(seeds | other | checked) >= 10**6


@pytest.mark.parametrize("turn", range(8))
def test_network_on_a_crop_is_the_network_on_the_image(images, turn):
    from spotcore.train import data

    recipe = recipe_of()
    network = build("spotnet", TINY, seed=2)
    simulation = images[0]
    whole = maps_of(network, data._turned(simulation.image, turn))[0] / 255.0
    space = recipe.image_size - recipe.crop
    seen = 0
    for y, x in [(0, 0), (0, 20), (20, 0), (space, space), (space, 11), (17, 23)]:
        crop = data._crop(simulation, 0, (y, x), recipe, network.reach, turn)
        assert crop.mask.any(axis=0).sum() >= recipe.crop - 2 * network.reach
        found = maps_of(network, 255.0 * crop.image)[0] / 255.0
        # Where the crop lies in the turned image: follow one corner's index.
        index = np.arange(recipe.image_size**2).reshape((recipe.image_size,) * 2)
        inside = data._turned(index[y : y + recipe.crop, x : x + recipe.crop], turn)
        turned = data._turned(index, turn)
        top, left = np.argwhere(turned == inside[0, 0])[0]
        part = whole[:, top : top + recipe.crop, left : left + recipe.crop]
        valid = crop.mask > 0
        np.testing.assert_allclose(found[:, valid], part[:, valid], rtol=0, atol=1e-5)
        seen += int(valid.sum())
        # Truth: the PSDRs of the cells, at the pixels where they are.
        for (_, row, column), amounts in zip(crop.where, crop.psdr, strict=True):
            pixel = divmod(int(inside[row, column]), recipe.image_size)
            here = (simulation.cells == pixel).all(axis=1)
            np.testing.assert_allclose(amounts, simulation.psdr[here].sum(axis=0) / 255, rtol=1e-5)
            assert crop.heat[row, column] == 1.0 and crop.mask[row, column] == 1.0
        cells = set(map(tuple, (simulation.cells)))
        expected = sum(tuple(divmod(int(i), recipe.image_size)) in cells for i in inside[valid])
        assert len(crop.where) == expected
    assert seen > 0


def test_crops_at_the_border_lose_no_margin_there(images):
    from spotcore.train import data

    recipe = recipe_of()
    mask = data._crop(images[0], 0, (0, 10), recipe, 5, 0).mask
    assert mask[0, 5:-5].all() and not mask[:, :5].any() and not mask[-5:].any()
    full = data._crop(images[0], 0, (0, 0), replace(recipe, crop=96), 5, 0).mask
    assert full.all()


def test_batches_depend_on_seed_and_step_alone(images):
    recipe = recipe_of()
    first, again = (draw_batch(recipe, 7, images, 5) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.where, again.where)
    assert not np.array_equal(first.image, draw_batch(recipe, 8, images, 5).image)


# -- the losses -----------------------------------------------------------------------------------


def test_maps_loss_is_the_mean_squared_error_of_dense_maps(images):
    recipe = recipe_of(detection_weight=0.0)
    network = build("spotnet", TINY, seed=2)
    batch = draw_batch(recipe, 0, images, network.reach)
    dense = np.zeros((2, 30, recipe.crop, recipe.crop), dtype=np.float32)
    for (number, y, x), amounts in zip(batch.where, batch.psdr, strict=True):
        dense[number, :, y, x] += amounts
    maps = np.stack([maps_of(network, 255.0 * image)[0] / 255.0 for image in batch.image])
    expected = (batch.mask[:, None] * (maps - dense) ** 2).sum() / batch.mask.sum() / 30
    parts = parts_of(batch, recipe, 2, torch.device("cpu"))
    found = sum(float(part_loss(network, Detection(), part, recipe)[0].detach()) for part in parts)
    assert found == pytest.approx(expected, rel=1e-4)


class Given:
    """A network that gives this score map [B, H, W]."""

    def __init__(self, score):
        self.given = score

    def maps(self, image):
        return torch.zeros((30, *image.shape))

    def score(self, maps):
        return self.given


def test_detection_loss_prefers_scores_at_the_cells(images):
    recipe = recipe_of(maps_weight=0.0)
    batch = draw_batch(recipe, 0, images, 5)
    (part,) = parts_of(batch, recipe, 1, torch.device("cpu"))

    typical = part.typical[:, None, None]
    losses = [
        float(part_loss(Given(score * typical), Detection(), part, recipe)[0].detach())
        for score in (part.heat, torch.full_like(part.heat, 0.1), 1.0 - part.heat)
    ]
    assert losses[0] < losses[1] < losses[2]


def test_peaks_loss_prefers_peaks_at_cells_above_one_threshold(images):
    recipe = recipe_of(maps_weight=0.0, detection_weight=1e-12, peaks_from=0)
    batch = draw_batch(recipe, 0, images, 5)
    (part,) = parts_of(batch, recipe, 1, torch.device("cpu"))
    cells = torch.zeros_like(part.heat)
    number, y, x = torch.from_numpy(batch.cells).T
    cells[number, y, x] = 1.0
    wrong = torch.roll(cells, (12, 7), (1, 2))

    def loss(score, **changes):
        network = Given(score)
        return float(part_loss(network, Detection(), part, recipe, **changes)[3].detach())

    # Scores in full scales; the centre to start from is exp(-1.2) = 0.3.
    assert loss(1.0 * cells) < loss(0.3 * cells) < loss(0.1 * cells)
    assert loss(1.0 * cells) < loss(1.0 * cells + 0.5 * wrong) < loss(1.0 * wrong)
    early = part_loss(Given(cells), Detection(), part, replace(recipe, peaks_from=1), step=0)
    assert float(early[3]) == 0.0


def test_squared_error_adds_cells_on_one_pixel():
    rng = np.random.default_rng(0)
    cells = np.array([[1, 2], [1, 2], [3, 0]])
    truth = Truth(np.zeros((5, 4), np.float32), cells, rng.uniform(size=(3, 2)))
    maps = rng.uniform(size=(2, 5, 4)).astype(np.float32)
    dense = np.zeros((2, 5, 4))
    for (y, x), amounts in zip(cells, truth.psdr, strict=True):
        dense[:, y, x] += amounts
    assert squared_error(maps, truth) == pytest.approx(((maps - dense) ** 2).mean(), rel=1e-6)


def test_typical_score_is_half_of_the_mass():
    psdr = np.array([[1.0, 1.0], [2.0, 2.0], [10.0, 10.0]])
    assert typical_score(psdr) == 10.0
    assert typical_score(psdr[:2]) == 2.0
    assert typical_score(psdr[:0]) == 0.0


# -- the runs -------------------------------------------------------------------------------------


def state_of(trainer):
    return [
        tensor.clone()
        for module in (trainer.network, trainer.average, trainer.detection)
        for tensor in module.state_dict().values()
    ]


@pytest.mark.parametrize("optimiser", ["adam", "eigen"])
def test_killed_run_ends_with_the_same_bits(tmp_path, optimiser, monkeypatch):
    monkeypatch.setattr("spotcore.train.trainer.EigenAdam", partial(EigenAdam, every=1))
    recipe = recipe_of(optimiser=optimiser)
    whole = Trainer(recipe, tmp_path / "whole", workers=2)
    whole.run(calibration=False)
    Trainer(recipe, tmp_path / "halves", workers=2).run(until=2)
    second = Trainer(recipe, tmp_path / "halves", workers=2)
    second.resume()
    assert second.step == 2
    second.run(calibration=False)
    for ours, theirs in zip(state_of(second), state_of(whole), strict=True):
        assert torch.equal(ours, theirs)
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history]
        for trainer in (whole, second)
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 3
    header = (tmp_path / "whole" / "history.csv").read_text().splitlines()[0]
    assert header.startswith("step,seconds") and "f1_20" in header
    assert load_evaluated(tmp_path / "whole" / "network.pt").rule.kind == "relative"


def test_checkpoint_of_another_run_is_refused(tmp_path):
    Trainer(recipe_of(), tmp_path).run(until=1)
    with pytest.raises(CheckpointError, match=r"learning_rate was 0\.002"):
        Trainer(recipe_of(learning_rate=0.1), tmp_path).resume()
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        Trainer(recipe_of(), tmp_path).resume()


@pytest.mark.parametrize("kind", ["spotnet", "convnet"])
def test_a_few_steps_lower_the_loss(tmp_path, kind):
    options = {"layers": 1, "size": 3} if kind == "spotnet" else {"channels": (1, 4, 30), "size": 3}
    recipe = replace(recipe_of(steps=40, validate_every=10, refresh=0), kind=kind, options=options)
    trainer = Trainer(recipe, tmp_path)
    trainer.run(until=40, calibration=False)
    losses = [row["loss"] for row in trainer.history]
    assert losses[-1] < 0.97 * losses[0]


def test_images_are_those_of_simulate():
    simulation = training_image(recipe_of(), 0)
    again = simulate(len(simulation.cells), (96, 96), "isbi2019", 6, simulation.seed)
    np.testing.assert_array_equal(simulation.image, again.image)


def test_a_run_begins_with_the_parameters_of_another(tmp_path):
    Trainer(recipe_of(steps=3), tmp_path / "first").run(calibration=False)
    source = tmp_path / "first" / "network.pt"
    second = Trainer(recipe_of(steps=2, seed=7), tmp_path / "second", start=source)
    kept = torch.load(source, weights_only=True)["state"]
    for network in (second.network, second.average):
        for name, tensor in network.exported().items():
            torch.testing.assert_close(tensor, kept[name], rtol=0, atol=0)
    second.run(calibration=False)
    record = torch.load(tmp_path / "second" / "network.pt", weights_only=True)["metadata"]
    assert record["training"]["start"]["name"] == "first"
    assert record["training"]["start"]["training"]["recipe"]["steps"] == 3

    other = recipe_of(options={**TINY, "layers": 3})
    with pytest.raises(ValueError, match="another architecture"):
        Trainer(other, tmp_path / "third", start=source)
    source.write_bytes(b"no network")
    with pytest.raises(ValueError, match="file of a training run"):
        Trainer(recipe_of(), tmp_path / "third", start=source)


def test_a_run_begins_with_the_checkpoint_of_another(tmp_path):
    detecting = {"detection_weight": 1.0, "learning_rate": 0.05, "warm_up": 0}
    for keep in ("best", "last"):
        first = Trainer(recipe_of(steps=3, keep=keep, **detecting), tmp_path / keep)
        first.run(calibration=False)
        second = Trainer(recipe_of(), tmp_path / "second", start=tmp_path / keep / "checkpoint.pt")
        exported = torch.load(tmp_path / keep / "network.pt", weights_only=True)["state"]
        for name, tensor in second.network.exported().items():
            torch.testing.assert_close(tensor, exported[name], rtol=0, atol=0)
        # The losses' own parameters, too
        assert second.detection.gain == first.detection.gain != 2.0
        assert second.start["name"] == keep and second.start["training"]["step"] == 3


def test_commands_train_and_evaluate(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra 'train')")
    from typer.testing import CliRunner

    from spotcore.commands.app import app
    from spotcore.train import evaluate, export
    from spotcore.train.evaluate import Case

    monkeypatch.setitem(recipes.RECIPES, "ours", lambda kind: recipe_of())
    monkeypatch.setattr(export, "CALIBRATION", (Case(20, 1, size=96), Case(30, 2, size=96)))
    monkeypatch.setattr(export, "CHECK", (Case(25, 3, size=96),))
    monkeypatch.setattr(
        evaluate, "cases", lambda n, **settings: [Case(20, 20 + i, size=96) for i in range(n)]
    )

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    out = tmp_path / "run"
    result = run("train", "-o", out, "--steps", 4)
    assert result.exit_code == 0, result.output
    names = {path.name for path in out.iterdir()}
    assert {"network.pt", "checkpoint.pt", "history.csv", "history.png"} <= names
    content = torch.load(out / "network.pt", weights_only=True)
    assert set(content) == {"kind", "state", "metadata"} and content["kind"] == "spotnet"
    metadata = content["metadata"]
    assert metadata["image_scaling"] == "max255" and len(metadata["sigma_limits"]) == 31
    assert metadata["threshold"]["value"] > 0 and metadata["calibration"][0] > 0
    assert metadata["training"]["recipe"]["seed"] == 0
    assert "holds a checkpoint" in run("train", "-o", out, "--steps", 4).output
    assert run("train", "-o", out, "--steps", 4, "--resume").exit_code == 0
    assert "steps was 4" in run("train", "-o", out, "--steps", 5, "--resume").output

    figures = tmp_path / "figures"
    command = ("reproduce", "isbi2019", "--network", out / "network.pt", "-o", figures)
    result = run(*command, "--images", 2)
    assert result.exit_code == 0, result.output
    assert {path.name for path in figures.iterdir()} >= {"images.csv", "f1.png", "mse.png"}
    assert "run-" in result.output
