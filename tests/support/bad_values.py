"""What no image, mask or number may be, for every function that takes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

LIMITS = (0.8, 1.6, 2.4)
SHAPE = (12, 10)
IMAGE = np.random.default_rng(23).uniform(0, 255, SHAPE).astype(np.float32)
STACK = np.ones((2, *SHAPE), np.float32)
ONES = np.ones(2, np.float32)


def holding(value: float, array: Any = IMAGE) -> Any:
    """Put one value into a copy of an array."""
    copy = np.array(array, dtype=np.float64)
    copy.flat[7] = value
    return copy


def case(name: str, call: Callable[[], Any], error: type[Exception], *words: str) -> Any:
    return pytest.param(call, error, words, id=name)


NAN, INF = float("nan"), float("inf")
IMAGE_LIKE = [  # what no image may be: (what, value, error, what the message has to say)
    ("nan", holding(NAN), ValueError, ("nan", "finite", "(0, 7)")),
    ("inf", holding(INF), ValueError, ("inf", "finite", "(0, 7)")),
    ("too_large_for_float32", holding(1e300), ValueError, ("1e+300", "float32")),
    ("complex", IMAGE * 1j, TypeError, ("complex", "real")),
    ("text", np.full(SHAPE, "1"), TypeError, ("<U1", "real")),
    ("objects", np.full(SHAPE, None), TypeError, ("object", "real")),
    ("dates", np.zeros(SHAPE, "M8[s]"), TypeError, ("datetime64", "real")),
    ("none_at_all", np.zeros((0, 0)), ValueError, ("(0, 0)", "non-empty")),
    ("no_columns", np.zeros((5, 0)), ValueError, ("(5, 0)", "non-empty")),
    ("scalar", 3.0, ValueError, ("()", "[H, W]")),
    ("vector", np.ones(5), ValueError, ("(5,)", "[H, W]")),
    ("colour", np.ones((*SHAPE, 3)), ValueError, ("(12, 10, 3)", "[H, W]")),
]
