"""``spotcore train --recipe wells``: pool, run, calibration; or on from the shipped weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spotcore.networks.hourglass import Hourglass
from spotcore.train.wells.calibrate import calibrated
from spotcore.train.wells.data import HELD_OUT, shown
from spotcore.train.wells.own import Mixed, mean_f1, own_crops, own_wells
from spotcore.train.wells.pool import Pool, make_pool
from spotcore.train.wells.trainer import Trainer, WellsRecipe
from spotcore.wells.detector import shipped

__all__ = ["OwnResult", "finish", "train", "train_on_own"]

_CALIBRATION = 200  # wells
_OWN = WellsRecipe(
    steps=600, batch=16, wells=320, first_seed=1_000_000, learning_rate=2e-4, warm_up=50
)

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is."""


@dataclass(frozen=True)
class OwnResult:
    """What came of a user's wells.

    Attributes
    ----------
    trained, held_out : int
        Wells that were learned from, and judged by.
    before, after : float
        Mean F1 on the latter.
    """

    trained: int
    held_out: int
    before: float
    after: float


def train(
    folder: Path,
    recipe: WellsRecipe,
    workers: int,
    resume: bool,
    progress: Progress,
    device: str = "auto",
) -> Path:
    """Make the weights of the package; return their file, ``wells.safetensors``.

    Raises
    ------
    ValueError
        If the folder holds a checkpoint that is of another recipe, or not to be resumed.
    """
    trainer = Trainer(recipe, folder, device=device)
    _resume(trainer, resume)
    crops = _pool(folder, recipe, workers, progress)
    return finish(folder, trainer.run(crops, progress=_steps(progress)), progress)


def train_on_own(
    folder: Path,
    own: Path,
    workers: int,
    resume: bool,
    progress: Progress,
    device: str = "auto",
) -> OwnResult:
    """Go on from the shipped weights with a user's corrected wells.

    ``wells.safetensors`` in the folder is written whether it helped or not.

    Raises
    ------
    ValueError
        If there are too few wells, or as `train`.
    """
    wells, held_out = own_wells(own)
    before = mean_f1(held_out, shipped())
    trainer = Trainer(_OWN, folder, shipped(), device)
    _resume(trainer, resume)
    simulated = _pool(folder, _OWN, workers, progress)
    crops = own_crops(wells, shipped(), _OWN.seed)
    made = trainer.run(Mixed(crops, simulated), progress=_steps(progress))
    # Not calibrated anew: the shipped weights were, and this user's eye is what counts.
    made.save(folder / "wells.safetensors")
    return OwnResult(len(wells), len(held_out), before, mean_f1(held_out, made))


def finish(folder: Path, network: Hourglass, progress: Progress) -> Path:
    """Calibrate a network and write it."""
    done = 0

    def step(_: int) -> None:
        nonlocal done
        done += 1
        progress("calibration", done, _CALIBRATION)

    pictures = map(shown, range(HELD_OUT, HELD_OUT + _CALIBRATION))
    path = folder / "wells.safetensors"
    calibrated(network, pictures, step).save(path)
    return path


def _resume(trainer: Trainer, resume: bool) -> None:
    if not trainer.checkpoint.exists():
        return
    if not resume:
        raise ValueError(
            f"{trainer.folder}: holds a checkpoint; add --resume, or take another folder"
        )
    trainer.resume()


def _pool(folder: Path, recipe: WellsRecipe, workers: int, progress: Progress) -> Pool:
    done = 0

    def step(wells: int) -> None:
        nonlocal done
        done += wells
        progress("wells", done, recipe.wells)

    return Pool(make_pool(folder / "pool", recipe.first_seed, recipe.wells, workers, step))


def _steps(progress: Progress) -> Callable[[Trainer], None]:
    return lambda trainer: progress("steps", trainer.step, trainer.recipe.steps)
