"""What the page shows of a result, read with tolerance: a damaged well is shown as rejected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spotcore.plates.wells import PlateFormat, well_name
from spotcore.results import ResultFolder, WellResult, open_folder
from spotcore.results.plate import WellRow

__all__ = ["PlateView", "WellView", "view_folder"]

#: Tables of a plate that the page shows.
_TABLES = ("replicates", "responses", "colours")


@dataclass(frozen=True)
class WellView:
    """One well in one channel, or one image: what the page shows before it is opened.

    Attributes
    ----------
    index : int
        Its place in `PlateView.units`.
    result : WellResult
        Its files.
    row : WellRow
        Its row of the table of wells.
    sha256 : str
        The image's digest, "" where it is not known.
    position : tuple of int or None
        Row and column from 0, None for an image.
    layout : mapping
        What the layout says of the well: sample, stimulus, ...
    """

    index: int
    result: WellResult
    row: WellRow
    sha256: str
    position: tuple[int, int] | None = None
    layout: Mapping[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> str:
        """Position on the plate, "" for images."""
        return self.row.well if self.position is not None else ""

    @property
    def channel(self) -> str:
        """Its channel, "" where there is one."""
        return self.result.channel

    @property
    def name(self) -> str:
        """NAME of its files."""
        return self.result.name

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.well or self.name

    @property
    def status(self) -> str:
        """As the record says."""
        return self.row.status

    @property
    def count(self) -> int | None:
        """None where the status says that a count would mean nothing."""
        return self.row.count

    @property
    def reason(self) -> str:
        """Why it has no count, "" where there is nothing to say."""
        return self.row.reason or ""


@dataclass(frozen=True)
class PlateView:
    """A result folder: of a plate, or of images beside each other.

    Attributes
    ----------
    result : ResultFolder
        The folder.
    units : list of WellView
        By row, column and channel; images by name.
    shape : tuple of int or None
        Rows and columns of the plate; None for images.
    channels : list of str
        In the plate's order, [""] for one.
    provenance : dict
        plate.json without its wells; what the records of images have in common.
    tables : dict
        Header and rows of replicates, responses and colours, where the files exist.
    """

    result: ResultFolder
    units: list[WellView]
    shape: tuple[int, int] | None
    channels: list[str]
    provenance: dict[str, Any]
    tables: dict[str, tuple[list[str], list[list[str]]]]

    @property
    def title(self) -> str:
        """The folder's name."""
        return self.result.folder.resolve().name or str(self.result.folder)

    def of(self, channel: str) -> list[WellView]:
        """Return the units of a channel."""
        return [unit for unit in self.units if unit.channel == channel]

    def grid(self, channel: str) -> list[list[WellView | None]]:
        """Return the units of a channel as rows; images in rows of equal length, by name."""
        units = self.of(channel)
        if self.shape is None:
            across = min(len(units), max(4, round((1.6 * len(units)) ** 0.5)))
            places: dict[Any, WellView] = {divmod(k, across): unit for k, unit in enumerate(units)}
            down = -(-len(units) // across)
        else:
            down, across = self.shape
            places = {unit.position: unit for unit in units}
        return [[places.get((row, column)) for column in range(across)] for row in range(down)]

    def row_names(self) -> list[str]:
        """Return the letters of the plate's rows, none for images."""
        down = self.shape[0] if self.shape else 0
        return [well_name(row, 0).rstrip("0123456789") for row in range(down)]

    def largest(self, channel: str) -> int:
        """Return the largest count of a channel, 0 where nothing was counted."""
        return max((unit.count or 0 for unit in self.of(channel)), default=0)

    def link(self, path: Path) -> str | None:
        """Return the path of a file relative to the folder, None where it is missing."""
        return path.relative_to(self.result.folder).as_posix() if path.is_file() else None


def view_folder(folder: str | Path) -> PlateView:
    """Read what `spotcore plate` or `spotcore detect` left in a folder.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    PlateView

    Raises
    ------
    ValueError
        If it holds no result, or the plate's record or one of its tables cannot be understood; the
        message names the file.
    """
    try:
        result = open_folder(folder)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None
    if result.plate is None:
        wells = sorted(result.wells, key=lambda well: _natural(well.name))
        images = [_view_image(index, well) for index, well in enumerate(wells)]
        return PlateView(result, images, None, [""], result.in_common(), {})
    units = _view_wells(result)
    used = {unit.channel for unit in units}
    named = [channel for channel in result.plate.channels if channel in used]
    channels = list(dict.fromkeys([*named, *(unit.channel for unit in units)]))
    texts = {name: result.table_of_text(name) for name in _TABLES}
    tables = {name: _without_empty(*text) for name, text in texts.items() if text is not None}
    shape = result.plate.rows, result.plate.columns
    return PlateView(result, units, shape, channels, result.in_common(), tables)


def _view_wells(result: ResultFolder) -> list[WellView]:
    """List a plate's wells; wells.csv adds intervals, the layout samples and stimuli."""
    assert result.plate is not None
    shape = PlateFormat(result.plate.rows, result.plate.columns)
    rows = result.rows() if result.files.table("wells").is_file() else []
    by_well = {(row.well, row.channel or ""): row for row in rows}
    samples = {
        str(row.get("well")): {key: value for key, value in row.items() if key != "well"}
        for row in result.plate.layout_rows
    }
    units = []
    for index, (well, entry) in enumerate(zip(result.wells, result.plate.wells, strict=True)):
        try:
            position = shape.parse(well.well)
        except ValueError as error:
            raise ValueError(f"{result.files.record}: {error}") from None
        row = by_well.get((well.well, well.channel)) or WellRow(
            well=well.well, status=entry.status, count=entry.count
        )
        # What the plate's record says goes before what its table says.
        row = replace(
            row,
            status=entry.status,
            count=row.count if entry.count is None else entry.count,
            file=entry.file or row.file,
            reason=entry.reason or row.reason,
        )
        layout = samples.get(well.well, {})
        units.append(WellView(index, well, row, entry.sha256 or "", position, layout))
    return units


def _view_image(index: int, well: WellResult) -> WellView:
    """View of an image; one whose record cannot be read is rejected."""
    try:
        record = well.record()
    except (ValueError, OSError) as error:
        row = WellRow(well=well.well, status="rejected", reason=str(error))
        return WellView(index, well, row, "")
    return WellView(index, well, WellRow.of(record, well.well), record.sha256 or "")


def _without_empty(header: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Leave out columns without a value, such as the channel where there is one."""
    kept = [k for k in range(len(header)) if not rows or any(row[k] for row in rows)]
    return [header[k] for k in kept], [[row[k] for k in kept] for row in rows]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which well_2 comes before well_10."""
    return [
        (int(part), "") if part.isdigit() else (-1, part.casefold())
        for part in re.split(r"([0-9]+)", name)
    ]
