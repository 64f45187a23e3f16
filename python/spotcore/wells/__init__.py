"""The front end for real wells: a picture -> what a network sees of it -> a solve -> its cells.

view, detector -> membrane, dye -> prepare -> (solve) -> spots -> measure -> status
"""

from __future__ import annotations

from spotcore.wells.membrane import Circle
from spotcore.wells.prepare import Well, lambda_from_noise, prepare_well
from spotcore.wells.spots import Artefacts, Spots, find_cells, find_spots

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
