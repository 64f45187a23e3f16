"""The command line called in this process, as its users call it."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from spotcore.commands.app import app


def run(*arguments: object) -> Any:
    """Exit code, stdout and stderr of ``spotcore ARGUMENTS``."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(result: Any) -> list[dict[str, Any]]:
    """The JSON lines that a command printed."""
    return [json.loads(line) for line in result.stdout.splitlines()]
