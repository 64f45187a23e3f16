"""What lies in wells and is no cell: each kind, how much light it takes or gives, and where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spotcore.simulation.render.ground import smooth_noise
from spotcore.simulation.render.look import ARTEFACTS, WellLook

__all__ = ["Artefact", "draw_artefacts"]

Image = NDArray[np.float32]


class Artefact(NamedTuple):
    """One of them.

    Attributes
    ----------
    kind : str
        One of `ARTEFACTS`.
    y, x : float
        Its middle, in pixels.
    """

    kind: str
    y: float
    x: float


class _Canvas:
    """Optical densities that add up, and the kind of each pixel.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of two ints
    look : WellLook
    """

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int], look: WellLook) -> None:
        self.rng, self.shape, self.look = rng, shape, look
        self.density = np.zeros(shape, np.float32)
        self.kinds = np.zeros(shape, np.uint8)
        self.found: list[Artefact] = []

    def point(self) -> tuple[float, float]:
        """Draw a place in the well."""
        angle, far = self.rng.uniform(0, 2 * np.pi), np.sqrt(self.rng.random())
        (y, x), radius = self.look.centre, self.look.radius
        return (
            float(np.clip(y + far * radius * np.sin(angle), 0, self.shape[0] - 1)),
            float(np.clip(x + far * radius * np.cos(angle), 0, self.shape[1] - 1)),
        )

    def strength(self, most: float) -> float:
        """Draw an optical density, sometimes below 0: brighter than the membrane."""
        sign = -1.0 if self.rng.random() < 0.2 else 1.0
        return sign * float(np.exp(self.rng.uniform(np.log(0.01), np.log(most))))

    def add(self, kind: str, top: int, left: int, density: Image) -> None:
        """Add an artefact whose window begins at a row and a column."""
        height, width = density.shape
        rows = slice(max(top, 0), min(top + height, self.shape[0]))
        columns = slice(max(left, 0), min(left + width, self.shape[1]))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        part = density[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        self.density[rows, columns] += part
        seen = np.abs(part) > 0.25 * np.abs(density).max()
        if not seen.any():
            return
        self.kinds[rows, columns][seen] = 1 + ARTEFACTS.index(kind)
        y, x = np.nonzero(seen)
        self.found.append(Artefact(kind, rows.start + y.mean(), columns.start + x.mean()))

    def stroke(self, kind: str, points: NDArray[np.float64], width: float, most: float) -> None:
        """Draw a line through points [n, 2] whose darkness changes along it."""
        from scipy import ndimage

        margin = int(4 * width) + 2
        top, left = (int(np.floor(points[:, axis].min())) - margin for axis in (0, 1))
        size = [int(np.ceil(np.ptp(points[:, axis]))) + 2 * margin + 2 for axis in (0, 1)]
        lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        count = max(2, int(3 * lengths[-1]))
        at = np.linspace(0, lengths[-1], count)
        y, x = (np.interp(at, lengths, points[:, axis]) for axis in (0, 1))
        along = np.interp(at, np.linspace(0, lengths[-1], 12), self.rng.uniform(0.1, 1, 12))
        drawn = np.zeros(size, np.float32)
        np.maximum.at(drawn, (np.rint(y - top).astype(int), np.rint(x - left).astype(int)), along)
        drawn = ndimage.gaussian_filter(drawn, width) * (np.sqrt(2 * np.pi) * width)
        self.add(kind, top, left, self.strength(most) * np.minimum(drawn, 1.0))


def draw_artefacts(
    rng: np.random.Generator, shape: tuple[int, int], look: WellLook
) -> tuple[Image, NDArray[np.uint8], list[Artefact]]:
    """Draw a look's artefacts.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of two ints
        Height and width in pixels.
    look : WellLook

    Returns
    -------
    density : ndarray, float32, shape [H, W]
        Optical density, negative where it is brighter.
    kinds : ndarray, uint8, shape [H, W]
        1 and more: the number of what is seen there in `ARTEFACTS`, from 1; 0 where there is none.
    found : list of Artefact
    """
    canvas = _Canvas(rng, shape, look)
    for kind, count in look.artefacts.items():
        for _ in range(count):
            _DRAWN[kind](canvas)
    return canvas.density, canvas.kinds, canvas.found


def _scratch(canvas: _Canvas) -> None:
    rng, radius = canvas.rng, canvas.look.radius
    y, x = canvas.point()
    angle, length = rng.uniform(0, 2 * np.pi), radius * np.exp(rng.uniform(-3, -0.2))
    width = max(0.4, radius * np.exp(rng.uniform(np.log(0.0015), np.log(0.008))))
    at = np.linspace(-0.5, 0.5, 5)
    bend = rng.normal(0, 0.05) * (at**2 - 0.25)
    for number in range(rng.integers(1, 5) if rng.random() < 0.3 else 1):
        away = number * rng.uniform(2, 6) * width
        along, across = length * at, length * bend + away
        points = np.stack(
            [
                y + along * np.sin(angle) + across * np.cos(angle),
                x + along * np.cos(angle) - across * np.sin(angle),
            ],
            axis=1,
        )
        canvas.stroke("scratch", points, width, 0.5)


def _hair(canvas: _Canvas) -> None:
    rng, radius = canvas.rng, canvas.look.radius
    count = 24
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(
        rng.normal(0, 0.35) * 0.4 + rng.normal(0, 0.15, count)
    )
    step = radius * np.exp(rng.uniform(-2, 0.3)) / count
    walk = np.cumsum(np.stack([np.sin(angles), np.cos(angles)], axis=1), axis=0) * step
    width = max(0.4, radius * np.exp(rng.uniform(np.log(0.002), np.log(0.007))))
    canvas.stroke("hair", walk + canvas.point(), width, 0.8)


def _fibre(canvas: _Canvas) -> None:
    """Draw a thread of two strands, which cross."""
    rng, radius = canvas.rng, canvas.look.radius
    along = np.linspace(0, 1, 40)
    angle, length = rng.uniform(0, 2 * np.pi), radius * np.exp(rng.uniform(-2.2, -0.3))
    width = max(0.5, radius * np.exp(rng.uniform(np.log(0.003), np.log(0.01))))
    bend = rng.normal(0, 0.3) * np.sin(np.pi * along) * length
    twist = 1.5 * width * np.sin(2 * np.pi * rng.uniform(1, 5) * along)
    for strand in (-1, 1):
        away = bend + strand * twist
        points = np.stack(
            [
                along * length * np.sin(angle) + away * np.cos(angle),
                along * length * np.cos(angle) - away * np.sin(angle),
            ],
            axis=1,
        )
        if strand < 0:
            place = np.array(canvas.point())
        canvas.stroke("fibre", points + place, width, 0.4)


def _arc(canvas: _Canvas) -> None:
    rng, look = canvas.rng, canvas.look
    far, first = look.radius * rng.uniform(0.3, 0.97), rng.uniform(0, 2 * np.pi)
    angles = first + np.linspace(0, np.exp(rng.uniform(-2.3, 1.3)), 48)
    middle = np.array(look.centre) + rng.normal(0, 0.2 * look.radius, 2)
    points = middle + far * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    width = max(0.4, look.radius * np.exp(rng.uniform(np.log(0.002), np.log(0.012))))
    canvas.stroke("arc", points, width, 0.3)


def _dust(canvas: _Canvas) -> None:
    rng = canvas.rng
    y, x = canvas.point()
    size = max(1.5, canvas.look.radius * np.exp(rng.uniform(np.log(0.004), np.log(0.04))))
    side = int(5 * size) + 4
    rows, columns = np.mgrid[:side, :side].astype(np.float32) - np.float32((side - 1) / 2)
    rough = smooth_noise(rng, (side, side), max(0.5, 0.4 * size))
    angle, flat = rng.uniform(0, np.pi), rng.uniform(0.35, 1.0)
    along = np.cos(angle) * rows + np.sin(angle) * columns
    across = (np.cos(angle) * columns - np.sin(angle) * rows) / flat
    # With an edge, unlike a spot.
    level = (1.0 - np.hypot(along, across) / size + 0.35 * rough) / 0.12
    shape = 1.0 / (1.0 + np.exp(-np.clip(level, -30, 30)))
    canvas.add("dust", round(y) - side // 2, round(x) - side // 2, canvas.strength(1.2) * shape)


def _bubble(canvas: _Canvas) -> None:
    rng = canvas.rng
    y, x = canvas.point()
    size = max(3.0, canvas.look.radius * np.exp(rng.uniform(np.log(0.02), np.log(0.25))))
    side = int(2.6 * size) + 6
    rows, columns = np.mgrid[:side, :side].astype(np.float32) - np.float32((side - 1) / 2)
    distance = np.hypot(rows, columns) / size
    width = rng.uniform(0.03, 0.12)
    ring = np.exp(-0.5 * ((distance - 1) / width) ** 2)
    glint = np.exp(-((rows / size + 0.5) ** 2 + (columns / size + 0.5) ** 2) / 0.02)
    density = abs(canvas.strength(0.5)) * (ring - 0.7 * glint - 0.1 * (distance < 1))
    canvas.add("bubble", round(y) - side // 2, round(x) - side // 2, density.astype(np.float32))


def _smear(canvas: _Canvas) -> None:
    from scipy import ndimage

    rng = canvas.rng
    y, x = canvas.point()
    length = canvas.look.radius * rng.uniform(0.1, 0.5)
    side = int(2.5 * length) + 4
    rows, columns = np.mgrid[:side, :side].astype(np.float32) - np.float32((side - 1) / 2)
    streaks = ndimage.gaussian_filter(
        rng.standard_normal((side, side), dtype=np.float32), (1.0, max(2.0, length / 6))
    )
    streaks = np.maximum(streaks / max(float(streaks.std()), 1e-12), 0.0)
    patch = np.exp(-0.5 * ((columns / (0.5 * length)) ** 2 + (rows / (0.15 * length)) ** 2))
    turned = ndimage.rotate(patch * streaks, rng.uniform(0, 180), reshape=False, order=1)
    canvas.add("smear", round(y) - side // 2, round(x) - side // 2, canvas.strength(0.15) * turned)


def _blotch(canvas: _Canvas) -> None:
    rng = canvas.rng
    y, x = canvas.point()
    sigma = canvas.look.radius * np.exp(rng.uniform(np.log(0.05), np.log(0.3)))
    side = int(6 * sigma) + 1
    rows, columns = np.mgrid[:side, :side].astype(np.float32) - np.float32((side - 1) / 2)
    flat = rng.uniform(0.6, 1.0)
    power = rng.uniform(1.0, 3.0)  # some have an edge
    patch = np.exp(-(((rows**2 + (columns / flat) ** 2) / (2 * sigma**2)) ** power))
    density = canvas.strength(0.2) * patch
    canvas.add("blotch", round(y) - side // 2, round(x) - side // 2, density.astype(np.float32))


def _bar(canvas: _Canvas) -> None:
    """Draw a scale bar with its number, or other writing, in a corner."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    rng, (height, width) = canvas.rng, canvas.shape
    drawn = Pillow.new("L", (width, height))
    pen = ImageDraw.Draw(drawn)
    long, thick = int(width * rng.uniform(0.08, 0.25)), max(1, height // 150)
    left = int(rng.uniform(0.02, 0.98 - long / width) * width)
    top = int(height * rng.choice([rng.uniform(0.03, 0.1), rng.uniform(0.88, 0.95)]))
    pen.rectangle((left, top, left + long, top + thick), fill=255)
    if rng.random() < 0.7:
        text = str(rng.choice(["1 mm", "500 um", "A1", f"{rng.integers(1000)}", "H12"]))
        pen.text((left, top + 2 * thick), text, fill=255, font_size=max(8, height // 35))
    sign = 1.0 if rng.random() < 0.5 else -1.0
    canvas.add("bar", 0, 0, np.asarray(drawn, np.float32) * np.float32(sign * 2.0 / 255))


_DRAWN = dict(
    zip(
        ARTEFACTS,
        (_scratch, _hair, _fibre, _arc, _dust, _bubble, _smear, _blotch, _bar),
        strict=True,
    )
)
