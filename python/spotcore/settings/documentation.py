"""What the settings mean, in words made of their table."""

from __future__ import annotations

import inspect
import json
import textwrap
from dataclasses import fields

from spotcore.settings.table import TABLE, Row, Settings
from spotcore.settings.values import expected

__all__ = ["docstring", "explained", "template"]


def explained(row: Row, *, default: bool = True) -> str:
    """Say in a sentence or two what a setting is, in what unit, and its default."""
    text = f"{row.help}, in {row.unit}." if row.unit else f"{row.help}."
    if default and row.default is None:
        text += f" Default: {row.automatic}."
    elif default and not isinstance(row.default, bool):
        text += f" Default: {row.default if isinstance(row.default, str) else f'{row.default:g}'}."
    return text


def template() -> str:
    """Return a TOML file of all settings at their defaults, each with what it means.

    Those that are automatic by default stand in comments.
    """
    lines = ["# Settings of spotcore. What is left out, or in a comment, has its default.", ""]
    for row in TABLE.values():
        automatic = row.default is None
        text = f"{explained(row, default=automatic)} {row.more}"
        lines += _wrapped(text, "# ")
        # A text, a number, a truth value and a list of them in JSON are the same in TOML.
        value = "..." if automatic else json.dumps(row.default)
        lines += [f"{'# ' if automatic else ''}{row.name} = {value}  # {expected(row)}", ""]
    return "\n".join(lines)


def docstring() -> str:
    """Return the documentation of `Settings`, with its attributes in the words of their rows."""
    lines = [inspect.getdoc(Settings) or "", "", "Attributes", "----------"]
    for field in fields(Settings):
        row = TABLE[field.name]
        limits = f", {row.range.says.strip(', ')}" if row.range else ""
        lines.append(f"{row.name} : {field.type}{limits}")
        text = f"{explained(row)} {row.more}"
        lines += _wrapped(text, "    ")
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, 98, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
