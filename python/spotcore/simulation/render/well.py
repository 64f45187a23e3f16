"""A picture of a well with its truth: cells, artefacts, the well itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spotcore import _core
from spotcore._arrays import as_count, as_number, as_shape
from spotcore._backends import needs
from spotcore.simulation.render.artefacts import Artefact, draw_artefacts
from spotcore.simulation.render.camera import resized, saved, sensed
from spotcore.simulation.render.ground import Ground, draw_ground
from spotcore.simulation.render.look import DYES, WellLook
from spotcore.simulation.render.spots import Spots, blurred, draw_spots

__all__ = ["SimulatedWell", "simulate_well"]

_MARGIN = 0.98  # of the radius, in which cells lie
ANSWER = 0.4  # of a spot's height, that its own filter answers with, see `_seen`
_NEAR = 16  # neighbours that may hide a cell
_RIPPLE = 1e-3  # of a strong spot: the observation model is not exact to it


@dataclass(frozen=True, eq=False)
class SimulatedWell:
    """A picture of a well, and all that is true of it.

    Attributes
    ----------
    image : ndarray, uint8 or uint16, shape [H, W] or [H, W, 3]
        What a reader saves.
    cells : ndarray, float64, shape [n, 2]
        Positions (y, x) in pixels and parts of them.
    secretion : ndarray, float64, shape [n]
        Dye of each cell, in units in which the strongest spots are about 1 high.
    psdr : ndarray, float64, shape [n, K]
        The same by distance, on the bins of `sigma_limits`.
    sigma_limits : ndarray, float64, shape [K + 1]
        In pixels.
    width : ndarray, float64, shape [n]
        Standard deviation of a Gaussian as pointed as each spot, in pixels.
    snr : ndarray, float64, shape [n]
        Contrast of each spot over the noise of a pixel and the grain of the membrane.
    contrast : ndarray, float64, shape [n]
        Height of each spot over what is under it, in the channel that shows it best, as a share of
        full scale of the light.
    visibility : ndarray, float64, shape [n]
        How far each spot stands out for an eye: the answer of a difference of Gaussians of the
        spot's width and of three times that, by its standard deviation on the bare membrane, whose
        noise (with that of rounding and compression), grain and mottle it passes as far as they are
        as large as the spot.
    hidden_by : ndarray, int64, shape [n]
        The stronger cell in whose spot one makes no peak of its own; -1 where it does.
    bleed : ndarray, float64, shape [m, 2]
        Positions of the spots of another colour that can be seen in this one.
    artefacts : list of Artefact
    kinds : ndarray, uint8, shape [H, W]
        Where they are, as `draw_artefacts` has it.
    circle : tuple of three floats or None
        Middle (y, x) and radius of the well; None where no edge is in the picture.
    membrane : ndarray of bool, shape [H, W]
    look : WellLook
    seed : int or None
        None where a generator was given instead.
    """

    image: NDArray[np.uint8] | NDArray[np.uint16]
    cells: NDArray[np.float64]
    secretion: NDArray[np.float64]
    psdr: NDArray[np.float64]
    sigma_limits: NDArray[np.float64]
    width: NDArray[np.float64]
    snr: NDArray[np.float64]
    contrast: NDArray[np.float64]
    visibility: NDArray[np.float64]
    hidden_by: NDArray[np.int64]
    bleed: NDArray[np.float64]
    artefacts: list[Artefact]
    kinds: NDArray[np.uint8]
    circle: tuple[float, float, float] | None
    membrane: NDArray[np.bool_]
    look: WellLook
    seed: int | None


@needs("cli", "simulating a well")
def simulate_well(
    n_cells: int | None = None,
    shape: tuple[int, int] = (512, 512),
    look: WellLook | None = None,
    *,
    scale: float | None = None,
    seed: int | np.random.Generator = 0,
) -> SimulatedWell:
    """Simulate the picture of a well as a reader saves it, with its truth.

    Cells secrete, and what they secrete is bound around them, by the physics of `simulate`; a dye
    takes light of the lamp away, or glows; the membrane has its grain, its edge and its dirt; the
    camera adds noise and saves the picture.

    Parameters
    ----------
    n_cells : int, optional
        Number of cells; by default drawn, from none to a confluent well.
    shape : tuple of two ints
        Height and width in pixels, at least 32.
    look : WellLook, optional
        How it looks; by default drawn.
    scale : float, optional
        Size of the spots, as a multiple of those of the SpotNet paper's images; by default drawn.
    seed : int or numpy.random.Generator

    Returns
    -------
    SimulatedWell

    Raises
    ------
    ValueError
        If an argument is out of range.
    TypeError
        If one has the wrong type.
    """
    shape = as_shape(shape)
    if min(shape) < 32:
        raise ValueError(f"shape: expected at least 32 x 32 pixels, got {shape[0]} x {shape[1]}")
    if not isinstance(seed, np.random.Generator):
        seed = as_count(seed, "seed")
    rng = np.random.default_rng(seed)
    look = WellLook.random(rng, shape) if look is None else look
    if scale is None:
        scale = float(np.exp(rng.uniform(np.log(0.08), np.log(1.2)))) * min(shape) / 512
    scale = as_number(scale, "scale", minimum=0.0, strict=True)
    # The camera's picture, of which what is saved may be a resampled one.
    height, width = (max(32, round(size / look.resampled)) for size in shape)
    of_camera = height, width
    factor = np.array(shape) / np.array(of_camera)
    mark = float(factor.mean())
    seen = _scaled(look, mark)
    ground = draw_ground(rng, of_camera, seen)
    inside = _inside(of_camera, seen) & (ground.inside > 0.5)
    if n_cells is None:
        crowd = np.exp(rng.uniform(np.log(2e-3), np.log(1.5))) * (rng.random() > 0.12)
        room = inside.sum() / (2 * np.pi * (6 * scale / mark) ** 2)
        n_cells = min(int(crowd * room), 4000)
        if look.grains:  # foci that run into each other are not told apart
            n_cells = min(n_cells, int(0.15 * room))
    n_cells = as_count(n_cells, "n_cells")
    spots = draw_spots(
        rng,
        inside,
        n_cells,
        scale / mark,
        float(rng.uniform(0.3, 1.6)),
        float(rng.choice([0.0, rng.uniform(0.0, 0.8)])),
        look.grains,
        float(rng.choice([0.0, rng.uniform(0.0, 0.4)])),
        seen.core,
    )
    of_bleed = n_cells if look.bleed else 0
    other = draw_spots(rng, inside, of_bleed, scale / mark, 0.8, core=seen.core)
    density, kinds, artefacts = draw_artefacts(rng, of_camera, seen)
    dye = spots.amount + np.float32(look.bleed) * other.amount
    amount = blurred(dye, seen.blur)
    light = np.stack([blurred(plane, seen.blur) for plane in _light(ground, dye, density, seen)])
    image, error = saved(resized(sensed(rng, light, seen), shape), look)
    snr, contrast, visibility = _seen(spots, amount, ground, seen, error)
    return SimulatedWell(
        image=image,
        cells=(spots.cells + 0.5) * factor - 0.5,
        bleed=(other.cells + 0.5) * factor - 0.5,
        secretion=spots.secretion,
        psdr=spots.psdr,
        sigma_limits=spots.sigma_limits * mark,
        width=spots.width(seen.blur) * mark,
        snr=snr,
        contrast=contrast,
        visibility=visibility,
        hidden_by=_hidden(spots, amount, seen.blur),
        artefacts=[
            a._replace(y=(a.y + 0.5) * factor[0] - 0.5, x=(a.x + 0.5) * factor[1] - 0.5)
            for a in artefacts
        ],
        kinds=kinds[_nearest(of_camera, shape)],
        circle=(*look.centre, look.radius) if look.edge > 0 else None,
        membrane=(ground.inside > 0.5)[_nearest(of_camera, shape)],
        look=look,
        seed=seed if isinstance(seed, int) else None,
    )


def _scaled(look: WellLook, factor: float) -> WellLook:
    """Return a look in the camera's pixels, of which each became `factor` of the picture."""
    lengths = ("core", "grain_size", "mottle_size", "radius", "edge", "rim_width", "blur")
    return replace(
        look,
        centre=((look.centre[0] + 0.5) / factor - 0.5, (look.centre[1] + 0.5) / factor - 0.5),
        **{name: getattr(look, name) / factor for name in lengths},
    )


def _inside(shape: tuple[int, ...], look: WellLook) -> NDArray[np.bool_]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(y - look.centre[0], x - look.centre[1])
    inside: NDArray[np.bool_] = distance < _MARGIN * look.radius
    return inside if look.edge > 0 else np.ones(shape, bool)


def _light(
    ground: Ground, amount: NDArray[np.float32], density: NDArray[np.float32], look: WellLook
) -> NDArray[np.float32]:
    """Return the light of each channel, [C, H, W], as a share of full scale."""
    dirt = 10.0 ** -(density + ground.rim)
    channels = []
    for level, absorbed in zip(look.membrane, DYES[look.dye], strict=True):
        if look.glows:
            bright = ground.lamp * (level * ground.texture * dirt + look.density * amount)
        else:
            bound = look.saturation * -np.expm1(-look.density * amount / look.saturation)
            bright = ground.lamp * level * ground.texture * dirt * 10.0 ** (-absorbed * bound)
        channels.append(ground.inside * bright + (1.0 - ground.inside) * look.outside)
    return np.asarray(np.stack(channels), np.float32)


def white_passed(area: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the variance of white noise [n] that the filter of a spot of width² passes."""
    return np.asarray(np.minimum(0.71 / (4 * np.pi * area), 1.0))


def _seen(
    spots: Spots, amount: NDArray[np.float32], ground: Ground, look: WellLook, error: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return signal to noise, contrast and visibility of spots in the channel that shows them best.

    A difference of Gaussians of widths w and 3 w answers to a Gaussian spot of width w with 0.4 of
    its height; of the variance of white noise it passes 0.71 / (4 pi w^2), of a texture with a
    Gaussian correlation g^2 / (g^2 + w^2) + g^2 / (g^2 + 9 w^2) - 2 g^2 / (g^2 + 5 w^2).
    """
    y, x = np.rint(spots.cells).astype(int).T
    own = spots.profile(np.zeros(len(spots.cells)), look.blur)
    there = np.maximum(amount[y, x].astype(np.float64), own)
    lamp = ground.lamp[y, x] * ground.inside[y, x]
    area = np.maximum(spots.width(look.blur), 0.5) ** 2

    def passed(size: float) -> NDArray[np.float64]:
        g = size**2 + look.blur**2
        return g / (g + area) + g / (g + 9 * area) - 2 * g / (g + 5 * area)

    texture = look.grain**2 * passed(look.grain_size) + look.mottle**2 * passed(look.mottle_size)
    snr, largest, visibility = np.zeros((3, len(spots.cells)))
    for level, absorbed in zip(look.membrane, DYES[look.dye], strict=True):
        if look.glows:
            contrast = lamp * look.density * own
            bright = lamp * (level + look.density * there)
        else:
            with_it, without = (
                10.0 ** (absorbed * look.saturation * np.expm1(-look.density * a / look.saturation))
                for a in (there, there - own)
            )
            bright = lamp * level * with_it
            contrast = lamp * level * (without - with_it)
        noise = look.noise**2 + bright / look.electrons
        snr = np.maximum(snr, contrast / np.sqrt(noise + (look.grain * lamp * level) ** 2))
        white = white_passed(area) * (noise + error**2)
        around = np.sqrt(white + (lamp * level) ** 2 * texture)
        visibility = np.maximum(visibility, ANSWER * contrast / around)
        largest = np.maximum(largest, contrast)
    return snr, largest, visibility


def _hidden(spots: Spots, amount: NDArray[np.float32], blur: float) -> NDArray[np.int64]:
    """Return, of each cell, the one that takes its peak; -1 where it has one.

    A peak of the dye belongs to the strongest of the cells whose width reaches it.
    """
    from scipy.spatial import cKDTree

    count = len(spots.cells)
    hidden = np.full(count, -1)
    peaks, _ = _core.local_maxima(np.rint(amount / np.float32(_RIPPLE)))
    if count < 2 or len(peaks) == 0:
        return hidden
    height, width = spots.profile(np.zeros(count), blur), spots.width(blur)
    away, nearest = cKDTree(peaks).query(spots.cells)
    strongest_first = np.argsort(-height)
    nearest[away > np.maximum(width, 1.0)] = -1
    owner: dict[int, int] = {}
    for number in strongest_first:
        if nearest[number] >= 0:
            hidden[number] = owner.setdefault(int(nearest[number]), int(number))
    hidden[hidden == np.arange(count)] = -1
    tree = cKDTree(spots.cells)
    for number in np.flatnonzero(nearest < 0):
        _, near = tree.query(spots.cells[number], min(count, _NEAR))
        near = near[near != number]
        squared = ((spots.cells[near] - spots.cells[number]) ** 2).sum(axis=1)
        part = spots._replace(cells=spots.cells[near], psdr=spots.psdr[near])
        hidden[number] = near[np.argmax(part.profile(squared, blur))]
    return hidden


def _nearest(old: tuple[int, int], new: tuple[int, int]) -> tuple[NDArray[np.intp], ...]:
    """Return the indices of labels that make them another size."""
    rows, columns = (
        np.minimum((np.arange(after) + 0.5) * before / after, before - 1).astype(np.intp)
        for before, after in zip(old, new, strict=True)
    )
    return np.ix_(rows, columns)
