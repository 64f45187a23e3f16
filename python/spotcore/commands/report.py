"""The command ``spotcore report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spotcore.commands.options import fail

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(help="What spotcore plate or spotcore detect wrote.")],
) -> None:
    """Write report.html of a result, one page that needs no network, with mosaic and heat map."""
    from spotcore.report import write_report

    try:
        path = write_report(folder)
    except (ValueError, OSError) as error:
        raise fail(error) from None
    typer.echo(path)
