"""What every file of the reference needs: the array type and the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_Function = TypeVar("_Function", bound=Callable[..., object])


def jit(function: _Function) -> _Function:
    """Compile `function` with Numba and keep the machine code for the next process.

    Typed by hand, because Numba's own decorator would hide the signature from mypy.

    Parameters
    ----------
    function : callable
        A function that Numba can compile in nopython mode.

    Returns
    -------
    callable
        The compiled function, with the signature of `function`.
    """
    return cast(_Function, numba.njit(cache=True)(function))
