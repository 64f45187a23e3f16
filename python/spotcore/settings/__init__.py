"""What a user can choose: the settings, their file, their hash."""

from __future__ import annotations

from spotcore.settings.table import COMPARISON, Settings, well_settings

__all__ = ["COMPARISON", "Settings", "well_settings"]
