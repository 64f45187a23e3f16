"""Find secreting cells in ELISpot and FluoroSpot images.

image -> observation model -> solver -> detections -> metrics
"""

from __future__ import annotations

from spotcore._backends import __version__
from spotcore.analysis import WellAnalysis, analyse
from spotcore.detections import Cells, detect, local_maxima
from spotcore.images import ImageError, Picture, read_image
from spotcore.metrics import BestF1, Match, best_f1, f1_at, match
from spotcore.model import ObservationModel
from spotcore.networks import ConvNet, SpotNet
from spotcore.settings import Settings
from spotcore.simulation import SimulatedWell, Simulation, simulate, simulate_well
from spotcore.solvers import Result, lambda_max, solve
from spotcore.wells import Well, find_cells, prepare_well

__all__ = [
    "BestF1",
    "Cells",
    "ConvNet",
    "ImageError",
    "Match",
    "ObservationModel",
    "Picture",
    "Result",
    "Settings",
    "SimulatedWell",
    "Simulation",
    "SpotNet",
    "Well",
    "WellAnalysis",
    "__version__",
    "analyse",
    "best_f1",
    "detect",
    "f1_at",
    "find_cells",
    "lambda_max",
    "local_maxima",
    "match",
    "prepare_well",
    "read_image",
    "simulate",
    "simulate_well",
    "solve",
]
