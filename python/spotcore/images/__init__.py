"""What a picture is: read from a file, turned into light, drawn with its marks."""

from __future__ import annotations

from spotcore.images.picture import Picture
from spotcore.images.read import contents, read_image
from spotcore.images.refusal import ImageError

__all__ = ["ImageError", "Picture", "contents", "read_image"]
