"""What a training run does, as data: everything that decides its result but the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

__all__ = [
    "RECIPES",
    "Recipe",
    "isbi2019",
    "ours",
    "ours_finish",
    "ours_isbi2019",
    "ours_isbi2019_finish",
]

FIRST_TRAINING_SEED = 10**6
"""Seeds from here on make training images; those below are for evaluation."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run.

    Parameters
    ----------
    name : str
        Name of the recipe.
    kind : str
        ``"spotnet"`` or ``"convnet"``.
    options : dict
        Arguments of the network.
    steps : int
        Steps of the optimiser in all.
    batch : int
        Crops per step.
    crop : int
        Side of the square that the network sees, in pixels; what lies nearer to its edge than the
        network reaches is left out of the loss, unless that edge is the image's.
    image_size : int
        Side of the simulated images, in pixels.
    presets, bits : tuple
        What each image draws from, uniformly.
    cells : tuple of two ints
        Number of cells, drawn uniformly in its logarithm.
    images : int
        Images that crops are drawn from at one time.
    refresh : int
        After so many steps the oldest image gives way to a new one; 0 for never.
    augment : bool
        Whether crops are mirrored and turned at random (the physics has no direction).
    optimiser : str
        ``"adam"``, or ``"eigen"`` for `spotcore.train.eigen_adam`.
    learning_rate : float
        Adam's, after the warm-up.
    schedule : str
        ``"constant"`` or ``"cosine"``, which ends at a hundredth.
    warm_up : int
        Steps over which the learning rate rises.
    clip : float or None
        Largest norm of the gradient.
    average : float or None
        Decay of the average of the weights that is kept, None to keep the weights.
    maps_weight, detection_weight : float
        Shares of the first two losses, see `spotcore.train.losses`.
    peaks_weight : float
        Share of the loss of the peaks.
    peaks_from : int
        Step from which on it counts: before, peaks say little.
    relative : bool
        Whether squared errors count relative to the image's own mean square, not absolutely.
    target_sigma : float
        Standard deviation of the target's peaks in the detection loss, in pixels.
    validate_every : int
        Steps between two validations.
    validation : tuple
        Number of cells of each validation image (preset isbi2019, 6 bits).
    keep : str
        ``"best"`` keeps the parameters with the lowest validation loss, ``"last"`` the last.
    seed : int
        Seed of everything.
    """

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 16_000
    batch: int = 2
    crop: int = 192
    image_size: int = 512
    presets: tuple[str, ...] = ("isbi2019",)
    bits: tuple[int, ...] = (6,)
    cells: tuple[int, int] = (100, 1600)
    images: int = 48
    refresh: int = 40
    augment: bool = True
    optimiser: Literal["adam", "eigen"] = "adam"
    learning_rate: float = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    warm_up: int = 300
    clip: float | None = 1.0
    average: float | None = 0.998
    maps_weight: float = 1.0
    detection_weight: float = 0.0
    peaks_weight: float = 0.0
    peaks_from: int = 0
    relative: bool = False
    target_sigma: float = 0.7
    validate_every: int = 500
    validation: tuple[int, ...] = (250, 750, 1250)
    keep: Literal["best", "last"] = "last"
    seed: int = 0

    def record(self) -> dict[str, Any]:
        """Return the settings as JSON-able values."""
        record: dict[str, Any] = asdict(self)
        return record


def isbi2019(kind: str = "spotnet", **changes: Any) -> Recipe:
    """Return the paper's procedure: 7 + 3 whole images, Adam at 1e-3, batch 1, best validation.

    References
    ----------
    del Aguila Pla et al., ISBI 2019 (SpotNet), Section 4 and equation (3).
    """
    options: dict[str, Any] = {"nonlinearity": "soft"} if kind == "spotnet" else {}
    settings: dict[str, Any] = {
        "steps": 400_000,
        "batch": 1,
        "crop": 512,
        "cells": (1250, 1250),
        "images": 7,
        "refresh": 0,
        "augment": False,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "warm_up": 0,
        "clip": None,
        "average": None,
        "validate_every": 4000,
        "validation": (1250, 1250, 1250),
        "keep": "best",
    }
    return Recipe("isbi2019", kind, options, **(settings | changes))


def ours(kind: str = "spotnet", **changes: Any) -> Recipe:
    """Return our procedure for the default network: mixed images, detection beside the maps."""
    options: dict[str, Any] = {}
    if kind == "spotnet":
        options = {"layers": 6, "tied": False, "nonlinearity": "nonneg", "learn_score": True}
    settings: dict[str, Any] = {
        "presets": ("isbi2019", "isbi2019", "isbi2019", "part2_2018"),
        "bits": (4, 5, 6, 6, 6, 7, 8, 10),
        "detection_weight": 1.0,
        "peaks_weight": 3.0,
        "peaks_from": 4400,
        "relative": True,
        "keep": "best",
    }
    return Recipe("ours", kind, options, **(settings | changes))


def ours_finish(kind: str = "spotnet", **changes: Any) -> Recipe:
    """Return the second stage of the default network's procedure, begun with the first's result.

    At its last, small learning rates the first stage fits the images that it has at the time: from
    step 12 000 on its error on others rises. Here an image lives for a fifth as many crops. It can
    be repeated, from the checkpoint of the last time and with another seed.
    """
    settings: dict[str, Any] = {
        "steps": 6000,
        "learning_rate": 5e-4,
        "images": 96,
        "refresh": 8,
        "peaks_from": 0,
        "keep": "last",
        "seed": 1,
    }
    return replace(ours(kind, **(settings | changes)), name="ours-finish")


def ours_isbi2019(kind: str = "spotnet", **changes: Any) -> Recipe:
    """Return our procedure for the paper's architectures and images: the maps' error above all.

    The other losses decide between maps of nearly the same error: without the peaks' F1 at 1250
    cells stays 0.01 lower. The weights published with the paper are for ``shifted_abs``; with
    ``nonneg`` the error falls faster. Images of few cells are easy: they need no share of their
    own. In the eigenbasis SpotNet's error after 1000 steps is that of Adam after 10 000.
    """
    settings: dict[str, Any] = {
        "options": {"nonlinearity": "nonneg"} if kind == "spotnet" else {},
        "steps": 10_000 if kind == "spotnet" else 2500,
        "cells": (700, 1600),
        "images": 96,
        "refresh": 12,
        "optimiser": "eigen",
        "relative": True,
        "detection_weight": 0.1,
        "peaks_weight": 0.3,
        "peaks_from": 1000,
    }
    return Recipe("ours-isbi2019", kind, **(settings | changes))


def ours_isbi2019_finish(kind: str = "spotnet", **changes: Any) -> Recipe:
    """Return the second stage of `ours_isbi2019`, begun with the first's checkpoint.

    The first leaves F1 at 250 cells 0.004 behind: here half of the images have fewer than 400.
    """
    settings: dict[str, Any] = {
        "steps": 4000,
        "cells": (100, 1600),
        "learning_rate": 1e-3,
        "peaks_from": 0,
        "seed": 1,
    }
    return replace(ours_isbi2019(kind, **(settings | changes)), name="ours-isbi2019-finish")


RECIPES: dict[str, Callable[..., Recipe]] = {
    "isbi2019": isbi2019,
    "ours": ours,
    "ours-finish": ours_finish,
    "ours-isbi2019": ours_isbi2019,
    "ours-isbi2019-finish": ours_isbi2019_finish,
}
