"""Plates as OME-Zarr has them (HCS): the wells' pictures, written out for a plate to be run on.

Moore et al., "OME-NGFF: a next-generation file format for expanding bioimaging data-access
strategies", Nature Methods 18, 2021; versions 0.1 to 0.5 of its specification.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore._backends import needs
from spotcore._files import atomic_file, remove_files, require_folder, write_json
from spotcore.images.calibration import of_sides
from spotcore.images.limits import check_memory, check_size
from spotcore.images.picture import channel_names
from spotcore.images.refusal import refused
from spotcore.plates.files import PlateImages, WellImage
from spotcore.plates.parts import plain_channels
from spotcore.plates.wells import FORMATS, PlateFormat, Position, parse_row
from spotcore.results.names import PlateFiles
from spotcore.results.read import read_json

__all__ = ["HcsPlate", "is_hcs_plate", "read_hcs_plate"]

_METADATA = {".zattrs", ".zgroup", ".zarray", "zarr.json"}
_AXES = "tczyx"  # where a file does not say
_MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4}


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
    """

    position: Position
    array: Any
    axes: str
    channels: tuple[str, ...]
    pixel_size: float | None

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
    channel : str, int or None
        The one channel that is meant.
    """

    path: Path
    plate: PlateFormat
    wells: tuple[_Image, ...]
    left_out: tuple[str, ...]
    channel: str | int | None

    def images(self, folder: Path) -> PlateImages:
        """Name the pictures of the wells as `write` writes them to a plate's folder."""
        return PlateImages(
            tuple(image for image, _, _ in self._parts(folder)),
            None,
            self.plate,
            self.left_out,
            make=self.write,
        )

    def write(self, folder: Path) -> None:
        """Write the wells' pictures, a TIFF of every channel, and of which plate they are.

        The same plate gives the same bytes: a run that was stopped goes on. What cannot be read is
        left out, and why is written beside the plate's name: its well is then rejected.

        Raises
        ------
        ValueError
            If the folder holds the wells of another plate.
        OutputError
            If a file cannot be written.
        """
        files, digest = PlateFiles(folder), self._digest()
        try:
            other = read_json(files.source).get("digest", digest)
        except (OSError, ValueError):
            other = digest
        if other != digest:
            raise ValueError(f"{folder}: holds wells of another plate: take another folder")
        require_folder(files.pictures)
        unreadable = {}
        for image, well, channel in self._parts(folder):
            try:
                pixels = well.pixels(channel)
            except Exception as error:  # of any codec
                unreadable[image.name] = f"{type(error).__name__}: {error}"
                remove_files([image.path])
                continue
            with atomic_file(image.path) as file:
                file.write(_tiff(pixels, well.pixel_size))
        about = {"file": str(self.path), "digest": digest, "unreadable": unreadable}
        write_json(files.source, about)

    def _parts(self, folder: Path) -> Iterator[tuple[WellImage, _Image, int | None]]:
        """Yield the pictures to write, and where each comes from."""
        place = PlateFiles(folder).pictures
        for well in self.wells:
            for name, number in self._chosen(well):
                stem = ".".join(filter(None, (well.position.name, name)))
                # Of one that was asked for, the file has no other.
                only = None if self.channel is None else 0
                image = WellImage(well.position, name, place / f"{stem}.tif", file_channel=only)
                yield image, well, number

    def _chosen(self, well: _Image) -> list[tuple[str, int | None]]:
        """Return names and numbers of the channels of a well that are meant."""
        if self.channel is None:
            several = any(len(one.channels) > 1 for one in self.wells)
            return plain_channels(well.channels) if several else [("", None)]
        known = [name.lower() for name in well.channels]
        text = str(self.channel).lower()
        number = known.index(text) if text in known else int(text) if text.isdecimal() else -1
        if not 0 <= number < len(known):
            held = ", ".join(well.channels)
            got = f"channel {self.channel!r} of {held} in {well.position.name}"
            raise refused(self.path, got, "one of its channels")
        return [("", number)]

    def _digest(self) -> str:
        """Return the digest of the metadata, and of the names and sizes of everything else."""
        digest = hashlib.sha256()
        for path in sorted(path for path in self.path.rglob("*") if path.is_file()):
            name = path.relative_to(self.path).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape"))
            if path.name in _METADATA:
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
    try:
        store = zarr.open_group(path, mode="r")
        names = [[str(one["name"]) for one in about.get(part, ())] for part in ("rows", "columns")]
        for entry in about["wells"]:
            well = path / str(entry["path"])
            fields = _attributes(well).get("well", {}).get("images", ())
            if not fields:
                left_out.append(str(entry["path"]))
            if len(fields) > 1:
                raise ValueError(
                    f"{entry['path']} has {len(fields)} fields, expected one picture of each well"
                )
            for field in fields:
                inside = f"{entry['path']}/{field['path']}"
                images.append(_image(path, store, inside, _position(entry, names)))
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except Exception as error:  # zarr raises what it likes, and metadata may hold anything
        raise refused(
            path, f"a damaged plate ({type(error).__name__}: {error})", "OME-Zarr"
        ) from error
    if not images:
        raise ValueError(f"{path}: expected wells with pictures, got none")
    for image in images:
        if image.planes > 1 and projection == "none":
            raise ValueError(
                f"{path}: {image.position.name} has {image.planes} planes: take the brightest of "
                "all (--projection max)"
            )
    if channel is None:
        counts = {len(image.channels) for image in images}
        nameless = [image for image in images if image.channels == ("0",)]
        if len(counts) > 1 and nameless:
            raise ValueError(
                f"{path}: {nameless[0].position.name} has one channel without a name, others have "
                "several: choose one (--channel)"
            )
    shape = plate or _shape(names, [image.position for image in images])
    for image in images:
        try:
            shape.require(image.position, image.position.name)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    images.sort(key=lambda image: image.position)
    return HcsPlate(path, shape, tuple(images), tuple(left_out), channel)


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
    labels = [str(one.get("label", "")) for one in about.get("omero", {}).get("channels", ())]
    return _Image(
        position,
        array,
        "".join(axes),
        channel_names(labels, count),
        of_sides(*_sides(scales)).pixel_size,
    )


def _sides(scales: Mapping[str, Any]) -> tuple[float, float]:
    """Return width and height of a pixel [µm]; 0 where the file does not say."""
    steps = (
        *scales["datasets"][0].get("coordinateTransformations", ()),
        *scales.get("coordinateTransformations", ()),
    )
    sides = [1.0, 1.0]
    found = False
    for step in steps:
        if step.get("type") == "scale":
            sides = [side * float(by) for side, by in zip(sides, step["scale"][-2:], strict=True)]
            found = True
    units = [one.get("unit", "") if isinstance(one, dict) else "" for one in scales.get("axes", ())]
    height, width = (
        side * _MICROMETRES.get(unit, 0.0)
        for side, unit in zip(sides, units[-2:] or ("", ""), strict=True)
    )
    return (width, height) if found else (0.0, 0.0)


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
    if pixels.dtype in (np.uint8, np.uint16, np.float32):
        options = {"imagej": True}
        if pixel_size is not None:
            options |= {"resolution": (1 / pixel_size,) * 2, "metadata": {"unit": "um"}}
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()
