"""What computes: this version of spotcore; threads, instruction set, device."""

from __future__ import annotations

import contextlib
import platform
import threading
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

from spotcore import _core
from spotcore._arrays import as_count

__version__ = version("spotcore")

DEVICES = ("cpu",)
_MOST_THREADS = 1024


@contextlib.contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Say which extra has the package that is not there; also a decorator."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("spotcore"):
            raise
        # Without a name: what is said here is not said again further out.
        raise ModuleNotFoundError(
            f"{what} needs {error.name}: pip install 'spotcore[{extra}]'"
        ) from None


class _OneThread:
    """Holds BLAS to one thread for as long as anybody asks for it.

    The limit belongs to the process: of several threads that ask for it at once, the last one to
    leave takes it away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: Any = None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:  # with NumPy alone, its own number of threads is what there is
            yield
            return
        with self._lock:
            if self._inside == 0:
                self._limits = threadpool_limits(1, "blas")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._limits.restore_original_limits()


#: BLAS adds up in another order with another number of threads: what must not depend on that is
#: computed inside of this.
one_blas_thread = _OneThread()


def as_threads(threads: int | None) -> int:
    """Convert to the core's convention: 0 stands for one thread per processor."""
    return 0 if threads is None else as_count(threads, "threads", minimum=1, maximum=_MOST_THREADS)


def as_device(device: str) -> str:
    """Check that a device is one that this build can use."""
    if device not in DEVICES:
        expected = " or ".join(repr(name) for name in DEVICES)
        raise ValueError(f"device: expected {expected} in this build, got {device!r}")
    return device


def backend_info() -> dict[str, object]:
    """Instruction sets that this processor can run, the one in use, and the default threads.

    The environment variable ``SPOTCORE_ISA`` (``v4``, ``v3`` or ``baseline``) overrides the choice.
    """
    return {
        "isa_available": _core.isa_names(),
        "isa": _core.isa_default(),
        "threads": _core.thread_default(),
        "devices": list(DEVICES),
    }


def machine_record() -> dict[str, object]:
    """Return what a result was computed with and on."""
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        **backend_info(),
    }
