"""Tables whose columns have one type each, from the text of CSV files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spotcore._files import readable
from spotcore.results.columns import COLUMNS, Kind

__all__ = ["Table", "Value", "as_text", "parse", "typed"]

Value = str | int | float | bool | None

# No leading zeros: those belong to names.
_INTEGER = re.compile(r"[-+]?(0|[1-9]\d*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9]\d*)\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NOT_FINITE = {"", "nan", "inf", "-inf"}
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Table:
    """Named columns of one type each, and rows that can be read again and again.

    Attributes
    ----------
    name : str
        What the rows are.
    columns : dict
        Type by column: str, int, float or bool; every value may also be None.
    rows : iterable of tuple
        One value per column.
    """

    name: str
    columns: dict[str, Kind]
    rows: Iterable[tuple[Value, ...]]


def typed(name: str, rows: list[dict[str, str]], header: Iterable[str] = ()) -> Table:
    """Type a small table: as `COLUMNS` says, else by what stands in it.

    Raises
    ------
    ValueError
        If a value is not of its column's type; the message names the row.
    """
    known = COLUMNS[name]
    columns: dict[str, Kind] = {}
    for column in dict.fromkeys([*header, *(key for row in rows for key in row)]):
        columns[column] = known.get(column) or _kind(row.get(column, "") for row in rows)
    values = []
    for number, row in enumerate(rows, start=1):
        try:
            values.append(tuple(parse(row.get(key, ""), kind) for key, kind in columns.items()))
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from None
    return Table(name, columns, values)


def parse(text: str, kind: Kind) -> Value:
    """Parse one field; what is empty or not finite is missing.

    Raises
    ------
    ValueError
        If it is not of this type.
    """
    if kind is str:
        return readable(text) or None
    if text.lower() in _NOT_FINITE:
        return None
    try:
        number = _BOOLEANS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ValueError(f"expected {kind.__name__} or nothing, got {text!r}") from None
    return None if isinstance(number, float) and not math.isfinite(number) else number


def as_text(value: Any) -> str:
    """Write a value of a record as a CSV file would."""
    return "" if value is None else str(value)


def _kind(texts: Iterable[str]) -> Kind:
    """Narrowest type that holds every value of a column."""
    seen = {text for text in texts if text.lower() not in _NOT_FINITE}
    if seen and all(text.lower() in _BOOLEANS for text in seen):
        return bool
    if seen and all(_INTEGER.fullmatch(text) for text in seen):
        return int
    return float if all(_FLOAT.fullmatch(text) for text in seen) else str
