"""What a picture is: grey levels with their full scale, their pixel size and their colours."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotcore._arrays import as_number

__all__ = ["Decoded", "ImageError", "Picture", "luminance", "picture_of", "refused"]

EXPECTED = "an 8- or 16-bit grey or RGB(A) TIFF, PNG or JPEG image"
_CHANNELS = {"red": 0, "green": 1, "blue": 2}
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


class ImageError(ValueError):
    """An image file that cannot be used; the message names it, what was expected and what it is."""


@dataclass(frozen=True)
class Picture:
    """One grey image as it came from a file.

    Attributes
    ----------
    pixels : numpy.ndarray
        float32 ``[H, W]``, intensities as stored.
    full_scale : int
        The largest value that the file's bit depth can hold (255, 4095, 65535...).
    pixel_size : float or None
        Pixel side [µm], where the file gives a calibration that can be trusted.
    channel : str
        How the grey image was made: ``"grey"``, ``"luminance"`` or the channel taken.
    sha256 : str
        Digest of the file's bytes, the same bytes that were decoded.
    colours : numpy.ndarray or None
        float32 ``[H, W, 3]``, red, green and blue as stored, where `pixels` is the luminance of a
        picture whose colours differ.
    """

    pixels: NDArray[np.float32]
    full_scale: int
    pixel_size: float | None
    channel: str
    sha256: str
    colours: NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        samples: ArrayLike,
        full_scale: int | None = None,
        pixel_size: float | None = None,
        channel: str | int | None = None,
    ) -> Picture:
        """Take an array for what a file would have held.

        Parameters
        ----------
        samples : array_like, shape [H, W] or [H, W, 3]
            uint8 or uint16, in either byte order: intensities as a camera has them, of red, green
            and blue where there are three.
        full_scale : int, optional
            The largest value of the camera's bit depth (4095 for 12 bits in uint16); by default
            the largest of the type.
        pixel_size : float, optional
            Pixel side [µm].
        channel : str or int, optional
            As `read_image` has it.

        Returns
        -------
        Picture
            Its digest is that of the array's bytes, row by row, in the machine's byte order.

        Raises
        ------
        TypeError
            If the array is of another type.
        ValueError
            If it is of another shape, or holds more than `full_scale`, or a number is not above 0.
        """
        array = np.asarray(samples)
        native = array.dtype.newbyteorder("=")
        if native not in (np.uint8, np.uint16):
            raise TypeError(f"picture: expected dtype uint8 or uint16, got {array.dtype}")
        if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or array.size == 0:
            raise ValueError(f"picture: expected shape [H, W] or [H, W, 3], got {array.shape}")
        array = np.ascontiguousarray(array, dtype=native)
        if pixel_size is not None:
            pixel_size = as_number(pixel_size, "pixel_size", minimum=0.0, strict=True)
        scale = int(np.iinfo(array.dtype).max) if full_scale is None else full_scale
        if not array.max() <= scale:
            raise ValueError(f"picture: expected values up to {scale}, got {array.max()}")
        height, width = array.shape[:2]
        decoded = Decoded(
            array.reshape(height, width, -1), 3 if array.ndim == 3 else 1, scale, pixel_size
        )
        return picture_of(Path("picture"), decoded, channel, array.tobytes())


@dataclass(frozen=True)
class Decoded:
    """Samples [H, W, S] with the number of colours among them, before a grey image is chosen."""

    samples: NDArray[Any]
    colours: int
    full_scale: int
    pixel_size: float | None = None


def picture_of(path: Path, decoded: Decoded, channel: str | int | None, data: bytes) -> Picture:
    """Make a grey picture, with its colours where they differ, of what was decoded."""
    pixels, name = _grey(path, decoded, channel)
    colours = decoded.samples[:, :, :3] if name == "luminance" else None
    return Picture(
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        full_scale=decoded.full_scale,
        pixel_size=decoded.pixel_size,
        channel=name,
        sha256=hashlib.sha256(data).hexdigest(),
        colours=None if colours is None else np.ascontiguousarray(colours, dtype=np.float32),
    )


def _grey(
    path: Path, decoded: Decoded, channel: str | int | None
) -> tuple[NDArray[np.float32], str]:
    """Take the channel that was asked for, or make a grey image of all colours."""
    samples = decoded.samples
    count = samples.shape[2]
    if channel is not None:
        number = _CHANNELS.get(str(channel).lower(), channel)
        try:
            index = int(number)
        except (TypeError, ValueError, OverflowError):  # a record may say anything
            index = -1
        if not 0 <= index < count:
            raise refused(path, f"channel {channel!r} of a file of {count}", "one of its channels")
        return samples[:, :, index].astype(np.float32), f"channel {channel}"
    if decoded.colours == 1:
        return samples[:, :, 0].astype(np.float32), "grey"
    colours = samples[:, :, :3]
    if np.array_equal(colours[:, :, 0], colours[:, :, 1]) and np.array_equal(
        colours[:, :, 1], colours[:, :, 2]
    ):
        return colours[:, :, 0].astype(np.float32), "grey"
    return luminance(colours.astype(np.float32)), "luminance"


def luminance(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the luminance [H, W] of red, green and blue [H, W, 3] by ITU-R BT.601."""
    grey: NDArray[np.float32] = colours @ _LUMINANCE
    return grey


def refused(path: Path, got: str, expected: str = EXPECTED) -> ImageError:
    """Word every refusal alike: the file, what was expected, what it is."""
    return ImageError(f"{path}: expected {expected}, got {got}")
