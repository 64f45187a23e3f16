"""What the commands share: kinds of options, how a command fails, a progress bar."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from spotcore._files import OutputError, require_folder

__all__ = [
    "AsJson",
    "OutputFolder",
    "Radius",
    "Seed",
    "fail",
    "make_folder",
    "not_negative",
    "positive",
    "progress_bar",
]


def positive(value: float | None) -> float | None:
    """Refuse what is not a finite number above 0."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"expected a finite number above 0, got {value}")
    return value


def not_negative(value: float | None) -> float | None:
    """Refuse what is not a finite number from 0 on."""
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise typer.BadParameter(f"expected a finite number, at least 0, got {value}")
    return value


OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON lines on stdout, nothing else.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
Radius = Annotated[
    float, typer.Option(callback=not_negative, help="Largest distance of a match, in pixels.")
]


def fail(message: object, code: int = 1) -> typer.Exit:
    """Say on stderr why a command ends."""
    typer.echo(f"spotcore: {message}", err=True)
    return typer.Exit(code)


def make_folder(path: Path) -> Path:
    """Make the output folder, or end before any work is done."""
    try:
        return require_folder(path)
    except OutputError as error:
        raise fail(error) from None


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
