"""The observation model: what a camera sees of what cells secrete, and how it is computed fast."""

from __future__ import annotations

from spotcore.model.observation import ObservationModel

__all__ = ["ObservationModel"]
