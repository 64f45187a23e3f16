"""Compiled plans that nobody runs at the moment, to be used again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

__all__ = ["Plans"]

_Plan = TypeVar("_Plan")


class Plans(Generic[_Plan]):
    """Plans of one network, by their number of threads.

    One thread uses a plan at a time, and a plan's threads belong to the process that made it: a
    copy for another process holds none.
    """

    def __init__(self) -> None:
        self._idle: dict[tuple[int, int], list[_Plan]] = {}

    @contextmanager
    def lent(self, threads: int, make: Callable[[int], _Plan]) -> Iterator[_Plan]:
        """Lend a plan, made where none is idle; one that failed does not come back."""
        idle = self._idle.setdefault((os.getpid(), threads), [])
        try:
            plan = idle.pop()
        except IndexError:
            plan = make(threads)
        yield plan
        idle.append(plan)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the plans behind."""
        return type(self), ()
