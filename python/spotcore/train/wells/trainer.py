"""Runs the recipe of the wells' network: crops, steps, checkpoints, and going on after a kill."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from spotcore._backends import __version__
from spotcore.networks.hourglass import Hourglass
from spotcore.train.device import find_device
from spotcore.train.eigen_adam import EigenAdam
from spotcore.train.files import save
from spotcore.train.wells.data import Crops
from spotcore.train.wells.losses import Batch, batch_of, loss_of
from spotcore.train.wells.model import WellNet

__all__ = ["Trainer", "WellsRecipe", "exported"]

_FORMAT = 1
_LARGEST_GRADIENT = 5.0
_AVERAGE = 0.999  # of the weights that are kept
_INVERTED = 0.2  # share of crops that are seen inverted: there is nothing to be found
_LAST_RATE = 0.01  # of the learning rate


@dataclass(frozen=True)
class WellsRecipe:
    """Settings of a run.

    Attributes
    ----------
    steps, batch : int
        Steps of the optimiser, and crops of each.
    wells : int
        Simulated wells that crops are cut from.
    first_seed : int
        Of them.
    learning_rate : float
        The largest: it rises over `warm_up` steps and falls as a cosine.
    warm_up : int
    seed : int
        Of the weights that it begins with and of the order of crops.
    """

    steps: int = 7600
    batch: int = 192
    wells: int = 5120
    first_seed: int = 0
    learning_rate: float = 1e-3
    warm_up: int = 500
    seed: int = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = min(1.0, (step + 1) / self.warm_up)
        falling = 0.5 * (1.0 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * rising * (_LAST_RATE + (1.0 - _LAST_RATE) * falling)


class Trainer:
    """A run in a folder, which holds ``checkpoint.pt`` and at the end ``wells.safetensors``.

    Parameters
    ----------
    recipe : WellsRecipe
    folder : Path
    start : Hourglass, optional
        Weights to begin with.
    device : str
        ``"auto"``, or a device of PyTorch. Results differ between devices by rounding.
    """

    def __init__(
        self,
        recipe: WellsRecipe,
        folder: Path,
        start: Hourglass | None = None,
        device: str = "auto",
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.device = find_device(device)
        self.start = None if start is None else start.record
        network = WellNet()
        if start is not None:
            tensors = {name: torch.from_numpy(t.copy()) for name, t in start.tensors.items()}
            network.load_state_dict(tensors)
        self.take(network)
        self.step, self.seconds = 0, 0.0
        self.losses = torch.zeros(4)

    def take(self, network: nn.Module) -> None:
        """Train this network: the one of the package, or another that answers the same."""
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network)
        self.optimiser = EigenAdam(list(self.network.parameters()), self.recipe.learning_rate)

    @property
    def checkpoint(self) -> Path:
        """Where a run that was stopped goes on from."""
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "format": _FORMAT,
            "recipe": asdict(self.recipe),
            "start": self.start,
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        save(state, self.checkpoint)

    def resume(self) -> None:
        """Go back to the checkpoint.

        Raises
        ------
        ValueError
            If it is of another recipe.
        """
        state = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
        if state.get("format") != _FORMAT or state["recipe"] != asdict(self.recipe):
            raise ValueError(f"{self.checkpoint}: not a checkpoint of this recipe")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.start, self.step, self.seconds = state["start"], state["step"], state["seconds"]

    def run(
        self,
        crops: Crops,
        checkpoint_every: int = 500,
        progress: Callable[[Trainer], None] | None = None,
    ) -> Hourglass:
        """Train until the recipe's last step; return the network."""

        def step(trainer: Trainer) -> None:
            if progress is not None:
                progress(trainer)
            if self.step % checkpoint_every == 0 or self.step == self.recipe.steps:
                self.save()

        self.steps(crops, step)
        assert isinstance(self.average, WellNet)
        return exported(self.average, self.record())

    def steps(self, crops: Crops, after: Callable[[Trainer], None]) -> None:
        """Train until the recipe's last step."""
        with ThreadPoolExecutor(1) as ahead:
            coming = [ahead.submit(self._batch, crops, self.step + k) for k in range(4)]
            while self.step < self.recipe.steps:
                began = time.perf_counter()
                coming.append(ahead.submit(self._batch, crops, self.step + len(coming)))
                self._advance(coming.pop(0))
                self.seconds += time.perf_counter() - began
                after(self)
            for each in coming:
                each.cancel()

    def record(self) -> dict[str, Any]:
        """Return how the weights came about."""
        return {
            "recipe": asdict(self.recipe),
            "start": self.start,
            "step": self.step,
            "hours": round(self.seconds / 3600, 2),
            "processors": os.cpu_count(),
            "device": self._device_name(),
            "torch": str(torch.__version__),
            "spotcore": __version__,
        }

    def _device_name(self) -> str:
        kind = self.device.type
        return torch.cuda.get_device_name(self.device) if kind == "cuda" else kind

    def _batch(self, crops: Crops, step: int) -> Batch:
        rng = np.random.default_rng([self.recipe.seed, step])
        chosen = rng.choice(len(crops), self.recipe.batch, replace=False)
        signs = np.where(rng.random(self.recipe.batch) < _INVERTED, -1, 1)
        return batch_of([crops[k] for k in chosen.tolist()], signs.tolist(), self.device)

    def _advance(self, coming: Future[Batch]) -> None:
        batch = coming.result()
        # Half the digits: three times as fast, and what is read is the average of many steps.
        with torch.autocast(self.device.type, torch.bfloat16):
            views = batch.views.contiguous(memory_format=torch.channels_last)
            cells, kinds = self.network(views)
        losses = loss_of(cells.float(), kinds.float(), batch)
        self.optimiser.zero_grad(set_to_none=True)
        losses[0].backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        self.optimiser.step()
        self.step += 1
        decay = min(_AVERAGE, self.step / (self.step + 9))  # forgets the first steps faster
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
        self.losses = losses.detach()  # not read: a GPU would be waited for


def exported(network: WellNet, record: dict[str, Any]) -> Hourglass:
    """Return a network as the package runs it."""
    tensors = {
        name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()
    }
    return Hourglass(tensors, record)
