"""Settings in a TOML file, their hash, and the lock that holds a study to one setting."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from spotcore._files import atomic_file
from spotcore.settings.table import TABLE, Settings, well_settings
from spotcore.settings.values import agreeing, checked, converted, from_text, option

__all__ = [
    "SettingsFile",
    "choose",
    "lock",
    "named_files",
    "read_settings",
    "settings_hash",
    "well_settings_hash",
]

LOCK = "locked"


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
        held = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a TOML file, got {error}") from None
    locked = held.pop(LOCK, None)
    for name in held:
        if name not in TABLE:
            raise ValueError(f"{path}: unknown setting {name!r}; known are {', '.join(TABLE)}")
    values = {name: checked(TABLE[name], value, f"{path}, {name}") for name, value in held.items()}
    for name, value in values.items():
        if _is_path(name, value):
            values[name] = str(path.parent / value)
    settings = agreeing(Settings(**values), lambda name: f"{path}, {name}")
    _require_files(settings, lambda name: f"{path}, {name}")
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
    given = {
        name: checked(TABLE[name], from_text(TABLE[name], value), option(name))
        for name, value in given.items()
    }
    changed = [name for name, value in given.items() if value != getattr(settings, name)]
    for name in changed if locked else ():
        if TABLE[name].scope != "how":
            raise ValueError(
                f"{path} is locked with {name} = {getattr(settings, name)!r}: "
                f"{option(name)} {given[name]} would change it"
            )
    chosen = replace(settings, **given)
    _require_files(chosen, option)
    return agreeing(chosen, option)


def _require_files(settings: Settings, named: Callable[[str], str]) -> None:
    """Refuse settings that name a file which is not there, before any work."""
    for row in TABLE.values():
        value = getattr(settings, row.name)
        if _is_path(row.name, value) and not Path(value).is_file():
            raise ValueError(f"{named(row.name)}: expected a file, got {value!r}, which is none")


def settings_hash(settings: Settings) -> str:
    """Return the SHA-256 digest of settings, whatever way they were written down.

    It is that of their JSON with sorted keys and without blanks, all defaults spelled out but
    those of settings that came later than 0.1.0. The number of threads is left out, and a file
    stands for what it holds.
    """
    return _digest(settings, asdict(settings))


def well_settings_hash(settings: Settings) -> str:
    """Return the digest of the settings that a well depends on, made like `settings_hash`.

    Wells that have been analysed are compared anew when other settings change, not analysed again.
    """
    return _digest(settings, well_settings(settings))


def _digest(settings: Settings, held: Mapping[str, Any]) -> str:
    """Return the SHA-256 digest of some of the settings."""
    values = {
        name: converted(TABLE[name], value, name)
        for name, value in held.items()
        if TABLE[name].scope != "how" and not (TABLE[name].later and value == TABLE[name].default)
    }
    for name, path in named_files(settings).items():
        values[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def named_files(settings: Settings) -> dict[str, Path]:
    """Return the files that settings name, by setting; those that are not there are left out."""
    held = {name: getattr(settings, name) for name in TABLE}
    return {
        name: Path(value)
        for name, value in held.items()
        if _is_path(name, value) and Path(value).is_file()
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
            file.write(f'{LOCK} = "{digest}"\n'.encode() + text.removeprefix(codecs.BOM_UTF8))
    return digest


def _is_path(name: str, value: Any) -> bool:
    """Tell whether a value is a path; a network can be a name, as `load_network` has it."""
    is_name = name == "network" and str(value) == Path(str(value)).stem != ""
    return TABLE[name].names_file and isinstance(value, str) and not is_name
