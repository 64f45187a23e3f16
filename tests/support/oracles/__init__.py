"""Brute-force float64 versions of what spotcore computes; imports nothing of spotcore.

Each one follows the definition rather than a formula derived from it, or a different algorithm:
sums over all pixels for convolutions, quadrature for kernels, a general-purpose minimiser for the
proximal operator, an interior-point method (which knows no proximal operator) for the whole
problem. They are slow, and right for inputs of a few hundred numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from support.oracles.landscape import local_maxima, watershed
from support.oracles.model import (
    convolve,
    dense_matrix,
    forward,
    gaussian_kernel,
    kernel_of,
    norm_squared,
    omega,
)
from support.oracles.networks import convnet, correlate, nonlinearity, spotnet
from support.oracles.problem import (
    dual_value,
    objective,
    shrink_objective,
    shrink_pixel,
    solve_interior_point,
)

Array = NDArray[np.float64]

__all__ = [
    "Array",
    "convnet",
    "convolve",
    "correlate",
    "dense_matrix",
    "dual_value",
    "forward",
    "gaussian_kernel",
    "kernel_of",
    "local_maxima",
    "nonlinearity",
    "norm_squared",
    "objective",
    "omega",
    "shrink_objective",
    "shrink_pixel",
    "solve_interior_point",
    "spotnet",
    "watershed",
]
