"""Checks and conversions of user input: the only place in spotcore that converts arrays.

Everything that enters the library passes through here once.  Any real dtype (bool, integers,
floats, either byte order, any strides) becomes float32, C-contiguous, without a copy where the
input already is; what comes out is what the compiled core accepts.  A wrong shape or value is a
`ValueError`, a wrong dtype a `TypeError`, and both name the argument, what came and what was
expected.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

# Kernels reach 3 sigma: wider ones than this would take gigabytes before anyone could use them.
LARGEST_SIGMA = 10_000.0


def as_real(
    x: ArrayLike, name: str, shape: str, ndim: int, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Convert to a finite, non-empty, C-contiguous array with `ndim` axes."""
    array = np.asarray(x)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name}: expected a non-empty array {shape}, got shape {array.shape}")
    with np.errstate(over="ignore"):  # an overflow becomes inf, which the next check names
        converted = np.ascontiguousarray(array, dtype=dtype)
    finite = np.isfinite(converted)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name}: expected finite values in the range of {np.dtype(dtype)}, "
            f"got {array[where]} at index {where}"
        )
    return converted


def as_image(x: ArrayLike, name: str) -> NDArray[np.float32]:
    """Convert to a float32 image [H, W], finite and non-empty."""
    return as_real(x, name, "[H, W]", 2)


def as_shaped_image(x: ArrayLike, name: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Convert to a float32 image of a given shape."""
    image = as_image(x, name)
    if image.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {image.shape}")
    return image


def as_stack(x: ArrayLike, name: str, n_bins: int) -> NDArray[np.float32]:
    """Convert to a float32 stack [K, H, W] with ``K = n_bins``."""
    stack = as_real(x, name, "[K, H, W]", 3)
    if stack.shape[0] != n_bins:
        raise ValueError(f"{name}: expected shape ({n_bins}, H, W), got {stack.shape}")
    return stack


def as_vector(
    x: ArrayLike, name: str, length: int | None = None, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Convert to a vector, of a given length if one is given."""
    vector = as_real(x, name, "[n]", 1, dtype)
    if length is not None and len(vector) != length:
        raise ValueError(f"{name}: expected length {length}, got {len(vector)}")
    return vector


def as_points(x: ArrayLike, name: str) -> NDArray[np.float64]:
    """Convert to positions [n, 2] (y, x) in pixels, float64; n may be 0."""
    array = np.asarray(x)
    if array.size == 0 and array.shape in ((0,), (0, 2)):
        return np.zeros((0, 2))
    points = as_real(x, name, "[n, 2]", 2, np.float64)
    if points.shape[1] != 2:
        raise ValueError(f"{name}: expected shape [n, 2] (y, x), got {points.shape}")
    return points


def as_sigma_limits(x: ArrayLike, name: str = "sigma_limits") -> NDArray[np.float64]:
    """Convert to increasing limits of sigma bins [K + 1], in pixels, the first one >= 0."""
    limits: NDArray[np.float64] = as_vector(x, name, dtype=np.float64)
    if len(limits) < 2 or limits[0] < 0 or not (np.diff(limits) > 0).all():
        raise ValueError(
            f"{name}: expected at least two increasing limits >= 0, got {limits.tolist()}"
        )
    if limits[-1] > LARGEST_SIGMA:
        raise ValueError(f"{name}: expected limits up to {LARGEST_SIGMA:g}, got {limits[-1]:g}")
    return limits


def as_number(x: object, name: str, *, minimum: float = -math.inf, strict: bool = False) -> float:
    """Convert to a finite float that is at least (or, if strict, above) `minimum`."""
    if not isinstance(x, (SupportsFloat, SupportsIndex)) or np.ndim(x) != 0:  # type: ignore[arg-type]
        raise TypeError(f"{name}: expected a number, got {x!r}")
    value = float(x)
    if not math.isfinite(value) or value < minimum or (strict and value == minimum):
        bound = "" if minimum == -math.inf else f" {'>' if strict else '>='} {minimum:g}"
        raise ValueError(f"{name}: expected a finite number{bound}, got {x!r}")
    return value


def as_count(x: Any, name: str, *, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """Convert to an int from `minimum` to `maximum`; floats are refused."""
    try:
        value = operator.index(x)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {x!r}") from None
    if value < minimum:
        raise ValueError(f"{name}: expected an integer >= {minimum}, got {value}")
    if value > maximum:
        raise ValueError(f"{name}: expected an integer <= {maximum}, got {value}")
    return value


def as_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Check that an option is one of a few names."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    return str(value)


def as_shape(shape: Any, name: str = "shape") -> tuple[int, int]:
    """Convert to (H, W), both at least 1."""
    if not isinstance(shape, Sequence) or isinstance(shape, (str, bytes)):
        raise TypeError(f"{name}: expected (H, W), got {shape!r}")
    if len(shape) != 2:
        raise ValueError(f"{name}: expected (H, W), got {shape!r}")
    return as_count(shape[0], name, minimum=1), as_count(shape[1], name, minimum=1)
