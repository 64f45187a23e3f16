"""Values of settings, from files and from the command line: their types and their ranges."""

from __future__ import annotations

import contextlib
import math
import os
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from spotcore.settings.table import TABLE, Row, Settings

__all__ = [
    "agreeing",
    "alternatives",
    "checked",
    "converted",
    "expected",
    "from_text",
    "option",
    "valid",
]

_NO = object()


def option(name: str) -> str:
    """Name a setting as the command line does."""
    return "--" + name.replace("_", "-")


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types that a setting can have, None left out."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return tuple(a for a in (typing.get_args(hint) if union else (hint,)) if a is not type(None))


def expected(row: Row) -> str:
    """Name the types of a setting as a user would, and the range of its numbers."""
    return _types(row) + (row.range.says if row.range else "")


def converted(row: Row, value: Any, where: str) -> Any:
    """Return a value as the type that a setting has, or say what was expected `where`.

    Raises
    ------
    ValueError
        If it is of none of the types, or a number that is not finite.
    """
    if value is None and row.default is None:
        return None
    for kind in alternatives(row.type):
        as_kind = _as(value, kind)
        if as_kind is not _NO:
            return as_kind
    raise ValueError(f"{where}: expected {_types(row)}, got {value!r}")


def checked(row: Row, value: Any, where: str) -> Any:
    """Return a value as its setting's type; refuse one out of range before any work.

    Raises
    ------
    ValueError
        If its type or its range is another; the message begins with `where`.
    """
    value = converted(row, value, where)
    numeric = isinstance(value, int | float | tuple)
    if row.range is not None and numeric and not row.range.holds(value):
        noun = "numbers" if isinstance(value, tuple) else "a number"
        raise ValueError(f"{where}: expected {noun}{row.range.says}, got {value}")
    return value


def valid(settings: Settings) -> Settings:
    """Return settings of a program, each as its type; refuse what a file would be refused for.

    Raises
    ------
    TypeError
        If they are no `Settings`.
    ValueError
        If a type or a range is another; the message begins with the setting's name.
    """
    if not isinstance(settings, Settings):
        raise TypeError(f"settings: expected Settings, got {type(settings).__name__}")
    held = {
        name: checked(row, from_text(row, getattr(settings, name)), name)
        for name, row in TABLE.items()
    }
    return agreeing(Settings(**held), str)


def agreeing(settings: Settings, named: Callable[[str], str]) -> Settings:
    """Refuse settings that are right one by one but not together.

    What they would be used for would refuse them too, after all the work before. `named` says what
    a setting is called where it was chosen, the place before it.
    """

    def other(name: str) -> str:
        return named(name).rpartition(", ")[2]

    for low, high in (("min_diameter", "max_diameter"), ("min_density", "max_density")):
        least, most = getattr(settings, low), getattr(settings, high)
        if least is not None and most is not None and least > most:
            raise ValueError(
                f"{named(low)}: expected at most {other(high)}, {most:g}, got {least:g}"
            )
    if settings.dark_frame is not None and settings.flat_field is None:
        raise ValueError(
            f"{named('dark_frame')}: expected {other('flat_field')} beside it, got none"
        )
    if not settings.colour_reach > 2 * settings.colour_tolerance:
        raise ValueError(
            f"{named('colour_reach')}: expected more than twice {other('colour_tolerance')}, "
            f"{settings.colour_tolerance}, got {settings.colour_reach}"
        )
    return settings


def from_text(row: Row, value: Any) -> Any:
    """Read what the command line has as a text and a file of settings as a number or a list.

    What cannot be read stays a text, for `checked` to refuse; a path becomes one, and NumPy's
    numbers and arrays become Python's.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, str):
        return value
    for kind in alternatives(row.type):
        with contextlib.suppress(ValueError):
            if kind in (int, float):
                return kind(value)
            if typing.get_origin(kind) is tuple and "," in value:
                return [float(part) for part in value.split(",")]
    return value


def _as(value: Any, kind: Any) -> Any:
    """Return a value as one type, `_NO` where it is none."""
    if typing.get_origin(kind) is Literal:
        return value if value in typing.get_args(kind) else _NO
    if typing.get_origin(kind) is tuple:
        return _as_tuple(value, typing.get_args(kind))
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else _NO
    # A bool is an int to Python, not to a user.
    return value if type(value) is kind else _NO


def _as_tuple(value: Any, kinds: tuple[Any, ...]) -> Any:
    """Return a list of values of given types, `_NO` where one does not fit."""
    if not isinstance(value, list | tuple):
        return _NO
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        return _NO
    parts = tuple(_as(part, kind) for part, kind in zip(value, kinds, strict=True))
    return _NO if _NO in parts else parts


def _types(row: Row) -> str:
    return " or ".join(map(_named, alternatives(row.type)))


def _named(kind: Any) -> str:
    """Name a type as a user would."""
    if typing.get_origin(kind) is Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        args = typing.get_args(kind)
        return f"a list of {'numbers' if args[-1] is Ellipsis else len(args)}"
    names = {float: "a finite number", int: "an integer", str: "a text", bool: "true or false"}
    return names[kind]
