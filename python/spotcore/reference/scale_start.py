"""Where a warm start is taken to begin."""

from __future__ import annotations

import numpy as np

from spotcore.reference._jit import Array
from spotcore.reference.operations import Operations
from spotcore.reference.problem import Problem, group_norms


# s a,   s = argmin_{s ≥ 0} ‖w ⊙ (s A a − d)‖² + λ s Σ_{m,n} ‖ξ ⊙ a_{m,n}‖₂
#          = [⟨w² ⊙ A a, d⟩ − ½ λ Σ ‖ξ ⊙ a‖₂]₊ / ‖w ⊙ A a‖²
def scale_start(ops: Operations, problem: Problem, a: Array) -> Array:
    """Scale a first guess to the multiple of it that has the least objective.

    Parameters
    ----------
    ops : Operations
        The model's.
    problem : Problem
        The problem.
    a : ndarray of float64, [K, H, W]
        Maps ≥ 0.

    Returns
    -------
    ndarray of float64, [K, H, W]
        The multiple; zeros, where none does better than they.
    """
    squares = 1.0 if problem.w is None else problem.w**2
    image = ops.forward(a)
    square = float(np.sum(squares * image**2))
    along = float(np.sum(squares * image * problem.image))
    along -= problem.lam * float(group_norms(a, problem.xi).sum()) / 2.0
    scale = along / square if square > 0 and along > 0 else 0.0
    return scale * a
