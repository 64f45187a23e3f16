"""The one reader of JSON and CSV, and what makes typed classes and tables of their text."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotcore.results.columns import COLUMNS, WELLS
from spotcore.results.decode import decode
from spotcore.results.names import PlateFiles, WellFiles, plain_name
from spotcore.results.plate import WellRow
from spotcore.results.read import read_header, read_json, read_marks, read_numbers, read_rows
from spotcore.results.table import parse, typed
from spotcore.results.write import write_table


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "expected JSON"),
        (b"\xff", "expected JSON"),
        (b"[]", "expected a JSON object, got list"),
        (b'{"secretion": NaN}', "expected JSON (got NaN)"),
        (b'{"secretion": -Infinity}', "expected JSON (got -Infinity)"),
        (b"[" * 100_000, "expected JSON"),
    ],
)
def test_what_is_no_json_object_is_named(tmp_path, content, says):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.json: {re.escape(says)}"):
        read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "expected a table with a header, got none"),
        (b"y,x\n1,2\n\n3\n", "line 4: expected 2 fields, got 1"),
        (b"y,x\n1,2,3\n", "line 2: expected 2 fields, got 3"),
        (b"y,x\n\xff,1\n", "expected a CSV table"),
        (b"y,x,y\n1,2,3\n", "expected columns of different names"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, says):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.csv") as refused:
        list(read_rows(path))
    assert says in str(refused.value)


def test_tables_are_read_as_text_or_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeffy,x,nearest\n\n1,2,\n3,4,5.5\n", encoding="utf-8")  # as Excel saves it
    assert read_header(path) == ["y", "x", "nearest"]
    assert [line for line, _ in read_rows(path)] == [3, 4]
    marks = read_marks(path)
    np.testing.assert_array_equal(marks.yx, [(1, 2), (3, 4)])
    assert marks.rows[0] == {"y": "1", "x": "2", "nearest": ""} and marks.counted == marks
    np.testing.assert_array_equal(read_numbers(path)["nearest"], [math.nan, 5.5])
    path.write_text("y,x\n1,two\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 2, x: expected a number, got 'two'"):
        read_numbers(path)


@pytest.mark.parametrize("position", ["two", "", "nan", "inf", "1e999"])
@pytest.mark.parametrize("name", ["y", "x"])
def test_marks_without_a_place_are_named(tmp_path, name, position):
    path = tmp_path / "a.csv"
    path.write_text(f"{name},{'x' if name == 'y' else 'y'}\n1,2\n{position},2\n")
    with pytest.raises(ValueError, match=rf"a\.csv, line 3, {name}: expected a .*{position}"):
        read_marks(path)


@given(st.lists(st.text("019.-+eanif ", max_size=6), min_size=1, max_size=5))
def test_a_column_is_as_narrow_as_its_values(texts):
    """Against Python: what is typed as a number is one, and no number becomes text."""
    table = typed("wells", [{"other": text} for text in texts])
    kind = table.columns["other"]
    missing = {"", "nan", "inf", "-inf"}
    for text, (value,) in zip(texts, table.rows, strict=True):
        assert value == parse(text, kind)
        if kind is str:
            assert value == (text or None)
        elif text in missing:
            assert value is None
        else:
            assert value == kind(text) or math.isinf(float(text))
    if kind is int:
        assert not any(part in text for text in texts if text not in missing for part in ".e")


@dataclass(frozen=True)
class Inner:
    number: float
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    inner: Inner | None
    pairs: tuple[tuple[int, int], ...] = ()
    free: Any = None


def test_decode():
    whole = decode(Outer, {"inner": {"number": 2, "new": 1}, "pairs": [[1, 2]], "free": [{}]})
    assert whole == Outer(Inner(2), ((1, 2),), [{}]) and isinstance(whole.inner.number, int)
    assert decode(Outer, {"inner": None}) == Outer(None)
    for value, says in (
        ({}, "'inner' is missing"),
        ({"inner": {}}, "'inner.number' is missing"),
        ({"inner": {"number": True}}, "inner.number: expected float, got 'True'"),
        ({"inner": {"number": 1, "kind": "c"}}, "inner.kind: expected 'a' or 'b', got 'c'"),
        ({"inner": None, "pairs": [[1]]}, "pairs[0]: expected 2 values, got '[1]'"),
        ({"inner": None, "pairs": 3}, "pairs: expected a list, got '3'"),
        ([], "value: expected an object, got '[]'"),
    ):
        with pytest.raises(ValueError) as refused:
            decode(Outer, value)
        assert str(refused.value) == says


def test_the_table_of_wells_has_one_definition():
    assert list(WellRow.__dataclass_fields__) == list(WELLS)


def test_a_table_of_other_columns_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="responses: expected columns"):
        write_table(PlateFiles(tmp_path), "responses", {"sample": []})
    path = write_table(PlateFiles(tmp_path), "colours", {name: [] for name in COLUMNS["colours"]})
    assert path == tmp_path / "colours.csv" and not (tmp_path / "responses.csv").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "a\\b", ".hidden"])
def test_names_that_lead_out_of_the_folder(name):
    with pytest.raises(ValueError, match="no plain name"):
        plain_name(name)
    assert plain_name("A1.red") == "A1.red"


def test_names_of_a_picture(tmp_path):
    files = WellFiles(tmp_path, "A1.red")
    assert WellFiles.of(files.record) == WellFiles.of(files.edited_record) == files
    names = [path.name for path in (*files.written, files.edited_cells)]
    ends = ("run.json", "cells.csv", "artefacts.csv", "overlay.png", "maps.npz")
    assert names == [*(f"A1.red.{end}" for end in ends), "A1.red.edited.cells.csv"]
