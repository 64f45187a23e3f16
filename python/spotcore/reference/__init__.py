"""The operations of spotcore, in float64, written for reading.

Each operation has the name of its compiled twin, which is in ``cpp/src/`` (folders ``cpu``,
``solvers``, ``landscape``, ``networks``), and its formula stands above the function in the notation
of the papers:

    Part II   P. del Aguila Pla and J. Jaldén, "Cell Detection by Functional Inverse Diffusion
              and Non-negative Group Sparsity, Part II: Proximal Optimization and Performance
              Evaluation", IEEE Transactions on Signal Processing 66(20), 2018.

Nothing here imports the compiled core: the tests compare the two. Numba is needed (it is not a
dependency of `spotcore` itself), and the first call of each function compiles it.
"""

from __future__ import annotations

from spotcore.reference.certificate import (
    background_ratio,
    dual_bound,
    dual_norm,
    dual_point,
    relative_gap,
    repair,
)
from spotcore.reference.data_fit import dual_residual, residual
from spotcore.reference.fista import fista, momentum_sequence
from spotcore.reference.fista_step import fista_step
from spotcore.reference.group_shrink import group_shrink
from spotcore.reference.hourglass import hourglass
from spotcore.reference.landscape import watershed
from spotcore.reference.local_maxima import local_maxima
from spotcore.reference.normal_solve import basis, normal_solve
from spotcore.reference.observation import adjoint, forward, norm_squared
from spotcore.reference.operations import Operations
from spotcore.reference.primal_dual import primal_dual, reference_threshold
from spotcore.reference.primal_dual_step import primal_dual_step
from spotcore.reference.problem import History, Problem, group_norms, project_start
from spotcore.reference.resampler import decimate, interpolate
from spotcore.reference.separable_conv import Kernel, parts, separable_conv
from spotcore.reference.spotnet_layer import (
    convnet,
    convnet_layer,
    correlate,
    spotnet,
    spotnet_layer,
)

__all__ = [
    "History",
    "Kernel",
    "Operations",
    "Problem",
    "adjoint",
    "background_ratio",
    "basis",
    "convnet",
    "convnet_layer",
    "correlate",
    "decimate",
    "dual_bound",
    "dual_norm",
    "dual_point",
    "dual_residual",
    "fista",
    "fista_step",
    "forward",
    "group_norms",
    "group_shrink",
    "hourglass",
    "interpolate",
    "local_maxima",
    "momentum_sequence",
    "norm_squared",
    "normal_solve",
    "parts",
    "primal_dual",
    "primal_dual_step",
    "project_start",
    "reference_threshold",
    "relative_gap",
    "repair",
    "residual",
    "separable_conv",
    "spotnet",
    "spotnet_layer",
    "watershed",
]
