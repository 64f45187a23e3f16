"""The front end for real wells: from a picture to the arguments of a solve, and to its cells."""

from __future__ import annotations

from spotcore.wells.artefacts import Artefacts
from spotcore.wells.circle import Circle
from spotcore.wells.prepare import Well, lambda_from_noise, prepare_well
from spotcore.wells.spots import Spots, find_cells, find_spots

__all__ = [
    "Artefacts",
    "Circle",
    "Spots",
    "Well",
    "find_cells",
    "find_spots",
    "lambda_from_noise",
    "prepare_well",
]
