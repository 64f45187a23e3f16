"""The operations of spotcore, in float64, written for reading.

Each operation has the name and the file name of its compiled twin in ``cpp/src/``, and its
formula stands above the function in the notation of the papers:

    Part II   P. del Aguila Pla and J. Jaldén, "Cell Detection by Functional Inverse Diffusion
              and Non-negative Group Sparsity, Part II: Proximal Optimization and Performance
              Evaluation", IEEE Transactions on Signal Processing 66(20), 2018.

Nothing here imports the compiled core: the tests compare the two. Numba is needed (it is not a
dependency of `spotcore` itself), and the first call of each function compiles it.
"""

from __future__ import annotations

from spotcore.reference.correlate1d import correlate1d
from spotcore.reference.fista import History, fista, momentum_sequence
from spotcore.reference.fista_step import fista_step
from spotcore.reference.group_shrink import group_shrink
from spotcore.reference.landscape import climb, watershed
from spotcore.reference.local_maxima import local_maxima
from spotcore.reference.observation import adjoint, forward, norm_squared
from spotcore.reference.separable_conv import separable_conv
from spotcore.reference.spotnet_layer import (
    convnet,
    convnet_layer,
    correlate,
    spotnet,
    spotnet_layer,
)

__all__ = [
    "History",
    "adjoint",
    "climb",
    "convnet",
    "convnet_layer",
    "correlate",
    "correlate1d",
    "fista",
    "fista_step",
    "forward",
    "group_shrink",
    "local_maxima",
    "momentum_sequence",
    "norm_squared",
    "separable_conv",
    "spotnet",
    "spotnet_layer",
    "watershed",
]
