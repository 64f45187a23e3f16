"""The command line: what ``spotcore`` alone does, and where its commands are."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Annotated

import typer

import spotcore
from spotcore._backends import backend_info
from spotcore.commands.convert import convert
from spotcore.commands.detect import detect
from spotcore.commands.export import export
from spotcore.commands.options import AsJson
from spotcore.commands.plate import plate
from spotcore.commands.report import report
from spotcore.commands.settings import settings
from spotcore.commands.simulate import demo, score, simulate
from spotcore.commands.train import reproduce, train

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich cuts names short and takes [brackets] for markup
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find secreting cells in ELISpot and FluoroSpot images.",
)

for _command in (
    detect,
    plate,
    report,
    export,
    settings,
    simulate,
    score,
    convert,
    train,
    reproduce,
    demo,
):
    app.command()(_command)

_OPTIONAL = (
    "typer",
    "tqdm",
    "tifffile",
    "imagecodecs",
    "pillow",
    "simplejpeg",
    "python-calamine",
    "czifile",
    "nd2",
    "zarr",
    "jinja2",
    "filelock",
    "threadpoolctl",
    "scipy",
    "numba",
    "pandas",
    "distributed",
    "xlsxwriter",
    "pyarrow",
    "flowio",
    "napari",
    "torch",
    "matplotlib",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(spotcore.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find secreting cells in ELISpot and FluoroSpot images."""


@app.command()
def info(as_json: AsJson = False) -> None:
    """Print version, instruction sets, threads and the optional packages that are there."""
    record = {"spotcore": spotcore.__version__, **backend_info()}
    packages: dict[str, str | None] = {}
    for package in _OPTIONAL:
        try:
            packages[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            packages[package] = None
    if as_json:
        typer.echo(json.dumps({**record, "packages": packages}))
        return
    for key, value in record.items():
        typer.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    for package, version in packages.items():
        typer.echo(f"{package}: {version or 'not installed'}")
