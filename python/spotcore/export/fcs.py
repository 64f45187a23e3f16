"""A result as FCS 3.1 files, one per well and channel, through FlowIO.

Spidlen et al., "Data File Standard for Flow Cytometry, version FCS 3.1", Cytometry A 77, 2010.
"""

from __future__ import annotations

import datetime
import io
import json
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from spotcore._files import atomic_file, readable
from spotcore.results import ResultFolder, WellResult
from spotcore.results.names import ExportFiles
from spotcore.results.record import Record
from spotcore.results.table import Table

__all__ = ["write"]

_DELIMITER = "/"  # FlowIO's
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def write(result: ResultFolder, files: ExportFiles) -> list[Path]:
    """Write NAME.fcs for every image: an event per spot, a parameter per measure, float32.

    A value that is missing (the nearest neighbour of a lone spot) is the number in the keyword
    SPOTCORE_MISSING, which no other value of the file is: -1, or less where there are values of
    -1 or less. Readers of FCS do not agree on NaN. A well without spots has a file without events.

    The provenance: $CYT, $SRC (the sample), $FIL, $WELLID, $PLATEID, $DATE and $SYS where known;
    SPOTCORE_STATUS, SPOTCORE_COUNT, SPOTCORE_STIMULUS and so on, the well's rows of the tables
    ``wells`` and ``layout``; SPOTCORE_RUN and SPOTCORE_PLATE, the records of the image and of the
    plate as JSON.

    Parameters
    ----------
    result : ResultFolder
        What to write.
    files : ExportFiles
        Where to write; the folder exists.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of the wells.

    Raises
    ------
    ModuleNotFoundError
        If FlowIO is not installed.
    """
    rows = {table.name: _by_well(table) for table in result.tables if "well" in table.columns}
    paths = []
    for well in result.wells:
        record = well.record() if well.files.record.exists() else Record()
        path = files.events(well.name)
        about = {
            **rows["wells"].get((well.well, well.channel), {}),
            **rows.get("layout", {}).get((well.well, ""), {}),
        }
        keywords = {
            "$CYT": f"spotcore {result.version}",
            "$SRC": about.get("sample"),
            "$FIL": path.name,
            "$WELLID": well.well,
            "$PLATEID": result.folder.resolve().name,
            "$DATE": _date(record.started),
            "$SYS": record.machine.get("platform"),
            **{f"SPOTCORE_{key.upper()}": value for key, value in about.items()},
            "SPOTCORE_RUN": json.dumps(well.provenance(), allow_nan=False),
            "SPOTCORE_PLATE": json.dumps(result.about, allow_nan=False),
        }
        _write_file(path, result, well, keywords)
        paths.append(path)
    return paths


def _write_file(
    path: Path, result: ResultFolder, well: WellResult, keywords: dict[str, Any]
) -> None:
    """Write the spots of one image."""
    columns = result.spots.columns
    numbers = [at for at, kind in enumerate(columns.values()) if kind is float]
    names = [list(columns)[at] for at in numbers]
    rows = [[row[at] for at in numbers] for row in result.spots_of(well)]
    values = np.array(rows, dtype=np.float64).reshape(-1, len(names))  # None becomes NaN
    unknown = np.isnan(values)
    missing = np.floor(min(0.0, np.min(values, where=~unknown, initial=0.0))) - 1
    values[unknown] = missing
    # The range is what programs draw by default: up to the next whole number above all values.
    ranges = np.floor(values.max(axis=0, initial=0.0)).astype(np.int64) + 1
    keywords = {
        **keywords,
        **{f"$P{number}R": limit for number, limit in enumerate(ranges, start=1)},
        "SPOTCORE_MISSING": f"{missing:g}",
    }
    texts = {key: _text(value) for key, value in keywords.items() if value not in (None, "")}
    events = array("f", values.astype("f").tobytes())
    with atomic_file(path) as file:
        file.write(_encode(events, names, texts))


def _encode(events: array[float], names: list[str], texts: dict[str, str]) -> bytes:
    """Have FlowIO write a file.

    Its text holds the offset of the data, which depends on the length of the text; FlowIO 1.4
    guesses wrongly, and says so, where both offsets are about to gain a digit. Another length of
    the text helps.
    """
    import flowio

    for blanks in range(32):
        buffer = io.BytesIO()
        padding = {"SPOTCORE_PADDING": "-" * blanks} if blanks else {}
        try:
            flowio.create_fcs(buffer, events, names, metadata_dict={**texts, **padding})
        except Exception as error:  # FlowIO has no class for it
            if "text offset" not in str(error):
                raise
        else:
            return buffer.getvalue()
    raise RuntimeError("FlowIO found no place for the data")


def _by_well(table: Table) -> dict[tuple[Any, Any], dict[str, Any]]:
    """Rows by well and channel."""
    rows = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    return {(row["well"] or "", row.get("channel") or ""): row for row in rows}


def _text(value: Any) -> str:
    """Word a keyword's value: neither its first nor its last character may be the delimiter."""
    text = readable(str(value))
    before = " " if text.startswith(_DELIMITER) else ""
    return f"{before}{text}{' ' if text.endswith(_DELIMITER) else ''}"


def _date(started: str) -> str | None:
    """Word an ISO time as FCS does: 05-JAN-2026, in English whatever the locale."""
    try:
        day = datetime.datetime.fromisoformat(started)
    except ValueError:
        return None
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}"
