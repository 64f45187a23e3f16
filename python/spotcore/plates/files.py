"""Which picture is which well: files by the pattern of their names, or pages of a TIFF."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from spotcore.images.picture import plain_channels
from spotcore.images.read import contents, is_picture
from spotcore.plates.naming import guess_naming, smallest_plate, without_derived
from spotcore.plates.parts import parts_of
from spotcore.plates.patterns import NamePattern
from spotcore.plates.wells import PlateFormat, Position, plate_format
from spotcore.results.names import PlateFiles, WellFiles
from spotcore.results.read import file_digest

__all__ = [
    "PlateImages",
    "WellImage",
    "check_channels",
    "find_images",
    "place_order",
    "same_pictures",
]

#: What is a picture by its name alone, and has to be one: then it is refused, not passed over.
SUFFIXES = frozenset(
    (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".webp", ".jp2", ".ctl", ".czi", ".nd2")
)
#: How the names of the pictures end that spotcore draws of its results.
_OVERLAY = WellFiles(Path(), "").overlay.name


@dataclass(frozen=True)
class WellImage:
    """The picture of one well in one channel.

    Attributes
    ----------
    position : Position
        Where on the plate.
    channel : str
        Its name; "" where there is one channel.
    path : pathlib.Path
        The file.
    page : int or None
        Page of the file from 0, where it has several.
    file_channel : int or None
        Channel of the file from 0, where each of its channels is one of the plate's.
    """

    position: Position
    channel: str
    path: Path
    page: int | None = None
    file_channel: int | None = None

    @property
    def name(self) -> str:
        """NAME of the outputs: "A1", or "A1.red" with several channels."""
        return ".".join(filter(None, (self.position.name, self.channel)))


@dataclass(frozen=True)
class PlateImages:
    """The pictures of a plate, sorted by row, column and channel.

    Attributes
    ----------
    wells : tuple of WellImage
        At least one.
    pattern : str or None
        How the names were read; None for the pages of one file.
    plate : PlateFormat
        Shape of the plate.
    ignored : tuple of str
        Names of other pictures in the folder, which do not fit the pattern.
    scheme : str or None
        Whose names they are, where they are known.
    make : callable or None
        Writes the pictures to the folder of the results, and returns why some could not be, by
        their `WellImage.name`.
    """

    wells: tuple[WellImage, ...]
    pattern: str | None
    plate: PlateFormat
    ignored: tuple[str, ...] = ()
    scheme: str | None = None
    make: Callable[[Path], Mapping[str, str]] | None = None

    @property
    def channels(self) -> list[str]:
        """Names of the channels in alphabetical order; none where there is only one."""
        return sorted({image.channel for image in self.wells} - {""})

    @property
    def missing(self) -> list[str]:
        """Names of the outputs of the plate's wells and channels that have no picture."""
        there = {(image.position, image.channel) for image in self.wells}
        return [
            WellImage(position, channel, Path()).name
            for position in map(self.plate.position, range(1, self.plate.wells + 1))
            for channel in self.channels or [""]
            if (position, channel) not in there
        ]


def find_images(
    source: Path,
    pattern: str | None = None,
    plate: PlateFormat | None = None,
    projection: str = "none",
    channel: str | int | None = None,
) -> PlateImages:
    """Find the pictures of a plate and say which well each one is.

    Parameters
    ----------
    source : Path
        A folder of images, or one file whose pages are the wells row by row. The channels of a
        file are channels of the plate, by their names; TIFFs of several pages in a folder hold a
        channel in each ("page1", "page2", ...).
    pattern : str, optional
        How the names are made, as of `NamePattern`. By default it is found, among the folder's
        files that are pictures by their content or their name, by `guess_naming`.
    plate : PlateFormat, optional
        Shape of the plate; 96 wells by default, or as many more as the names speak of.
    projection : {"none", "max"}
        As `spotcore.read_image` has it: with "max" a file of several pages is one picture.
    channel : str or int, optional
        As `spotcore.read_image` has it: the one channel of each file that is meant.

    Returns
    -------
    PlateImages
        Pictures by well and channel.

    Raises
    ------
    ValueError
        If there is no picture, a name cannot be read or lies beyond the plate, two pictures claim
        one well and channel, or the pattern is wrong or cannot be told; the message names the
        files.
    OSError
        If the folder cannot be read.
    ImportError
        If the package that reads a format is not there.
    """
    if source.is_file():
        return _stack(source, pattern, plate or plate_format(96), channel)
    if not source.is_dir():
        raise ValueError(f"{source}: expected a folder of images or a TIFF of several pages")
    asked = None if pattern is None else NamePattern(pattern)
    names = _names(source, 0 if asked is None else asked.depth)
    scheme = None
    try:
        if asked is None:
            pictures = [name for name in names if _is_picture(source / name)]
            if not pictures:
                raise ValueError("expected pictures (PNG, TIFF, JPEG, ...), got none")
            naming = guess_naming(pictures, plate)
            chosen, plate, places = naming.pattern, naming.plate, naming.places
            scheme = naming.scheme
        else:
            chosen, fitting = asked, [name for name in names if asked.fits(name)]
            if not fitting:
                example = f", among them {names[0]}" if names else ""
                raise ValueError(
                    f"none of its {len(names)} files{example}, fits the pattern {asked.text!r}"
                )
            fitting = without_derived(asked, fitting)
            plate = plate or smallest_plate(asked, fitting)
            places = chosen.places(fitting, plate)
        check_channels({channel for _, channel in places})
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    rest = set(names) - set(places.values())
    named = chosen.text if "channel" in chosen.fields or "wave" in chosen.fields else None
    parts = parts_of(source, places.values(), projection, channel, named)
    wells = [
        WellImage(position, part.channel or its, source / name, part.page, part.file_channel)
        for (position, its), name in places.items()
        for part in parts[name]
    ]
    try:
        check_channels({image.channel for image in wells})
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    return PlateImages(
        wells=tuple(sorted(wells, key=place_order)),
        pattern=chosen.text,
        plate=plate,
        ignored=tuple(sorted(name for name in rest if _is_picture(source / name))),
        scheme=scheme,
    )


def same_pictures(images: PlateImages) -> list[tuple[str, ...]]:
    """Return the names of files that are the same byte by byte, though of different wells.

    Files are read only where others have their size; those that cannot be read are left out.
    """
    sizes: dict[int, list[Path]] = {}
    for path in dict.fromkeys(image.path for image in images.wells):
        with contextlib.suppress(OSError):
            sizes.setdefault(path.stat().st_size, []).append(path)
    digests: dict[str, list[str]] = {}
    for path in (path for size, paths in sizes.items() if size and paths[1:] for path in paths):
        with contextlib.suppress(OSError):
            digests.setdefault(file_digest(path), []).append(path.name)
    return [tuple(names) for names in digests.values() if names[1:]]


def place_order(image: WellImage) -> tuple[Position, str]:
    """Sort by row, column and channel."""
    return image.position, image.channel


def _names(folder: Path, depth: int) -> list[str]:
    """Return the files so deep in a folder, relative to it, without hidden and our own ones."""
    found = (path for path in folder.glob("/".join(["*"] * (depth + 1))) if path.is_file())
    relative = [path.relative_to(folder) for path in found if not path.name.endswith(_OVERLAY)]
    results = {
        parent
        for parent in {parent for path in relative for parent in path.parents}
        if parent.name and PlateFiles(folder / parent).record.exists()
    }
    return sorted(
        path.as_posix()
        for path in relative
        if results.isdisjoint(path.parents) and not any(part.startswith(".") for part in path.parts)
    )


def check_channels(channels: Iterable[str]) -> None:
    """Refuse names that a file system may take for one."""
    seen: dict[str, str] = {}
    for channel in sorted(channels):
        other = seen.setdefault(channel.casefold(), channel)
        if other != channel:
            raise ValueError(f"channels {other!r} and {channel!r} differ in capitals only")


def _stack(
    source: Path, pattern: str | None, plate: PlateFormat, channel: str | int | None
) -> PlateImages:
    """Take the pages of one file as wells, row by row."""
    if pattern is not None:
        raise ValueError(f"{source}: the pages of one file are wells row by row; no pattern fits")
    pages, channels = contents(source)
    if not 2 <= pages <= plate.wells:
        raise ValueError(
            f"{source}: expected a folder, or a file of 2 to {plate.wells} pages, got {pages}"
        )
    parts = plain_channels(channels if channel is None else ())
    wells = [
        WellImage(plate.position(page + 1), name, source, page, file_channel)
        for page in range(pages)
        for name, file_channel in parts
    ]
    return PlateImages(tuple(wells), None, plate)


def _is_picture(path: Path) -> bool:
    """Tell a picture by its name or by its first bytes."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return is_picture(file.read(16))
    except OSError:
        return False
