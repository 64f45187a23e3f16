"""A result folder as it lies on the disk: the plate or the pictures, their records, their tables.

Whatever is damaged raises a ValueError that names the file, when it is asked for and not before:
who can do without one well goes on without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore._backends import __version__
from spotcore._files import readable
from spotcore.images.picture import Picture
from spotcore.results.columns import SPOTS, WELLS, Kind
from spotcore.results.decode import decode
from spotcore.results.edits import EditRecord, read_edit
from spotcore.results.names import COMPARISONS, PlateFiles, WellFiles, is_edited, records_in
from spotcore.results.picture import find_picture
from spotcore.results.plate import PlateRecord, PlateWell, WellRow, read_plate
from spotcore.results.read import (
    Marks,
    read_header,
    read_json,
    read_marks,
    read_numbers,
    read_rows,
)
from spotcore.results.record import Record, SpotsRecord, read_record
from spotcore.results.table import Table, Value, as_text, parse, typed

__all__ = ["ResultFolder", "WellResult", "open_folder", "open_well"]

#: Columns that wells.csv has to have; the others came later.
_NEEDED = tuple(WELLS)[:4]
#: What of a well is not known any more once it was edited.
_OF_THE_ORIGINAL = ("low", "high", *tuple(vars(SpotsRecord())), "secretion")
#: What the records of single pictures may have in common.
_SHARED = ("spotcore", "settings", "settings_hash", "machine")


@dataclass(frozen=True)
class WellResult:
    """The result of one picture: a well, or one channel of it.

    Attributes
    ----------
    well, channel : str
        Name of the well (of the picture, where there is no plate) and its channel, often empty.
    files : WellFiles
        Its files.
    edited : bool
        Whether its spots are those that a person left.
    entry : PlateWell or None
        What the plate's record says of it.
    """

    well: str
    channel: str
    files: WellFiles
    edited: bool = False
    entry: PlateWell | None = None

    @property
    def name(self) -> str:
        """NAME of its files."""
        return self.files.name

    @property
    def table(self) -> Path:
        """CSV file of its spots, which may be missing where the picture could not be read."""
        return self.files.edited_cells if self.edited else self.files.cells

    def record(self) -> Record:
        """Read how it was analysed; of the original, where it was edited."""
        return read_record(self.files.record)

    def edit(self) -> EditRecord | None:
        """Read who edited it; None where `edited` says no."""
        return read_edit(self.files) if self.edited else None

    def provenance(self) -> dict[str, Any]:
        """Return NAME.run.json as it was written, empty where there is none.

        Where it was edited, the edit's record with that of the original in ``original_record``.
        """
        path = self.files.record
        original = read_json(path) if path.exists() else None
        edit = self.edit()
        if edit is None:
            return original or {}
        return {**edit.as_json(), "original_record": original}

    def marks(self) -> Marks:
        """Read the spots as text, those among them that a person removed.

        The digest is that of the original table, also where they were edited.
        """
        edit = self.edit()  # an edited table of another original is refused
        marks = read_marks(self.table)
        return marks if edit is None else marks._replace(sha256=edit.table_sha256)

    def artefacts(self) -> Marks | None:
        """Read what was seen and does not count as text; None where there is no such table."""
        path = self.files.artefacts
        return read_marks(path) if path.exists() else None

    def cells(self) -> dict[str, NDArray[np.float64]]:
        """Read the original's spots, float64 [n] by column; NaN where a field is empty."""
        return read_numbers(self.files.cells)

    def maps(self) -> dict[str, NDArray[np.float32]]:
        """Read signal, score and fit, float32 [H, W] each; none where they were not saved."""
        if not self.files.maps.exists():
            return {}
        with np.load(self.files.maps, allow_pickle=False) as maps:
            return dict(maps)

    def picture(self) -> Picture:
        """Find and read the picture that was analysed; see `find_picture`."""
        return find_picture(self.record(), self.files.folder)


@dataclass(frozen=True)
class ResultFolder:
    """A result: of a plate, or of pictures beside each other.

    Attributes
    ----------
    files : PlateFiles
        Its files.
    wells : tuple of WellResult
        By row, column and channel; pictures by name.
    plate : PlateRecord or None
        How the plate was analysed; None for pictures.
    """

    files: PlateFiles
    wells: tuple[WellResult, ...]
    plate: PlateRecord | None

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.files.folder

    @property
    def version(self) -> str:
        """Version of spotcore that made the plate; of pictures, that which reads them."""
        return __version__ if self.plate is None else self.plate.spotcore

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """How it was made: plate.json as it was written, or the records of the pictures."""
        if self.plate is not None:
            return read_json(self.files.record)
        wells = [{"name": well.name, **read_json(well.files.record)} for well in self.wells]
        return {"spotcore": __version__, "wells": wells}

    @property
    def about(self) -> dict[str, Any]:
        """The provenance without the wells."""
        return {key: value for key, value in self.provenance.items() if key != "wells"}

    def in_common(self) -> dict[str, Any]:
        """Return `about` of a plate; of pictures, what their readable records have in common."""
        if self.plate is not None:
            return self.about
        records = []
        for well in self.wells:
            try:
                records.append(read_json(well.files.record))
            except (ValueError, OSError):
                continue
        first = records[0] if records else {}
        shared = {
            key: first[key]
            for key in _SHARED
            if key in first and all(record.get(key) == first[key] for record in records)
        }
        starts = sorted(str(record["started"]) for record in records if "started" in record)
        return shared | ({"started": starts[0], "finished": starts[-1]} if starts else {})

    def rows(self) -> list[WellRow]:
        """Return the rows of the table of wells."""
        table = self._well_table
        rows = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
        return [decode(WellRow, row) for row in rows]

    def table_of_text(self, name: str) -> tuple[list[str], list[list[str]]] | None:
        """Return header and rows of one of a plate's tables as text; None where there is none."""
        path = self.files.table(name)
        if self.plate is None or not path.is_file():
            return None
        return read_header(path), [list(row.values()) for _, row in read_rows(path)]

    @cached_property
    def tables(self) -> list[Table]:
        """All tables but that of the spots.

        ``wells`` first, then ``layout``, ``replicates``, ``responses``, ``colours`` and
        ``registration`` where there are any.
        """
        tables = [self._well_table]
        if self.plate is not None:
            if rows := self.plate.layout_rows:
                texts = [{key: as_text(value) for key, value in row.items()} for row in rows]
                tables.append(_typed(self.files.record, "layout", texts))
            # What was computed from the original counts would contradict edited ones.
            for name in () if any(well.edited for well in self.wells) else COMPARISONS:
                path = self.files.table(name)
                if path.exists():
                    rows_of = [row for _, row in read_rows(path)]
                    tables.append(_typed(path, name, rows_of, read_header(path)))
        return tables

    @cached_property
    def spots(self) -> Table:
        """All spots of all wells: ``well``, ``channel`` and every column that any table has."""
        columns: dict[str, Kind] = {name: SPOTS[name] for name in ("well", "channel", "y", "x")}
        for well in self.wells:
            if well.table.exists():
                columns |= dict.fromkeys(read_header(well.table), float)
        if "edited" in columns:  # at the end, as in the edited tables
            del columns["edited"]
            columns["edited"] = SPOTS["edited"]
        return Table("spots", columns, _Spots(self.wells, columns))

    def spots_of(self, well: WellResult) -> Iterator[tuple[Value, ...]]:
        """Rows of `spots` that belong to one picture."""
        return iter(_Spots([well], self.spots.columns))

    @cached_property
    def _well_table(self) -> Table:
        """The table of wells, with the counts of edited ones."""
        path = self.files.table("wells")
        if self.plate is None:
            made = (asdict(WellRow.of(well.record(), well.well)) for well in self.wells)
            rows, header = (
                [{key: as_text(value) for key, value in row.items()} for row in made],
                [*WELLS],
            )
        else:
            rows, header = [row for _, row in read_rows(path)], read_header(path)
            missing = [name for name in _NEEDED if rows and name not in rows[0]]
            if missing:
                raise ValueError(f"{path}: expected columns {', '.join(missing)}")
        edited = {(well.well, well.channel): well for well in self.wells if well.edited}
        for row in rows:
            well = edited.get((row["well"], row.get("channel", "")))
            edit = None if well is None else well.edit()
            if edit is not None:
                row |= {"status": edit.status, "count": str(edit.count)}
                row |= dict.fromkeys(set(_OF_THE_ORIGINAL) & set(row), "")
                row |= {"reason": f"edited by {edit.by}"}
        return _typed(path, "wells", rows, header)


def _typed(path: Path, name: str, rows: list[dict[str, str]], header: Iterable[str] = ()) -> Table:
    """Type a table; what is wrong in it is said with the file that it came from."""
    try:
        return typed(name, rows, header)
    except ValueError as error:
        raise ValueError(f"{path}: {name}, {error}") from None


class _Spots:
    """Rows of all spots, of which one is in memory at a time."""

    def __init__(self, wells: Sequence[WellResult], columns: Mapping[str, Kind]) -> None:
        self._wells, self._columns = wells, columns

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        for well in self._wells:
            where = {"well": well.well, "channel": well.channel}
            for line, row in read_rows(well.table) if well.table.exists() else ():
                if row.get("edited") == "removed":
                    continue
                cells = {**row, **where}
                try:
                    yield tuple(
                        parse(cells.get(name, ""), kind) for name, kind in self._columns.items()
                    )
                except ValueError as error:
                    raise ValueError(f"{well.table}, line {line}: {error}") from None


def open_folder(folder: str | os.PathLike[str], *, edited: bool = False) -> ResultFolder:
    """Open the folder of ``spotcore plate`` or of ``spotcore detect``.

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
        Its records and tables are read when they are asked for.

    Raises
    ------
    FileNotFoundError
        If there is no result.
    ValueError
        If ``plate.json`` is damaged; the message names it.
    """
    files = PlateFiles(Path(folder))

    def made(well: str, channel: str, its: WellFiles, entry: PlateWell | None) -> WellResult:
        return WellResult(well, channel, its, edited and its.edited_record.exists(), entry)

    if files.record.exists():
        plate = read_plate(files.record)
        wells = [made(e.well, e.channel, files.well(e.name), e) for e in plate.wells]
        return ResultFolder(files, tuple(wells), plate)
    pictures = [made(readable(its.name), "", its, None) for its in records_in(files.folder)]
    if not pictures:
        raise FileNotFoundError(
            f"{folder}: holds no result (neither {files.record.name} nor NAME.run.json files)"
        )
    return ResultFolder(files, tuple(pictures), None)


def open_well(path: str | os.PathLike[str]) -> WellResult:
    """Open the result of one picture.

    Parameters
    ----------
    path : path-like
        NAME.run.json, or NAME.edited.run.json for its spots as they were edited.

    Returns
    -------
    WellResult
        Its files are read when they are asked for.
    """
    files = WellFiles.of(path)
    return WellResult(readable(files.name), "", files, is_edited(path))
