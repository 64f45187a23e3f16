"""Wells solved as the command line does, and what can be asked of that."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from spotcore.analysis import SOLVES, solve_well
from spotcore.wells import find_cells, prepare_well

#: The spots of the demo's wells are Gaussians of some 4 px (half of them 3.7 to 4.1 px). Two equal
#: ones show two summits where they are more than two such widths apart (Sparrow's limit).
TWO_WIDTHS = 8.0


def solved(image, **options):
    """Cells of an image, by the same steps and limits as the command line."""
    well = prepare_well(image, **options)
    result = solve_well(well, SOLVES[well.preset])
    return well, find_cells(well, result)


def resolvable(yx, distance: float) -> float:
    """Share of some points that have no other one within a distance."""
    return float(np.mean(cKDTree(yx).query_ball_point(yx, distance, return_length=True) == 1))
