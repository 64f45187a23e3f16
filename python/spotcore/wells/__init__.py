"""The front end for real wells: from a picture to the arguments of a solve, and to its cells."""

from __future__ import annotations

from spotcore.wells.circle import Circle
from spotcore.wells.prepare import Well, find_cells, lambda_from_noise, prepare_well

__all__ = ["Circle", "Well", "find_cells", "lambda_from_noise", "prepare_well"]
