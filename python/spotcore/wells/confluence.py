"""How many spots are not seen: behind others, or where so many overlap that none is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spotcore.wells.membrane import pixel_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.wells.prepare import Well
    from spotcore.wells.sight import Polarity

__all__ = ["BARE", "CONFLUENT", "Staining", "bare_level", "hidden_spots", "overlap"]

#: At least so many spots must overlap at a point of the membrane for it to be confluent.
CONFLUENT = 20.0
#: A membrane whose signal is more skewed than this shows single spots.
SKEWED = 1.5
#: Level of a bare membrane that was not measured.
BARE = {"bright": 0.1, "dark": 0.25}
#: What varies less than this many times the noise of its pixels is bare; white noise alone is at 1.
_TEXTURE = 1.3
#: Share of the radius that is left out inside of the edge, and fewest pixels.
_RIM, _THINNEST_RIM = 0.04, 2
#: Of the places with a mark: beyond, the logarithm of how many are left means nothing.
_FULLEST = 0.9


@dataclass(frozen=True)
class Staining:
    """The signal of a membrane as a whole.

    Attributes
    ----------
    level : float
        Median: an optical density below full scale (dark spots) or a share of it (bright ones).
    width : float
        How much it varies, a standard deviation by the median; 0 where it is noise alone.
    skewness : float
        Large where single spots stand out of a bare membrane.
    """

    level: float
    width: float
    skewness: float

    @classmethod
    def of(cls, well: Well, grey: NDArray[np.float32], full_scale: float) -> Staining:
        """Measure it.

        Parameters
        ----------
        well : Well
        grey : ndarray, float32, shape [H, W]
            The picture that it was prepared from.
        full_scale : float
            Largest grey level of the file.

        Returns
        -------
        Staining
        """
        from scipy import ndimage

        # Without its edge, where light and density are those of neither side.
        rim = max(_THINNEST_RIM, round(_RIM * math.sqrt(well.membrane.sum() / math.pi)))
        inside = ndimage.binary_erosion(well.membrane, iterations=rim, border_value=1)
        if not inside.any():
            return cls(0.0, 0.0, 0.0)
        level = _level(well.polarity, float(np.median(grey[inside])), full_scale)
        signal = well.signal[inside].astype(np.float64)
        width = 1.4826 * float(np.median(np.abs(signal - np.median(signal))))
        if width == 0:
            return cls(level, 0.0, 0.0)
        spread = signal - signal.mean()
        squares = spread * spread
        skewness = float(np.mean(squares * spread) / np.mean(squares) ** 1.5)
        if width < _TEXTURE * pixel_noise(well.signal, inside):
            width = 0.0
        unit = 1.0 if well.polarity == "dark" else 1.0 / full_scale
        return cls(level, width * unit, skewness)

    def is_confluent(self, density: float) -> bool:
        """Tell whether so many spots at a point hide each other."""
        return density >= CONFLUENT and self.skewness <= SKEWED


def overlap(staining: Staining, bare: float, assumed: bool) -> float:
    """Estimate how many spots overlap at a point of the membrane.

    Spots of one shape h that lie at random, N of them under the area ``(∫h)² / ∫h²`` of one, add
    up to a signal of mean m, variance m² / N and skewness of the order of ``N^(-1/2)`` (Campbell's
    theorem): ``N = m² / variance``. On a membrane with single spots the median is that of a bare
    one, m is 0 and the skewness large; on a confluent one no gap reaches the bare level, and the
    signal hardly varies by comparison (less still where dye and camera saturate).

    Parameters
    ----------
    staining : Staining
    bare : float
        Level of a bare membrane, from `bare_level`.
    assumed : bool
        Whether that was not measured: then what is fainter is bare. From a measured level a stained
        membrane departs either way: polarity is guesswork where no single spot is to be seen.

    Returns
    -------
    float
        N.

    References
    ----------
    Rice, "Mathematical analysis of random noise", Bell System Technical Journal 23, 1944, part I
    (Campbell's theorem and its extension to higher moments).
    """
    if staining.width == 0:
        return 0.0
    departs = staining.level - bare
    mean = max(departs, 0.0) if assumed else abs(departs)
    return (mean / staining.width) ** 2


def bare_level(polarity: Polarity, full_scale: float, membrane: float | None) -> float:
    """Return the level of a bare membrane: measured, as a grey level, or assumed.

    By default 0.1 of full scale for bright spots and an optical density of 0.25 below full scale
    for dark ones; a well without spots that is brighter (or darker) is taken for a confluent one,
    unless it is as smooth as its pixels' noise.
    """
    return BARE[polarity] if membrane is None else _level(polarity, membrane, full_scale)


def _level(polarity: Polarity, grey: float, full_scale: float) -> float:
    if polarity == "bright":
        return grey / full_scale
    return math.log10((full_scale + 0.5) / (max(grey, 0.0) + 0.5))


def hidden_spots(yx: NDArray[np.float64], inside: NDArray[np.bool_], distance: float) -> float:
    """Expect how many spots are hidden behind the marks of stronger ones.

    Where no mark has a stronger spot within `distance` (Matern's second hard core), n marks on
    ``B = area / (π distance²)`` places stand for ``B c`` spots, ``c = -ln(1 - n / B)``. The density
    is taken locally, at each mark, for spots come in clusters.

    Parameters
    ----------
    yx : ndarray, float64, shape [n, 2]
        Marks in pixels.
    inside : ndarray, bool, shape [H, W]
        Pixels where they can lie.
    distance : float
        In pixels.

    Returns
    -------
    float

    References
    ----------
    Matern, "Spatial variation", 1960, chapter 3.6.
    """
    from scipy.spatial import cKDTree

    if len(yx) < 2:
        return 0.0
    place = math.pi * distance**2
    area = float(inside.sum())
    # Ten others of a well's mean density: near enough to see clusters, enough to have a density.
    reach = max(math.sqrt(10 * area / (math.pi * len(yx))), 3 * distance)
    others = cKDTree(yx).query_ball_point(yx, reach, return_length=True) - 1
    used = np.argwhere(inside[::4, ::4]) * 4
    seen = cKDTree(used).query_ball_point(yx, reach, return_length=True) * 16.0
    full = np.clip(others * place / np.maximum(seen, place), 0.0, _FULLEST)
    places = np.where(full > 0, 1 / np.maximum(full, 1e-12), 0.0)  # that each mark stands for
    return float(np.sum(places * -np.log1p(-full) - (full > 0)))
