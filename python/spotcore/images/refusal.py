"""How a file that cannot be used is refused."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ImageError", "refused"]

EXPECTED = "a grey or RGB(A) picture (TIFF, PNG, JPEG, BMP, GIF, WebP, JPEG 2000, CZI, ND2)"


class ImageError(ValueError):
    """An image file that cannot be used; the message names it, what was expected and what it is."""


def refused(path: Path, got: str, expected: str = EXPECTED) -> ImageError:
    """Word every refusal alike: the file, what was expected, what it is."""
    return ImageError(f"{path}: expected {expected}, got {got}")
