"""The duality gap that `solve` reports, against the reference's at the same point."""

from __future__ import annotations

import numpy as np
import pytest

from spotcore import reference
from support.single_precision import dual_bound_between, forward_bound, gamma_n
from support.small_problem import PROBLEMS, problem_of


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_gap_of_fista_is_the_references(name: str) -> None:
    """That of the answer's own dual point, within what rounding A a and the bound can do.

    The gap of the primal-dual method belongs to a dual point that is not returned:
    test_primal_dual.py compares it as it does the iterates.
    """
    problem = problem_of(name)
    stated, kernels = problem.stated, problem.kernels
    widths = []
    for count in (0, 1, 5, 30, 300):
        result = problem.solve(max_iter=count)
        a = result.a.astype(np.float64)
        Aa = reference.forward(a, kernels)
        nu = reference.dual_point(Aa, problem.image, problem.w)
        error = forward_bound(a, kernels) + gamma_n(4) * (np.abs(Aa) + np.abs(problem.image))
        low, high = dual_bound_between(stated, kernels, nu, 2 * problem.w**2 * error)
        exact = reference.dual_bound(reference.Operations(kernels), stated, nu)
        assert low <= exact <= high
        proven = result.objective * (1 - result.gap)
        own = 4 * np.finfo(np.float64).eps * result.objective  # of the line above
        assert low - own <= proven <= high + own
        widths.append((high - low) / result.objective)
    assert max(widths) < 0.01  # or the lines above would say little
    assert result.gap < 0.5
