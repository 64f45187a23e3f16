"""The command ``spotcore settings``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from spotcore._files import atomic_file
from spotcore.commands.options import AsJson, fail
from spotcore.settings import lock, read_settings, settings_hash, template

__all__ = ["settings"]


def settings(
    file: Annotated[
        Path | None, typer.Argument(help="TOML file of settings to check.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the defaults, each explained, to a new file."),
    ] = None,
    lock_it: Annotated[
        bool, typer.Option("--lock", help="Add the hash to the file: a study runs on one setting.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write, check or lock a file of settings (TOML), for detect and plate --settings.

    Prints the hash of the settings, which plate.json holds too.
    """
    if (file is None) == (output is None) or (lock_it and file is None):
        raise fail("expected a file to check or to --lock, or a new one with -o", 2)
    try:
        if output is not None:
            if output.exists():
                raise fail(f"{output}: is there already")
            with atomic_file(output) as new:
                new.write(template().encode())
        path = file or output
        assert path is not None
        if lock_it:
            lock(path)
        held, locked = read_settings(path)
    except (OSError, ValueError) as error:
        raise fail(error) from None
    digest = settings_hash(held)
    if as_json:
        typer.echo(json.dumps({"file": str(path), "settings_hash": digest, "locked": locked}))
    else:
        typer.echo(f"{path}: {digest}{' (locked)' if locked else ''}")
