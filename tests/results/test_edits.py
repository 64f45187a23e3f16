"""Marks that a person corrected: compared, saved, read again, exported."""

from __future__ import annotations

import csv
import getpass
import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotcore.export import export_folder
from spotcore.export.document import SCHEMA
from spotcore.napari_plugin import layers
from spotcore.results import edits, open_well
from support.edited_folder import edit_once, table

pixels = st.tuples(st.integers(0, 19), st.integers(0, 29))
jitter = st.floats(-0.49, 0.49)


@given(
    st.lists(pixels, unique=True, max_size=12),
    st.lists(st.tuples(pixels, jitter, jitter), max_size=12),
    st.data(),
)
def test_an_edit_is_a_difference_of_sets(original, drawn, data):
    """Kept, removed and added against Python's sets, whatever the order and where in a pixel."""
    kept = data.draw(st.lists(st.sampled_from(original), unique=True)) if original else []
    marks = [*kept, *((y + dy, x + dx) for (y, x), dy, dx in drawn)]
    now = set(kept) | {pixel for pixel, _, _ in drawn}
    edit = edits.compare(original, data.draw(st.permutations(marks)), (20, 30))
    assert [pixel in now for pixel in original] == edit.kept.tolist()
    added = [tuple(pixel) for pixel in edit.added.tolist()]
    assert len(added) == len(set(added)) and set(added) == now - set(original)
    assert edit.count == len(now) and edit.removed == len(set(original) - now)


@pytest.mark.parametrize("mark", [(-0.6, 3), (3, -0.6), (19.5, 3), (3, 29.5), (np.nan, 3)])
def test_marks_outside_the_image_are_refused(mark):
    assert edits.compare([], [(-0.4, 29.4)], (20, 30)).count == 1
    with pytest.raises(ValueError, match=r"outside the image of 20 x 30|finite"):
        edits.compare([], [mark], (20, 30))


def test_an_edit_is_saved_beside_the_original(record):
    before = {path.name: path.read_bytes() for path in record.parent.iterdir()}
    about = edit_once(record)
    after = {path.name: path.read_bytes() for path in record.parent.iterdir()}
    assert set(after) - set(before) == {"A1.edited.cells.csv", "A1.edited.run.json"}
    assert all(after[name] == data for name, data in before.items())

    with open(record.with_name("A1.cells.csv"), newline="") as file:
        header, *original = csv.reader(file)
    with open(record.with_name("A1.edited.cells.csv"), newline="") as file:
        edited_header, *edited = csv.reader(file)
    assert edited_header == [*header, "edited"]
    assert [row[:-1] for row in edited[:-1]] == original  # to the character
    assert [row[-1] for row in edited] == ["removed", *[""] * (len(original) - 1), "added"]
    added = dict(zip(edited_header, edited[-1], strict=True))
    filled = {key: value for key, value in added.items() if value}
    assert filled == {"y": "2", "x": "8", "y_um": "13", "x_um": "52", "edited": "added"}

    assert json.loads(after["A1.edited.run.json"]) == about.as_json()
    assert (about.count, about.added, about.removed) == (len(original), 1, 1)
    assert about.original_count == len(original) and about.status == "counted"
    assert (about.by, about.reason) == ("Eve", "seen by eye")
    for key, name in (("table_sha256", "cells.csv"), ("edited_sha256", "edited.cells.csv")):
        assert getattr(about, key) == hashlib.sha256(after[f"A1.{name}"]).hexdigest()
    assert about.sha256 == json.loads(before["A1.run.json"])["sha256"]


def test_an_edit_opens_again_and_remembers_those_before(record):
    edit_once(record)
    path = record.with_name("A1.edited.run.json")
    data, options, _ = layers.layers(open_well(path))[0][-1]
    original = table(record)[["y", "x"]].to_numpy(float)
    np.testing.assert_array_equal(data, [*original[1:], (2, 8)])
    assert list(options["features"]["edited"]) == [""] * (len(original) - 1) + ["added"]
    assert options["metadata"]["spotcore"]["record"] == str(record)

    again = edits.save_edit(record, [*data, original[0]])  # the first one was a spot after all
    assert (again.added, again.removed, again.by) == (1, 0, getpass.getuser())
    assert [(e.by, e.removed) for e in again.history] == [("Eve", 1)]
    assert edits.save_edit(record, []).status == "empty"
    assert len(json.loads(path.read_text())["history"]) == 2


def test_an_edit_of_another_original_is_refused(record):
    digest = hashlib.sha256(record.with_name("A1.cells.csv").read_bytes()).hexdigest()
    edits.save_edit(record, [], table_sha256=digest)
    cells = record.with_name("A1.cells.csv")
    cells.write_text(cells.read_text().rsplit("\n", 2)[0] + "\n")  # as if it was counted anew
    with pytest.raises(ValueError, match=r"A1\.cells\.csv: has changed since"):
        edits.save_edit(record, [], table_sha256=digest)
    edited = record.with_name("A1.edited.run.json")
    for use in (
        lambda: layers.layers(open_well(edited)),
        lambda: export_folder(record.parents[1], "json", edited=True),
    ):
        with pytest.raises(ValueError, match=r"the edit is not of the A1\.cells\.csv"):
            use()
    edits.save_edit(record, [])
    table_path = record.with_name("A1.edited.cells.csv")
    table_path.write_text(table_path.read_text().replace("removed", "", 1))
    with pytest.raises(ValueError, match=r"the edit is not of the A1\.edited\.cells\.csv"):
        layers.layers(open_well(edited))


def test_a_folder_of_detect_with_edits_is_still_one_of_its_images(record):
    edit_once(record)
    (path,) = export_folder(record.parent, "json")
    assert {row["well"] for row in json.loads(path.read_text())["wells"]} == {"A1", "A2", "A3"}


def test_edited_tables_are_exported_where_asked_for(record, plate):
    about = edit_once(record)
    (path,) = export_folder(plate, "json")
    assert "edited" not in json.loads(path.read_text())["spots"][0]
    (path,) = export_folder(plate, "json", edited=True)
    document = json.loads(path.read_text())
    schema = json.loads(SCHEMA.read_text())
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(document, schema)
    spots = [row for row in document["spots"] if row["well"] == "A1"]
    assert len(spots) == about.count
    assert [row["edited"] for row in spots] == [None] * (len(spots) - 1) + ["added"]
    (well,) = [row for row in document["wells"] if row["well"] == "A1"]
    assert (well["count"], well["low"], well["secretion"]) == (about.count, None, None)
    assert well["reason"] == "edited by Eve"
    # They are of the original counts.
    assert not {"replicates", "responses"} & set(document)
