"""The command line, a module for each group of commands."""

from __future__ import annotations

from spotcore.commands.app import app

__all__ = ["app"]
