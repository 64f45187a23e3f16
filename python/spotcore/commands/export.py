"""The command ``spotcore export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from spotcore._files import readable
from spotcore.commands.options import AsJson, fail
from spotcore.export import FORMATS, export_folder, read_formats

__all__ = ["export"]


def export(
    folder: Annotated[Path, typer.Argument(help="Output of spotcore plate or spotcore detect.")],
    formats: Annotated[
        list[str],
        typer.Option("--format", "-f", help=f"Of {', '.join(FORMATS)}; several with commas."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write to: FOLDER/export.")
    ] = None,
    edited: Annotated[
        bool,
        typer.Option("--edited", help="Take tables that a person edited (NAME.edited.cells.csv)."),
    ] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No list of files.")] = False,
) -> None:
    """Write a result as a workbook, a JSON document, Parquet or FCS files, with its provenance.

    The counts of a plate also as a reader's program writes them: ctl (ImmunoSpot), apex (Mabtech),
    labkey (for LabKey Server). XLSX, FCS and Apex need pip install 'spotcore[export]', Parquet
    'spotcore[parquet]'.
    """
    try:
        chosen = read_formats(formats, "--format")
    except ValueError as error:
        raise fail(error, 2) from None
    except ImportError as error:
        raise fail(error) from None
    for format in chosen:
        try:
            paths = export_folder(folder, format, output, edited=edited)
        except (ValueError, OSError) as error:
            raise fail(error) from None
        for path in () if quiet and not as_json else paths:
            typer.echo(
                json.dumps({"format": format, "file": str(path)})
                if as_json
                else readable(str(path))
            )
