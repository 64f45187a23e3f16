"""Text that people, and file systems, made: fit to be written, and harmless where it is opened."""

from __future__ import annotations

import contextlib

__all__ = ["as_cell", "of_cell", "one_line", "readable"]

#: What a spreadsheet takes for the beginning of a formula; an apostrophe says that it is none.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def readable(text: str) -> str:
    """Return text that can be encoded: bytes of a name that are no UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula; numbers stay numbers."""
    text = readable(text)
    with contextlib.suppress(ValueError):
        float(text)
        return text
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def of_cell(text: str) -> str:
    """Return what `as_cell` was given."""
    marked = text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
    return text[1:] if marked else text


def one_line(text: str) -> str:
    """Return readable text without what would break a line or is not seen."""
    return "".join(c if c.isprintable() else " " for c in readable(text))
