"""The record of a plate, as plate.json holds it, and the rows of its table of wells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spotcore.results.decode import LATER, decode, encode
from spotcore.results.names import plain_name
from spotcore.results.read import read_json
from spotcore.results.record import Record, SpotsRecord

__all__ = ["PlateRecord", "PlateWell", "WellRow", "read_plate"]

_LARGEST = 64, 96  # rows and columns


@dataclass(frozen=True, kw_only=True)
class PlateWell:
    """One picture of a plate.

    Attributes
    ----------
    well, channel, name : str
        Its well, its channel ("" where there is one), NAME of its files.
    file, page, sha256, file_channel : str or None, int or None, str or None, int or None
        The picture, as its record has it.
    status, count, reason : str, int or None, str or None
        What came out, by what the plate as a whole shows too.
    """

    well: str
    channel: str = ""
    file: str | None = None
    status: str
    count: int | None = None
    reason: str | None = None
    name: str
    page: int | None = None
    sha256: str | None = None
    file_channel: int | None = field(default=None, metadata=LATER)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of plate.json."""
        held: dict[str, Any] = encode(self)
        return held


@dataclass(frozen=True, kw_only=True)
class PlateRecord:
    """How a plate was analysed, and its wells.

    Attributes
    ----------
    spotcore : str
        Version.
    started, finished : str
        ISO 8601, UTC.
    settings, settings_hash : dict, str
        All of them, and their digest.
    well_settings_hash : str
        Digest of those that a well depends on: the settings_hash of the wells' records.
    pattern : str or None
        How the names were read; None for the pages of one file.
    left_out : tuple of str
        Names of pictures in the folder that are none of a well.
    rows, columns : int
        Of the plate.
    channels : tuple of str
        None where there is only one.
    layout : list of dict or None
        Rows of the layout, where one was given.
    machine : dict
        What it was computed with and on.
    wells : tuple of PlateWell
        By row, column and channel.
    """

    spotcore: str = ""
    started: str = ""
    finished: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_hash: str = ""
    well_settings_hash: str = ""
    pattern: str | None = None
    left_out: tuple[str, ...] = field(default=(), metadata=LATER)
    rows: int
    columns: int
    channels: tuple[str, ...] = ()
    layout: Any = None
    machine: Mapping[str, Any] = field(default_factory=dict)
    wells: tuple[PlateWell, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlateRecord:
        """Read what plate.json holds.

        Raises
        ------
        ValueError
            If something is missing or of another type than it should be; the message says what.
        """
        known = {**value, "channels": value.get("channels") or ()}
        wells = value.get("wells")
        if isinstance(wells, list):
            known["wells"] = [
                {**well, "channel": well.get("channel") or ""} if isinstance(well, dict) else well
                for well in wells
            ]
        plate = decode(cls, known)
        shape = plate.rows, plate.columns
        if not (0 < shape[0] <= _LARGEST[0] and 0 < shape[1] <= _LARGEST[1]):
            raise ValueError(
                f"expected at most {_LARGEST[0]} rows and {_LARGEST[1]} columns, got {shape}"
            )
        if not plate.wells:
            raise ValueError("wells: expected at least one, got none")
        for well in plate.wells:
            plain_name(well.name)
        return plate

    def as_json(self) -> dict[str, Any]:
        """Return what plate.json holds."""
        held: dict[str, Any] = encode(self)
        return held

    @property
    def layout_rows(self) -> list[dict[str, Any]]:
        """What lies in the wells, a row each; none where there is no layout."""
        rows = self.layout if isinstance(self.layout, list | tuple) else ()
        return [row for row in rows if isinstance(row, dict)]


#: What a row of wells has of the layout.
_CONTENTS = ("sample", "stimulus", "replicate")


@dataclass(frozen=True, kw_only=True)
class WellRow:
    """A row of the table of wells."""

    well: str
    file: str | None = None
    status: str
    count: int | None = None
    channel: str | None = None
    low: float | None = None
    high: float | None = None
    secretion: float | None = None
    artefacts: int | None = None
    reason: str | None = None
    sample: str | None = None
    stimulus: str | None = None
    replicate: str | None = None
    mean_area: float | None = None
    mean_area_mm2: float | None = None
    covered: float | None = None
    mean_secretion: float | None = None

    @classmethod
    def of(
        cls,
        record: Record,
        well: str,
        channel: str = "",
        lying: Mapping[str, Any] | None = None,
    ) -> WellRow:
        """Make the row of a picture from its record, and its well's row of the layout."""
        low, high = record.interval or (None, None)
        # A plate as a whole can take a count away, and with it what is said of its spots.
        spots = record.spots if record.count is not None and record.spots else SpotsRecord()
        contents = {name: (lying or {}).get(name) or None for name in _CONTENTS}
        return cls(
            well=well,
            file=record.file,
            status=record.status,
            count=record.count,
            channel=channel,
            low=low,
            high=high,
            secretion=record.secretion,
            artefacts=record.artefacts,
            reason=record.reason,
            **contents,
            **vars(spots),
        )


def read_plate(path: Path) -> PlateRecord:
    """Read plate.json.

    Raises
    ------
    ValueError
        If it is no record of a plate; the message names the file and says why.
    OSError
        If it cannot be read.
    """
    value = read_json(path)
    try:
        return PlateRecord.from_json(value)
    except ValueError as error:
        raise ValueError(f"{path}: no record of a plate ({error})") from error
