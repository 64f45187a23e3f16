"""A small plate: what lies in its wells, and how many spots were counted there."""

from __future__ import annotations

from spotcore.plates.layout import LayoutRow
from spotcore.plates.replicates import WellCount


def place(well: str, sample: str, stimulus: str, cells: float | None = 200_000) -> LayoutRow:
    return LayoutRow(well, sample, stimulus, cells_per_well=cells)


LAYOUT = [
    place("A1", "donor", "medium"),
    place("A2", "donor", "medium"),
    place("A3", "donor", "medium"),
    place("B1", "donor", "CEF"),
    place("B2", "donor", "CEF"),
    place("B3", "donor", "CEF"),
]


def plate(**counts: int | str) -> list[WellCount]:
    """A well by name: its count, or the status that it has instead."""
    return [
        WellCount(well, value, None)
        if isinstance(value, str)
        else WellCount(well, "counted" if value else "empty", value)
        for well, value in counts.items()
    ]
