"""Results in other formats: every row, every type, the provenance, no formula."""

from __future__ import annotations

import json
import sys
import tracemalloc
import zipfile

import jsonschema
import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from spotcore.export import FORMATS, OF_PLATES, export_folder
from spotcore.export import xlsx as xlsx_module
from spotcore.export.document import SCHEMA
from spotcore.results import open_folder
from support.command_line import run
from support.exported import EVIL, all_spots, same
from support.fcs_reader import read_fcs
from support.result_folder import write_result


def test_a_workbook_has_every_table_and_calculates_nothing(plate):
    (path,) = export_folder(plate, "xlsx")
    assert path == plate / "export" / "result.xlsx"
    sheets = pd.read_excel(path, sheet_name=None, engine="openpyxl", dtype={"sample": str})
    assert list(sheets) == [
        "wells",
        "spots",
        "layout",
        "replicates",
        "responses",
        "colours",
        "provenance",
    ]
    same(sheets["spots"], all_spots(plate))
    for name in ("wells", "replicates", "responses", "colours"):
        oracle = pd.read_csv(plate / f"{name}.csv", dtype={"sample": str})
        same(sheets[name], oracle)
    assert set(sheets["layout"]["sample"]) == {EVIL, "007"}

    book = openpyxl.load_workbook(path)
    for sheet in book:
        assert sheet.freeze_panes == "A2" and sheet["A1"].font.bold
        assert all(9 <= d.width < 61 for d in sheet.column_dimensions.values())
    evil = next(c for c in book["layout"]["B"] if c.value == EVIL)
    assert evil.data_type == "s" and evil.quotePrefix
    assert book["wells"]["D2"].data_type == "n" and book["spots"]["G2"].data_type == "n"
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            assert b"<f>" not in archive.read(name) and b'"str"' not in archive.read(name)

    provenance = dict(book["provenance"].iter_rows(min_row=2, values_only=True))
    record = json.loads((plate / "plate.json").read_text())
    assert provenance["settings_hash"] == record["settings_hash"]
    assert provenance["settings.preset"] == "auto" and provenance["settings.lam"] is None
    assert provenance["wells.3.sha256"] == record["wells"][3]["sha256"]
    assert provenance["layout.0.sample"] == EVIL


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "#N/A", "#REF!", "<r><t>", "a\x00b"]
)
def test_text_stays_text_in_a_workbook(plate, text):
    record = json.loads((plate / "plate.json").read_text())
    record["pattern"] = text
    (plate / "plate.json").write_text(json.dumps(record))
    (path,) = export_folder(plate, "xlsx")
    sheet = openpyxl.load_workbook(path)["provenance"]
    cell = next(row[1] for row in sheet.iter_rows() if row[0].value == "pattern")
    assert cell.data_type == "s" and cell.value.lstrip(" ") == text.replace(
        "\x00", "\N{REPLACEMENT CHARACTER}"
    )


def test_a_text_that_no_cell_holds_is_refused_not_cut(plate):
    record = json.loads((plate / "plate.json").read_text())
    record["pattern"] = "x" * 40_000
    (plate / "plate.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="40000 characters"):
        export_folder(plate, "xlsx")
    assert not list((plate / "export").iterdir())


@pytest.mark.parametrize("limit", [2, 7, 50])
def test_a_sheet_that_is_full_goes_on_in_another(plate, monkeypatch, limit):
    monkeypatch.setattr(xlsx_module, "MAX_ROWS", limit)
    (path,) = export_folder(plate, "xlsx")
    sheets = pd.read_excel(path, sheet_name=None, engine="openpyxl")
    parts = [sheet for name, sheet in sheets.items() if name.startswith("spots")]
    oracle = all_spots(plate)
    assert max(len(part) for part in parts) == limit - 1
    assert len(parts) == -(-len(oracle) // (limit - 1))
    # A part whose values are all missing has no type.
    assert [*pd.concat(parts)["secretion"]] == [*oracle["secretion"]]


def test_the_document_is_what_its_schema_says(plate):
    (path,) = export_folder(plate, "json", plate / "elsewhere")
    assert path == plate / "elsewhere" / "result.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(document)
    assert document["provenance"] == json.loads((plate / "plate.json").read_text())
    same(pd.DataFrame(document["spots"]), all_spots(plate))
    same(pd.DataFrame(document["wells"]), pd.read_csv(plate / "wells.csv"))
    assert {row["sample"] for row in document["layout"]} == {EVIL, "007"}
    assert {row["response"] for row in document["responses"]} == {True, False}
    assert document["spots"][0]["channel"] == "green"

    # The schema can say no.
    uncounted = next(row for row in document["wells"] if row["status"] == "too_numerous")
    assert uncounted["count"] is None
    for table, column, wrong in [
        ("wells", "count", -1),
        ("wells", "status", "fine"),
        ("spots", "y", None),
        ("spots", "score", "high"),
    ]:
        broken = json.loads(path.read_text())
        broken[table][0][column] = wrong
        assert not validator.is_valid(broken), (table, column)
    uncounted["count"] = 400
    assert not validator.is_valid(document)


def test_parquet_is_typed_and_knows_where_it_comes_from(plate):
    paths = export_folder(plate, "parquet")
    names = ["wells", "layout", "replicates", "responses", "colours", "spots"]
    assert [path.name for path in paths] == [f"{name}.parquet" for name in names]
    record = json.loads((plate / "plate.json").read_text())
    for path in paths:
        assert json.loads(pq.read_schema(path).metadata[b"spotcore"]) == record
    spots, wells = pq.read_table(paths[-1]), pq.read_table(paths[0])
    assert {str(t) for t in spots.schema.types} == {"string", "double"}
    same(spots.to_pandas(), all_spots(plate))
    types = dict(zip(wells.schema.names, map(str, wells.schema.types), strict=True))
    assert types["count"] == "int64" and types["reason"] == "string" and types["low"] == "double"
    oracle = pd.read_csv(plate / "wells.csv")["count"]
    assert wells["count"].null_count == oracle.isna().sum() > 0
    replicates = pq.read_table(paths[2])
    assert str(replicates.schema.field("sample").type) == "string"
    assert set(replicates["sample"].to_pylist()) == {EVIL, "007"}
    assert str(pq.read_schema(paths[3]).field("response").type) == "bool"


def test_types_do_not_depend_on_the_values(tmp_path):
    """A plate on which nothing was counted has the columns' types of any other."""
    statuses = {f"{row}{column}": "no_well" for row in "AB" for column in (1, 2, 3)}
    full = write_result(tmp_path / "full" / "OUT", 2, 3, layout=False, statuses={})
    none = write_result(tmp_path / "none" / "OUT", 2, 3, layout=False, statuses=statuses)
    for name in ("wells", "spots"):
        schemas = []
        for folder in (full, none):
            export_folder(folder, "parquet")
            schemas.append(pq.read_schema(folder / "export" / f"{name}.parquet").remove_metadata())
        assert schemas[0] == schemas[1]


@pytest.mark.parametrize("format", sorted(set(FORMATS) - set(OF_PLATES)))
def test_the_folder_of_detect(plate, format):
    """Without plate.json the images are the wells, and their records the provenance."""
    folder = plate / "wells"
    paths = export_folder(folder, format)
    result = open_folder(folder)
    names = sorted(path.name.removesuffix(".run.json") for path in folder.glob("*.run.json"))
    assert [row[0] for row in result.tables[0].rows] == names
    oracle = pd.read_csv(plate / "wells.csv")
    assert [row[3] for row in result.tables[0].rows] == oracle["count"].replace(
        {np.nan: None}
    ).tolist()
    if format == "json":
        document = json.loads(paths[0].read_text())
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))
        record = json.loads((folder / f"{names[0]}.run.json").read_text())
        assert document["provenance"]["wells"][0] == {"name": names[0], **record}
        assert len(document["spots"]) == len(all_spots(plate))
    elif format == "fcs":
        assert read_fcs(paths[0])[0]["$WELLID"] == names[0]


def test_wells_need_not_have_the_same_columns(plate):
    """σ grids found per image give profiles of different lengths; a network gives none."""
    path = plate / "wells" / "A1.green.cells.csv"
    pd.read_csv(path)[["y", "x", "score"]].to_csv(path, index=False)
    other = plate / "wells" / "A3.green.cells.csv"
    pd.read_csv(other).assign(share_5=0.25).to_csv(other, index=False)
    (path,) = export_folder(plate, "json")
    oracle = all_spots(plate)
    spots = pd.DataFrame(json.loads(path.read_text())["spots"])
    assert set(spots.columns) == set(oracle.columns)
    same(spots[list(oracle.columns)], oracle)


def test_an_image_that_failed_has_no_table(plate):
    """A file that could not be read leaves a row in wells.csv and nothing else."""
    for path in (plate / "wells").glob("A1.red.*"):
        path.unlink()
    export_folder(plate, "fcs")
    keywords, events, _ = read_fcs(plate / "export" / "A1.red.fcs")
    assert len(events) == 0 and keywords["SPOTCORE_RUN"] == "{}"


@pytest.mark.parametrize(
    ("file", "spoil", "message"),
    [
        ("wells/A3.red.cells.csv", lambda t: t + "1,2,3\n", r"A3\.red\.cells\.csv, line \d+"),
        (
            "wells/A3.red.cells.csv",
            lambda t: t.rstrip("\n") + ",7\n",
            r"expected \d+ fields, got \d+",
        ),
        ("wells/A3.red.cells.csv", lambda t: t.replace("0.", "zero.", 1), "expected float"),
        (
            "wells.csv",
            lambda t: t.replace("counted,", "counted,1.5", 1),
            r"wells\.csv: wells, row 1: expected int",
        ),
        (
            "wells.csv",
            lambda t: t.replace("status", "state"),
            r"wells\.csv: expected columns status",
        ),
        ("plate.json", lambda t: t[:-9], r"plate\.json: expected JSON"),
        ("plate.json", lambda t: "[1]", "expected a JSON object, got list"),
        ("plate.json", lambda t: t.replace('"A1.red"', '"../../A1"'), "is no plain name"),
        (
            "plate.json",
            lambda t: t.replace('"name"', '"nom"'),
            r"plate\.json: no record of a plate \('wells\[\d+\]\.name' is missing",
        ),
    ],
)
@pytest.mark.parametrize("format", ["json", "xlsx", "parquet", "fcs"])
def test_a_damaged_result_is_named_and_nothing_half_written(plate, format, file, spoil, message):
    path = plate / file
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=message):
        export_folder(plate, format)
    left = plate / "export"
    names = [p.name for p in left.iterdir()] if left.exists() else []
    assert not any(name.endswith(".part") for name in names)
    assert not {"result.json", "result.xlsx", "spots.parquet", "A3.red.fcs"} & set(names)


def test_memory_does_not_grow_with_the_number_of_wells(plate):
    well = plate / "wells" / "A1.green.cells.csv"
    table = pd.read_csv(well)
    pd.concat([table] * (1000 // len(table))).to_csv(well, index=False)
    record = json.loads((plate / "plate.json").read_text())
    entry = record["wells"][0]
    peaks = []
    for wells in (2, 8):
        record["wells"] = [entry] * wells
        (plate / "plate.json").write_text(json.dumps(record))
        tracemalloc.start()
        (path,) = export_folder(plate, "json")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(json.loads(path.read_text())["spots"]) > 900 * wells
    # 6000 more spots of 20 numbers would be 3 MB as numbers of Python.
    assert peaks[1] < peaks[0] + 100_000


def test_the_command_lists_what_it_wrote(plate, tmp_path):
    result = run(
        "export", plate, "-f", "json", "-f", "parquet", "-f", "json", "-o", tmp_path / "a" / "b"
    )
    assert result.exit_code == 0, result.output
    paths = result.stdout.split()
    assert len(paths) == 7 and paths[0] == str(tmp_path / "a" / "b" / "result.json")
    as_json = run("export", plate, "-f", "xlsx", "--json")
    assert json.loads(as_json.stdout) == {
        "format": "xlsx",
        "file": str(plate / "export" / "result.xlsx"),
    }
    quiet = run("export", plate, "-f", "json", "--quiet")
    assert quiet.exit_code == 0 and quiet.stdout == ""


def test_the_command_says_what_is_wrong(plate, tmp_path, monkeypatch):
    empty = run("export", tmp_path, "-f", "json")
    assert empty.exit_code == 1 and "holds no result" in empty.stderr
    assert run("export", plate, "-f", "pdf").exit_code == 2
    assert run("export", plate).exit_code == 2
    with pytest.raises(ValueError, match="format: expected one of xlsx, json, parquet, fcs"):
        export_folder(plate, "pdf")
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    without = run("export", plate, "-f", "xlsx")
    assert without.exit_code == 1 and "pip install 'spotcore[export]'" in without.stderr
