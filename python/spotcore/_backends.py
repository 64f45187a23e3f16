"""What computes: this version of spotcore; threads, instruction set, device."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np

from spotcore import _core
from spotcore._arrays import as_count

__version__ = version("spotcore")

DEVICES = ("cpu",)
_MOST_THREADS = 1024


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
