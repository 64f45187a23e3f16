"""Find secreting cells in ELISpot and FluoroSpot images.

image -> observation model -> solver -> detections -> metrics
"""

from __future__ import annotations

from importlib.metadata import version as _version

from spotcore.observation import ObservationModel
from spotcore.solvers import Result, lambda_max, solve

__version__ = _version("spotcore")

__all__ = [
    "ObservationModel",
    "Result",
    "__version__",
    "lambda_max",
    "solve",
]
