"""The command line, a module for each group of commands; says what to install where it is not."""

from __future__ import annotations

import io
import os
import sys
from importlib.util import find_spec

#: Modules of the extra [cli], which `pip install spotcore` alone does not bring.
REQUIRED = (
    "typer",
    "tqdm",
    "tifffile",
    "imagecodecs",
    "simplejpeg",
    "PIL",
    "jinja2",
    "filelock",
    "threadpoolctl",
    "scipy",
)


def main() -> None:
    """Run the command line."""
    try:
        try:
            _run()
        finally:
            sys.stdout.flush()  # what is buffered may not fit either
    except KeyboardInterrupt:  # while it is loaded: later, the commands have more to say
        raise SystemExit(130) from None
    except OSError as error:  # of files the commands speak themselves
        if error.filename is not None:
            raise
        print(f"spotcore: standard output: {error.strerror or error}", file=sys.stderr)
        # Not flushed once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _run() -> None:
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        print(
            f"spotcore: the command line needs {', '.join(missing)}: pip install 'spotcore[cli]'",
            file=sys.stderr,
        )
        raise SystemExit(1)
    if "" in sys.argv[1:]:  # a folder that is "" would be the current one
        print("spotcore: one of the arguments is empty: is a variable not set?", file=sys.stderr)
        raise SystemExit(2)
    from spotcore.commands.app import app

    for stream in (sys.stdout, sys.stderr):  # names of files may be no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
