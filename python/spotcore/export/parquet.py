"""A result as Parquet files, through pyarrow."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from spotcore._files import atomic_file
from spotcore.results import ResultFolder
from spotcore.results.names import ExportFiles

__all__ = ["METADATA_KEY", "write"]

#: Key of the schema's metadata that holds the provenance, as JSON.
METADATA_KEY = b"spotcore"
_ROW_GROUP = 50_000


def write(result: ResultFolder, files: ExportFiles) -> list[Path]:
    """Write wells.parquet, spots.parquet and a file for each further table.

    Columns are typed, and every one may hold nulls. The provenance is in the schema's metadata:
    ``json.loads(pyarrow.parquet.read_schema(path).metadata[b"spotcore"])``.

    Parameters
    ----------
    result : ResultFolder
        What to write.
    files : ExportFiles
        Where to write; the folder exists.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    ModuleNotFoundError
        If pyarrow is not installed.
    """
    import pyarrow
    import pyarrow.parquet

    kinds = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
    }
    metadata = {METADATA_KEY: json.dumps(result.provenance, allow_nan=False).encode()}
    paths = []
    for table in (*result.tables, result.spots):
        fields = [pyarrow.field(name, kinds[kind]) for name, kind in table.columns.items()]
        schema = pyarrow.schema(fields, metadata)
        path = files.table(table.name)
        with atomic_file(path) as file, pyarrow.parquet.ParquetWriter(file, schema) as writer:
            rows = iter(table.rows)
            while chunk := list(islice(rows, _ROW_GROUP)):
                arrays = [
                    pyarrow.array(values, field.type)
                    for values, field in zip(zip(*chunk, strict=True), fields, strict=True)
                ]
                writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
        paths.append(path)
    return paths
