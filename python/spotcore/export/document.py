"""A result as one JSON document, as ``result.schema.json`` beside this file describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spotcore._files import atomic_file
from spotcore.results import ResultFolder
from spotcore.results.names import ExportFiles

__all__ = ["SCHEMA", "write"]

#: The JSON schema (draft 2020-12) of the document.
SCHEMA = Path(__file__).with_name("result.schema.json")


def write(result: ResultFolder, files: ExportFiles) -> list[Path]:
    """Write result.json: provenance, then each table as a list of objects, one a line.

    What is missing is null. Rows are written as they are read, so that memory does not grow with
    the number of spots.

    Parameters
    ----------
    result : ResultFolder
        What to write.
    files : ExportFiles
        Where to write; the folder exists.

    Returns
    -------
    list of pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If a number of the provenance is not finite.
    """
    path = files.document
    with atomic_file(path) as file:
        head = {"format": "spotcore result", "version": 1, "provenance": result.provenance}
        file.write(_dump(head)[:-1])
        for table in (*result.tables, result.spots):
            file.write(f',\n"{table.name}":['.encode())
            for number, row in enumerate(table.rows):
                file.write(b",\n" if number else b"\n")
                file.write(_dump(dict(zip(table.columns, row, strict=True))))
            file.write(b"]")
        file.write(b"}\n")
    return [path]


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8",
        "backslashreplace",  # which is JSON, too
    )
