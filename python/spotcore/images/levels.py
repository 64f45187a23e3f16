"""Grey levels, and the largest that there can be: of arrays, of files, of cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore._arrays import as_number
from spotcore.images.refusal import ImageError

__all__ = ["as_levels", "ceiling_of", "deep_levels"]

_DEPTHS = (8, 10, 12, 14, 16)  # bits of cameras


def as_levels(
    samples: NDArray[Any], full_scale: float | None, name: str
) -> tuple[NDArray[Any], float]:
    """Return intensities as grey levels in steps of 1, and the largest level that there can be.

    Floats up to 1 are shares of full scale, as scikit-image has them: of 8, 10, 12, 14 or 16 bits,
    whichever first has them all as whole levels, otherwise of 16 bits. Everything else is taken as
    it is, and needs a full scale unless it is uint8 or uint16.

    Parameters
    ----------
    samples : ndarray of numbers >= 0
    full_scale : float or None
        What the user says.
    name : str
        What errors call the samples.

    Returns
    -------
    levels : ndarray
        The samples, or new ones of float32.
    full_scale : float

    Raises
    ------
    TypeError
        If these are no numbers.
    ValueError
        If they are not finite, negative, larger than the full scale, or have none.
    """
    kind = samples.dtype.kind
    if kind not in "uif" or (kind == "f" and samples.dtype.itemsize > 8):
        raise TypeError(f"{name}: expected integers or floats, got dtype {samples.dtype}")
    least, most = float(samples.min()), float(samples.max())
    if not (least >= 0 and most < float("inf")):
        raise ValueError(f"{name}: expected finite values, at least 0, got {least:g} to {most:g}")
    if full_scale is not None:
        full_scale = as_number(full_scale, "full_scale", minimum=0.0, strict=True)
        if most > full_scale:
            raise ValueError(f"{name}: expected values up to {full_scale:g}, got {most:g}")
    elif samples.dtype in (np.uint8, np.uint16):
        full_scale = float(np.iinfo(samples.dtype).max)
    elif kind == "f" and most <= 1.0:
        full_scale = 1.0
    else:
        raise ValueError(
            f"{name}: expected a full_scale beside values of {samples.dtype} up to {most:g}, "
            "got none"
        )
    if kind != "f" or full_scale != 1.0:
        return samples, int(full_scale) if full_scale == int(full_scale) else full_scale
    shares = samples.astype(np.float64)
    rounding = float(np.finfo(samples.dtype).eps)  # twice what a share is off by
    for depth in _DEPTHS:
        levels = shares * (2**depth - 1)
        whole = np.rint(levels)
        off = rounding * (2**depth - 1)
        if off < 0.25 and np.abs(levels - whole).max() <= off:
            return whole.astype(np.float32), 2**depth - 1
    return levels.astype(np.float32), 2**depth - 1


def deep_levels(
    path: Path, samples: NDArray[Any], bits: int | None, full_scale: float | None
) -> tuple[NDArray[Any], float]:
    """Return a microscope's samples as grey levels, and the largest by its camera's bits.

    Raises
    ------
    ImageError
        If they are no grey levels, or need a full scale.
    """
    kind = samples.dtype
    if kind.kind == "i" and kind.itemsize <= 2 and full_scale is None:
        full_scale = float(np.iinfo(kind).max)
    try:
        levels, depth = as_levels(samples, full_scale, "samples")
    except (TypeError, ValueError) as error:
        raise ImageError(f"{path}: {str(error).replace('full_scale', '--full-scale')}") from error
    if kind.kind == "u" and full_scale is None and bits is not None and 0 < bits <= 16:
        said = 2**bits - 1
        depth = said if levels.max() <= said < depth else depth
    return levels, depth


def ceiling_of(samples: NDArray[np.uint16]) -> int | None:
    """Return the largest level of a camera of fewer bits than 16, where the data shows it.

    Either the lowest bits are never set, or values pile up where 10, 12 or 14 bits end.
    """
    used = int(np.bitwise_or.reduce(samples, axis=None))
    step = used & -used  # the lowest bit that is ever set
    least, most = int(samples.min()), int(samples.max())
    if step in (4, 16, 64, 256) and most - least >= 16 * step:  # a few levels show nothing
        return 65536 - step
    if most in (2**10 - 1, 2**12 - 1, 2**14 - 1):
        ends, before = (int(np.count_nonzero(samples == most - below)) for below in (0, 1))
        if ends > 3 * before + 10:
            return most
    return None
