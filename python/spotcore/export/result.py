"""Read what a run left behind: a plate's folder, or that of ``spotcore detect``."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import spotcore

__all__ = [
    "ResultFolder",
    "Table",
    "Unit",
    "Value",
    "open_result",
    "read_edit",
    "read_header",
    "read_record",
    "read_rows",
]

Value = str | int | float | bool | None
Kind = type[str] | type[int] | type[float] | type[bool]

#: Columns whose type does not depend on what stands in them: a sample called 001 is no number, and
#: a column without any value has a type too. Positions are float: they may come to be subpixel.
KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        (
            "well",
            "channel",
            "channels",
            "name",
            "file",
            "status",
            "reason",
            "sample",
            "stimulus",
            "replicate",
            "rule",
            "edited",
            "wells",
            "too_numerous",
            "left_out",
            "note",
            "source",
            "limit",
        ),
        str,
    ),
    **dict.fromkeys(("count", "artefacts", "n"), int),
    **dict.fromkeys(("low", "high", "secretion"), float),
    **dict.fromkeys(("lower_bound", "background", "response"), bool),
}
WELL_COLUMNS = (
    "well",
    "file",
    "status",
    "count",
    "channel",
    "low",
    "high",
    "secretion",
    "artefacts",
    "reason",
)
#: Tables of a plate beside its wells and spots, where it has them.
OTHER_TABLES = ("replicates", "responses", "colours", "registration")

# No leading zeros: those belong to names.
_INTEGER = re.compile(r"[-+]?(0|[1-9]\d*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9]\d*)\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NOT_FINITE = {"", "nan", "inf", "-inf"}
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Unit:
    """One analysed image: a well, or one channel of it.

    Attributes
    ----------
    well, channel : str
        Name of the well (of the image, where there is no plate) and its channel, often empty.
    name : str
        NAME of its files.
    folder : pathlib.Path
        Where they are.
    edited : bool
        Whether its spots are those that a person left.
    """

    well: str
    channel: str
    name: str
    folder: Path
    edited: bool = False

    @property
    def table(self) -> Path:
        """CSV file of its spots, which may be missing where the image could not be read."""
        return self.folder / f"{self.name}{'.edited' if self.edited else ''}.cells.csv"

    def record(self) -> dict[str, Any] | None:
        """Read NAME.run.json, or NAME.edited.run.json with the original in ``original_record``."""
        path = self.folder / f"{self.name}.run.json"
        original = read_record(path) if path.exists() else None
        if not self.edited:
            return original
        return {**read_edit(self.folder, self.name), "original_record": original}


@dataclass(frozen=True)
class Table:
    """Named columns of one type each, and rows that can be read again and again.

    Attributes
    ----------
    name : str
        What the rows are.
    columns : dict
        Type by column: str, int, float or bool; every value may also be None.
    rows : iterable of tuple
        One value per column.
    """

    name: str
    columns: dict[str, Kind]
    rows: Iterable[tuple[Value, ...]]


@dataclass(frozen=True)
class ResultFolder:
    """A result, its rows read when they are asked for.

    Attributes
    ----------
    folder : pathlib.Path
        Where it is.
    provenance : dict
        How it was made: ``plate.json``, or the records of the single images.
    units : list of Unit
        The images in the order of the wells.
    tables : list of Table
        ``wells`` first, then ``layout``, ``replicates``, ``responses``, ``colours`` and
        ``registration`` where there are any.
    """

    folder: Path
    provenance: dict[str, Any]
    units: list[Unit]
    tables: list[Table]

    @cached_property
    def spots(self) -> Table:
        """All spots of all wells: ``well``, ``channel`` and every column that any table has."""
        columns: dict[str, Kind] = {"well": str, "channel": str, "y": float, "x": float}
        for unit in self.units:
            if unit.table.exists():
                columns |= dict.fromkeys(read_header(unit.table), float)
        if "edited" in columns:  # at the end, as in the edited tables
            del columns["edited"]
            columns["edited"] = str
        return Table("spots", columns, _Spots(self.units, columns))

    def spots_of(self, unit: Unit) -> Iterator[tuple[Value, ...]]:
        """Rows of `spots` that belong to one image."""
        return iter(_Spots([unit], self.spots.columns))


class _Spots:
    """Rows of all spots, of which one is in memory at a time."""

    def __init__(self, units: list[Unit], columns: Mapping[str, Kind]) -> None:
        self.units, self.columns = units, columns

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        for unit in self.units:
            where = {"well": unit.well, "channel": unit.channel}
            for line, row in read_rows(unit.table) if unit.table.exists() else ():
                if row.get("edited") == "removed":
                    continue
                cells = {**row, **where}
                try:
                    yield tuple(
                        _value(cells.get(name, ""), kind) for name, kind in self.columns.items()
                    )
                except ValueError as error:
                    raise ValueError(f"{unit.table}, line {line}: {error}") from None


def open_result(folder: str | os.PathLike[str], *, edited: bool = False) -> ResultFolder:
    """Open the folder of a plate or of ``spotcore detect``.

    Parameters
    ----------
    folder : path-like
        With ``plate.json`` and ``wells.csv``, or with ``NAME.run.json`` files.
    edited : bool
        Take edited tables where there are any, and leave replicates, responses and colours out
        then: those are of the original counts.

    Returns
    -------
    ResultFolder
        Its tables; those of the spots are read as they are iterated.

    Raises
    ------
    FileNotFoundError
        If there is no result.
    ValueError
        If a file is damaged; the message names it.
    """
    folder = Path(folder)
    if (folder / "plate.json").exists():
        return _open_plate(folder, edited)
    names = sorted(path.name.removesuffix(".run.json") for path in folder.glob("*.run.json"))
    units = [
        _unit(folder, name, "", name, edited) for name in names if not name.endswith(".edited")
    ]
    if not units:
        raise FileNotFoundError(f"{folder}: holds no result (neither plate.json nor *.run.json)")
    records = [(unit, read_record(unit.folder / f"{unit.name}.run.json")) for unit in units]
    rows = [_well_row(unit, record) for unit, record in records]
    provenance = {
        "spotcore": spotcore.__version__,
        "wells": [{"name": unit.name, **record} for unit, record in records],
    }
    return ResultFolder(folder, provenance, units, [_wells(units, rows)])


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ValueError
        If the file holds something else; the message names it.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON ({error})") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(record).__name__}")
    return record


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a CSV file with a header row by row, as line number and text by column.

    Raises
    ------
    ValueError
        If a row has more or fewer cells than the header; the message names file and line.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restkey="", restval=None)
        for row in reader:
            if "" in row or None in row.values():
                raise ValueError(
                    f"{path}, line {reader.line_num}: expected as many cells as the header has"
                )
            yield reader.line_num, row


def read_header(path: Path) -> list[str]:
    """Columns of a CSV file; none where it is empty."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return next(csv.reader(file), [])


def read_edit(folder: Path, name: str) -> dict[str, Any]:
    """Read NAME.edited.run.json and make sure that it belongs to the tables beside it.

    Raises
    ------
    ValueError
        If NAME.cells.csv was made anew since the edit, or NAME.edited.cells.csv is not the one
        that was saved with the record; the message names the file.
    OSError
        If a file is missing.
    """
    path = folder / f"{name}.edited.run.json"
    edit = read_record(path)
    for key, table in (
        ("table_sha256", f"{name}.cells.csv"),
        ("edited_sha256", f"{name}.edited.cells.csv"),
    ):
        if edit.get(key) != hashlib.sha256((folder / table).read_bytes()).hexdigest():
            raise ValueError(f"{path}: the edit is not of the {table} beside it")
    return edit


def _open_plate(folder: Path, edited: bool) -> ResultFolder:
    """Read a plate's record and its small tables."""
    record = read_record(folder / "plate.json")
    units = []
    for entry in record.get("wells", ()):
        try:
            well, channel, name = (str(entry[key] or "") for key in ("well", "channel", "name"))
        except (TypeError, KeyError) as error:
            raise ValueError(f"{folder / 'plate.json'}: wells: {error} is missing") from error
        units.append(_unit(folder / "wells", well, channel, name, edited))
    rows = [row for _, row in read_rows(folder / "wells.csv")]
    missing = [name for name in WELL_COLUMNS[:4] if rows and name not in rows[0]]
    if missing:
        raise ValueError(f"{folder / 'wells.csv'}: expected columns {', '.join(missing)}")
    tables = [_wells(units, rows)]
    layout = record.get("layout")
    if isinstance(layout, list) and layout and all(isinstance(row, dict) for row in layout):
        texts = [{key: _text(value) for key, value in row.items()} for row in layout]
        tables.append(_table("layout", texts))
    # What was computed from the original counts would contradict edited ones.
    for name in () if any(unit.edited for unit in units) else OTHER_TABLES:
        path = folder / f"{name}.csv"
        if path.exists():
            tables.append(_table(name, [row for _, row in read_rows(path)], read_header(path)))
    return ResultFolder(folder, record, units, tables)


def _unit(folder: Path, well: str, channel: str, name: str, edited: bool) -> Unit:
    """Name one image's files; a name from a record must not lead out of the folder."""
    if not name or name != Path(name).name or "\\" in name or name.startswith("."):
        raise ValueError(f"{folder}: {name!r} is no name of a result's files")
    return Unit(
        well, channel, name, folder, edited and (folder / f"{name}.edited.run.json").exists()
    )


def _well_row(unit: Unit, record: Mapping[str, Any]) -> dict[str, str]:
    """Make a row of the table of wells from the record of one image."""
    low, high = record.get("interval") or (None, None)
    # Records of before there was a status have only a count.
    known = {"status": "counted", **record, "well": unit.well, "low": low, "high": high}
    return {column: _text(known.get(column)) for column in WELL_COLUMNS}


def _wells(units: list[Unit], rows: list[dict[str, str]]) -> Table:
    """Type the table of wells, with the counts of edited ones."""
    edits = {(unit.well, unit.channel): unit for unit in units if unit.edited}
    for row in rows:
        unit = edits.get((row["well"], row.get("channel", "")))
        if unit is not None:
            edit = read_edit(unit.folder, unit.name)
            row.update(
                status=edit["status"],
                count=str(edit["count"]),
                low="",
                high="",
                secretion="",
                reason=f"edited by {edit['by']}",
            )
    return _table("wells", rows, WELL_COLUMNS)


def _table(name: str, rows: list[dict[str, str]], header: Iterable[str] = ()) -> Table:
    """Type a small table: by its columns' names, else by what stands in them."""
    columns: dict[str, Kind] = {}
    for column in dict.fromkeys([*header, *(key for row in rows for key in row)]):
        columns[column] = KINDS.get(column) or _kind(row.get(column, "") for row in rows)
    values = []
    for number, row in enumerate(rows, start=1):
        try:
            values.append(tuple(_value(row.get(key, ""), kind) for key, kind in columns.items()))
        except ValueError as error:
            raise ValueError(f"{name}, row {number}: {error}") from None
    return Table(name, columns, values)


def _kind(texts: Iterable[str]) -> Kind:
    """Narrowest type that holds every value of a column."""
    seen = {text for text in texts if text.lower() not in _NOT_FINITE}
    if seen and all(text.lower() in _BOOLEANS for text in seen):
        return bool
    if seen and all(_INTEGER.fullmatch(text) for text in seen):
        return int
    return float if all(_FLOAT.fullmatch(text) for text in seen) else str


def _value(text: str, kind: Kind) -> Value:
    """Parse one cell; what is empty or not finite is missing."""
    if kind is str:
        return text or None
    if text.lower() in _NOT_FINITE:
        return None
    try:
        number = _BOOLEANS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ValueError(f"expected {kind.__name__} or nothing, got {text!r}") from None
    return None if isinstance(number, float) and not math.isfinite(number) else number


def _text(value: Any) -> str:
    """Write a value of a record as a CSV file would."""
    return "" if value is None else str(value)
