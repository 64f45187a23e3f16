"""The preconditioner of a model, as `solve` uses it."""

from __future__ import annotations

import spotcore as sc
from spotcore.model.preconditioner import Preconditioner


def preconditioner_of(model: sc.ObservationModel, shape: tuple[int, int]) -> Preconditioner:
    """What `solve` uses: scaled up."""
    model.preconditioned_plan(shape, threads=1)
    return model._preconditioners[shape]
