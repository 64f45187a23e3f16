"""Networks of other programs, and of our own trainer, as parameters of spotcore."""

from __future__ import annotations

from spotcore.networks.convert.to_parameters import (
    PUBLISHED_THRESHOLD,
    convert,
    from_tensorflow,
    from_torch,
)

__all__ = ["PUBLISHED_THRESHOLD", "convert", "from_tensorflow", "from_torch"]
