"""Plates as OME-Zarr has them (HCS): the wells' pictures, written out for a plate to be run on.

Moore et al., "OME-NGFF: a next-generation file format for expanding bioimaging data-access
strategies", Nature Methods 18, 2021; versions 0.1 to 0.5 of its specification.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore._backends import needs
from spotcore._files import atomic_file, remove_files, require_folder, write_json
from spotcore.images.calibration import of_ngff
from spotcore.images.limits import check_memory, check_size
from spotcore.images.picture import channel_names, channel_number, check_names, plain_channels
from spotcore.images.refusal import refused
from spotcore.plates.files import PlateImages, WellImage, check_channels, place_order
from spotcore.plates.wells import FORMATS, PlateFormat, Position, parse_row
from spotcore.results.names import PlateFiles
from spotcore.results.read import read_json

__all__ = ["HcsPlate", "is_hcs_plate", "read_hcs_plate"]

_AXES = "tczyx"  # where a file does not say


def is_hcs_plate(path: Path) -> bool:
    """Tell whether a folder is a plate of OME-Zarr."""
    return path.is_dir() and "plate" in _attributes(path)


@dataclass(frozen=True, eq=False)
class _Image:
    """The picture of a well.

    Attributes
    ----------
    position : Position
    array : zarr.Array
        Its full resolution.
    axes : str
        A letter for each axis of the array.
    channels : tuple of str
        Names, or numbers.
    pixel_size : float or None
        [µm].
    notes : tuple of str
        What was not believed, and what is missing.
    """

    position: Position
    array: Any
    axes: str
    channels: tuple[str, ...]
    pixel_size: float | None
    notes: tuple[str, ...] = ()

    @property
    def planes(self) -> int:
        """Number of depths and times."""
        sizes = dict(zip(self.axes, self.array.shape, strict=True))
        return math.prod(size for axis, size in sizes.items() if axis in "tz")

    def pixels(self, channel: int | None) -> NDArray[Any]:
        """Read one channel, [H, W]: at each pixel the brightest of all planes."""
        which = tuple(
            channel if axis == "c" and channel is not None else slice(None) for axis in self.axes
        )
        samples = np.asarray(self.array[which])
        return np.asarray(samples.reshape(-1, *samples.shape[-2:]).max(axis=0))


@dataclass(frozen=True, eq=False)
class HcsPlate:
    """A plate of OME-Zarr.

    Attributes
    ----------
    path : pathlib.Path
    plate : PlateFormat
    wells : tuple
        Its wells that have a picture.
    left_out : tuple of str
        Wells that the plate names and does not hold.
    damaged : mapping of Position to str
        Why the pictures of others cannot be read.
    channel : str, int or None
        The one channel that is meant.
    """

    path: Path
    plate: PlateFormat
    wells: tuple[_Image, ...]
    left_out: tuple[str, ...]
    damaged: Mapping[Position, str]
    channel: str | int | None

    @property
    def notes(self) -> list[str]:
        """What is odd about its wells, each with the first of them."""
        found: dict[str, str] = {}
        for well in self.wells:
            for note in well.notes:
                found.setdefault(note, well.position.name)
        return [f"{name}: {note}" for note, name in found.items()]

    def images(self, folder: Path) -> PlateImages:
        """Name the pictures of the wells as `write` writes them to a plate's folder."""
        wells = [image for image, _, _ in self._parts(folder)]
        try:
            check_channels({image.channel for image in wells})
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        wells += [image for image, _ in self._damaged(folder)]
        return PlateImages(
            tuple(sorted(wells, key=place_order)),
            None,
            self.plate,
            self.left_out,
            make=self.write,
        )

    def write(self, folder: Path) -> dict[str, str]:
        """Write the wells' pictures, a TIFF of every channel, and of which plate they are.

        The same plate gives the same bytes: a run that was stopped goes on.

        Returns
        -------
        dict
            Why a picture cannot be read, by its name.

        Raises
        ------
        ValueError
            If the folder holds the wells of another plate.
        OutputError
            If a file cannot be written.
        """
        files = PlateFiles(folder)
        digests = {well.position.name: _digest(well.array) for well in self.wells}
        self._check_same(files, digests)
        require_folder(files.pictures)
        unreadable = {image.name: reason for image, reason in self._damaged(folder)}
        for image, well, channel in self._parts(folder):
            try:
                pixels = well.pixels(channel)
            except Exception as error:  # of any codec
                unreadable[image.name] = f"{type(error).__name__}: {error}"
                remove_files([image.path])
                continue
            with atomic_file(image.path) as file:
                file.write(_tiff(pixels, well.pixel_size))
        write_json(files.source, {"file": str(self.path.resolve()), "wells": digests})
        return unreadable

    def _check_same(self, files: PlateFiles, digests: Mapping[str, str]) -> None:
        """Refuse a folder of a plate elsewhere whose wells are others; one may have grown."""
        try:
            other = read_json(files.source)
            elsewhere = Path(str(other.get("file"))) != self.path.resolve()
            held = dict(other.get("wells", {}))
        except (OSError, ValueError, TypeError):
            return
        if elsewhere and any(held.get(name, one) != one for name, one in digests.items()):
            whose = f"another plate, {other['file']}"
            raise ValueError(f"{files.folder}: holds wells of {whose}: take another folder")

    def _damaged(self, folder: Path) -> Iterator[tuple[WellImage, str]]:
        """Yield what cannot be read, as the first channel of the others, and why."""
        first = self._chosen(self.wells[0])[0][0]
        for position, reason in self.damaged.items():
            yield self._named(folder, position, first), reason

    def _parts(self, folder: Path) -> Iterator[tuple[WellImage, _Image, int | None]]:
        """Yield the pictures to write, and where each comes from."""
        for well in self.wells:
            for name, number in self._chosen(well):
                yield self._named(folder, well.position, name), well, number

    def _named(self, folder: Path, position: Position, channel: str) -> WellImage:
        """Name the picture of a well; of a channel that was asked for, the file has no other."""
        only = None if self.channel is None else 0
        image = WellImage(position, channel, Path(), file_channel=only)
        return replace(image, path=PlateFiles(folder).pictures / f"{image.name}.tif")

    def _chosen(self, well: _Image) -> list[tuple[str, int | None]]:
        """Return names and numbers of the channels of a well that are meant."""
        if self.channel is None:
            several = any(len(one.channels) > 1 for one in self.wells)
            return plain_channels(well.channels) if several else [("", None)]
        number = channel_number(self.channel, well.channels, len(well.channels))
        if number is None:
            held = ", ".join(well.channels)
            got = f"channel {self.channel!r} of {held} in {well.position.name}"
            raise refused(self.path, got, "one of its channels")
        return [("", number)]


def _digest(array: Any) -> str:
    """Return the digest of the files of an array: their names in it and their bytes."""
    root = Path(array.store.root) / array.path
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode("utf-8", "surrogateescape"))
        with contextlib.suppress(OSError):  # what cannot be read is rejected
            digest.update(path.read_bytes())
    return digest.hexdigest()


@needs("formats", "reading OME-Zarr")
def read_hcs_plate(
    path: Path,
    plate: PlateFormat | None = None,
    channel: str | int | None = None,
    projection: str = "none",
) -> HcsPlate:
    """Read what a plate of OME-Zarr holds; its pictures are read when they are written out.

    Parameters
    ----------
    path : pathlib.Path
        The folder.
    plate : PlateFormat, optional
        Shape of the plate; by default the smallest, of 96 wells or more, that has all its wells, or
        the one of as many rows and columns.
    channel : str or int, optional
        As `spotcore.read_image` has it; by default each channel is one of the plate's.
    projection : {"none", "max"}
        As `spotcore.read_image` has it.

    Raises
    ------
    ValueError
        If it is damaged, a well has several fields, or several planes without a projection; the
        message names the folder.
    ImportError
        If zarr is not installed.
    """
    import zarr

    about = _attributes(path)["plate"]
    images: list[_Image] = []
    left_out: list[str] = []
    damaged: dict[Position, str] = {}
    try:
        store = zarr.open_group(path, mode="r")
        names = [[str(one["name"]) for one in about.get(part, ())] for part in ("rows", "columns")]
        entries = [(str(entry["path"]), _position(entry, names)) for entry in about["wells"]]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # zarr raises what it likes, and metadata may hold anything
        raise refused(
            path, f"a damaged plate ({type(error).__name__}: {error})", "OME-Zarr"
        ) from error
    at: dict[Position, str] = {}
    for well, position in entries:
        if position in at:
            raise ValueError(f"{path}: {at[position]} and {well} are both well {position.name}")
        at[position] = well
        try:
            fields = _attributes(path / well).get("well", {}).get("images", ())
            if len(fields) == 1:
                images.append(_image(path, store, f"{well}/{fields[0]['path']}", position))
        except Exception as error:  # one bad well must never stop the others
            damaged[position] = f"a damaged picture ({type(error).__name__}: {error})"
            continue
        if not fields:
            left_out.append(well)
        if len(fields) > 1:
            raise ValueError(
                f"{path}: {well} has {len(fields)} fields, expected one picture of each well"
            )
    if not images:
        why = f": {next(iter(damaged.values()))}" if damaged else ""
        raise ValueError(f"{path}: expected wells with pictures, got none{why}")
    for image in images:
        if image.planes > 1 and projection == "none":
            raise ValueError(
                f"{path}: {image.position.name} has {image.planes} planes: take the brightest of "
                "all (--projection max)"
            )
    if max(len(image.channels) for image in images) > 1:
        try:
            check_names({image.position.name: image.channels for image in images}, channel)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    shape = plate or _shape(names, [image.position for image in images])
    for position in (*(image.position for image in images), *damaged):
        try:
            shape.require(position, position.name)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    images.sort(key=lambda image: image.position)
    return HcsPlate(path, shape, tuple(images), tuple(left_out), damaged, channel)


def _attributes(group: Path) -> Mapping[str, Any]:
    """Return what a group says of itself, empty where it says nothing."""
    for name in (".zattrs", "zarr.json"):
        try:
            held = read_json(group / name)
        except (OSError, ValueError):
            continue
        if name == "zarr.json":
            held = held.get("attributes", {}).get("ome", {})
        if held:
            return held
    return {}


def _image(path: Path, store: Any, inside: str, position: Position) -> _Image:
    """Describe the picture of a well, of which nothing is read yet."""
    about = _attributes(path / inside)
    scales = about["multiscales"][0]
    axes = [one if isinstance(one, str) else one["name"] for one in scales.get("axes", _AXES)]
    array = store[f"{inside}/{scales['datasets'][0]['path']}"]
    sizes = dict(zip(axes, array.shape, strict=True))
    if axes[-2:] != ["y", "x"] or not set(axes) <= set(_AXES):
        raise refused(path, f"axes {', '.join(axes)} in {inside}", f"some of {_AXES}")
    check_size(path / inside, sizes["y"], sizes["x"])
    for shape in (array.shape, array.chunks):  # a chunk is decoded whole
        check_memory(path / inside, math.prod(shape), array.dtype.itemsize)
    count = sizes.get("c", 1)
    calibration = of_ngff(scales)
    # Chunks that hold nothing need not be there: of a copy that is cut short some are not, either.
    there = array.nchunks_initialized
    missing = f"{array.nchunks - there} of {array.nchunks} chunks are not there and count as 0"
    missing = missing if 0 < there < array.nchunks else ""
    labels = [str(one.get("label", "")) for one in about.get("omero", {}).get("channels", ())]
    return _Image(
        position,
        array,
        "".join(axes),
        channel_names(labels, count),
        calibration.pixel_size,
        (*filter(None, (calibration.note, missing)),),
    )


def _position(entry: Mapping[str, Any], names: Sequence[Sequence[str]]) -> Position:
    """Return the place of a well, by the names of its row and column."""
    parts = str(entry["path"]).split("/")
    if len(parts) != 2:
        raise ValueError(f"expected wells as ROW/COLUMN, got {entry['path']!r}")
    row, column = parts
    if row in names[0] and column in names[1] and not column.isdecimal():
        return Position(names[0].index(row), names[1].index(column))
    return Position(parse_row(row), int(column) - 1)


def _shape(names: Sequence[Sequence[str]], positions: Sequence[Position]) -> PlateFormat:
    """Return the format of a plate that does not say how many wells it has."""
    said = PlateFormat(len(names[0]), len(names[1]))
    fitting = [
        shape for shape in FORMATS.values() if all(shape.holds(place) for place in positions)
    ]
    if said in fitting:
        return said
    return next((shape for shape in fitting if shape.wells >= 96), FORMATS[1536])


def _tiff(pixels: NDArray[Any], pixel_size: float | None) -> bytes:
    """Write a picture with its calibration as ImageJ has it."""
    import tifffile

    file = io.BytesIO()
    options: dict[str, Any] = {"photometric": "minisblack"}
    if pixel_size is not None:
        options |= {"resolution": (1e4 / pixel_size,) * 2, "resolutionunit": "CENTIMETER"}
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        options = {"imagej": True}
        if pixel_size is not None:
            options |= {"resolution": (1 / pixel_size,) * 2, "metadata": {"unit": "um"}}
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()
