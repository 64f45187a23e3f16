"""JSON to the typed classes of a result and back: what is missing or of another type is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

__all__ = ["LATER", "decode", "encode"]

T = TypeVar("T")

#: Of a field that came after 0.1.0: at its default, records are written as they were before.
LATER = {"later": True}


def encode(value: Any) -> Any:
    """Make JSON of what `decode` makes; of `LATER` fields what is said."""
    if is_dataclass(value):
        return {
            one.name: encode(getattr(value, one.name))
            for one in fields(value)
            if not (one.metadata.get("later") and getattr(value, one.name) == one.default)
        }
    return [encode(each) for each in value] if isinstance(value, tuple | list) else value


def decode(kind: type[T], value: Any) -> T:
    """Make a value of JSON what a type says.

    Parameters
    ----------
    kind : type
        A dataclass of str, int, float, bool, literals, mappings, tuples, unions and dataclasses.
        Where a key is missing its field's default is taken; other keys are left out.
    value : Any
        As `json.loads` gives it. Numbers stay as they are: 2 is a float too.

    Returns
    -------
    Of `kind`.

    Raises
    ------
    ValueError
        If it does not fit; the message says where in the value.
    """
    return cast(T, _decode(kind, value, ""))


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return _one_of(arguments, value, where)
    if origin is Literal:
        return _expect(value in arguments, value, where, " or ".join(map(repr, arguments)))
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    if origin is tuple:
        _expect(isinstance(value, list | tuple), value, where, "a list")
        variadic = len(arguments) == 2 and arguments[1] is Ellipsis
        kinds = arguments[:1] * len(value) if variadic else arguments
        _expect(len(kinds) == len(value), value, where, f"{len(kinds)} values")
        return tuple(
            _decode(inner, one, f"{where}[{at}]")
            for at, (inner, one) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is not None:  # a mapping
        return _expect(isinstance(value, dict), value, where, "an object")
    fits = {float: int | float, NoneType: NoneType}.get(kind, kind)
    is_bool = isinstance(value, bool) and kind is not bool
    return _expect(isinstance(value, fits) and not is_bool, value, where, kind.__name__)


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """Take the first type that fits; where none does, what the first one says."""
    why: ValueError | None = None
    for kind in kinds:
        try:
            return _decode(kind, value, where)
        except ValueError as error:
            why = why or error
    assert why is not None
    raise why


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, Mapping), value, where, "an object")
    hints, given = _hints(kind), {}
    for field in fields(kind):
        name = f"{where}.{field.name}" if where else field.name
        if field.name in value:
            given[field.name] = _decode(hints[field.name], value[field.name], name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{name!r} is missing")
    return kind(**given)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Types of a dataclass's fields: slow to find out, the same for every record."""
    return get_type_hints(kind)


def _expect(fits: bool, value: Any, where: str, what: str) -> Any:
    if not fits:
        raise ValueError(f"{where or 'value'}: expected {what}, got {str(value)[:80]!r}")
    return value
