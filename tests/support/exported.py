"""What an export has to hold, by pandas."""

from __future__ import annotations

import json

import pandas as pd

EVIL = '=HYPERLINK("http://x","y")'


def all_spots(folder):
    """The oracle: pandas puts the wells' tables under one another."""
    plate = json.loads((folder / "plate.json").read_text())
    tables = []
    for entry in plate["wells"]:
        table = pd.read_csv(folder / "wells" / f"{entry['name']}.cells.csv")
        table.insert(0, "channel", entry["channel"])
        table.insert(0, "well", entry["well"])
        tables.append(table)
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def same(frame, oracle):
    assert list(frame.columns) == list(oracle.columns)
    pd.testing.assert_frame_equal(
        frame.reset_index(drop=True), oracle, check_dtype=False, rtol=0, atol=0
    )
