"""Names that people and file systems make: none of them costs more than its own row."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import flowio
import numpy as np
import openpyxl
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotcore._files import as_cell, of_cell, one_line, readable, write_csv, write_png
from spotcore.export import FORMATS
from spotcore.results import open_folder
from spotcore.results.read import read_rows
from spotcore.simulation.demo import plate_like
from support.command_line import run

ODD = [
    b"bad\xff\xfe",
    b"new\nline",
    b".hidden",
    b"back\\slash",
    b"=1+1",
    b"@x",
    b"-dash",
    b"+plus",
    "üml̈aut 😀".encode(),
    b"CON",
    b"   ",
    b"a" * 240,
    b"tab\there",
    b'quote"',
    b"a,b",
    b"<b>",
]


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one picture by all these names."""
    folder = tmp_path_factory.mktemp("odd")
    write_png(folder / "base.png", plate_like(8, 72, seed=1)[0])
    (folder / "in").mkdir()
    paths = [os.path.join(os.fsencode(folder / "in"), name + b".png") for name in ODD]
    for path in paths:
        shutil.copy(folder / "base.png", path)
    result = run("detect", *map(os.fsdecode, paths), "-o", folder / "out", "--max-iter", 5)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == len(ODD)
    return folder / "out"


def test_all_are_opened_and_reported(detected: Path) -> None:
    names = {well.files.name for well in open_folder(detected).wells}
    assert names == {os.fsdecode(name) for name in ODD}
    assert run("report", detected).exit_code == 0
    page = (detected / "report.html").read_text(encoding="utf-8")
    assert "back\\slash" in page and "&lt;b&gt;" in page


@pytest.mark.parametrize("format", ["xlsx", "json", "parquet", "fcs"])
def test_all_are_exported(detected: Path, format: str) -> None:
    assert format in FORMATS
    result = run("export", detected, "--format", format)
    assert result.exit_code == 0, result.stderr
    out = detected / "export"
    wells = {readable(os.fsdecode(name)) for name in ODD}
    if format == "xlsx":
        sheet = openpyxl.load_workbook(out / "result.xlsx")["wells"]
        assert sheet.max_row == len(ODD) + 1
    if format == "json":
        held = json.loads((out / "result.json").read_text(encoding="utf-8"))
        assert {row["well"] for row in held["wells"]} == wells
    if format == "parquet":
        table = pyarrow.parquet.read_table(out / "wells.parquet")
        assert set(table["well"].to_pylist()) == wells
    if format == "fcs":
        for name in ODD:
            path = out / f"{os.fsdecode(name)}.fcs"
            assert flowio.FlowData(str(path)).event_count > 0


def test_a_plate_s_table_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, (well, name) in enumerate(
        zip(("A1", "A2", "A3"), (b"\xff", b"\n", b"=1"), strict=True)
    ):
        write_png(tmp_path / "picture.png", plate_like(8, 72, seed=seed)[0])
        path = os.path.join(os.fsencode(folder), well.encode() + b"_" + name + b".png")
        shutil.move(tmp_path / "picture.png", path)
    pattern = ["--pattern", "{well}_*.png", "--format", 6, "--max-iter", 5]
    assert run("plate", folder, "-o", tmp_path / "out", *pattern).exit_code == 0
    assert len(list(read_rows(tmp_path / "out" / "wells.csv"))) == 3
    assert run("export", tmp_path / "out", "--format", "xlsx").exit_code == 0


def test_a_well_without_spots_has_events_that_flowio_reads(tmp_path: Path) -> None:
    y, x = np.ogrid[:128, :128]
    disc = np.hypot(y - 64, x - 64) < 58
    write_png(tmp_path / "empty.png", np.where(disc, 200, 255).astype(np.uint8))
    out = tmp_path / "out"
    assert run("detect", tmp_path / "empty.png", "-o", out).exit_code == 0
    assert run("export", out, "--format", "fcs").exit_code == 0
    data = flowio.FlowData(str(out / "export" / "empty.fcs"))
    assert data.event_count == 0
    assert data.as_array().shape == (0, data.channel_count)


@given(st.text(max_size=20))
def test_a_cell_is_harmless_and_comes_back(text: str) -> None:
    cell = as_cell(text)
    assert of_cell(cell) == readable(text)
    try:
        float(cell)
    except ValueError:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert "\n" not in one_line(text)


def test_a_table_s_texts_are_harmless_and_its_numbers_are_numbers(tmp_path: Path) -> None:
    texts = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\tx", "'=already", "plain", "-3.5"]
    write_csv(tmp_path / "a.csv", {"text": texts, "number": [-1.5] * len(texts)})
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert [cell["number"] for cell in cells] == ["-1.5"] * len(texts)
    assert all(cell["text"][0] not in "=+@\t\r" for cell in cells)
    assert cells[-1]["text"] == "-3.5"  # a number that came as text stays one
    assert [row["text"] for _, row in read_rows(tmp_path / "a.csv")] == texts
