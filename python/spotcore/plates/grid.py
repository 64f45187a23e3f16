"""The grid of wells in a picture of a whole plate: where each well is, or that there is no grid.

picture -> edges -> pitch and angle of the lattice -> votes for centres -> lattice -> which well

The lattice is found in the autocorrelation of the edges; the edges of round wells then vote for
their centres, at the radii that wells of this pitch can have. Each step says what it needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore.plates.wells import PlateFormat, Position

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Grid", "GridWell", "find_grid"]

_SIDE = 1000  # pixels of the longer side that the lattice is looked for in
_ANGLES = np.deg2rad(np.arange(-8.0, 8.01, 0.25))
#: Radii of wells over their pitch: 0.31 of deep 24-well plates to 0.5 of a reader's overview.
_RADII = np.linspace(0.28, 0.5, 14)
#: A lattice's pitch is looked for between these shares of what would just fill the picture.
_LOOSE, _TIGHT = 0.42, 1.35
#: A node is a well if its votes are this share of the median of the stronger half of all.
_WELL = 0.35
#: Share of the plate's wells that have to be seen, and of as many nodes that may be seen beside it.
_SEEN, _BESIDE = 0.7, 0.1
_FEW = 2  # nodes beside a plate of few wells that may look like one
#: Of a row's wells: what a place of the plate has to be better than the next one by.
_SURE = 0.1
#: By how much the lattices of the edges and of the votes may differ, per pitch.
_SAME = 0.01
#: Votes at the nodes over those halfway between them: 1 in a picture without wells.
_CONTRAST = 2.0
_SMALLEST = 40  # pixels of a well's diameter; below, its spots cannot be seen


@dataclass(frozen=True)
class GridWell:
    """One well.

    Attributes
    ----------
    position : Position
    y, x : float
        Its centre in pixels.
    whole : bool
        Whether all of it lies in the picture.
    """

    position: Position
    y: float
    x: float
    whole: bool


@dataclass(frozen=True)
class Grid:
    """A plate's wells in a picture.

    Attributes
    ----------
    wells : tuple of GridWell
        All of the plate's, row by row.
    pitch, radius : float
        From well to well, and of a well, in pixels.
    angle : float
        By which the rows are turned, in degrees; above 0 they fall to the right.
    """

    wells: tuple[GridWell, ...]
    pitch: float
    radius: float
    angle: float


def find_grid(grey: NDArray[np.float32], plate: PlateFormat) -> Grid:
    """Find the wells of a plate in a picture of it, A1 at the top left.

    Parameters
    ----------
    grey : ndarray, float32, shape [H, W]
        Grey levels. The plate may be turned by up to 8 degrees; wells may be cut by the border.
    plate : PlateFormat
        Its rows and columns.

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        If there is no such grid, or its wells are too small; the message says what was found.
    """
    factor = max(1, math.ceil(max(grey.shape) / _SIDE))
    small = _binned(grey, factor)
    down, right = _gradient(small)
    pitch, angle = _lattice(np.hypot(down, right), plate)
    margin = math.ceil(pitch)
    votes = _votes(down, right, pitch, margin)
    origin, basis = _fitted(votes, pitch, angle, margin)
    nodes, strength, inside = _nodes(votes, origin, basis, margin, small.shape)
    first = _first_well(nodes, strength, inside, plate)
    wells = _wells(first, plate, origin - margin, basis)
    pitch = math.sqrt(abs(float(np.linalg.det(basis))))
    radius = _radius(down, right, wells, pitch)
    centres = (wells + 0.5) * factor - 0.5
    pitch, radius = pitch * factor, radius * factor
    if 2 * radius < _SMALLEST:
        raise ValueError(
            f"expected wells of at least {_SMALLEST} pixels across, got {2 * radius:.0f}: their "
            "spots cannot be seen"
        )
    limits = np.array(grey.shape) - 1 - radius
    whole = ((centres >= radius) & (centres <= limits)).all(axis=1)
    turned = math.degrees(math.atan2(basis[1, 0], basis[1, 1]))
    positions = (plate.position(index + 1) for index in range(plate.wells))
    return Grid(
        tuple(
            GridWell(position, float(y), float(x), bool(inside))
            for position, (y, x), inside in zip(positions, centres, whole, strict=True)
        ),
        pitch,
        radius,
        turned,
    )


def _binned(grey: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average squares of pixels."""
    height, width = (size // factor * factor for size in grey.shape)
    blocks = grey[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _gradient(small: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the gradient, its largest values cut off: labels are sharper than wells."""
    from scipy import ndimage

    down, right = (ndimage.gaussian_filter(small, 1.5, order) for order in ((1, 0), (0, 1)))
    size = np.hypot(down, right)
    most = max(float(np.percentile(size, 95)), 1e-12)
    cut = np.minimum(size, most) / (np.maximum(size, 1e-12) * most)
    return down * cut, right * cut


def _lattice(edges: NDArray[Any], plate: PlateFormat) -> tuple[float, float]:
    """Find pitch [pixels] and angle of a square lattice by the autocorrelation of the edges."""
    from scipy import ndimage, optimize

    height, width = edges.shape
    filling = min(height / plate.rows, width / plate.columns)
    fill = max(height / plate.rows, width / plate.columns)
    pitches = np.exp(np.arange(math.log(_LOOSE * filling), math.log(_TIGHT * fill), 0.01))
    pitches = pitches[pitches > 6]
    if not len(pitches):
        raise ValueError(
            f"expected a picture of {plate.wells} wells, got {height} x {width} pixels"
        )
    level = edges - ndimage.gaussian_filter(edges, float(filling))
    spectrum = np.fft.rfft2(level, (2 * height, 2 * width))
    correlation = np.fft.irfft2(np.abs(spectrum) ** 2, (2 * height, 2 * width))
    correlation = np.fft.fftshift(correlation / max(float(correlation[0, 0]), 1e-30))
    # Of each shift, as many pixels overlap: a mean, not a sum.
    overlap = np.outer(*(1 - np.abs(np.arange(-n, n)) / n for n in (height, width)))
    correlation /= np.maximum(overlap, 0.1)
    scores = np.empty((len(pitches), len(_ANGLES)))
    for at, pitch in enumerate(pitches):
        total = 0.0
        for steps in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)):
            y, x = _turned(np.array(steps)[:, None] * pitch, _ANGLES)
            total = total + ndimage.map_coordinates(
                correlation, [y + height, x + width], order=1, mode="constant"
            )
        scores[at] = total
    best = float(scores.max())
    # Twice the pitch is a lattice, too: the shortest that is nearly as good.
    peaks = scores.max(axis=1)
    local = (peaks >= np.roll(peaks, 1)) & (peaks >= np.roll(peaks, -1)) & (peaks >= 0.6 * best)
    at = int(np.flatnonzero(local)[0]) if local.any() else int(peaks.argmax())
    # Farther neighbours say it more exactly.
    far = range(1, min(5, plate.rows - 1, plate.columns - 1) + 1)
    lags = np.array([step for k in far for step in ((0, k), (k, 0))]).T

    def missed(found: NDArray[Any]) -> float:
        y, x = _turned(lags * found[0], found[1])
        place = [y + height, x + width]
        return -float(ndimage.map_coordinates(correlation, place, order=1).sum())

    start = np.array([pitches[at], _ANGLES[scores[at].argmax()]])
    simplex = start + np.array([[0, 0], [0.006 * pitches[at], 0], [0, math.radians(0.2)]])
    options = {"initial_simplex": simplex, "xatol": 1e-4, "maxiter": 200}
    found = optimize.minimize(missed, start, method="Nelder-Mead", options=options).x
    strayed = abs(found[0] / start[0] - 1) > 0.03 or abs(found[1] - start[1]) > math.radians(0.5)
    pitch, angle = start if strayed else found  # strays where there is no lattice
    return float(pitch), float(angle)


def _turned(step: NDArray[Any], angle: Any) -> NDArray[Any]:
    """Turn steps (down, right) by an angle that makes rows fall to the right."""
    down, right = step
    return np.array(
        [
            down * np.cos(angle) + right * np.sin(angle),
            right * np.cos(angle) - down * np.sin(angle),
        ]
    )


def _votes(
    down: NDArray[Any], right: NDArray[Any], pitch: float, margin: int
) -> NDArray[np.float64]:
    """Have each edge vote for the centres of circles that it may belong to, bright or dark."""
    from scipy import ndimage

    size = np.hypot(down, right)
    y, x = np.nonzero(size > 0.15)
    weight = size[y, x]
    towards = np.stack([down[y, x], right[y, x]]) / weight
    shape = (down.shape[0] + 2 * margin, down.shape[1] + 2 * margin)
    accumulated = []
    for sign in (1.0, -1.0):
        votes = np.zeros(shape[0] * shape[1])
        for radius in _RADII * pitch:
            at = np.rint(np.stack([y, x]) + sign * radius * towards).astype(np.int64) + margin
            inside = (at >= 0).all(axis=0) & (at[0] < shape[0]) & (at[1] < shape[1])
            flat = at[0, inside] * shape[1] + at[1, inside]
            votes += np.bincount(flat, weight[inside], minlength=len(votes))
        smooth = ndimage.gaussian_filter(votes.reshape(shape), pitch / 14)
        accumulated.append(np.asarray(smooth))
    return max(accumulated, key=lambda one: float(np.percentile(one, 99.5) - np.median(one)))


def _fitted(
    votes: NDArray[np.float64], pitch: float, angle: float, margin: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find origin and basis of the lattice whose nodes have the most votes."""
    from scipy import ndimage, optimize

    if not votes.any():
        raise ValueError("expected a grid of wells, found none")
    middle = np.array(votes.shape) / 2
    reach = np.ceil((np.array(votes.shape) / 2 - margin) / pitch).astype(int)
    nodes = _pairs(-reach, reach + 1)

    steps = ((1.0, 0.0), (0.0, 1.0))
    basis = np.stack([_turned(np.array(step) * pitch, angle) for step in steps])
    # Fold all votes into one cell: the wells' centres fall together.
    y, x = np.mgrid[: votes.shape[0], : votes.shape[1]] - middle[:, None, None]
    cell = np.einsum("ij,jyx->iyx", np.linalg.inv(basis.T), np.stack([y, x]))
    bins = 24
    index = np.floor(cell * bins).astype(int) % bins
    folded = np.bincount(index[0].ravel() * bins + index[1].ravel(), votes.ravel(), bins * bins)
    folded = ndimage.gaussian_filter(folded.reshape(bins, bins), 1.0, mode="wrap")
    at = (np.array(np.unravel_index(folded.argmax(), folded.shape)) + 0.5) / bins
    found = at @ basis
    for blur in (pitch / 8, pitch / 20):  # first from afar, then to the point
        smooth = ndimage.gaussian_filter(votes, blur)

        def missed(shift: NDArray[Any], smooth: NDArray[Any] = smooth) -> float:
            place = middle + shift + nodes @ basis
            return -float(ndimage.map_coordinates(smooth, place.T, order=1).sum())

        simplex = found + np.array([[0, 0], [0.1, 0], [0, 0.1]]) * pitch
        options = {"initial_simplex": simplex, "xatol": 1e-3, "maxiter": 200}
        found = optimize.minimize(missed, found, method="Nelder-Mead", options=options).x
    return _settled(votes, middle + found, basis)


def _settled(
    votes: NDArray[np.float64], origin: NDArray[Any], basis: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Fit the lattice to the peaks of the votes near its nodes, if they speak of the same one."""
    from scipy import ndimage

    pitch = float(np.hypot(*basis[0]))
    highest = ndimage.maximum_filter(votes, size=max(3, round(pitch / 2)))
    peaks = np.argwhere((votes == highest) & (votes > 0))
    weight = votes[tuple(peaks.T)]
    peaks = peaks[weight > _WELL * np.percentile(weight, 90)]
    settled = origin, basis
    for _ in range(3):
        steps = (peaks - settled[0]) @ np.linalg.inv(settled[1])
        whole = np.rint(steps)
        near = np.abs(steps - whole).max(axis=1) < 0.2
        if near.sum() < 4 or np.linalg.matrix_rank(whole[near] - whole[near].mean(axis=0)) < 2:
            return origin, basis
        design = np.column_stack([np.ones(near.sum()), whole[near]])
        first, *rows = np.linalg.lstsq(design, peaks[near], rcond=None)[0]
        settled = first, np.stack(rows)
    same = np.abs(settled[1] - basis).max() < _SAME * pitch
    return settled if same else (origin, basis)


def _nodes(
    votes: NDArray[np.float64],
    origin: NDArray[Any],
    basis: NDArray[Any],
    margin: int,
    shape: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the lattice's nodes near the picture, how like a well each is, and if it is in it."""
    from scipy import ndimage

    corners = np.array([[0, 0], [0, votes.shape[1]], [votes.shape[0], 0], list(votes.shape)])
    reach = (corners - origin) @ np.linalg.inv(basis)
    low, high = np.floor(reach.min(axis=0)).astype(int), np.ceil(reach.max(axis=0)).astype(int)
    nodes = _pairs(low, high + 1)
    at = origin + nodes @ basis
    half = 0.5 * margin  # a centre may lie so far outside
    inside = ((at >= margin - half) & (at <= np.array(shape) + margin + half)).all(axis=1)
    nodes, at = nodes[inside], at[inside]

    def seen(where: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(ndimage.map_coordinates(votes, where.T, order=1, mode="constant"))

    strength = np.maximum.reduce(
        [seen(at + step) for step in ([0, 0], [0, 1], [1, 0], [0, -1], [-1, 0])]
    )
    between = np.median(seen(at + basis.sum(axis=0) / 2))
    typical = float(np.median(strength[strength >= np.median(strength)]))
    if typical < _CONTRAST * between or typical <= 0:
        raise ValueError("expected a grid of wells, found none")
    far = 0.4 * margin  # a well there lies in the picture
    seen_whole = ((at >= margin + far) & (at <= np.array(shape) + margin - far)).all(axis=1)
    return nodes, strength / typical, seen_whole


def _pairs(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all pairs of numbers from low to below high, [n, 2]."""
    down, right = np.meshgrid(*map(np.arange, low, high), indexing="ij")
    return np.column_stack([down.ravel(), right.ravel()])


def _first_well(
    nodes: NDArray[np.int64],
    strength: NDArray[np.float64],
    inside: NDArray[np.bool_],
    plate: PlateFormat,
) -> NDArray[np.int64]:
    """Choose the node that is A1: the plate's rows and columns hold what looks most like wells."""
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    like = np.zeros(tuple(high - low + 1))
    like[tuple((nodes - low).T)] = np.where(strength >= _WELL, np.minimum(strength, 1.0), 0.0)
    span = np.array([plate.rows, plate.columns])
    firsts = _pairs(low - span + 1, high + 1)
    starts, stops = np.maximum(firsts - low, 0), np.maximum(firsts - low + span, 0)
    boxes = [np.s_[a:c, b:d] for (a, b), (c, d) in zip(starts, stops, strict=True)]
    held = np.array([like[box].sum() for box in boxes])
    best = int(held.argmax())
    wells = int(np.count_nonzero(like[boxes[best]]))
    if wells < _SEEN * plate.wells:
        raise ValueError(f"expected a grid of {plate.wells} wells, found {wells}")
    beyond = ((nodes < firsts[best]) | (nodes >= firsts[best] + span)).any(axis=1)
    beside = int(np.count_nonzero((strength >= _WELL) & inside & beyond))
    if beside > max(_BESIDE * plate.wells, _FEW):
        raise ValueError(
            f"expected a grid of {plate.rows} x {plate.columns} wells, found more, some "
            f"{wells + beside}: is it another --format?"
        )
    # A row more at one side and a row less at the other: as good only if neither is seen.
    if np.count_nonzero(held > held[best] - _SURE * span.min()) > 1:
        raise ValueError(
            f"expected to see where the plate of {plate.wells} wells ends, but whole rows or "
            "columns of it lie outside the picture"
        )
    return np.asarray(firsts[best])


def _wells(
    first: NDArray[np.int64], plate: PlateFormat, origin: NDArray[Any], basis: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the centres of the wells, row by row."""
    steps = _pairs(np.zeros(2, int), np.array([plate.rows, plate.columns]))
    return np.asarray(origin + (first + steps) @ basis)


def _radius(down: NDArray[Any], right: NDArray[Any], centres: NDArray[Any], pitch: float) -> float:
    """Find the radius at which the edges around all centres are the strongest."""
    from scipy import ndimage

    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ray = np.stack([np.sin(turn), np.cos(turn)])
    radii = np.arange(0.25, 0.505, 0.005) * pitch
    edge = []
    for radius in radii:
        at = centres[:, :, None] + radius * ray
        y, x = at[:, 0], at[:, 1]
        outwards = ndimage.map_coordinates(down, [y, x], order=1, mode="constant") * ray[0]
        outwards += ndimage.map_coordinates(right, [y, x], order=1, mode="constant") * ray[1]
        edge.append(abs(float(outwards.mean())))
    return float(radii[int(np.argmax(edge))])
