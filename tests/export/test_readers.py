"""The tables of readers: by other projects' parsers, and by the rules of LabKey's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from spotcore.export import export_folder
from support.command_line import run
from support.edited_folder import copy_with_pictures, edit_once
from support.result_folder import write_result, write_unit

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "readers" / "bin" / "python"
needs_readers = pytest.mark.skipif(
    not PYTHON.exists(), reason="allotropy and FlowKit are not installed (make readers)"
)
FORMATS = ("ctl", "apex", "labkey")
SFU = "Spot Forming Units (SFU)"


def read(*paths: Path) -> dict:
    """What `tests/consume/read_exports.py` finds."""
    script = ROOT / "tests" / "consume" / "read_exports.py"
    done = subprocess.run(
        [PYTHON, script, *paths], capture_output=True, text=True, check=True, timeout=300
    )
    return json.loads(done.stdout.splitlines()[-1])


def without_picture(folder: Path, well: str) -> None:
    """Take a well's pictures out of a result."""
    record = json.loads((folder / "plate.json").read_text())
    record["wells"] = [entry for entry in record["wells"] if entry["well"] != well]
    (folder / "plate.json").write_text(json.dumps(record))
    table = pd.read_csv(folder / "wells.csv", dtype=str)
    table[table["well"] != well].to_csv(folder / "wells.csv", index=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A plate of 96 wells in two channels, some without a count, one without a picture."""
    folder = tmp_path_factory.mktemp("whole") / "plate; 7 é"
    write_result(folder, 8, 12, size=24, channels=("green", "red"))
    without_picture(folder, "H12")
    for format in FORMATS:
        export_folder(folder, format)
    return folder


def wells_of(folder: Path, channel: str) -> pd.DataFrame:
    table = pd.read_csv(folder / "wells.csv").query("channel == @channel").set_index("well")
    assert {"counted", "empty", "too_numerous", "rejected"} <= set(table["status"])
    return table


@needs_readers
def test_allotropy_reads_the_same_numbers(whole):
    exports = whole / "export"
    ctl, apex = exports / "ctl.red.txt", exports / "apex.xlsx"
    found = read(ctl, apex)
    table = wells_of(whole, "red")

    by_well = {well["well"]: well["features"] for well in found[str(ctl)]["wells"]}
    assert len(by_well) == 96 and by_well["H12"]["Spot Counts"] == -4
    for name, row in table.iterrows():
        code = {"too_numerous": -2}.get(row["status"], -3)
        counted = row["status"] in ("counted", "empty")
        features = by_well[name]
        assert features["Spot Counts"] == (row["count"] if counted else code)
        covered = features["Well areas covered by spots (% of counted area)"]
        size = features["Mean spot sizes (1E-3 Sq.mm)"]
        assert covered == pytest.approx(100 * row["covered"] if counted else code, rel=1e-6)
        mean = 0 if row["status"] == "empty" else 1000 * row["mean_area_mm2"]
        assert size == pytest.approx(mean if counted else code, rel=1e-6)
    assert found[str(ctl)]["device"]["model number"] == "spotcore"
    assert found[str(ctl)]["wells"][0]["plate"] == "plate, 7 é.red"
    assert set(found[str(ctl)]["times"]) == {"2026-01-05T09:00:41+00:00"}

    listed = {
        well["well"]: well
        for well in found[str(apex)]["wells"]
        if well["control"]["Analyte Secreting Population"] == "red"
    }
    assert set(listed) == set(table.index) and len(found[str(apex)]["wells"]) == 2 * len(listed)
    for name, row in table.iterrows():
        features = listed[name]["features"]
        assert listed[name]["more"]["Status"] == row["status"]
        if row["status"] not in ("counted", "empty"):
            assert features == {}
            continue
        assert features[SFU] == row["count"]
        assert features["Sum of Spot Volume (RSV)"] == pytest.approx(row["secretion"], rel=1e-6)
        mean = features.get("Average Relative Spot Volume (RSV)")
        assert mean == (None if row["status"] == "empty" else pytest.approx(row["mean_secretion"]))
    assert found[str(apex)]["software"]["software version"] == "spotcore 0.1.0"


@needs_readers
@pytest.mark.parametrize("name", ["Ünit 1: a, b", "QC review last updated on 5 by me", "a\tb\nc"])
def test_allotropy_reads_plates_of_any_name(tmp_path, name):
    folder = write_result(tmp_path / name, 8, 12, size=24, statuses={})
    (ctl,) = export_folder(folder, "ctl", tmp_path / "out")
    (apex,) = export_folder(folder, "apex", tmp_path / "out")
    found = read(ctl, apex)
    counts = pd.read_csv(folder / "wells.csv").set_index("well")["count"].to_dict()
    for path, feature in ((ctl, "Spot Counts"), (apex, SFU)):
        wells = found[str(path)]["wells"]
        assert {well["well"]: well["features"][feature] for well in wells} == counts


@needs_readers
def test_flowkit_reads_wells_with_and_without_spots(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 2)
    full, empty = export_folder(folder, "fcs")
    found = read(full, empty)
    spots = pd.read_csv(folder / "wells" / "A1.cells.csv")
    assert found[str(empty)]["events"] == [] and found[str(empty)]["names"] == [*spots.columns]
    assert found[str(full)]["names"] == [*spots.columns]
    assert found[str(full)]["source"] == found[str(empty)]["source"] == "donor 1"
    events = pd.DataFrame(found[str(full)]["events"], columns=spots.columns)
    pd.testing.assert_frame_equal(events, spots, check_dtype=False, rtol=1e-6)


def labkey_grid(path: Path, rows: int, columns: int) -> list[list[float]]:
    """Read a grid as LabKey Server does: a line of numbers, then a row's letter and its values."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    header = re.compile(r"\s+1\s+2\s+3\s+4\s+5\s+6\s+7\s+8\s+9\s+10\s+11\s+12")
    start = next(number for number, line in enumerate(lines) if header.search(line)) + 1
    grid = []
    for row, line in enumerate(lines[start : start + rows]):
        letter, *values = line.split()
        assert letter == chr(ord("A") + row)
        grid.append([float(value) for value in values[:columns]])
    return grid


def test_labkey_s_grid(whole):
    table = wells_of(whole, "green")
    grid = labkey_grid(whole / "export" / "labkey.green.txt", 8, 12)
    assert grid[7][11] == -4
    for name, row in table.iterrows():
        value = grid[ord(name[0]) - ord("A")][int(name[1:]) - 1]
        code = {"too_numerous": -1}.get(row["status"], -3)
        assert value == (code if pd.isna(row["count"]) else row["count"])


def test_apex_marks_what_is_too_numerous(whole):
    sheets = openpyxl.load_workbook(whole / "export" / "apex.xlsx")
    about = dict(sheets["Plate Information"].iter_rows(min_row=2, max_col=2, values_only=True))
    assert "not of Apex" in about["Spot volume:"] and about["Machine ID:"] == "spotcore 0.1.0"
    header, *rows = sheets["Plate Database"].iter_rows(values_only=True)
    by_status: dict[str, set] = {}
    for row in (dict(zip(header, row, strict=True)) for row in rows):
        kind = row[SFU] if not isinstance(row[SFU], int) else int
        by_status.setdefault(row["Status"], set()).add(kind)
    assert by_status == {
        "counted": {int},
        "empty": {int},
        "too_numerous": {"TNTC"},
        "out_of_focus": {None},
        "no_well": {None},
        "rejected": {None},
    }


def test_rows_beyond_z_and_the_channel_without_a_name(tmp_path):
    folder = write_result(tmp_path / "OUT", 28, 1, size=24, statuses={}, layout=False)
    ctl, labkey = (export_folder(folder, format)[0] for format in ("ctl", "labkey"))
    assert (ctl.name, labkey.name) == ("ctl.txt", "labkey.txt")
    for path in (ctl, labkey):
        lines = path.read_text().splitlines()
        counts = pd.read_csv(folder / "wells.csv").set_index("well")["count"]
        assert f"Z\t{counts['Z1']}" in lines and f"AB\t{counts['AB1']}" in lines


def test_what_is_not_known_is_no_number(tmp_path):
    """Without a calibration there is no grid of sizes; of an edited well only the count is left."""
    made = write_result(tmp_path / "made" / "OUT", 1, 2, pixel_size=None, statuses={})
    folder = copy_with_pictures(made, tmp_path)
    edit_once(folder / "wells" / "A1.run.json")
    (path,) = export_folder(folder, "ctl", edited=True)
    text = path.read_text()
    assert "Mean spot sizes" not in text
    covered = text.split("Well areas covered")[1]
    first = next(line for line in covered.splitlines() if line.startswith("A\t")).split("\t")
    assert first[1] == "-5" and float(first[2]) > 0


@pytest.mark.parametrize("format", FORMATS)
def test_pictures_have_no_grid(tmp_path, format):
    write_unit(tmp_path, "a", tmp_path / "a.png", np.random.default_rng(0))
    done = run("export", str(tmp_path), "-f", format)
    assert done.exit_code == 1 and "expected the result of a plate" in done.stderr
    assert not (tmp_path / "export").exists()


def test_the_command_writes_them_beside_each_other(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "OUT")
    shutil.rmtree(folder / "export")
    done = run("export", str(folder), "-f", ",".join(FORMATS))
    assert done.exit_code == 0, done.stderr
    written = {path.name for path in (folder / "export").iterdir()}
    channels = {
        f"{name}.{channel}.txt" for name in ("ctl", "labkey") for channel in ("green", "red")
    }
    assert written == channels | {"apex.xlsx"}
