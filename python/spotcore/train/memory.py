"""How this process keeps its memory: for programs that train, not for libraries."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks of tens of MB instead of returning them: each new page costs."""
    if sys.platform == "linux":
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (OSError, AttributeError):  # another C library
            return
        arena_max, mmap_threshold, trim_threshold = -8, -3, -1
        mallopt(arena_max, 1)
        mallopt(mmap_threshold, 32 << 20)  # the largest it takes
        mallopt(trim_threshold, 1 << 30)
