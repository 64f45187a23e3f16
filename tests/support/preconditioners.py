"""The preconditioner of a model, and its basis as a matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import spotcore as sc
from spotcore.model.preconditioner import Preconditioner

Array = NDArray[np.float64]


def preconditioner_of(model: sc.ObservationModel, shape: tuple[int, int]) -> Preconditioner:
    """What `solve` uses: scaled up."""
    model.preconditioned_plan(shape, threads=1)
    return model._preconditioners[shape]


def whole(halves: tuple[NDArray[np.float32], NDArray[np.float32]], size: int) -> Array:
    """Vectors as columns from their first halves: [size, n]."""
    even, odd = (half.astype(np.float64) for half in halves)
    assert even.shape[1] == (size + 1) // 2
    assert odd.shape[1] == size // 2
    even = np.hstack([even, even[:, : size // 2][:, ::-1]])
    odd = np.hstack([odd, np.zeros((len(odd), size % 2)), -odd[:, ::-1]])
    return np.vstack([even, odd]).T


def basis(p: Preconditioner, shape: tuple[int, int]) -> tuple[Array, Array]:
    return whole(p.rows, shape[0]), whole(p.columns, shape[1])
