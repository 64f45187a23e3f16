"""What a status and a count look like, in the page and in the pictures alike.

Nothing is said by colour alone: every status has a shape and a label too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEAT_LEVELS", "STATUSES", "Look", "contrast", "heat", "heat_level", "ink", "look"]

Point = tuple[float, float]
Rgb = tuple[int, int, int]

#: The heat map's colours come in so many steps (a page without inline styles has a class for each).
HEAT_LEVELS = 64

# Ends of the heat map's colours in OKLab (L, a, b): a pale and a deep blue.
_PALE = (0.965, -0.012, -0.012)
_DEEP = (0.35, -0.018, -0.125)


class Look(NamedTuple):
    """Label, colour and shape of a status."""

    label: str
    colour: Rgb  # at least 3:1 against a white page and a dark one
    strokes: tuple[tuple[Point, ...], ...]  # polylines in the unit square, y down
    filled: bool = False

    @property
    def css(self) -> str:
        """The colour for CSS and SVG."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)

    @property
    def path(self) -> str:
        """The strokes as the data of an SVG path in a box of 16 units."""
        return " ".join(
            "M" + "L".join(f"{16 * x:.4g} {16 * y:.4g}" for x, y in stroke)
            for stroke in self.strokes
        )


def _round(radius: float) -> tuple[Point, ...]:
    turns = [2 * math.pi * k / 24 for k in range(25)]
    return tuple((0.5 + radius * math.cos(t), 0.5 + radius * math.sin(t)) for t in turns)


def _wave(y: float) -> tuple[Point, ...]:
    xs = [0.12 + 0.76 * k / 16 for k in range(17)]
    return tuple((x, y + 0.1 * math.sin(2 * math.pi * (x - 0.12) / 0.76)) for x in xs)


#: In the order of a legend. The hues are those of Okabe and Ito (2008), of middling lightness.
STATUSES = {
    "counted": Look("counted", (0, 143, 104), (_round(0.36),), filled=True),
    "empty": Look("empty", (45, 138, 196), (_round(0.34),)),
    "too_numerous": Look(
        "too numerous",
        (213, 94, 0),
        (((0.5, 0.1), (0.92, 0.86), (0.08, 0.86), (0.5, 0.1)),),
        filled=True,
    ),
    "out_of_focus": Look("out of focus", (176, 122, 0), (_wave(0.34), _wave(0.66))),
    "no_well": Look("no well", (125, 128, 134), (((0.14, 0.5), (0.86, 0.5)),)),
    "rejected": Look(
        "rejected", (190, 92, 148), (((0.18, 0.18), (0.82, 0.82)), ((0.82, 0.18), (0.18, 0.82)))
    ),
}


def look(status: str) -> Look:
    """Return the look of a status, also of one that this version does not know."""
    return STATUSES.get(status) or Look(
        status.replace("_", " ") or "unknown", (125, 128, 134), (_round(0.16),), filled=True
    )


def heat(share: float) -> Rgb:
    """Colour of a share of the largest count: a straight line in OKLab, from pale to deep blue.

    Equal steps of `share` are equal distances in OKLab, a perceptually uniform space, and the
    lightness falls all the way: the order can be seen without any sense of colour.

    Parameters
    ----------
    share : float
        From 0 to 1; clipped.

    Returns
    -------
    tuple of int
        sRGB, 0 to 255.

    References
    ----------
    Ottosson, "A perceptual color space for image processing", 2020: the matrices.
    """
    t = min(max(share, 0.0), 1.0)
    lightness, a, b = (p + t * (d - p) for p, d in zip(_PALE, _DEEP, strict=True))
    cones = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear: NDArray[np.float64] = np.clip(to_linear @ cones**3, 0.0, 1.0)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(255 * float(c)) for c in coded)
    return red, green, blue


def heat_level(count: float, largest: float) -> int:
    """Which of the `HEAT_LEVELS` steps a count takes, linear from 0 to the largest count."""
    return round((HEAT_LEVELS - 1) * min(max(count / largest, 0.0), 1.0)) if largest > 0 else 0


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio of two sRGB colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink(ground: Rgb) -> Rgb:
    """Black or white, whichever is read better on a ground."""
    dark, light = (0, 0, 0), (255, 255, 255)
    return dark if contrast(dark, ground) >= contrast(light, ground) else light


def _luminance(colour: Rgb) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2)."""
    shares = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
