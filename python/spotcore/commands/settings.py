"""The command ``spotcore settings``, and the settings' options that commands share."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from spotcore._files import atomic_file
from spotcore.commands.options import AsJson, fail
from spotcore.settings import Settings
from spotcore.settings.file import lock, read_settings, settings_hash, template

__all__ = ["settings", "with_settings_of"]


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
    """Write, check or lock a file of settings (TOML), for plate --settings.

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


def with_settings_of(
    other: Callable[..., None], more: Mapping[str, Any]
) -> Callable[[Callable[..., None]], Any]:
    """Give a command those options of another one that are named after fields of `Settings`.

    `more` has the annotations of further fields, whose options the other command does not have.
    The command gets as `given` a dict of those that the user gave. None of them has a default, so
    that a file of settings can stand behind them.
    """
    hints = get_type_hints(other, include_extras=True) | dict(more)
    names = [field.name for field in fields(Settings) if field.name in hints]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**arguments: Any) -> None:
            values = {name: arguments.pop(name) for name in names}
            given = {
                name: value.value if isinstance(value, Enum) else value
                for name, value in values.items()
                if value is not None
            }
            command(**arguments, given=given)

        shared = {name: _optional(hints[name]) for name in names}
        annotations = {
            name: hint
            for name, hint in get_type_hints(command, include_extras=True).items()
            if name != "given"
        }
        kind = inspect.Parameter.KEYWORD_ONLY
        own = inspect.signature(command).parameters
        parameters = [
            inspect.Parameter(name, kind, default=own[name].default, annotation=hint)
            for name, hint in annotations.items()
            if name != "return"
        ]
        parameters += [
            inspect.Parameter(name, kind, default=None, annotation=hint)
            for name, hint in shared.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = annotations | shared
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def _optional(hint: Any) -> Any:
    """Return an option's annotation that allows None too."""
    inner, *extras = get_args(hint)
    return Annotated[inner | None, *extras]
