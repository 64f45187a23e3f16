"""Columns of a result's tables: their names, their order, what stands in them.

``None`` stands for a number, as narrow as its values: whole where all of them are. A table may have
further columns, of an older or a newer version: those are typed by what stands in them.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "COLOURS",
    "COLUMNS",
    "LAYOUT",
    "REGISTRATION",
    "REPLICATES",
    "RESPONSES",
    "SPOTS",
    "WELLS",
    "Kind",
]

Kind = type[str] | type[int] | type[float] | type[bool]

#: wells.csv: a row per picture.
WELLS: Mapping[str, Kind | None] = {
    "well": str,
    "file": str,
    "status": str,
    "count": int,
    "channel": str,
    "low": float,
    "high": float,
    "secretion": float,
    "artefacts": int,
    "reason": str,
    # As the layout has it.
    "sample": str,
    "stimulus": str,
    "replicate": str,
    # As `spotcore.results.record.SpotsRecord` has it.
    "mean_area": float,
    "mean_area_mm2": float,
    "covered": float,
    "mean_secretion": float,
}
#: What lies in the wells, as the layout file and plate.json have it. A sample called 001 is no
#: number.
LAYOUT: Mapping[str, Kind | None] = {
    "well": str,
    "sample": str,
    "stimulus": str,
    "replicate": str,
    "cells_per_well": None,
}
#: replicates.csv: a row per sample, stimulus and channel.
REPLICATES: Mapping[str, Kind | None] = {
    "sample": str,
    "stimulus": str,
    "channel": str,
    "n": int,
    **dict.fromkeys(("mean", "sd", "cv", "sfu_per_1e6", "sfu_sd", "median")),
    "lower_bound": bool,
    "background": bool,
    **dict.fromkeys(("subtracted", "subtracted_raw", "sfu_subtracted", "sfu_subtracted_raw")),
    "wells": str,
    "too_numerous": str,
    "left_out": str,
}
#: responses.csv: a row per stimulus and rule.
RESPONSES: Mapping[str, Kind | None] = {
    "sample": str,
    "stimulus": str,
    "channel": str,
    "rule": str,
    "p": None,
    "response": bool,
    "note": str,
    "source": str,
    "limit": str,
}
#: colours.csv: a row per well and combination of channels.
COLOURS: Mapping[str, Kind | None] = {
    "well": str,
    "combination": str,
    "count": int,
    "expected_density": None,
    "expected_shuffled": None,
    "low": float,
    "high": float,
    "p": None,
    "note": str,
}
#: registration.csv: a row per well and further channel.
REGISTRATION: Mapping[str, Kind | None] = {
    "well": str,
    "channel": str,
    "shift_y": None,
    "shift_x": None,
    "pairs": None,
    "p": None,
    "from": str,
}
#: What every table of spots has, and what comes of an edit; all other columns are measures.
#: Positions are float: they may come to be subpixel.
SPOTS: Mapping[str, Kind] = {"well": str, "channel": str, "y": float, "x": float, "edited": str}

#: Columns by the name of the table.
COLUMNS: Mapping[str, Mapping[str, Kind | None]] = {
    "wells": WELLS,
    "layout": LAYOUT,
    "replicates": REPLICATES,
    "responses": RESPONSES,
    "colours": COLOURS,
    "registration": REGISTRATION,
}
