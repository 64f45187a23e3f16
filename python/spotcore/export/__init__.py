"""Results in other programs' formats, each with its provenance.

spotcore.results (reads a result folder) -> xlsx, document (JSON), parquet, fcs
                                         -> ctl, labkey (grids of a plate), apex

The libraries come with ``pip install spotcore[export]`` (of Parquet, ``spotcore[parquet]``) and are
imported where they are used; JSON and the grids need none. The CSV files of a result are their own
export: their provenance is the record beside them, ``plate.json`` for the tables of a plate and
``NAME.run.json`` for ``NAME.cells.csv``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from spotcore._files import require_folder
from spotcore.export.grids import require_plate
from spotcore.results import ResultFolder, open_folder
from spotcore.results.names import ExportFiles

__all__ = ["FORMATS", "OF_PLATES", "export_folder", "read_formats"]

#: Format, and the module whose ``write`` makes its files.
FORMATS = {
    "xlsx": "xlsx",
    "json": "document",
    "parquet": "parquet",
    "fcs": "fcs",
    "ctl": "ctl",
    "apex": "apex",
    "labkey": "labkey",
}
#: Those that are of plates alone.
OF_PLATES = ("ctl", "apex", "labkey")
#: Package that a format needs, and the extra that has it.
_NEEDS = {
    "xlsx": ("xlsxwriter", "export"),
    "fcs": ("flowio", "export"),
    "apex": ("xlsxwriter", "export"),
    "parquet": ("pyarrow", "parquet"),
}


def export_folder(
    folder: str | os.PathLike[str],
    format: str,
    output: str | os.PathLike[str] | None = None,
    *,
    edited: bool = False,
) -> list[Path]:
    """Write the tables of a result in another format.

    Parameters
    ----------
    folder : path-like
        Output of ``spotcore plate`` (with its ``plate.json``), or of ``spotcore detect``.
    format : str
        ``xlsx``: one workbook, ``result.xlsx``, with a sheet per table and one for the provenance.
        ``json``: one document, ``result.json``, as ``result.schema.json`` of this package says.
        ``parquet``: a file per table, the provenance in the schema's metadata.
        ``fcs``: a file per well and channel, ``NAME.fcs``, FCS 3.1, one event per spot.
        Of plates, the counts as laboratory systems read them from readers: ``ctl``, ``ctl.txt`` as
        ImmunoSpot has it; ``apex``, ``apex.xlsx`` as Apex has it; ``labkey``, ``labkey.txt`` for
        LabKey Server.
    output : path-like, optional
        Folder to write to, made where it is missing; ``folder/export`` by default.
    edited : bool
        Take the tables that a person edited (``NAME.edited.cells.csv``) where there are any: their
        spots, and their number as the well's count, without an interval or a total secretion.
        Replicates, responses and colours are left out then: those are of the original counts.

    Returns
    -------
    list of pathlib.Path
        The files, each written whole or not at all.

    Raises
    ------
    ValueError
        If the format is not known, or a file of the result is not what it should be; the message
        names it.
    FileNotFoundError
        If the folder holds no result.
    ImportError
        If the format's library is not installed; the message says how to install it.
    spotcore._files.OutputError
        If a file cannot be written.
    """
    if format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    _require(format)
    result = open_folder(folder, edited=edited)
    if format in OF_PLATES:
        require_plate(result)
    _ = result.tables, result.provenance  # what is damaged is said before anything is written
    files = result.files.exports if output is None else ExportFiles(Path(output))
    require_folder(files.folder)
    write: Callable[[ResultFolder, ExportFiles], list[Path]]
    write = import_module(f"spotcore.export.{FORMATS[format]}").write
    return write(result, files)


def read_formats(texts: Iterable[str], option: str) -> list[str]:
    """Read lists of formats, separated by commas; each counts once.

    Raises
    ------
    ValueError
        If one is not known; the message begins with the option.
    ImportError
        If the library of one is not installed; the message says how to install it.
    """
    names = [name.strip().lower() for text in texts for name in text.split(",")]
    for name in names:
        if name not in FORMATS:
            raise ValueError(f"{option}: expected {', '.join(FORMATS)}, got {name!r}")
    for name in names:
        _require(name)
    return list(dict.fromkeys(names))


def _require(format: str) -> None:
    """Say what to install for a format, before any work is done for it."""
    package, extra = _NEEDS.get(format, (None, None))
    if package is not None and find_spec(package) is None:
        raise ImportError(f"format {format} needs {package}: pip install 'spotcore[{extra}]'")
