"""What one FISTA iteration must do at least, to compare a timing with the limits of a machine."""

from __future__ import annotations

import numpy as np

import spotcore as sc


def multiply_adds(model: sc.ObservationModel, side: int) -> int:
    """Taps that fall inside the image, over all passes of A and of A* in one iteration.

    Those that an implementation adds for its own ease (tiles, bands) are not counted, nor is what
    is done pixel by pixel.
    """
    total = 0
    for s in {scale for _, scale, _ in model.kernels}:
        members = [(f, lowpass) for f, scale, lowpass in model.kernels if scale == s]
        grid = side
        if s > 1:
            half = len(members[0][1]) // 2
            grid = (side - 1 + half) // s + 1 + half // s
            position = s * (np.arange(grid) - half // s)
            reach = np.abs(position[:, None] - np.arange(side)) <= half
            # One axis at full length, then the other; each bin's map in A and in A*, and an image.
            total += (2 * len(members) + 2) * int(reach.sum()) * (side + grid)
        for f, _ in members:
            offsets = np.abs(np.arange(f.shape[1]) - f.shape[1] // 2)
            total += 4 * f.shape[0] * int(np.maximum(0, grid - offsets).sum()) * grid
    return total


def streamed_bytes(bins: int, side: int) -> int:
    """Two iterates read and one written; images are small beside them."""
    return 3 * 4 * bins * side * side
