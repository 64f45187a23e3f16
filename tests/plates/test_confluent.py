"""Wells that are confluent by the membrane of the others of their plate."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from spotcore._files import write_png
from spotcore.commands.app import app
from spotcore.plates.confluent import confluent
from spotcore.results.record import Record, WellRecord
from spotcore.simulation.demo import plate_like


def record(level, width=0.05, skewness=1.0, polarity="dark"):
    well = WellRecord(level=level, width=width, skewness=skewness, polarity=polarity)
    return Record(status="counted", well=well)


def test_a_well_far_above_the_least_stained_ones():
    plate = [record(0.1 + 0.001 * k, skewness=5.0) for k in range(10)]
    reasons = confluent([*plate, record(0.4), record(0.25), record(0.4, skewness=2.0)])
    assert reasons[:10] == [None] * 10 and reasons[11:] == [None, None]
    assert reasons[10].startswith("confluent by the plate's membrane: some 3")  # (0.29 / 0.05)^2


def test_what_says_nothing():
    assert confluent([]) == []
    few = [record(0.1)] * 6 + [record(0.9)]
    assert confluent(few) == [None] * 7
    bare = [record(0.1, skewness=5.0)] * 9
    uncounted = Record(status="rejected")
    assert confluent([*bare, uncounted, record(0.9, polarity="bright")]) == [None] * 11
    # Where the membranes themselves vary, so much is no staining.
    rng = np.random.default_rng(0)
    assert not any(confluent([record(level, 0.02) for level in rng.uniform(0.1, 0.25, 40)]))


@pytest.mark.parametrize("dark", [True, False])
def test_a_plate(tmp_path, dark):
    numbers = [5, 15, 25, 10, 40, 60, 30, 1400, 20, 1000]
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for k, cells in enumerate(numbers, start=1):
        write_png(images / f"A{k}.png", plate_like(cells, 360, seed=k, dark=dark)[0])
    arguments = ["plate", str(images), "-o", str(out), "--max-iter", "2", "--no-report"]
    result = CliRunner().invoke(app, [*arguments, "--workers", "1"])
    assert result.exit_code == 0, result.output
    with (out / "wells.csv").open() as file:
        rows = {row["well"]: row for row in csv.DictReader(file)}
    listed = {well["well"]: well for well in json.loads((out / "plate.json").read_text())["wells"]}
    for k, cells in enumerate(numbers, start=1):
        row, crowded = rows[f"A{k}"], cells > 500
        assert row["status"] == listed[f"A{k}"]["status"] == ("counted", "too_numerous")[crowded]
        assert (row["count"] == "") == (row["secretion"] == "") == (row["low"] == "") == crowded
