from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotcore.plates.compare import well_counts, write_replicates
from spotcore.plates.replicates import (
    WellCount,
    find_background,
    replicate_columns,
    summarise,
)
from spotcore.results.plate import read_plate
from support.plate_counts import LAYOUT, place, plate
from support.result_folder import write_result


def test_by_hand() -> None:
    medium, cef = summarise(plate(A1=2, A2=4, A3=0, B1=10, B2=14, B3=18), LAYOUT)
    assert (medium.n, medium.mean, medium.sd, medium.median) == (3, 2.0, 2.0, 2)
    assert (cef.mean, cef.sd, cef.median, cef.sfu) == (14.0, 4.0, 14, 70.0)
    assert cef.cv == pytest.approx(4 / 14)
    assert (cef.over, cef.subtracted, cef.sfu_over, cef.sfu_sd) == (12.0, 12.0, 60.0, 20.0)
    assert medium.is_background and not cef.is_background
    assert (medium.over, medium.subtracted) == (0.0, 0.0)


def test_below_the_background_is_floored_and_kept_raw() -> None:
    columns = replicate_columns(summarise(plate(A1=6, A2=6, A3=6, B1=1, B2=2, B3=3), LAYOUT))
    assert columns["subtracted"][1] == 0.0
    assert columns["subtracted_raw"][1] == -4.0
    assert columns["sfu_subtracted"][1] == 0.0
    assert columns["sfu_subtracted_raw"][1] == -20.0


def test_wells_without_a_count_are_left_out_and_named() -> None:
    _, cef = summarise(plate(A1=1, A2=1, A3=1, B1=10, B2="out_of_focus"), LAYOUT)
    assert (cef.n, cef.wells, cef.mean, cef.sd) == (1, ("B1",), 10.0, None)
    assert cef.left_out == ("B2 (out_of_focus)", "B3 (no image)")
    _, nothing = summarise(plate(A1=1, A2=1, A3=1, B1="no_well"), LAYOUT)
    assert (nothing.n, nothing.mean, nothing.median, nothing.sfu, nothing.over) == (0, *[None] * 4)


def test_too_numerous_wells_are_censored() -> None:
    _, cef = summarise(plate(A1=1, A2=1, A3=1, B1=80, B2=90, B3="too_numerous"), LAYOUT)
    assert (cef.mean, cef.sd, cef.cv, cef.censored) == (85.0, None, None, ("B3",))
    assert cef.median == 90  # the middle one of 80, 90 and something larger
    _, most = summarise(
        plate(A1=1, A2=1, A3=1, B1=80, B2="too_numerous", B3="too_numerous"), LAYOUT
    )
    assert most.median is None and most.mean == 80
    columns = replicate_columns([cef])
    assert (columns["lower_bound"], columns["sd"], columns["too_numerous"]) == (
        ["true"],
        [""],
        ["B3"],
    )
    _, cef = summarise(plate(A1=1, A2=1, A3="too_numerous", B1=80, B2=90, B3=100), LAYOUT)
    assert cef.over is None  # minus a lower bound would be an upper one


def test_units_use_each_well_s_cells() -> None:
    layout = [
        place("A1", "d", "medium", 100_000),
        place("B1", "d", "CEF", 200_000),
        place("B2", "d", "CEF", 400_000),
    ]
    medium, cef = summarise(plate(A1=3, B1=20, B2=20), layout)
    assert (medium.sfu, cef.sfu, cef.sfu_over) == (30.0, 75.0, 45.0)
    assert cef.over is None  # counts of wells with different numbers of cells
    _, cef = summarise(plate(A1=3, B1=20, B2=20), [*layout[:2], place("B2", "d", "CEF", None)])
    assert (cef.sfu, cef.sfu_over, cef.mean) == (None, None, 20.0)


def test_samples_and_channels_keep_apart() -> None:
    layout = [*LAYOUT, place("C1", "other", "Medium"), place("D1", "", "")]
    counts = [
        WellCount(lying.well, "counted", 7, channel)
        for channel in ("red", "green")
        for lying in layout
    ]
    groups = summarise(counts, layout)
    assert [(g.sample, g.channel, g.n) for g in groups] == [
        ("donor", "red", 3),
        ("donor", "red", 3),
        ("other", "red", 1),
        ("donor", "green", 3),
        ("donor", "green", 3),
        ("other", "green", 1),
    ]
    assert all("D1" not in g.wells for g in groups)  # neither sample nor stimulus: not in use


def test_background_by_name() -> None:
    assert find_background(["CEF", "Negative", "MEDIUM"]) == "MEDIUM"
    assert find_background(["CEF", "Unstimulated"]) == "Unstimulated"
    assert find_background(["CEF"]) is None
    assert find_background(["cef", "DMSO"], "dmso") == "DMSO"
    with pytest.raises(ValueError, match=r"background: 'water' is no stimulus.*CEF, medium"):
        summarise(plate(A1=1), LAYOUT, "water")


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="layout: well A1 is there twice"):
        summarise(plate(A1=1), [LAYOUT[0], LAYOUT[0]])
    with pytest.raises(ValueError, match="counts: well A1 is there twice"):
        summarise([*plate(A1=1), *plate(A1=2)], LAYOUT)
    with pytest.raises(ValueError, match="well A1 is counted but has no count"):
        summarise(plate(A1="counted"), LAYOUT)


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=8))
def test_spread_is_that_of_the_standard_library(counts: list[int]) -> None:
    layout = [place(f"A{i + 1}", "s", "x", None) for i in range(len(counts))]
    (group,) = summarise(plate(**{f"A{i + 1}": k for i, k in enumerate(counts)}), layout)
    mean = sum(counts) / len(counts)
    assert group.mean == pytest.approx(mean)
    assert group.median == statistics.median(counts)
    if len(counts) > 1:
        variance = sum((k - mean) ** 2 for k in counts) / (len(counts) - 1)
        assert group.sd == pytest.approx(variance**0.5, abs=1e-9)
    else:
        assert group.sd is None


def test_a_plate_s_folder(tmp_path: Path) -> None:
    write_result(tmp_path / "out", size=48)
    counts = well_counts(read_plate(tmp_path / "out" / "plate.json"))
    layout = [
        place(c.well, f"donor {c.well[0]}", "medium" if int(c.well[1:]) < 4 else "CEF")
        for c in counts
    ]
    path = write_replicates(tmp_path / "out", layout)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert path.name == "replicates.csv" and len(rows) == 8
    assert list(rows[0])[:8] == [
        "sample",
        "stimulus",
        "channel",
        "n",
        "mean",
        "sd",
        "cv",
        "sfu_per_1e6",
    ]
    by_well = {c.well: c for c in counts}
    for row in rows:
        used = [by_well[well].count for well in row["wells"].split()]
        assert len(used) == int(row["n"])
        assert float(row["mean"]) == pytest.approx(statistics.fmean(used), rel=1e-6)
    assert rows[3]["left_out"] == "B5 (out_of_focus)" and rows[2]["too_numerous"] == "B3"


def test_a_folder_without_a_plate(tmp_path: Path) -> None:
    (tmp_path / "plate.json").write_text('{"wells": [{"well": "A1"}]}')
    with pytest.raises(ValueError, match=r"plate\.json: no record of a plate"):
        write_replicates(tmp_path, [])
