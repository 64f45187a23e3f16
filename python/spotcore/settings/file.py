"""Settings in a TOML file, their hash, and the lock that holds a study to one setting."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from spotcore._files import atomic_file
from spotcore.settings import Settings, well_settings

__all__ = [
    "SettingsFile",
    "choose",
    "lock",
    "named_files",
    "read_settings",
    "settings_hash",
    "template",
    "well_settings_hash",
]

#: Settings that say how the work is done, not what is found: no part of the hash.
HOW = frozenset(("threads",))
#: Settings that can name a file: the hash is of what it holds, wherever it lies.
FILES = ("network", "flat_field", "dark_frame")
LOCK = "locked"
#: Settings that are numbers above 0, and those that may be 0 too.
POSITIVE = frozenset(
    (
        "pixel_size",
        "max_iter",
        "threads",
        "gamma",
        "focus_limit",
        "min_diameter",
        "max_diameter",
        "colour_tolerance",
        "colour_reach",
        "colour_shuffles",
    )
)
NOT_NEGATIVE = frozenset(
    (
        "lam",
        "threshold",
        "tol",
        "membrane",
        "min_density",
        "max_density",
        "response_fold",
        "response_threshold",
    )
)
#: Settings that are probabilities, neither 0 nor 1.
PROBABILITIES = frozenset(("response_alpha",))


class SettingsFile(NamedTuple):
    """What a file of settings says, and whether it may be changed."""

    settings: Settings
    locked: bool


def read_settings(path: str | os.PathLike[str]) -> SettingsFile:
    """Read settings from a TOML file; what it does not name has its default.

    A relative path in it starts from the file's own folder. Where the file has the key
    ``locked``, its settings must have that hash.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    SettingsFile
        The settings, and whether they are locked.

    Raises
    ------
    ValueError
        If it is no TOML, names an unknown setting, gives one a value of another type or out of
        range, or does not match its lock; the message names file and key.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a TOML file, got {error}") from None
    locked = held.pop(LOCK, None)
    hints = _hints()
    for name in held:
        if name not in hints:
            raise ValueError(f"{path}: unknown setting {name!r}; known are {', '.join(hints)}")
    values = {
        name: _checked(name, value, hints[name], f"{path}, {name}") for name, value in held.items()
    }
    for name in FILES:
        if _is_path(values.get(name)):
            values[name] = str(path.parent / values[name])
    settings = _agreeing(Settings(**values), f"{path}, colour_reach", "colour_tolerance")
    if locked is not None and locked != settings_hash(settings):
        raise ValueError(
            f"{path}: its settings are not those it was locked with (locked {locked!r}, they have "
            f"{settings_hash(settings)!r}): a study runs on one setting"
        )
    return SettingsFile(settings, locked is not None)


def choose(path: str | os.PathLike[str] | None, given: Mapping[str, Any]) -> Settings:
    """Return the settings of a file, or the defaults, with those that the user gives beside it.

    Parameters
    ----------
    path : path-like or None
        The file.
    given : mapping
        Settings by name, stronger than the file; numbers and lists of them can be texts, files
        can be paths.

    Raises
    ------
    ValueError
        If the file or one of `given` is wrong, or the file is locked and one would change it.
    OSError
        If it cannot be read.
    """
    settings, locked = (Settings(), False) if path is None else read_settings(path)
    hints = _hints()
    given = {
        name: _checked(name, _from_text(value, hints[name]), hints[name], _option(name))
        for name, value in given.items()
    }
    changed = [name for name, value in given.items() if value != getattr(settings, name)]
    for name in changed if locked else ():
        if name not in HOW:
            raise ValueError(
                f"{path} is locked with {name} = {getattr(settings, name)!r}: "
                f"{_option(name)} {given[name]} would change it"
            )
    chosen = replace(settings, **given)
    return _agreeing(chosen, _option("colour_reach"), _option("colour_tolerance"))


def settings_hash(settings: Settings) -> str:
    """Return the SHA-256 digest of settings, whatever way they were written down.

    It is that of their JSON with sorted keys and without blanks, all defaults spelled out. The
    number of threads is left out, and a file stands for what it holds.
    """
    return _digest(settings, asdict(settings))


def well_settings_hash(settings: Settings) -> str:
    """Return the digest of the settings that a well depends on, made like `settings_hash`.

    Wells that have been analysed are compared anew when other settings change, not analysed again.
    """
    return _digest(settings, well_settings(settings))


def _digest(settings: Settings, held: Mapping[str, Any]) -> str:
    """Return the SHA-256 digest of some of the settings."""
    hints = _hints()
    values = {
        name: _plain(_converted(value, hints[name], name))
        for name, value in held.items()
        if name not in HOW
    }
    for name, path in named_files(settings).items():
        values[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def named_files(settings: Settings) -> dict[str, Path]:
    """Return the files that settings name, by setting; those that are not there are left out."""
    held = {name: getattr(settings, name, None) for name in FILES}
    return {
        name: Path(value)
        for name, value in held.items()
        if value is not None and _is_path(value) and Path(value).is_file()
    }


def lock(path: str | os.PathLike[str]) -> str:
    """Add the hash of a file's settings to it; the rest of the file stays as it is.

    Returns
    -------
    str
        The hash.

    Raises
    ------
    ValueError
        If the file is wrong, or locked and changed since.
    OSError
        If it cannot be read or written.
    """
    path = Path(path)
    settings, locked = read_settings(path)
    digest = settings_hash(settings)
    if not locked:
        text = path.read_bytes()
        with atomic_file(path) as file:
            file.write(f'{LOCK} = "{digest}"\n'.encode() + text)
    return digest


def template() -> str:
    """Return a TOML file of all settings at their defaults, each with what it means.

    Those that are automatic by default stand in comments.
    """
    meanings = _meanings()
    lines = ["# Settings of spotcore. What is left out, or in a comment, has its default.", ""]
    for field in fields(Settings):
        lines += [f"# {line}" for line in meanings.get(field.name, ())]
        automatic = field.default is None
        value = "..." if automatic else _toml(field.default)
        lines += [f"{'# ' if automatic else ''}{field.name} = {value}", ""]
    return "\n".join(lines)


def _hints() -> dict[str, Any]:
    """Types of the settings by name."""
    return typing.get_type_hints(Settings)


def _is_path(value: Any) -> bool:
    """Tell a path from a name such as that of shipped weights, as `load_network` does."""
    return isinstance(value, str) and (Path(value).suffix != "" or len(Path(value).parts) > 1)


def _converted(value: Any, hint: Any, where: str) -> Any:
    """Return a value as the type that a setting has, or say what was expected."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    for option in options:
        converted = _as(value, option)
        if converted is not _NO:
            return converted
    expected = " or ".join(_named(option) for option in options if option is not type(None))
    raise ValueError(f"{where}: expected {expected}, got {value!r}")


def _checked(name: str, value: Any, hint: Any, where: str) -> Any:
    """Return a value as its setting's type; refuse a number out of range before any work."""
    value = _converted(value, hint, where)
    if isinstance(value, int | float):
        if name in POSITIVE and not value > 0:
            raise ValueError(f"{where}: expected a number above 0, got {value}")
        if name in NOT_NEGATIVE and not value >= 0:
            raise ValueError(f"{where}: expected a number, at least 0, got {value}")
        if name in PROBABILITIES and not 0 < value < 1:
            raise ValueError(f"{where}: expected a number between 0 and 1, got {value}")
    return value


def _agreeing(settings: Settings, reach: str, tolerance: str) -> Settings:
    """Refuse settings that are right one by one but not together, by the names of the two.

    `spotcore.plates.registration.register` would refuse them too, after all wells.
    """
    if not settings.colour_reach > 2 * settings.colour_tolerance:
        raise ValueError(
            f"{reach}: expected more than twice {tolerance}, {settings.colour_tolerance}, "
            f"got {settings.colour_reach}"
        )
    return settings


def _option(name: str) -> str:
    """Name a setting as the command line does."""
    return "--" + name.replace("_", "-")


def _from_text(value: Any, hint: Any) -> Any:
    """Read what the command line has as a text and a file of settings as a number or a list."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    if not isinstance(value, str) or any(value in typing.get_args(option) for option in options):
        return value
    with contextlib.suppress(ValueError):
        if float in options:
            return float(value)
        if "," in value and any(typing.get_origin(option) is tuple for option in options):
            return [float(part) for part in value.split(",")]
    return value


_NO = object()


def _as(value: Any, hint: Any) -> Any:
    """Return a value as one type, `_NO` where it is none."""
    if typing.get_origin(hint) is Literal:
        return value if value in typing.get_args(hint) else _NO
    if typing.get_origin(hint) is tuple:
        return _as_tuple(value, typing.get_args(hint))
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else _NO
    # A bool is an int to Python, not to a user.
    return value if type(value) is hint else _NO


def _as_tuple(value: Any, hints: tuple[Any, ...]) -> Any:
    """Return a list of values of given types, `_NO` where one does not fit."""
    if not isinstance(value, list | tuple):
        return _NO
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        return _NO
    parts = []
    for part, hint in zip(value, hints, strict=True):
        options = typing.get_args(hint) if _is_union(hint) else (hint,)
        fits = [one for one in (_as(part, option) for option in options) if one is not _NO]
        if not fits:
            return _NO
        parts.append(fits[0])
    return tuple(parts)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _named(hint: Any) -> str:
    """Name a type as a user would."""
    if typing.get_origin(hint) is Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        args = [a for a in typing.get_args(hint) if a is not Ellipsis]
        return f"a list of {'values' if len(args) == 1 else len(args)}"
    names = {float: "a finite number", int: "an integer", str: "a text", bool: "true or false"}
    return names.get(hint, str(hint))


def _plain(value: Any) -> Any:
    """Return what JSON and TOML call it: lists for tuples."""
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _toml(value: Any) -> str:
    """Write a value; a JSON text, number, truth value or list of them is one of TOML too."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _meanings() -> dict[str, list[str]]:
    """Lines of the section "Attributes" of the settings' documentation, by name."""
    section = (Settings.__doc__ or "").partition("Attributes\n")[2]
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in section.splitlines()[1:]:
        heading = re.fullmatch(r" {4}(\w+(?:, \w+)*) : .*", line)
        if heading:
            names = heading[1].split(", ")
        elif line.startswith(" " * 8):
            for name in names:
                found.setdefault(name, []).append(line.strip())
    return found
