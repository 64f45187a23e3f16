"""Folders and weights that spotcore 0.1.0 wrote open with today's code (`tests/data/0.1.0`)."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import openpyxl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from spotcore.commands.app import app
from spotcore.export import FORMATS, OF_PLATES, export_folder
from spotcore.export.document import SCHEMA
from spotcore.images.read import read_image
from spotcore.napari_plugin.layers import layers
from spotcore.plates import work
from spotcore.report import write_report
from spotcore.results import open_folder, open_well
from spotcore.results.edits import read_edit
from spotcore.results.names import PlateFiles, WellFiles
from spotcore.results.plate import PlateRecord, read_plate
from spotcore.results.record import Record, read_record
from spotcore.settings.table import TABLE
from support.fcs_reader import read_fcs
from support.plate_folder import table, times

OLD = Path(__file__).parents[1] / "data" / "0.1.0"
RECORDS = sorted(
    path for path in OLD.rglob("*.run.json") if not path.name.endswith(".edited.run.json")
)
OF_WELLS = ("plate/result", "colours/result")
FOLDERS = (*OF_WELLS, "detect/result", "network/result")


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A copy, in whose folder the pictures have the names that the records give them."""
    copy = shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(copy)
    return copy


def as_written(value):
    return json.loads(json.dumps(value))


def keys(value):
    """All keys, in their order."""
    if isinstance(value, dict):
        return [(key, keys(inner)) for key, inner in value.items()]
    return [keys(inner) for inner in value] if isinstance(value, list) else None


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.relative_to(OLD).as_posix())
def test_a_record_is_read_and_would_be_written_the_same(path):
    written = json.loads(path.read_text())
    again = as_written(read_record(path).as_json())
    assert again == written and keys(again) == keys(written)


def test_there_are_records_of_every_kind():
    records = [read_record(path) for path in RECORDS]
    assert {record.status for record in records} == {"counted", "rejected"}
    assert {type(record.solve).__name__ for record in records} == {"Solved", "Network", "NoneType"}
    assert any(record.well and record.well.staining for record in records)


@pytest.mark.parametrize("folder", ["plate", "colours"])
def test_the_record_of_a_plate(folder):
    path = PlateFiles(OLD / folder / "result").record
    written = json.loads(path.read_text())
    plate = read_plate(path)
    again = as_written(plate.as_json())
    assert again == written and keys(again) == keys(written)
    rows = table(path.with_name("wells.csv"))
    assert [well.well for well in plate.wells] == [row["well"] for row in rows]
    assert [well.count for well in plate.wells] == [
        int(row["count"]) if row["count"] else None for row in rows
    ]


def test_an_edit():
    files = WellFiles(OLD / "detect" / "result", "two")
    edit = read_edit(files)
    assert as_written(edit.as_json()) == json.loads(files.edited_record.read_text())
    assert (edit.by, edit.added, edit.removed) == ("Eve", 1, 1)


def test_a_record_of_before_there_was_a_status():
    """It has a count, and neither an interval nor what the status was judged by."""
    written = json.loads(RECORDS[0].read_text())
    new = ("status", "reason", "interval", "secretion", "artefacts", "settings_hash", "page")
    old = {key: value for key, value in written.items() if key not in new}
    old["well"] = {
        key: value
        for key, value in written["well"].items()
        if key not in ("confluence", "level", "width", "skewness", "focus")
    }
    old["solve"] = {"iterations": 5}
    for count, status in ((4, "counted"), (0, "empty")):
        record = Record.from_json(old | {"count": count})
        assert (record.status, record.count) == (status, count)
        assert record.interval is None and record.artefacts is None and record.solve is None
        assert record.well.circle is not None and record.well.staining is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"count": "4"}, "count: expected int, got '4'"),
        ({"count": True}, "count: expected int, got 'True'"),
        ({"interval": [1]}, "interval: expected 2 values"),
        ({"image": {"height": 3}}, "'image.width' is missing"),
        ({"well": {"circle": {"y": 1.0}}}, "'well.circle.x' is missing"),
        ({"settings": []}, "settings: expected an object"),
    ],
)
def test_a_record_of_something_else_is_refused(tmp_path, change, says):
    path = tmp_path / "A1.run.json"
    path.write_text(json.dumps(json.loads(RECORDS[0].read_text()) | change))
    with pytest.raises(ValueError, match=r"A1\.run\.json: no record of a picture") as refused:
        read_record(path)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rows": "2"}, "rows: expected int, got '2'"),
        ({"wells": None}, "wells: expected a list"),
        ({"wells": [{"well": "A1", "status": "empty"}]}, "'wells[0].name' is missing"),
    ],
)
def test_a_plate_s_record_of_something_else_is_refused(change, says):
    written = json.loads((OLD / "plate" / "result" / "plate.json").read_text())
    with pytest.raises(ValueError) as refused:
        PlateRecord.from_json(written | change)
    assert says in str(refused.value)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_report(old, folder):
    text = write_report(folder).read_text(encoding="utf-8")
    for well in open_folder(folder).wells:
        if well.record().status != "rejected":
            assert f"{well.name}: " not in text  # no note: its picture was found
    for name in ("replicates", "responses", "colours"):
        assert (f'id="{name}-title"' in text) == (old / folder / f"{name}.csv").exists()
    assert "0.1.0" in text


@pytest.mark.parametrize(
    ("folder", "format"),
    [(f, to) for f in FOLDERS for to in FORMATS if to not in OF_PLATES or f in OF_WELLS],
)
def test_exports(old, folder, format):
    result = open_folder(folder)
    paths = export_folder(folder, format)
    wells = result.wells
    spots = sum(
        len(table(well.files.cells)) for well in wells if well.record().status != "rejected"
    )
    if format == "json":
        document = json.loads(paths[0].read_text())
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))
        assert len(document["spots"]) == spots
    elif format == "xlsx":
        book = openpyxl.load_workbook(paths[0])
        assert book["wells"].max_row == 1 + len(wells) and book["spots"].max_row == 1 + spots
    elif format == "parquet":
        assert sum(pq.read_table(p).num_rows for p in paths if p.stem == "spots") == spots
    elif format == "fcs":
        assert sum(len(read_fcs(path)[1]) for path in paths) == spots
    elif format == "apex":
        assert openpyxl.load_workbook(paths[0])["Plate Database"].max_row == 1 + len(wells)
    else:
        held = "\n".join(path.read_text() for path in paths)
        assert all(f"\t{row.count}" in held for row in result.rows() if row.count is not None)


def test_an_export_is_the_one_of_then(old):
    then = (old / "plate/result/export/result.json").read_bytes()
    (path,) = export_folder("plate/result", "json")
    assert path.read_bytes() == then


def test_edited_spots_are_exported(old):
    (path,) = export_folder("detect/result", "json", edited=True)
    document = json.loads(path.read_text())
    rows = {row["well"]: row for row in document["wells"]}
    assert rows["two"]["reason"] == "edited by Eve" and rows["two"]["low"] is None
    assert [row["edited"] for row in document["spots"]].count("added") == 1


def test_layers(old):
    for path in sorted(old.rglob("*.run.json")):
        well = open_well(path)
        if well.record().status == "rejected":
            continue
        made, missing = layers(well)
        named = {options["name"]: data for data, options, _ in made}
        assert missing == ""
        np.testing.assert_array_equal(
            named[f"{well.name} image"], read_image(well.record().file).pixels
        )
        assert len(named[f"{well.name} marks"]) == (well.edit() or well.record()).count
        assert (f"{well.name} score" in named) == (well.name == "one")


def test_a_plate_goes_on_without_analysing_its_wells_again(old, monkeypatch):
    """As long as the version is the same; the refused picture is believed too."""
    monkeypatch.setattr(work, "__version__", "0.1.0")
    (old / "plate/result/wells.csv").unlink()
    before, compared = times(old / "plate/result"), {}
    for name in ("replicates.csv", "responses.csv"):
        compared[name] = (old / "plate/result" / name).read_bytes()
    record = json.loads((old / "plate/result/plate.json").read_text())
    options = ["--format", "6", "--max-iter", "5", "--threads", "1", "--no-report"]
    arguments = ["plate/images", "-o", "plate/result", "--pattern", "{well}.png"]
    done = CliRunner().invoke(app, ["plate", *arguments, "--layout", "plate/layout.csv", *options])
    assert done.exit_code == 0, done.output
    assert times(old / "plate/result") == before
    now, then = (table(place / "plate/result/wells.csv") for place in (old, OLD))
    assert [{key: row[key] for key in then[0]} for row in now] == then
    for name, then in compared.items():
        assert (old / "plate/result" / name).read_bytes() == then
    now = json.loads((old / "plate/result/plate.json").read_text())
    later = {name: row.default for name, row in TABLE.items() if row.later}
    record["settings"] |= later
    for key in record.keys() - {"spotcore", "finished", "machine"}:
        assert now[key] == record[key], key


def test_a_network_of_then_still_runs(old, tmp_path):
    arguments = ["detect/images/two.png", "-o", str(tmp_path / "now"), "--threads", "1"]
    network = ["--method", "spotnet", "--network", "network/smoother.safetensors"]
    done = CliRunner().invoke(app, ["detect", *arguments, *network])
    assert done.exit_code == 0, done.output
    record = read_record(tmp_path / "now" / "two.run.json")
    then = read_record(old / "network/result/two.run.json")
    assert record.solve == then.solve and record.count > 0


def test_nothing_in_them_names_the_machine_that_made_them():
    texts = [path for path in OLD.rglob("*") if path.suffix in (".json", ".csv", ".md")]
    assert len(texts) > 40
    for path in texts:
        assert not re.search(r"/(home|root|tmp|work|Users)/|[A-Z]:\\\\", path.read_text()), path
