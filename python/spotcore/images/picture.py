"""What a picture is: grey levels with their full scale, their pixel size and their colours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spotcore._arrays import as_number
from spotcore.images.levels import as_levels, ceiling_of
from spotcore.images.refusal import refused

__all__ = [
    "PIXEL_SIZE_LIMITS",
    "Contents",
    "Decoded",
    "Picture",
    "Planes",
    "as_pixel_size",
    "channel_names",
    "channel_number",
    "check_names",
    "luminance",
    "picture_of",
    "plain_channels",
]

#: Pixel sides [µm] that a picture of a well can have: it is then 0.5 to 500 mm wide at 1000 pixels.
PIXEL_SIZE_LIMITS = (0.5, 50.0)
_MOST_CHANNELS = 64
_LONGEST_NAME = 60  # of a channel, in names of files
_CHANNELS = {"red": 0, "green": 1, "blue": 2}
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Picture:
    """One grey image as it came from a file.

    Attributes
    ----------
    pixels : numpy.ndarray
        float32 ``[H, W]``, intensities as stored.
    full_scale : float
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
    orientation : int
        How the file's rows and columns were turned to show it upright: 1 to 8 as EXIF and TIFF have
        it, 1 if not at all.
    notes : tuple of str
        What the file says and was not believed, and what was assumed instead.
    """

    pixels: NDArray[np.float32]
    full_scale: float
    pixel_size: float | None
    channel: str
    sha256: str
    colours: NDArray[np.float32] | None = None
    orientation: int = 1
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        samples: ArrayLike,
        full_scale: float | None = None,
        pixel_size: float | None = None,
        channel: str | int | None = None,
    ) -> Picture:
        """Take an array for what a file would have held.

        Parameters
        ----------
        samples : array_like, shape [H, W] or [H, W, 3]
            Intensities as a camera has them, of red, green and blue where there are three, as
            `as_levels` takes them.
        full_scale : float, optional
            The largest value of the camera's bit depth (4095 for 12 bits in uint16); by default
            the largest of uint8 or uint16, or 1 of floats up to 1.
        pixel_size : float, optional
            Pixel side [µm], 0.5 to 50.
        channel : str or int, optional
            As `read_image` has it.

        Returns
        -------
        Picture
            Its digest is that of the array's bytes, row by row, in the machine's byte order.

        Raises
        ------
        TypeError
            If the array does not hold numbers.
        ValueError
            If it is of another shape, not within 0 and its full scale, or needs one.
        """
        array = np.asarray(samples)
        if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or array.size == 0:
            raise ValueError(f"picture: expected shape [H, W] or [H, W, 3], got {array.shape}")
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        if pixel_size is not None:
            pixel_size = as_pixel_size(pixel_size)
        levels, scale = as_levels(array, full_scale, "picture")
        height, width = levels.shape[:2]
        decoded = Decoded(
            levels.reshape(height, width, -1), 3 if array.ndim == 3 else 1, scale, pixel_size
        )
        return picture_of(Path("picture"), decoded, channel, array.tobytes())


class Contents(NamedTuple):
    """What a file holds to choose from.

    Attributes
    ----------
    planes : int
        How many pictures: pages, depths, times, positions.
    channels : tuple of str
        Names, or numbers, of the channels that each of them has; empty where it is grey or in
        colour.
    """

    planes: int = 1
    channels: tuple[str, ...] = ()


class Planes(NamedTuple):
    """Which of several pictures of a file is meant.

    Attributes
    ----------
    page : int or None
        Its number, from 0.
    projection : {"none", "max"}
        "max": at each pixel the brightest of all.
    """

    page: int | None = None
    projection: str = "none"


@dataclass(frozen=True)
class Decoded:
    """Samples [H, W, S], before a grey image is chosen.

    Attributes
    ----------
    samples : ndarray
    colours : int
        3 if they are red, green, blue and anything; 1 if the first one is grey and the others are
        not to be seen; 0 if they are channels, one of which has to be chosen.
    full_scale : float
    pixel_size : float or None
    channels : tuple of str
        Names of the channels, where they have any.
    orientation, notes
        As `Picture` has them, of samples that are not turned yet.
    """

    samples: NDArray[Any]
    colours: int
    full_scale: float
    pixel_size: float | None = None
    channels: tuple[str, ...] = ()
    orientation: int = 1
    notes: tuple[str, ...] = ()


def picture_of(
    path: Path,
    decoded: Decoded,
    channel: str | int | None,
    data: bytes,
    full_scale: float | None = None,
) -> Picture:
    """Make a grey picture, upright, with its colours where they differ, of what was decoded."""
    decoded = replace(decoded, samples=_upright(decoded.samples, decoded.orientation))
    decoded = _scaled(path, decoded, full_scale)
    pixels, name = _grey(path, decoded, channel)
    colours = decoded.samples[:, :, :3] if name == "luminance" else None
    return Picture(
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        full_scale=decoded.full_scale,
        pixel_size=decoded.pixel_size,
        channel=name,
        sha256=hashlib.sha256(data).hexdigest(),
        colours=None if colours is None else np.ascontiguousarray(colours, dtype=np.float32),
        orientation=decoded.orientation,
        notes=decoded.notes,
    )


def _scaled(path: Path, decoded: Decoded, full_scale: float | None) -> Decoded:
    """Take the user's full scale, or where 16 bits hold fewer, the ceiling that they show."""
    if full_scale == 1.0 and decoded.samples.dtype.kind == "f":
        return decoded  # of shares of it, which are grey levels by now
    if full_scale is not None:
        full_scale = as_number(full_scale, "full_scale", minimum=0.0, strict=True)
        if decoded.samples.max() > full_scale:
            most = f"a grey level of {decoded.samples.max()}"
            raise refused(
                path, most, f"a full scale that holds it (--full-scale), not {full_scale:g}"
            )
        return replace(decoded, full_scale=full_scale)
    if decoded.samples.dtype != np.uint16 or decoded.full_scale != 65535:
        return decoded
    ceiling = ceiling_of(decoded.samples)
    if ceiling is None:
        return decoded
    note = f"full scale {ceiling}, the ceiling of its data (--full-scale gives another)"
    return replace(decoded, full_scale=ceiling, notes=(*decoded.notes, note))


def _upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror [H, W, S] as EXIF and TIFF number it: 1 is upright, 6 a quarter to go."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _grey(
    path: Path, decoded: Decoded, channel: str | int | None
) -> tuple[NDArray[np.float32], str]:
    """Take the channel that was asked for, or make a grey image of all colours."""
    samples = decoded.samples
    count = samples.shape[2]
    if channel is not None:
        index = channel_number(channel, decoded.channels, count)
        if index is None:
            held = ", ".join(decoded.channels) or f"{count}"
            raise refused(path, f"channel {channel!r} of a file of {held}", "one of its channels")
        name = "grey" if count == 1 else f"channel {channel}"
        return samples[:, :, index].astype(np.float32), name
    if decoded.colours == 0:
        names = f" ({', '.join(decoded.channels)})" if decoded.channels else ""
        raise refused(
            path, f"a file of {count} channels{names}", f"a channel, 0 to {count - 1} (--channel)"
        )
    if decoded.colours == 1:
        return samples[:, :, 0].astype(np.float32), "grey"
    colours = samples[:, :, :3]
    if np.array_equal(colours[:, :, 0], colours[:, :, 1]) and np.array_equal(
        colours[:, :, 1], colours[:, :, 2]
    ):
        return colours[:, :, 0].astype(np.float32), "grey"
    return luminance(colours.astype(np.float32)), "luminance"


def channel_number(channel: str | int, channels: Sequence[str], count: int) -> int | None:
    """Return which of so many channels is meant, by name or number; None if it is none of them."""
    number = _named(channels).get(str(channel).lower(), channel)
    try:
        index = int(number)
    except (TypeError, ValueError, OverflowError):  # a record may say anything
        return None
    return index if 0 <= index < count else None


def _named(channels: Sequence[str]) -> dict[str, int]:
    """Return the numbers of the channels by their names, and those of files, in lower case."""
    named = {name.lower(): number for number, name in enumerate(channels)}
    plain = {name.lower(): number for number, (name, _) in enumerate(plain_channels(channels))}
    plain.pop("", None)
    return plain | named or _CHANNELS


def as_pixel_size(pixel_size: object) -> float:
    """Check a pixel side [µm]: one of a picture of a well."""
    side = as_number(pixel_size, "pixel_size", minimum=0.0, strict=True)
    low, high = PIXEL_SIZE_LIMITS
    if not low <= side <= high:
        raise ValueError(f"pixel_size: expected {low:g} to {high:g} µm, got {side:g}")
    return side


def channel_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the names of so many channels, their numbers where they have none of their own.

    Raises
    ------
    ValueError
        If there are more than any camera has.
    """
    if count > _MOST_CHANNELS:
        raise ValueError(f"expected at most {_MOST_CHANNELS} channels, got {count}")
    if len(names) == count and all(names) and len(set(names)) == count:
        return tuple(names)
    return tuple(map(str, range(count)))


def plain_channels(channels: Sequence[str]) -> list[tuple[str, int | None]]:
    """Name the channels of a file as files can be called, and number them; one where it has none.

    Channels that have only a number are called "channel0", "channel1", ..., as `read_image` counts
    them.
    """
    if not channels:
        return [("", None)]
    plain = [re.sub(r"[^\w+-]+", "_", name).strip("_")[:_LONGEST_NAME] for name in channels]
    if len({name.casefold() for name in plain}) < len(plain) or not all(plain):
        plain = [str(number) for number in range(len(channels))]
    return [
        (f"channel{name}" if name.isdecimal() else name, number)
        for number, name in enumerate(plain)
    ]


def check_names(named: Mapping[str, Sequence[str]], channel: str | int | None) -> None:
    """Refuse to take for one channel what files call otherwise.

    Parameters
    ----------
    named : mapping of str to sequence of str
        The channels' names, or numbers, of each file.
    channel : str, int or None
        The one that is meant, None for all.

    Raises
    ------
    ValueError
        If a number stands for channels of several names, or only some files name theirs; the
        message names two of them.
    """
    if channel is None:
        numbers = {
            where: tuple(names) == tuple(map(str, range(len(names))))
            for where, names in named.items()
            if names
        }
        if len(set(numbers.values())) > 1:
            with_, without = (next(w for w, is_ in numbers.items() if is_ == no) for no in (0, 1))
            held = ", ".join(named[with_])
            raise ValueError(
                f"{with_} names its channels ({held}), {without} does not: choose one (--channel)"
            )
        return
    if not str(channel).isdecimal():
        return
    found: dict[str, str] = {}
    for where, names in named.items():
        if str(channel) not in names and int(channel) < len(names):
            found.setdefault(names[int(channel)].casefold(), where)
    if len(found) > 1:
        one, two = list(found.values())[:2]
        raise ValueError(
            f"channel {channel} is {named[one][int(channel)]} in {one} and "
            f"{named[two][int(channel)]} in {two}: take its name"
        )


def luminance(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the luminance [H, W] of red, green and blue [H, W, 3] by ITU-R BT.601."""
    grey: NDArray[np.float32] = colours @ LUMINANCE
    return grey
