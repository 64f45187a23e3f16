"""Runs a recipe: Adam on batches, validation, checkpoints, and going on after a kill."""

from __future__ import annotations

import copy
import csv
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spotcore._backends import __version__
from spotcore.metrics import best_f1
from spotcore.train.data import Images, draw_batch, validation_images
from spotcore.train.device import find_device
from spotcore.train.eigen_adam import EigenAdam
from spotcore.train.export import write_network
from spotcore.train.files import save
from spotcore.train.inference import maps_of
from spotcore.train.losses import Detection, part_loss, parts_of
from spotcore.train.model import build
from spotcore.train.recipes import Recipe
from spotcore.train.saved import read_start
from spotcore.train.truth import Truth, squared_error

if TYPE_CHECKING:
    from spotcore.simulation.simulate import Simulation

__all__ = ["CheckpointError", "Trainer"]

_FORMAT = 1
_COLUMNS = ("step", "seconds", "learning_rate", "loss", "maps", "detection", "peaks", "mse", "f1")


class CheckpointError(ValueError):
    """A checkpoint that does not belong to the run, or is no checkpoint."""


class Trainer:
    """A training run in a folder.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    folder : Path
        Holds ``checkpoint.pt``, ``history.csv``, and at the end ``network.pt``.
    device : str
        ``"auto"``, or a device of PyTorch. Results differ between devices by rounding.
    workers : int
        Threads that share a batch. The sums of their gradients depend on the number by rounding.
    start : Path, optional
        ``network.pt`` or ``checkpoint.pt`` of another run, of the same architecture, whose
        parameters to begin with.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        device: str = "auto",
        workers: int = 1,
        start: Path | None = None,
    ) -> None:
        self.recipe = recipe
        self.folder = Path(folder)
        self.device = find_device(device)
        self.workers = max(1, min(workers, recipe.batch)) if self.device.type == "cpu" else 1
        self.network = build(recipe.kind, recipe.options, recipe.seed).to(self.device)
        self.detection = Detection().to(self.device)
        self.start = None if start is None else self._begin_with(Path(start))
        self.average = copy.deepcopy(self.network)
        self.parameters = [*self.network.parameters(), *self.detection.parameters()]
        if recipe.detection_weight == 0.0:
            self.parameters = list(self.network.parameters())
            for name, parameter in self.network.named_parameters():
                if name == "score_weights":  # no loss depends on them
                    self.parameters = [p for p in self.parameters if p is not parameter]
        self.optimiser = _optimiser(recipe, self.parameters)
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] | None = None
        self._sums = np.zeros(5)
        self._executor = ThreadPoolExecutor(self.workers)
        self._images = Images(recipe)
        self._validation: list[Simulation] | None = None

    def _begin_with(self, path: Path) -> dict[str, Any]:
        """Take the parameters of another run; return the record of how they came about."""
        network, detection, record = read_start(path)
        try:
            self.network.load_state_dict(network)
        except RuntimeError as error:
            raise ValueError(f"{path}: another architecture than the recipe's ({error})") from error
        if detection is not None:
            self.detection.load_state_dict(detection)
        return record

    # -- going on ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint; the file is either the old or the new one, never half of one."""
        state = {
            "format": _FORMAT,
            "recipe": self.recipe.record(),
            "start": self.start,
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "detection": self.detection.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "best": self.best,
            "sums": self._sums.tolist(),
        }
        save(state, self.folder / "checkpoint.pt")
        self._write_history()

    def resume(self) -> None:
        """Go back to the state of the folder's checkpoint."""
        path = self.folder / "checkpoint.pt"
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:  # PyTorch raises what it likes on broken files
            raise CheckpointError(f"{path}: expected a checkpoint, got {error}") from error
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise CheckpointError(f"{path}: not a checkpoint of this version")
        mine, theirs = json.loads(json.dumps(self.recipe.record())), state["recipe"]
        theirs = json.loads(json.dumps(theirs))
        for name in mine:
            if mine[name] != theirs.get(name):
                raise CheckpointError(
                    f"{path}: {name} was {theirs.get(name)!r}, now it is {mine[name]!r}"
                )
        self.network.load_state_dict(state["network"])
        self.detection.load_state_dict(state["detection"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.start = state.get("start")
        self.step, self.seconds = state["step"], state["seconds"]
        self.history, self.best = state["history"], state["best"]
        self._sums = np.array(state["sums"])

    # -- the run ----------------------------------------------------------------------------------

    def run(
        self,
        until: int | None = None,
        checkpoint_every: int = 200,
        progress: Callable[[Trainer], None] | None = None,
        calibration: bool = True,
    ) -> None:
        """Train until a step (by default the recipe's last) and write what came out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        threads = torch.get_num_threads()
        if self.device.type == "cpu":
            # Threads that each take some crops share nothing; those inside an operation wait for
            # the slowest after each one.
            torch.set_num_threads(1)
        end = self.recipe.steps if until is None else min(until, self.recipe.steps)
        try:
            while self.step < end:
                begun = time.perf_counter()
                self._advance()
                if self.step % self.recipe.validate_every == 0 or self.step == self.recipe.steps:
                    self._validate()
                self.seconds += time.perf_counter() - begun
                if progress is not None:
                    progress(self)
                if self.step % checkpoint_every == 0 or self.step == end:
                    self.save()
        finally:
            torch.set_num_threads(threads)
            self._images.close()
            self._executor.shutdown()
        if self.step == self.recipe.steps:
            self.export(calibration)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        recipe = self.recipe
        if step < recipe.warm_up:
            return recipe.learning_rate * (step + 1) / recipe.warm_up
        if recipe.schedule == "constant":
            return recipe.learning_rate
        done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
        return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))

    def _advance(self) -> None:
        """One step of the optimiser."""
        recipe = self.recipe
        images = self._images.at(self.step)
        batch = draw_batch(recipe, self.step, images, self.network.reach)
        parts = parts_of(batch, recipe, self.workers, self.device)

        def gradients(part: Any) -> tuple[tuple[Tensor, ...], list[float]]:
            losses = part_loss(self.network, self.detection, part, recipe, self.step)
            found = torch.autograd.grad(losses[0], self.parameters, allow_unused=True)
            known = tuple(
                torch.zeros_like(parameter) if gradient is None else gradient
                for gradient, parameter in zip(found, self.parameters, strict=True)
            )
            return known, [float(loss.detach()) for loss in losses]

        results = list(self._executor.map(gradients, parts))
        for parameter, *shares in zip(self.parameters, *(r[0] for r in results), strict=True):
            parameter.grad = torch.stack(shares).sum(dim=0)
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, recipe.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(self.step)
        self.optimiser.step()
        self.step += 1
        # The average forgets the first steps faster: over the last tenth of the run at most.
        decay = 0.0 if recipe.average is None else min(recipe.average, self.step / (self.step + 9))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        self._sums += [1.0, *np.sum([r[1] for r in results], axis=0)]

    def _validate(self) -> None:
        """Record the losses since the last time, and the error on the validation images."""
        if self._validation is None:
            self._validation = validation_images(self.recipe)
        errors: list[float] = []
        f1: list[float] = []
        for simulation in self._validation:
            maps, score = maps_of(self.average, simulation.image, self.device)
            errors.append(
                squared_error(maps, Truth(simulation.image, simulation.cells, simulation.psdr))
            )
            f1.append(best_f1(score, simulation.cells).f1)
        count, loss, maps_loss, detection_loss, peaks_loss = self._sums.tolist()
        self._sums = np.zeros(5)
        row = {
            "step": float(self.step),
            "seconds": self.seconds,
            "learning_rate": self.learning_rate(self.step - 1),
            "loss": loss / count,
            "maps": maps_loss / count,
            "detection": detection_loss / count,
            "peaks": peaks_loss / count,
            "mse": float(np.mean(errors)),
            "f1": float(np.mean(f1)),
        }
        if len(set(self.recipe.validation)) == len(self.recipe.validation):
            for n_cells, error, figure in zip(self.recipe.validation, errors, f1, strict=True):
                row[f"mse_{n_cells}"], row[f"f1_{n_cells}"] = error, figure
        self.history.append(row)
        if self.best is None or row["mse"] < self.best["mse"]:
            state = {k: v.clone() for k, v in self.average.state_dict().items()}
            self.best = {"mse": row["mse"], "step": self.step, "network": state}

    def export(self, calibration: bool = True) -> Path:
        """Write ``network.pt``, with threshold and confidence fitted unless told otherwise."""
        network = copy.deepcopy(self.average)
        if self.recipe.keep == "best" and self.best is not None:
            network.load_state_dict(self.best["network"])
        training = {
            "recipe": self.recipe.record(),
            "start": self.start,
            "step": self.step if self.recipe.keep == "last" else (self.best or {}).get("step"),
            "device": str(self.device),
            "workers": self.workers,
            "torch": str(torch.__version__),
            "spotcore": __version__,
            "validation": self.history[-1] if self.history else {},
        }
        path = self.folder / "network.pt"
        images = self.folder / "calibration"
        write_network(network, path, training, self.folder.name, images, calibration)
        return path

    def _write_history(self) -> None:
        rows = self.history
        names = list(dict.fromkeys([*_COLUMNS, *(name for row in rows for name in row)]))
        temporary = self.folder / "history.csv.part"
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({k: f"{v:.7g}" for k, v in row.items()} for row in rows)
        temporary.replace(self.folder / "history.csv")


def _optimiser(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Make the optimiser that a recipe names."""
    if recipe.optimiser == "eigen":
        return EigenAdam(parameters, recipe.learning_rate, stacked=recipe.kind == "spotnet")
    return torch.optim.Adam(parameters, recipe.learning_rate)
