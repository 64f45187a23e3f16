"""How a simulated well looks: everything but where its cells are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["ARTEFACTS", "DYES", "WellLook"]

#: What each dye absorbs in red, green and blue, per unit of optical density; of fluorescence, how
#: bright it is there. Grey cameras see "grey" and "fluorescence".
DYES: Mapping[str, tuple[float, ...]] = {
    "grey": (1.0,),
    "aec": (0.35, 1.0, 0.9),  # red-brown
    "bcip": (1.0, 0.85, 0.45),  # blue-violet
    "dab": (0.55, 0.8, 1.0),  # brown
    "blue": (1.0, 0.6, 0.2),  # TrueBlue, of foci
    "fluorescence": (1.0,),
}
#: How often wells of a dye are of foci.
_FOCI = {"blue": 0.7, "fluorescence": 0.03}
ARTEFACTS = (
    "scratch",
    "hair",
    "fibre",
    "arc",
    "dust",
    "bubble",
    "smear",
    "blotch",
    "bar",
)


@dataclass(frozen=True, kw_only=True)
class WellLook:
    """What decides the picture of a well, given its cells. Lengths are in pixels of the picture.

    Attributes
    ----------
    dye : str
        One of `DYES`.
    density : float
        Optical density of a spot of strength 1, or its brightness as a share of full scale.
    core : float
        Standard deviation of what a cell and the stain's own grain make of a point, in the dye.
    grains : float
        Mean number of further grains that a spot falls into, as the foci of infected cells do.
    saturation : float
        Largest optical density that the dye reaches.
    membrane : tuple of float
        Level of the bare membrane in each channel, as a share of full scale.
    grain, grain_size : float
        Standard deviation of the membrane's texture, as a share of its level, and its size.
    specks : float
        Skewness of that texture: bright specks above 0, dark ones below.
    mottle, mottle_size : float
        The same of broad patches.
    slope : tuple of two floats
        Change of the lamp's light across the picture, down and across, as a share.
    vignette : float
        How much less light there is at the edge of the well.
    centre : tuple of two floats
        Of the well, (y, x).
    radius, ellipticity : float
        Its mean radius, and by how much its axes differ, as a share.
    edge : float
        Width of its edge; 0 for a picture that is all membrane.
    outside : float
        Level around it, as a share of full scale.
    rim, rim_width : float
        How much darker (or brighter, if negative) the rim is, as an optical density; its width.
    ring : float
        The same of a second ring inside of the rim.
    artefacts : mapping of str to int
        How many there are of each of `ARTEFACTS`.
    blur : float
        Standard deviation of the blur of optics and focus.
    resampled : float
        How many pixels of the picture one of the camera became.
    bleed : float
        How bright the spots of another colour are in this one, as a share of theirs; none of them
        is a cell of this colour.
    noise : float
        Standard deviation of the camera's noise in the dark, as a share of full scale.
    electrons : float
        Electrons at full scale: the noise of light.
    bad_pixels : float
        Share of pixels that are hot or dead.
    gain, offset, gamma : float
        Of the picture as it was saved.
    bits : int
        8 to 16, of a picture in colour 8.
    quality : int or None
        Of a JPEG; None for none.
    """

    dye: str = "grey"
    density: float = 0.4
    core: float = 0.0
    grains: float = 0.0
    saturation: float = 1.2
    membrane: tuple[float, ...] = (0.8,)
    grain: float = 0.01
    grain_size: float = 0.8
    specks: float = 0.0
    mottle: float = 0.01
    mottle_size: float = 12.0
    slope: tuple[float, float] = (0.0, 0.0)
    vignette: float = 0.05
    centre: tuple[float, float] = (255.5, 255.5)
    radius: float = 240.0
    ellipticity: float = 0.0
    edge: float = 2.0
    outside: float = 1.0
    rim: float = 0.1
    rim_width: float = 6.0
    ring: float = 0.0
    artefacts: Mapping[str, int] = field(default_factory=dict)
    blur: float = 0.5
    resampled: float = 1.0
    bleed: float = 0.0
    noise: float = 0.003
    electrons: float = 20_000.0
    bad_pixels: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    gamma: float = 1.0
    bits: int = 8
    quality: int | None = None

    def __post_init__(self) -> None:
        """Check the names, and that levels and lengths can be."""
        if self.dye not in DYES:
            raise ValueError(f"dye: expected one of {', '.join(DYES)}, got {self.dye!r}")
        unknown = set(self.artefacts) - set(ARTEFACTS)
        if unknown:
            raise ValueError(f"artefacts: expected {', '.join(ARTEFACTS)}, got {min(unknown)!r}")
        if len(self.membrane) != len(DYES[self.dye]):
            raise ValueError(
                f"membrane: expected {len(DYES[self.dye])} levels for the dye {self.dye}, got "
                f"{len(self.membrane)}"
            )
        for name in ("saturation", "radius", "electrons", "gamma", "resampled", "mottle_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a number above 0, got {getattr(self, name)}")
        if not 8 <= self.bits <= (16 if len(self.membrane) == 1 else 8):
            raise ValueError(f"bits: expected 8 to 16, in colour 8, got {self.bits}")

    @property
    def glows(self) -> bool:
        """Whether spots are brighter than the membrane."""
        return self.dye == "fluorescence"

    @classmethod
    def random(cls, rng: np.random.Generator, shape: tuple[int, int]) -> WellLook:
        """Draw one of the many ways in which wells look.

        Parameters
        ----------
        rng : numpy.random.Generator
        shape : tuple of two ints
            Height and width of the picture, by which the lengths of the well go.
        """
        size = min(shape)
        dye = str(rng.choice(list(DYES), p=(0.4, 0.11, 0.11, 0.05, 0.1, 0.23)))
        glows = dye == "fluorescence"
        level = rng.uniform(0.02, 0.3) if glows else rng.uniform(0.35, 0.97)
        tint = np.clip(1.0 + rng.normal(0.0, 0.04, len(DYES[dye])), 0.85, 1.1)
        seen = rng.random()  # most pictures are of one whole well, others of a part of it
        radius = size * (rng.uniform(0.40, 0.49) if seen < 0.75 else rng.uniform(0.5, 1.2))
        shift = (0.5 * size - radius) if radius < 0.5 * size else 0.5 * size
        edgeless = seen > 0.9
        dark_rim = rng.random() < 0.5
        foci = rng.random() < _FOCI.get(dye, 0.05)
        steep = 0.25 if rng.random() < 0.2 else 0.06  # of the lamp
        blank = rng.choice([0.0, 1.0, rng.random()], p=(0.25, 0.45, 0.3))
        resampled = float(np.exp(rng.uniform(-0.7, 0.7))) if rng.random() < 0.3 else 1.0
        density = float(np.exp(rng.uniform(np.log(0.1), np.log(0.9))))
        return cls(
            dye=dye,
            density=density,
            core=float(size / 512 * np.exp(rng.uniform(np.log(0.3), np.log(1.5 if foci else 5.0)))),
            grains=float(rng.uniform(2, 20)) if foci else 0.0,
            # Some spots have flat tops, many have none.
            saturation=density * float(np.exp(rng.uniform(np.log(0.6), np.log(5.0)))),
            membrane=tuple(float(value) for value in np.clip(level * tint, 0.01, 1.0)),
            grain=float(np.exp(rng.uniform(np.log(0.0015), np.log(0.04)))),
            grain_size=float(rng.uniform(0.4, 2.0)),
            specks=float(rng.choice([0.0, rng.uniform(-0.8, 0.8)])),
            mottle=float(np.exp(rng.uniform(np.log(0.001), np.log(0.04)))),
            mottle_size=float(size * np.exp(rng.uniform(np.log(0.01), np.log(0.08)))),
            slope=(float(rng.normal(0.0, steep)), float(rng.normal(0.0, steep))),
            vignette=float(rng.uniform(-0.05, 0.35)),
            centre=(
                float((shape[0] - 1) / 2 + rng.uniform(-0.6, 0.6) * shift),
                float((shape[1] - 1) / 2 + rng.uniform(-0.6, 0.6) * shift),
            ),
            radius=float(radius),
            ellipticity=float(abs(rng.normal(0.0, 0.02))),
            edge=0.0 if edgeless else float(size * np.exp(rng.uniform(np.log(1e-3), np.log(0.02)))),
            outside=float(blank),
            rim=float(rng.uniform(0.02, 0.5) if dark_rim else rng.normal(0.0, 0.05)),
            rim_width=float(size * np.exp(rng.uniform(np.log(0.004), np.log(0.06)))),
            ring=float(rng.normal(0.0, 0.15)) if rng.random() < 0.25 else 0.0,
            artefacts=_some(rng),
            blur=float(rng.uniform(0.2, 1.2)) if rng.random() < 0.9 else float(rng.uniform(1.2, 3)),
            resampled=resampled,
            bleed=float(rng.uniform(0.02, 0.15)) if glows and rng.random() < 0.2 else 0.0,
            noise=float(np.exp(rng.uniform(np.log(0.0007), np.log(0.015)))),
            electrons=float(np.exp(rng.uniform(np.log(2e3), np.log(5e4)))),
            bad_pixels=float(rng.choice([0.0, 1e-4, 1e-3], p=(0.8, 0.15, 0.05))),
            gain=float(rng.choice([1.0, rng.uniform(0.2, 1.0)])),
            offset=float(rng.choice([0.0, rng.uniform(0.0, 0.15)])),
            gamma=float(rng.choice([1.0, rng.uniform(0.45, 1.0)], p=(0.8, 0.2))),
            bits=int(rng.choice([8, 12, 16], p=(0.7, 0.15, 0.15))) if len(tint) == 1 else 8,
            quality=int(rng.integers(40, 98)) if rng.random() < 0.3 else None,
        )


def _some(rng: np.random.Generator) -> dict[str, int]:
    """Draw how many artefacts there are: none in many wells, many of a kind in some."""
    if rng.random() < 0.35:
        return {}
    kinds = [kind for kind in ARTEFACTS if rng.random() < 0.3]
    some = {kind: int(1 + rng.geometric(0.35) * (kind != "bar")) for kind in kinds}
    if rng.random() < 0.15:  # a membrane that was wiped: scratches and arcs all over
        some |= {kind: int(rng.integers(5, 40)) for kind in ("scratch", "arc")}
    return some
