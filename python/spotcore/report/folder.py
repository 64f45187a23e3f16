"""A result folder, read with tolerance: of a plate (plate.json) or of images (NAME.run.json)."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore.plates.wells import PlateFormat, well_name

__all__ = ["Result", "Unit", "read_result", "read_rows"]

_SUFFIX = ".run.json"


@dataclass(frozen=True)
class Unit:
    """One well in one channel, or one image: what the page shows before it is opened.

    Attributes
    ----------
    index : int
        Its place in `Result.units`.
    well, channel, name : str
        Position on the plate ("" for images), channel ("" for one), NAME of its files.
    status : str
        As the record says.
    count : int or None
        None where the status says that a count would mean nothing.
    low, high, secretion, artefacts : float or None
        Of the count's 95 % interval, and the well's totals.
    reason : str
        Why it has no count, "" where there is nothing to say.
    file, sha256 : str
        The image and its digest.
    folder : Path
        Where its files are.
    position : tuple of int or None
        Row and column from 0, None for an image.
    layout : mapping
        What the layout says of the well: sample, stimulus, ...
    """

    index: int
    well: str
    channel: str
    name: str
    status: str
    count: int | None
    low: float | None
    high: float | None
    secretion: float | None
    artefacts: float | None
    reason: str
    file: str
    sha256: str
    folder: Path
    position: tuple[int, int] | None = None
    layout: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.well or self.name

    def path(self, suffix: str) -> Path:
        """Return the path of one of its files, such as ".cells.csv"."""
        return self.folder / (self.name + suffix)

    def record(self) -> dict[str, Any]:
        """Return NAME.run.json, empty where there is none that can be read."""
        try:
            return _read_json(self.path(_SUFFIX))
        except ValueError:
            return {}

    def cells(self) -> dict[str, NDArray[np.float64]]:
        """Return the table of spots, float64 [n] by column; NaN where a field is no number.

        Raises
        ------
        ValueError
            If the file is missing or no table; the message names it.
        """
        header, rows = read_rows(self.path(".cells.csv"))
        columns = zip(*rows, strict=True) if rows else [()] * len(header)
        return {name: _numbers(values) for name, values in zip(header, columns, strict=True)}

    def artefact_rows(self) -> list[dict[str, str]]:
        """Return the table of artefacts, empty where there is none."""
        try:
            header, rows = read_rows(self.path(".artefacts.csv"))
        except ValueError:
            return []
        return [dict(zip(header, row, strict=True)) for row in rows]


@dataclass(frozen=True)
class Result:
    """A result folder: of a plate, or of images beside each other.

    Attributes
    ----------
    folder : Path
        The folder itself.
    title : str
        Its name.
    units : list of Unit
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

    folder: Path
    title: str
    units: list[Unit]
    shape: tuple[int, int] | None
    channels: list[str]
    provenance: dict[str, Any]
    tables: dict[str, tuple[list[str], list[list[str]]]]

    def of(self, channel: str) -> list[Unit]:
        """Return the units of a channel."""
        return [unit for unit in self.units if unit.channel == channel]

    def grid(self, channel: str) -> list[list[Unit | None]]:
        """Return the units of a channel as rows; images in rows of equal length, by name."""
        units = self.of(channel)
        if self.shape is None:
            across = min(len(units), max(4, round((1.6 * len(units)) ** 0.5)))
            places: dict[Any, Unit] = {divmod(k, across): unit for k, unit in enumerate(units)}
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

    def link(self, unit: Unit, suffix: str) -> str | None:
        """Return the path of a unit's file relative to the folder, None where it is missing."""
        path = unit.path(suffix)
        return path.relative_to(self.folder).as_posix() if path.is_file() else None


def read_result(folder: str | Path) -> Result:
    """Read what `spotcore plate` or `spotcore detect` left in a folder.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If it holds no result, or plate.json or wells.csv cannot be understood; the message names
        the file.
    """
    folder = Path(folder)
    if (folder / "plate.json").is_file():
        return _read_plate(folder)
    units = list(_read_images(folder))
    if not units:
        raise ValueError(f"{folder}: expected a result: plate.json or NAME{_SUFFIX} files")
    records = [unit.record() for unit in units]
    shared: dict[str, Any] = {
        key: records[0][key]
        for key in ("spotcore", "settings", "settings_hash", "machine")
        if key in records[0] and all(record.get(key) == records[0][key] for record in records)
    }
    starts = sorted(str(record["started"]) for record in records if "started" in record)
    if starts:
        shared |= {"started": starts[0], "finished": starts[-1]}
    return Result(folder, _title(folder), units, None, [""], shared, {})


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a CSV file with a header.

    Returns
    -------
    header : list of str
    rows : list of list of str
        As long as the header each.

    Raises
    ------
    ValueError
        If it is missing, empty, no text, or a row has another length; the message names it.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, None)
            if not header:
                raise ValueError(f"{path}: expected a table with a header, got an empty file")
            rows = []
            for row in reader:
                if row and len(row) != len(header):
                    raise ValueError(
                        f"{path}, line {reader.line_num}: expected {len(header)} fields, "
                        f"got {len(row)}"
                    )
                if row:
                    rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    return header, rows


def _without_empty(header: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Leave out columns without a value, such as the channel where there is one."""
    kept = [k for k in range(len(header)) if not rows or any(row[k] for row in rows)]
    return [header[k] for k in kept], [[row[k] for k in kept] for row in rows]


def _read_plate(folder: Path) -> Result:
    """Read plate.json; wells.csv adds intervals and reasons, the layout samples and stimuli."""
    path = folder / "plate.json"
    plate = _read_json(path)
    try:
        shape = int(plate["rows"]), int(plate["columns"])
        wells = [
            (str(well["well"]), str(well.get("channel") or ""), well) for well in plate["wells"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected rows, columns and wells with their names ({error!r})"
        ) from error
    if not (0 < shape[0] <= 64 and 0 < shape[1] <= 96):
        raise ValueError(f"{path}: expected at most 64 rows and 96 columns, got {shape}")
    more: dict[tuple[str, str], dict[str, str]] = {}
    if (folder / "wells.csv").is_file():
        header, rows = read_rows(folder / "wells.csv")
        for row in rows:
            line = dict(zip(header, row, strict=True))
            more[line.get("well", ""), line.get("channel", "")] = line
    layout = plate.get("layout")
    samples = {
        str(row.get("well")): {key: value for key, value in row.items() if key != "well"}
        for row in (layout if isinstance(layout, list) else ())
        if isinstance(row, dict)
    }
    units = []
    for index, (well, channel, entry) in enumerate(wells):
        name = str(entry.get("name") or (f"{well}.{channel}" if channel else well))
        if Path(name).name != name:
            raise ValueError(f"{path}: expected a plain name of files, got {name!r}")
        line = more.get((well, channel), {})
        known = {**line, **{key: value for key, value in entry.items() if value is not None}}
        try:
            position = PlateFormat(*shape).parse(well)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        units.append(
            _unit(
                index, known, folder / "wells", name, well, channel, position, samples.get(well, {})
            )
        )
    named = [str(channel) for channel in plate.get("channels") or ()]
    channels = list(
        dict.fromkeys(
            [c for c in named if any(u.channel == c for u in units)]
            + [unit.channel for unit in units]
        )
    )
    tables = {
        name: _without_empty(*read_rows(folder / f"{name}.csv"))
        for name in ("replicates", "responses", "colours")
        if (folder / f"{name}.csv").is_file()
    }
    provenance = {key: value for key, value in plate.items() if key != "wells"}
    return Result(folder, _title(folder), units, shape, channels, provenance, tables)


def _read_images(folder: Path) -> Iterator[Unit]:
    """One unit per NAME.run.json, by name; a record that cannot be read is shown as rejected."""
    names = sorted(
        (path.name.removesuffix(_SUFFIX) for path in folder.glob("*" + _SUFFIX)), key=_natural
    )
    for index, name in enumerate(names):
        try:
            record = _read_json(folder / (name + _SUFFIX))
        except ValueError as error:
            record = {"status": "rejected", "reason": str(error)}
        low, high = record.get("interval") or (None, None)
        yield _unit(index, {**record, "low": low, "high": high}, folder, name)


def _unit(
    index: int,
    known: Mapping[str, Any],
    folder: Path,
    name: str,
    well: str = "",
    channel: str = "",
    position: tuple[int, int] | None = None,
    layout: Mapping[str, Any] | None = None,
) -> Unit:
    """Make a unit of a record or of a line of a table, in which numbers are text."""
    count = _number(known.get("count"))
    status = str(known.get("status") or ("counted" if count else "empty"))
    return Unit(
        index=index,
        well=well,
        channel=channel,
        name=name,
        status=status,
        count=None if count is None else int(count),
        low=_number(known.get("low")),
        high=_number(known.get("high")),
        secretion=_number(known.get("secretion")),
        artefacts=_number(known.get("artefacts")),
        reason=str(known.get("reason") or ""),
        file=str(known.get("file") or ""),
        sha256=str(known.get("sha256") or ""),
        folder=folder,
        position=position,
        layout=layout or {},
    )


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object or say which file is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(record).__name__}")
    return record


def _title(folder: Path) -> str:
    return folder.resolve().name or str(folder)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which well_2 comes before well_10."""
    return [
        (int(part), "") if part.isdigit() else (-1, part.casefold())
        for part in re.split(r"([0-9]+)", name)
    ]


def _number(value: Any) -> float | None:
    """Return a finite number or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _numbers(values: Any) -> NDArray[np.float64]:
    numbers = (_number(value) for value in values)
    return np.array([np.nan if v is None else v for v in numbers], dtype=np.float64)
