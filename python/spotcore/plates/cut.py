"""The wells of one picture of a whole plate, cut out: files that a plate is then run on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spotcore._files import require_folder, write_json, write_png
from spotcore.images.picture import Picture
from spotcore.images.read import contents, read_image
from spotcore.plates.files import PlateImages, WellImage
from spotcore.plates.grid import Grid, GridWell, find_grid
from spotcore.plates.wells import PlateFormat
from spotcore.results.names import PlateFiles
from spotcore.results.read import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PlatePicture", "is_plate_picture", "read_plate_picture"]

_OVERLAY_SIDE = 1600  # pixels


def is_plate_picture(path: Path) -> bool:
    """Tell whether a source is one picture, not a folder or a file of several."""
    return path.is_file() and contents(path).planes == 1


@dataclass(frozen=True, eq=False)
class PlatePicture:
    """A picture of a whole plate, and where its wells are.

    Attributes
    ----------
    path : pathlib.Path
    picture : Picture
    plate : PlateFormat
    grid : Grid
    chosen : bool
        Whether it is of one channel that was asked for.
    """

    path: Path
    picture: Picture
    plate: PlateFormat
    grid: Grid
    chosen: bool = False

    @property
    def outside(self) -> list[str]:
        """Names of the wells that do not lie in the picture whole: they are not cut out."""
        return [well.position.name for well in self.grid.wells if not well.whole]

    def images(self, folder: Path) -> PlateImages:
        """Name the pictures of the wells as `write` writes them to a plate's folder."""
        place = PlateFiles(folder).pictures
        wells = (
            WellImage(
                well.position,
                "",
                place / f"{well.position.name}.png",
                file_channel=0 if self.chosen else None,  # the file has no other
            )
            for well in self.grid.wells
            if well.whole
        )
        return PlateImages(tuple(wells), None, self.plate, make=self.write)

    def write(self, folder: Path) -> Mapping[str, str]:
        """Write the wells' pictures, where they were, and a picture that shows it.

        The same picture gives the same bytes: a run that was stopped goes on.

        Raises
        ------
        ValueError
            If the folder holds the wells of another picture.
        OutputError
            If a file cannot be written.
        """
        files = PlateFiles(folder)
        try:
            other = read_json(files.grid).get("sha256", self.picture.sha256)
        except (OSError, ValueError):
            other = self.picture.sha256
        if other != self.picture.sha256:
            raise ValueError(f"{folder}: holds wells of another picture: take another folder")
        require_folder(files.pictures)
        levels, whole = self._levels(), (well for well in self.grid.wells if well.whole)
        for image, well in zip(self.images(folder).wells, whole, strict=True):
            top, left, bottom, right = self._box(well)
            write_png(image.path, levels[top:bottom, left:right])
        write_json(
            files.grid,
            {
                "file": str(self.path),
                "sha256": self.picture.sha256,
                "pitch": self.grid.pitch,
                "radius": self.grid.radius,
                "angle": self.grid.angle,
                "wells": [
                    {
                        "well": well.position.name,
                        "y": round(well.y, 2),
                        "x": round(well.x, 2),
                        "box": self._box(well) if well.whole else None,
                    }
                    for well in self.grid.wells
                ],
            },
        )
        write_png(files.grid_overlay, self._drawn())
        return {}

    def _levels(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return the picture as a PNG has it, in colour if it is."""
        held = self.picture.pixels if self.picture.colours is None else self.picture.colours
        if self.picture.full_scale <= 255:
            return np.asarray(np.rint(held), np.uint8)
        if self.picture.colours is None:
            return np.asarray(np.rint(held), np.uint16)
        return np.asarray(np.rint(held * (255.0 / self.picture.full_scale)), np.uint8)

    def _box(self, well: GridWell) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of the square of one pitch around a well."""
        half = self.grid.pitch / 2
        height, width = self.picture.pixels.shape
        top, left = max(0, round(well.y - half)), max(0, round(well.x - half))
        return top, left, min(height, round(well.y + half)), min(width, round(well.x + half))

    def _drawn(self) -> NDArray[np.uint8]:
        """Draw the wells on the picture, smaller."""
        from PIL import Image, ImageDraw

        factor = max(1, math.ceil(max(self.picture.pixels.shape) / _OVERLAY_SIDE))
        scale = 255.0 / self.picture.full_scale
        small = np.rint(self.picture.pixels[::factor, ::factor] * scale).astype(np.uint8)
        image = Image.fromarray(small).convert("RGB")
        draw = ImageDraw.Draw(image)
        radius = self.grid.radius / factor
        for well in self.grid.wells:
            y, x = well.y / factor, well.x / factor
            ink = (0, 200, 0) if well.whole else (220, 60, 0)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=ink, width=2)
            draw.text((x, y), well.position.name, fill=ink, anchor="mm")
        return np.asarray(image)


def read_plate_picture(
    path: Path, plate: PlateFormat | None, channel: str | None = None
) -> PlatePicture:
    """Read a picture of a whole plate and find its wells.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    plate : PlateFormat
        Shape of the plate, which has to be said.
    channel : str, optional
        As `spotcore.read_image` has it.

    Raises
    ------
    ImageError
        If it cannot be read.
    ValueError
        If there is no grid of wells; the message names the file.
    """
    if plate is None:
        raise ValueError(
            f"{path}: is one picture: of a whole plate, say of how many wells (--format 96); of "
            "one well, take spotcore detect"
        )
    picture = read_image(path, channel)
    try:
        grid = find_grid(picture.pixels, plate)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return PlatePicture(path, picture, plate, grid, channel is not None)
