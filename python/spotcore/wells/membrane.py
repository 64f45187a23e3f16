"""What a membrane adds to its spots: the polarity of the picture, shading, noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from spotcore.wells.curvature import principal_curvatures
from spotcore.wells.gaussian import gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Polarity",
    "background",
    "filled_outside",
    "find_polarity",
    "noise_sigma",
    "rim_shading",
    "without_background",
]

Polarity = Literal["dark", "bright"]


#: Polarity is looked for at this scale, for a well of radius 250 px, and where at least this share
#: of the pixels is further than so many scales from any that was cut off.
_POLARITY_SCALE, _UNCUT, _CUT_REACH = 4.0, 0.03, 4.0
#: Smallest share of the pixels with the smallest or largest grey level for it to be a limit.
_CUT_SHARE = 1e-3


def find_polarity(image: NDArray[np.float32], inside: NDArray[np.bool_]) -> Polarity:
    """Tell dark spots from bright ones: by the sign of the skewness of the mean curvature.

    A spot is a sharp summit, what is left between crowded ones a broad valley. At a scale of some
    spots' width even those of a crowded well overlap but little, so that their sign shows. Where
    the camera or the dye cut them off it does not: there it is looked for beside them.

    Parameters
    ----------
    image : ndarray, shape [H, W]
        Grey levels.
    inside : ndarray, bool, shape [H, W]
        Pixels to look at.

    Returns
    -------
    {"dark", "bright"}
        "bright" where there is no skewness at all.
    """
    if not inside.any():
        return "bright"
    scale = max(_POLARITY_SCALE * math.sqrt(inside.sum() / math.pi) / 250.0, 1.0)
    used = inside
    cut = np.zeros(image.shape, bool)
    for limit in (image[inside].min(), image[inside].max()):
        at_limit = inside & (image == limit)
        if at_limit.sum() > _CUT_SHARE * inside.sum():
            cut |= at_limit
    if cut.any():
        # A blur of that scale is 1 % this far from a straight edge.
        beside = inside & (gaussian(cut.astype(np.float32), _CUT_REACH * scale / 2.33) < 0.01)
        if beside.sum() > _UNCUT * inside.sum():
            used = beside
    bend = -(gaussian(image, scale, (2, 0)) + gaussian(image, scale, (0, 2)))[used]
    bend -= bend.mean()
    return "dark" if float(np.mean(bend * bend * bend)) < 0 else "bright"


def background(
    signal: NDArray[np.float32],
    inside: NDArray[np.bool_],
    sigma: float,
    noise: float,
    rounds: int = 12,
) -> NDArray[np.float32]:
    """Fit the shading of the membrane locally by planes that spots cannot pull up.

    At each pixel a plane is fitted to the inside pixels under a Gaussian window; a plane, because
    near the rim a mean would be biased by the slope of the vignetting. What lies more than one
    `noise` above the fit is cut down to there, and the fit repeated.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image, spots bright.
    inside : ndarray, bool, shape [H, W]
        Pixels of the membrane.
    sigma : float
        Standard deviation of the window in pixels.
    noise : float
        Standard deviation of the noise.
    rounds : int
        How often the fit is repeated.

    Returns
    -------
    ndarray, float32, shape [H, W]
        The background; beyond the reach of the window from any inside pixel it means nothing.
    """
    from scipy import ndimage

    # Sums over blocks of pixels serve a window of three blocks as well, and much faster.
    block = max(1, int(sigma / 3))
    h, w = signal.shape
    sum_rows, sum_columns = _block_sums(h, block), _block_sums(w, block)
    rows, columns = _interpolation(h, block), _interpolation(w, block)

    def window(values: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = ndimage.gaussian_filter(values, sigma / block, mode="constant")
        return out

    def blocks(values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(sum_rows @ values @ sum_columns.T, np.float64)

    m = inside.astype(np.float32)
    count = blocks(m)
    # Coordinates in windows, from the image's centre: the moments below stay of order 1.
    centre = np.array(count.shape).reshape(2, 1, 1) / 2
    y, x = (np.indices(count.shape) - centre) * (block / sigma)
    mass = np.maximum(window(count), 1e-6)
    y0, x0 = window(count * y) / mass, window(count * x) / mass
    yy = window(count * y * y) / mass - y0**2 + _RIDGE
    xx = window(count * x * x) / mass - x0**2 + _RIDGE
    yx = window(count * y * x) / mass - y0 * x0
    determinant = yy * xx - yx**2
    cut = m * signal
    for _ in range(rounds):
        v = blocks(cut)
        mean = window(v) / mass
        vy, vx = window(v * y) / mass - mean * y0, window(v * x) / mass - mean * x0
        slope_y, slope_x = (vy * xx - vx * yx) / determinant, (vx * yy - vy * yx) / determinant
        at_blocks = (mean + slope_y * (y - y0) + slope_x * (x - x0)).astype(np.float32)
        plane: NDArray[np.float32] = rows @ at_blocks @ columns.T
        np.minimum(signal, plane + np.float32(noise), out=cut)
        cut *= m
    return plane


_RIDGE = 0.02  # of a window's variance 1: keeps the slope finite where few pixels are in sight


def _block_sums(n: int, block: int) -> NDArray[np.float32]:
    """Return the matrix [n blocks, n] that adds up n pixels block by block."""
    within = np.arange(n) // block == np.arange(-(-n // block))[:, None]
    return np.asarray(within, np.float32)


def _interpolation(n: int, block: int) -> NDArray[np.float32]:
    """Linear interpolation from the centres of blocks to n pixels, as a matrix [n, n blocks]."""
    centres = np.arange(-(-n // block)) * block + (block - 1) / 2
    each = [np.interp(np.arange(n), centres, e) for e in np.eye(len(centres))]
    return np.stack(each, axis=1).astype(np.float32)


def rim_shading(
    signal: NDArray[np.float32], depth: NDArray[np.float32], centre: tuple[float, float], reach: int
) -> NDArray[np.float32]:
    """Shading of the rim: what depends on the depth below the well's edge, slowly turning with it.

    For each depth (in steps of 1 px) and each of `_SECTORS` half-overlapping sectors it is the
    median, which a spot cannot move, less the one at `reach`; between them it is interpolated.
    A `background` cannot follow what changes within a few pixels.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image, spots bright.
    depth : ndarray, shape [H, W]
        From `spotcore.wells.circle.well_depth`.
    centre : (y, x)
        Centre of the well in pixels.
    reach : int
        Depth from which on there is none, in pixels.

    Returns
    -------
    ndarray, float32, shape [H, W]
        To be subtracted; 0 outside of the rim.
    """
    from scipy import ndimage

    at = np.nonzero((depth > 0) & (depth <= reach))
    turn = np.arctan2(at[0] - centre[0], at[1] - centre[1]) / (2 * np.pi) * _SECTORS % _SECTORS
    level = np.rint(depth[at]).astype(np.int16)
    order = np.argsort(signal[at])
    order = order[np.argsort(level[order], kind="stable")]  # by level, then value
    level, values, slice_of = level[order], signal[at][order], turn[order].astype(np.int8)
    profile = np.zeros((_SECTORS, reach + 1))
    for sector in range(_SECTORS):
        near = (slice_of == sector) | (slice_of == (sector - 1) % _SECTORS)
        part = values[near]
        # Not all levels are seen where the image cuts the well off.
        seen, first, count = np.unique(level[near], return_index=True, return_counts=True)
        if len(seen):
            medians = (part[first + (count - 1) // 2] + part[first + count // 2]) / 2
            profile[sector] = np.interp(np.arange(reach + 1), seen, medians)
    profile -= profile[:, -1:]
    rim = np.zeros(signal.shape, np.float32)
    rim[at] = ndimage.map_coordinates(
        np.concatenate([profile, profile[:1]]), [turn, depth[at]], order=1, mode="nearest"
    )
    return rim


_SECTORS = 24


def noise_sigma(
    signal: NDArray[np.float32], inside: NDArray[np.bool_], scale: float, tile: float
) -> float:
    """Measure the noise at the scale of the spots, as the white noise that looks like it there.

    Pixel differences would not do: a picture that was resampled or compressed has hardly any of
    them and yet is noisy at the scale of its spots. The median absolute mean curvature is taken in
    half-overlapping tiles, and of the tiles nearly the quietest: in a well full of spots most tiles
    hold no noise to be seen.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image without its background, continued smoothly beyond `inside`.
    inside : ndarray, bool, shape [H, W]
        Pixels to look at.
    scale : float
        Scale of the smallest spots in pixels.
    tile : float
        Side of a tile in pixels.

    Returns
    -------
    float
        Standard deviation; 0 if no tile lies inside.
    """
    curvature = np.abs(sum(principal_curvatures(signal, scale)) / 2)
    impulse = np.zeros((2 * int(6 * scale) + 9,) * 2, np.float32)
    impulse[impulse.shape[0] // 2, impulse.shape[1] // 2] = 1.0
    gain = float(np.linalg.norm(sum(principal_curvatures(impulse, scale)) / 2))
    side = max(int(tile), 8)
    medians = [
        float(np.median(curvature[at][inside[at]]))
        for top in range(0, signal.shape[0], side // 2)
        for left in range(0, signal.shape[1], side // 2)
        for at in [np.s_[top : top + side, left : left + side]]
        if inside[at].sum() > 0.7 * side * side
    ]
    return 1.4826 * float(np.quantile(medians, 0.02)) / gain if medians else 0.0


def without_background(
    level: NDArray[np.float32],
    inside: NDArray[np.bool_],
    width: float,
    scale: float,
    tile: float,
    floor: float,
) -> tuple[NDArray[np.float32], float]:
    """Take the shading off and measure the noise that stays, at least `floor`.

    The noise is measured on a first estimate, whose only use is to free it from the shading.

    Parameters
    ----------
    level : ndarray, shape [H, W]
        Image, spots bright.
    inside : ndarray, bool, shape [H, W]
        Pixels of the membrane; outside, 0 is left.
    width : float
        Of the window of `background`, in pixels.
    scale, tile : float
        As `noise_sigma` has them, in pixels.
    floor : float
        Smallest noise.

    Returns
    -------
    signal : ndarray, float32, shape [H, W]
    noise : float
    """

    def left(noise: float, rounds: int) -> NDArray[np.float32]:
        signal = level - background(level, inside, width, noise, rounds)
        signal[~inside] = 0.0
        return signal

    noise = max(noise_sigma(left(floor, 4), inside, scale, tile), floor)
    return left(noise, 12), noise


def filled_outside(signal: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give every pixel outside the value of the nearest one inside: no edge to be seen there.

    Parameters
    ----------
    signal : ndarray, shape [H, W]
        Image.
    inside : ndarray, bool, shape [H, W]
        Pixels to keep.

    Returns
    -------
    ndarray, float32, shape [H, W]
    """
    from scipy import ndimage

    if inside.all() or not inside.any():
        return signal
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    filled: NDArray[np.float32] = signal[tuple(nearest)]
    return filled
