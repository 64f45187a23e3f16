"""Crops on the disk: made before training, by several processes, and kept for when it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spotcore._files import atomic_file
from spotcore.train.wells.data import Crop, crops

__all__ = ["Pool", "make_pool"]

_EACH = 64  # wells of a file


class Pool:
    """All crops of some files, in memory.

    Parameters
    ----------
    files : list of Path
        From `make_pool`.
    """

    def __init__(self, files: list[Path]) -> None:
        views, kinds = [], []
        self._cells: list[NDArray[np.float32]] = []
        for path in files:
            with np.load(path, allow_pickle=False) as held:
                views.append(held["view"])
                kinds.append(held["kinds"])
                self._cells += np.split(held["cells"], np.cumsum(held["counts"])[:-1])
        self._views, self._kinds = np.concatenate(views), np.concatenate(kinds)

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self._views)

    def __getitem__(self, number: int) -> Crop:
        """Return one of them."""
        return Crop(self._views[number], self._cells[number], self._kinds[number])


def make_pool(
    folder: Path, first: int, wells: int, workers: int, progress: Callable[[int], None]
) -> list[Path]:
    """Cut crops from simulated wells into files of a folder, those that are not there yet.

    Parameters
    ----------
    folder : Path
    first, wells : int
        Seed of the first well, and how many there are.
    workers : int
        Processes.
    progress : callable
        Called with the number of wells that are done.

    Returns
    -------
    list of Path
        In the order of the seeds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [range(s, min(s + _EACH, first + wells)) for s in range(first, first + wells, _EACH)]
    files = [folder / f"{part.start}-{part.stop}.npz" for part in seeds]
    todo = [(path, part) for path, part in zip(files, seeds, strict=True) if not path.exists()]
    progress(wells - sum(len(part) for _, part in todo))
    # Spawned: what a fork takes along of PyTorch's threads does not run.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_alone) as pool:
        for done in pool.map(_write, todo):
            progress(done)
    return files


def _alone() -> None:
    """Let each process compute on one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _write(task: tuple[Path, range]) -> int:
    path, seeds = task
    made = [crop for seed in seeds for crop in crops(seed)]
    with atomic_file(path) as file:
        np.savez(
            file,
            view=np.stack([crop.view for crop in made]),
            kinds=np.stack([crop.kinds for crop in made]),
            cells=np.concatenate([crop.cells for crop in made]),
            counts=np.array([len(crop.cells) for crop in made]),
        )
    return len(seeds)
