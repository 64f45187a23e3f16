"""What a user can choose: the settings, their file, their hash."""

from __future__ import annotations

from spotcore.settings.documentation import docstring, template
from spotcore.settings.file import (
    SettingsFile,
    choose,
    lock,
    named_files,
    read_settings,
    settings_hash,
    well_settings_hash,
)
from spotcore.settings.table import COMPARISON, Settings, well_settings
from spotcore.settings.values import valid

__all__ = [
    "COMPARISON",
    "Settings",
    "SettingsFile",
    "choose",
    "lock",
    "named_files",
    "read_settings",
    "settings_hash",
    "template",
    "valid",
    "well_settings",
    "well_settings_hash",
]

Settings.__doc__ = docstring()
