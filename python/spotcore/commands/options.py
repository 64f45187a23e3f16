"""What the commands share: kinds of options, the settings, how a command fails, a progress bar."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from tqdm import tqdm

from spotcore._files import OutputError, require_folder
from spotcore.networks import load_network
from spotcore.settings import Settings, choose
from spotcore.settings.documentation import explained
from spotcore.settings.table import TABLE, Row, Scope
from spotcore.settings.values import alternatives, option

__all__ = [
    "AsJson",
    "OutputFolder",
    "Radius",
    "Seed",
    "check_network",
    "fail",
    "make_folder",
    "names_network",
    "not_negative",
    "progress_bar",
    "takes_settings",
]


def not_negative(value: float | None) -> float | None:
    """Refuse what is not a finite number from 0 on."""
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise typer.BadParameter(f"expected a finite number, at least 0, got {value}")
    return value


OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout, nothing else.")]
_SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="TOML file of settings, see the command settings.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the random numbers.")]
Radius = Annotated[
    float, typer.Option(callback=not_negative, help="Largest distance of a match, in pixels.")
]


def fail(message: object, code: int = 1) -> typer.Exit:
    """Say on stderr why a command ends."""
    if isinstance(message, OSError) and message.filename is not None:
        message = f"{message.filename}: {message.strerror}"
    typer.echo(f"spotcore: {message}", err=True)
    return typer.Exit(code)


def check_network(settings: Settings) -> None:
    """Refuse a network that cannot be loaded, before any work is done.

    Raises
    ------
    ValueError, OSError
    """
    if settings.method == "spotnet":
        with names_network():
            load_network(settings.network)


@contextmanager
def names_network() -> Iterator[None]:
    """Let errors of a network's name speak of the option that gave it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace("name_or_path", "--network", 1)) from None


def make_folder(path: Path) -> Path:
    """Make the output folder, or end before any work is done."""
    try:
        return require_folder(path)
    except OutputError as error:
        raise fail(error) from None


def takes_settings(*scopes: Scope) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the option --settings FILE, and one for each setting of these scopes.

    The command gets what the user chose as its argument `settings`; where a choice is wrong, it is
    not called. An option has no default of its own: what is not given is up to the file.
    """
    rows = [row for row in TABLE.values() if row.scope in scopes]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(settings: Path | None, **arguments: Any) -> None:
            options = {row.name: arguments.pop(row.name) for row in rows}
            given = {name: value for name, value in options.items() if value is not None}
            try:
                chosen = choose(settings, given)
            except (ValueError, OSError) as error:
                raise fail(error, 2) from None
            command(settings=chosen, **arguments)

        hints = get_type_hints(command, include_extras=True)
        own = inspect.signature(command).parameters
        defaults = {name: parameter.default for name, parameter in own.items()}
        hints["settings"], defaults["settings"] = _SettingsFile, None
        for row in rows:
            hints[row.name], defaults[row.name] = _option(row), None
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=default,
                    annotation=hints[name],
                )
                for name, default in defaults.items()
            ]
        )
        run.__name__, run.__doc__, run.__annotations__ = command.__name__, command.__doc__, hints
        return run

    return decorate


def _option(row: Row) -> Any:
    """Return the annotation of a setting's option: a text, which the settings read and check."""
    return Annotated[
        (bool if row.type is bool else str) | None,
        typer.Option(
            _flag(row),
            metavar=None if row.type is bool else _metavar(row),
            help=explained(row),
        ),
    ]


def _flag(row: Row) -> str:
    """Name the option; one that switches has its opposite, against a file that switches it on."""
    name = option(row.name)
    return f"{name}/--no-{name.removeprefix('--')}" if row.type is bool else name


def _metavar(row: Row) -> str:
    """Name the choices, types and range of a setting in the way of usage lines."""
    names = {int: "int", float: "float", str: "path" if row.names_file else "str"}
    kinds = "|".join(
        "|".join(get_args(kind))
        if get_origin(kind) is Literal
        else ",".join(
            "..." if part is Ellipsis else names[part] for part in get_args(kind) or [kind]
        )
        for kind in alternatives(row.type)
    )
    return f"<{kinds}> [{row.range.sign}]" if row.range else f"<{kinds}>"


@contextmanager
def progress_bar(label: str, hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar over the iterations on stderr, if that is a terminal."""
    with tqdm(
        desc=label, unit="it", leave=False, file=sys.stderr, disable=True if hidden else None
    ) as bar:

        def update(iteration: int, limit: int) -> None:
            bar.total = limit
            bar.update(iteration - bar.n)

        yield update
