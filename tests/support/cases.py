"""The shapes, ranks and kernel lengths on which the operations run, in tests and in bench."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spotcore.model.decimation import multiscale_kernels
from spotcore.model.kernels import SeparableKernel


@dataclass(frozen=True)
class Drawn:
    """An image's size, and arrays of it drawn at random."""

    name: str
    shape: tuple[int, int]

    @property
    def n_bins(self) -> int:
        """K."""
        raise NotImplementedError

    def maps(self, seed: int = 1) -> NDArray[np.float64]:
        """Draw K maps of either sign, [K, H, W], with float32 values."""
        return single(np.random.default_rng(seed).normal(size=(self.n_bins, *self.shape)))

    def image(self, seed: int = 2) -> NDArray[np.float64]:
        """Draw an image of either sign, [H, W], with float32 values."""
        return single(np.random.default_rng(seed).normal(size=self.shape))

    def mask(self, seed: int = 3) -> NDArray[np.float64]:
        """Draw μ in {0, 1}, [H, W]; about one pixel in four is 0."""
        return (np.random.default_rng(seed).random(self.shape) < 0.75).astype(np.float64)


@dataclass(frozen=True)
class Case(Drawn):
    """Sizes of one observation model: an image, and one rank and length per kernel."""

    lengths: tuple[int, ...]  # L_k, odd
    ranks: tuple[int, ...]  # R_k

    @property
    def n_bins(self) -> int:
        return len(self.lengths)

    def factors(self, seed: int = 0) -> list[NDArray[np.float64]]:
        """Draw the factors of K kernels, each [R_k, L_k].

        They are symmetric about the centre, of either sign, with each kernel's Σ|g| about 1, so
        that no kernel dominates a sum. Their values are float32 numbers: an operation in single
        precision and its float64 oracle then start from the same input.
        """
        rng = np.random.default_rng(seed)
        drawn = []
        for rank, length in zip(self.ranks, self.lengths, strict=True):
            half = rng.normal(size=(rank, length // 2 + 1)) / (length * np.sqrt(rank))
            drawn.append(single(np.concatenate([half[:, :0:-1], half], axis=1)))
        return drawn


@dataclass(frozen=True)
class GaussianCase(Drawn):
    """The kernels of the default model, each on the grid that is coarse enough for it."""

    sigma_limits: tuple[float, ...]

    @property
    def n_bins(self) -> int:
        return len(self.sigma_limits) - 1

    def factors(self) -> list[SeparableKernel]:
        return list(multiscale_kernels(self.sigma_limits))


def single(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to the nearest float32 numbers, kept as float64."""
    return x.astype(np.float32).astype(np.float64)


CASES = [
    Case("one_pixel", (1, 1), (1,), (1,)),
    Case("one_pixel_long_kernel", (1, 1), (9, 31), (2, 1)),
    Case("one_row", (1, 37), (5, 81), (1, 3)),
    Case("one_column", (41, 1), (7, 3), (2, 1)),
    Case("length_one", (6, 5), (1, 1, 1), (1, 2, 3)),
    Case("kernel_longer_than_image", (7, 11), (31, 15, 13), (2, 1, 3)),
    Case("kernel_as_long_as_image", (9, 9), (9, 17, 19), (1, 1, 1)),
    Case("primes", (31, 47), (3, 11, 23), (1, 2, 1)),
    Case("wide", (3, 130), (5, 9), (1, 2)),
    Case("tall", (130, 3), (9, 5), (2, 1)),
    Case("whole_vectors", (32, 64), (5, 7), (1, 1)),
    Case("one_short_of_vectors", (33, 63), (7, 5), (1, 3)),
    Case("eight_bins", (23, 29), (3, 5, 7, 9, 15, 21, 31, 41), (1, 1, 1, 1, 1, 1, 1, 1)),
    Case("mixed", (40, 51), (1, 3, 9, 27, 63), (4, 1, 3, 1, 2)),
    Case("many_rows", (257, 19), (21, 3), (1, 2)),
]

# Scales 1 to 16, alone and together; more than one block, strip and band of the core.
GAUSSIAN_CASES = [
    GaussianCase("gaussians_on_one_pixel", (1, 1), (2.3, 5.0, 9.0)),
    GaussianCase("gaussians_on_a_line", (1, 90), (0.0, 2.3, 9.0)),
    GaussianCase("gaussians_on_rows", (3, 200), (1.2, 2.2, 5.5, 13.0)),
    GaussianCase("gaussians_wider_than_image", (41, 30), (5.0, 20.0, 67.0)),
    GaussianCase(
        "gaussians_of_part_2", (66, 67), (2.3, 5.0, 9.0, 13.0, 23.0, 33.0, 43.0, 53.0, 67.0)
    ),
    GaussianCase("gaussians_on_strips", (70, 129), (5.0, 9.0, 13.0, 23.0)),
    GaussianCase("gaussians_on_bands", (131, 64), (2.3, 5.0, 23.0)),
]

# The analysis grid of Part II (its Table III), for bench and for the tests at full size.
PART2_SIGMA_LIMITS = (2.3, 5.0, 9.0, 13.0, 23.0, 33.0, 43.0, 53.0, 67.0)
PART2_LENGTHS = (31, 55, 79, 139, 199, 259, 319, 403)
