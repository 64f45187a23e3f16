"""Simulated images of plates with known cells, after Section III-B of Part II (2018).

cells -> square pulses of secretion -> PSDRs (`simulation.diffusion`) -> exact observation model
-> optical blur -> division by the maximum -> noise of a b-bit camera -> [0, 255].
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore import _core
from spotcore._arrays import as_count, as_number, as_points, as_real, as_shape
from spotcore.model.kernels import separable_factors
from spotcore.model.observation import ObservationModel
from spotcore.simulation.diffusion import Assay, secretion_matrix, sigma_grid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ISBI2019", "PART2_2018", "PRESETS", "Physics", "Simulation", "render", "simulate"]

_FULL_SCALE = 255.0  # the papers' images lie in [0, 255]


@dataclass(frozen=True)
class Physics:
    """What, besides number of cells, size, noise and seed, decides a simulated image.

    Parameters
    ----------
    name : str
        Name to choose it by.
    assay : Assay
        Physical and numerical parameters.
    optical_blur : float
        Standard deviation of the Gaussian blur of the optics, in pixels.
    pulse_window : tuple of two floats
        Secretion starts and ends within this interval, in seconds.
    secretion_range : tuple of two floats
        Total secretion of a cell, as a share of the largest possible one.
    """

    name: str
    assay: Assay
    optical_blur: float = 2.28
    pulse_window: tuple[float, float] = (3600.0, 6 * 3600.0)
    secretion_range: tuple[float, float] = (0.5, 1.0)

    def __post_init__(self) -> None:
        """Check the ranges."""
        as_number(self.optical_blur, "optical_blur", minimum=0.0, strict=True)
        for name, upper in (("pulse_window", self.assay.duration), ("secretion_range", 1.0)):
            first, last = getattr(self, name)
            if not 0.0 <= first <= last <= upper:
                raise ValueError(
                    f"{name}: expected 0 <= first <= last <= {upper:g}, got {(first, last)}"
                )


PART2_2018 = Physics("part2_2018", Assay(adsorption=1e-7, max_captures=10))
ISBI2019 = Physics("isbi2019", Assay(adsorption=6e-9, max_captures=20))
PRESETS = {preset.name: preset for preset in (PART2_2018, ISBI2019)}


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated image with its truth.

    Attributes
    ----------
    image : ndarray, float32, shape [H, W]
        What the camera sees, in [0, 255].
    clean : ndarray, float32, shape [H, W]
        The same without noise; its maximum is 255 (0 where there are no cells).
    cells : ndarray, int64, shape [n, 2]
        Positions (y, x) in pixels.
    secretion : ndarray, float64, shape [n]
        Total secretion of each cell, as a share of the largest possible one.
    times : ndarray, float64, shape [n, 2]
        Start and end of each cell's secretion, in seconds.
    psdr : ndarray, float64, shape [n, K]
        PSDR of each cell in the intensity scale of `clean`: placed at `cells`, those of cells on
        one pixel added, then put through the observation model of `sigma_limits` and the optical
        blur, they give `clean`.
    sigma_limits : ndarray, float64, shape [K + 1]
        Limits of the sigma bins of `psdr`, in pixels.
    scale : float
        Grey levels per largest possible secretion, 255 / (maximum before scaling). It differs from
        image to image: ``psdr / scale`` is comparable between images, and
        ``sum_k sqrt(Delta_k) psdr[i, k] / scale`` is the share of `secretion` bound at the end,
        times ``secretion[i]``.
    preset : Physics
        Settings of the simulation.
    bits : int or None
        Bits of the camera whose quantisation noise was added, None for no noise.
    seed : int or None
        Seed, None where a generator was given instead.
    """

    image: NDArray[np.float32]
    clean: NDArray[np.float32]
    cells: NDArray[np.int64]
    secretion: NDArray[np.float64]
    times: NDArray[np.float64]
    psdr: NDArray[np.float64]
    sigma_limits: NDArray[np.float64]
    scale: float
    preset: Physics
    bits: int | None
    seed: int | None


def simulate(
    n_cells: int = 750,
    shape: tuple[int, int] = (512, 512),
    preset: str | Physics = "isbi2019",
    bits: int | None = 6,
    seed: int | np.random.Generator = 0,
) -> Simulation:
    """Simulate the image of a plate with known cells.

    Cells lie at uniform pixel centres (several may share one, and add). Each secretes at a
    constant rate between two uniform times of ``preset.pulse_window``, in total a uniform share in
    ``preset.secretion_range`` of the largest possible secretion. The image is divided by its
    maximum, Gaussian noise of standard deviation ``2**-bits / sqrt(12)`` is added, and the result
    is clipped to [0, 1] and multiplied by 255.

    Parameters
    ----------
    n_cells : int
        Number of cells, >= 0.
    shape : tuple of two ints
        Height and width of the image in pixels.
    preset : str or Physics
        ``"part2_2018"``, ``"isbi2019"`` or settings of your own.
    bits : int or None
        Bits of the camera, at least 1; None adds no noise. The papers' noise levels 1 to 4 are 10,
        8, 6 and 4 bits.
    seed : int or numpy.random.Generator
        Seed, or the generator to draw from. The noise is drawn last: images that differ in
        `bits` alone show the same cells.

    Returns
    -------
    Simulation
        The image and its truth.

    Raises
    ------
    ValueError
        If an argument is out of range or the preset is not known.
    TypeError
        If an argument has the wrong type.

    References
    ----------
    del Aguila Pla and Jalden, IEEE TSP 66(20), 2018 (Part II), Section III-B, Tables I and II;
    del Aguila Pla et al., ISBI 2019 (SpotNet), Section 4. Where the published code departs from
    the text, the text is followed: a pulse is integrated exactly over the time bins.
    """
    n_cells = as_count(n_cells, "n_cells")
    shape = as_shape(shape)
    settings = _as_preset(preset)
    if bits is not None:
        bits = as_count(bits, "bits", minimum=1)
    if not isinstance(seed, np.random.Generator):
        seed = as_count(seed, "seed")
    rng = np.random.default_rng(seed)

    cells = rng.integers(0, shape, size=(n_cells, 2))
    times = np.sort(rng.uniform(*settings.pulse_window, size=(n_cells, 2)), axis=1)
    secretion = rng.uniform(*settings.secretion_range, size=n_cells)
    psdr = pulses(settings.assay, times, secretion) @ secretion_matrix(settings.assay)

    unscaled = render(cells, psdr, shape, settings)
    maximum = float(unscaled.max()) or 1.0  # without cells there is nothing to scale
    clean = unscaled / np.float32(maximum) * np.float32(_FULL_SCALE)
    return Simulation(
        image=clean.copy() if bits is None else _with_noise(clean, bits, rng),
        clean=clean,
        cells=cells,
        secretion=secretion,
        times=times,
        psdr=psdr * (_FULL_SCALE / maximum),
        sigma_limits=sigma_grid(settings.assay),
        scale=_FULL_SCALE / maximum,
        preset=settings,
        bits=bits,
        seed=seed if isinstance(seed, int) else None,
    )


def render(
    cells: ArrayLike,
    psdr: ArrayLike,
    shape: tuple[int, int],
    preset: str | Physics = "isbi2019",
) -> NDArray[np.float32]:
    """Noise-free, unscaled image of cells with given PSDRs.

    Parameters
    ----------
    cells : array_like, shape [n, 2]
        Positions (y, x) in pixels, whole numbers within the image. PSDRs on one pixel add.
    psdr : array_like, shape [n, K]
        PSDR of each cell on the sigma bins of the preset, in any unit of intensity.
    shape : tuple of two ints
        Height and width of the image in pixels.
    preset : str or Physics
        Decides the sigma bins and the optical blur.

    Returns
    -------
    ndarray, float32, shape [H, W]
        Image in the unit of `psdr`. What falls beyond its border is lost before the optical blur.

    Raises
    ------
    ValueError
        If a cell lies outside the image or between pixels, or the shapes do not agree.
    """
    shape = as_shape(shape)
    settings = _as_preset(preset)
    n_bins = settings.assay.n_bins
    points = as_points(cells, "cells")
    misplaced = (points < 0) | (points >= shape) | (points != np.floor(points))
    if misplaced.any():
        first = points[misplaced.any(axis=1)][0].tolist()
        raise ValueError(f"cells: expected whole pixels (y, x) within {shape}, got {first}")
    y, x = points.astype(np.intp).T
    if len(points) == 0:
        return np.zeros(shape, dtype=np.float32)
    values = as_real(psdr, "psdr", "[n, K]", 2, np.float64)
    if values.shape != (len(points), n_bins):
        raise ValueError(f"psdr: expected shape {(len(points), n_bins)}, got {values.shape}")
    stack = np.zeros((n_bins, *shape), dtype=np.float32)
    for plane, amounts in zip(stack, values.T, strict=True):
        np.add.at(plane, (y, x), amounts)
    image = _model(settings.assay).forward(stack)
    blurred: NDArray[np.float32] = _core.separable_conv(
        image[None], [_optical_kernel(settings.optical_blur)[None]]
    )[0]
    return blurred


@functools.lru_cache(maxsize=8)
def _model(assay: Assay) -> ObservationModel:
    """Observation model on the simulation's own sigma bins, as exact as float32 allows."""
    limits = sigma_grid(assay)
    return ObservationModel(limits, separable_factors(limits))


def pulses(
    assay: Assay, times: NDArray[np.float64], secretion: NDArray[np.float64]
) -> NDArray[np.float64]:
    """SDRs [n, N_t] of square pulses: `secretion` [n] spread evenly between `times` [n, 2]."""
    limits = np.linspace(0.0, assay.duration, assay.n_times + 1)
    start, end = times[:, :1], times[:, 1:]
    # Share released until each limit. The smallest positive number stands for the length of a
    # pulse of no length, which so falls whole into its time bin.
    length = np.maximum(end - start, np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        released = np.clip((limits - start) / length, 0.0, 1.0)
    return np.diff(released, axis=1) * secretion[:, None]


def _optical_kernel(sigma: float) -> NDArray[np.float32]:
    """Gaussian integrated over each pixel, ``Phi(m + 1/2) - Phi(m - 1/2)``, ``|m| <= 3 sigma``."""
    half_length = math.ceil(3.0 * sigma)
    limits = [(m + 0.5) / (sigma * math.sqrt(2.0)) for m in range(half_length + 1)]
    cdf = np.array([0.0] + [math.erf(limit) for limit in limits]) / 2.0  # minus one half
    side = np.diff(cdf)  # m = 0 (its half), 1, .., half_length
    return np.concatenate([side[:0:-1], [2.0 * side[0]], side[1:]]).astype(np.float32)


def _with_noise(
    clean: NDArray[np.float32], bits: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Noise of the variance of b-bit quantisation, clipped to the range of the camera."""
    deviation = 2.0**-bits / math.sqrt(12.0)
    noisy = clean / _FULL_SCALE + deviation * rng.standard_normal(clean.shape)
    return (np.clip(noisy, 0.0, 1.0) * _FULL_SCALE).astype(np.float32)


def _as_preset(preset: str | Physics) -> Physics:
    """Find a preset by name, or take one as it is."""
    if isinstance(preset, Physics):
        return preset
    if not isinstance(preset, str):
        raise TypeError(f"preset: expected a name or a Physics, got {preset!r}")
    if preset not in PRESETS:
        raise ValueError(f"preset: expected one of {sorted(PRESETS)} or a Physics, got {preset!r}")
    return PRESETS[preset]
