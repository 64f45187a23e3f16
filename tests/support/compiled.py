"""How what the compiled core returns is compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore import reference

Array = NDArray[np.float64]


def f32(x: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(x, dtype=np.float32)


def f32_all(kernels: Iterable[reference.Kernel]) -> list[Any]:
    """Kernels as the core takes them."""
    return [kernel if isinstance(kernel, tuple) else f32(kernel) for kernel in kernels]


def checked(y: Any, shape: tuple[int, ...]) -> Array:
    """Reject what no tolerance should let through, before any comparison; then to float64."""
    assert isinstance(y, np.ndarray)
    assert y.dtype == np.float32
    assert y.shape == shape
    assert y.flags.c_contiguous
    assert np.isfinite(y).all()
    return y.astype(np.float64)


def same_for_all_threads(results: Sequence[tuple[Any, ...]]) -> None:
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert np.array_equal(first, second)
