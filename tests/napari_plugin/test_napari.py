"""The plugin of napari: files to layers and edited marks to files, with and without napari."""

from __future__ import annotations

import csv
import getpass
import hashlib
import importlib.util
import json
import shutil
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotcore._files import write_png
from spotcore.export import export_folder
from spotcore.images.read import read_image
from spotcore.napari_plugin import edits, reader, result
from support.result_folder import write_result

PLUGIN = Path(result.__file__).parent
needs_napari = pytest.mark.skipif(
    importlib.util.find_spec("napari") is None, reason="napari is not installed (extra napari)"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_result(tmp_path_factory.mktemp("plate") / "OUT", 1, 3, maps=True)


@pytest.fixture
def plate(made, tmp_path):
    images = shutil.copytree(made.parent / "images", tmp_path / "images")
    folder = shutil.copytree(made, tmp_path / "OUT")
    for path in folder.glob("wells/*.run.json"):
        about = json.loads(path.read_text())
        path.write_text(json.dumps(about | {"file": str(images / Path(about["file"]).name)}))
    return folder


@pytest.fixture
def record(plate):
    """Of a counted well."""
    return plate / "wells" / "A1.run.json"


def table(record, end="cells.csv"):
    return pd.read_csv(str(record).replace("run.json", end))


def by_name(layers):
    return {options["name"]: (data, options, kind) for data, options, kind in layers}


def test_a_result_becomes_layers(record):
    read = reader.get_reader(str(record))
    layers = read(str(record))
    assert [options["name"] for _, options, _ in layers] == [
        "A1 image",
        "A1 signal",
        "A1 score",
        "A1 fit",
        "A1 well",
        "A1 artefacts",
        "A1 marks",
    ]
    named = by_name(layers)
    about = json.loads(record.read_text())
    for data, options, _ in layers:
        assert options["scale"] == (6.5, 6.5) and options["units"] == ("µm", "µm")
        assert options.get("visible", True) == (
            options["name"] in ("A1 image", "A1 well", "A1 marks")
        )
        assert np.isfinite(np.asarray(data)).all()

    image, options, kind = named["A1 image"]
    assert kind == "image" and options["contrast_limits"] == (0, 255)
    np.testing.assert_array_equal(image, read_image(about["file"]).pixels)
    maps = np.load(record.with_name("A1.maps.npz"))
    for name in ("signal", "score", "fit"):
        np.testing.assert_array_equal(named[f"A1 {name}"][0], maps[name])

    circle = about["well"]["circle"]
    for corners, radius in zip(
        named["A1 well"][0], (circle["radius"], circle["radius"] - circle["rim"]), strict=True
    ):
        np.testing.assert_allclose(corners.mean(axis=0), [circle["y"], circle["x"]])
        np.testing.assert_allclose(np.ptp(corners, axis=0), 2 * radius)

    for name, end in (("A1 marks", "cells.csv"), ("A1 artefacts", "artefacts.csv")):
        points, options, kind = named[name]
        oracle = table(record, end)
        assert kind == "points"
        np.testing.assert_array_equal(points, oracle[["y", "x"]])
        pd.testing.assert_frame_equal(
            pd.DataFrame(options["features"]), oracle, check_dtype=False, rtol=0, atol=0
        )


def test_an_empty_well_and_one_without_an_edge(plate):
    empty = by_name(result.layers(result.open_result(plate / "wells" / "A2.run.json")))
    assert empty["A2 marks"][0].shape == (0, 2)
    path = plate / "wells" / "A3.run.json"
    about = json.loads(path.read_text())
    about["well"]["circle"], about["image"]["pixel_size_um"] = None, None
    path.write_text(json.dumps(about))
    path.with_name("A3.maps.npz").unlink()
    bare = by_name(result.layers(result.open_result(path)))
    assert set(bare) == {"A3 image", "A3 artefacts", "A3 marks"}
    assert "scale" not in bare["A3 image"][1]


def test_colours_are_shown_as_they_are(record):
    about = json.loads(record.read_text())
    path = Path(about["file"])
    colours = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    write_png(path, colours)
    record.write_text(json.dumps(about | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))
    data, options, _ = result.layers(result.open_result(record))[0]
    assert options["rgb"] and data.max() <= 1
    np.testing.assert_allclose(255 * data, colours, atol=1e-4)


def test_the_image_is_found_beside_the_result_or_missed(record):
    about = json.loads(record.read_text())
    path = Path(about["file"])
    record.write_text(json.dumps(about | {"file": f"/moved/since/{path.name}"}))
    shutil.copy(path, record.parents[1] / path.name)
    assert result.open_result(record).picture is not None

    write_png(record.parents[1] / path.name, np.zeros((96, 96), np.uint8))
    with pytest.warns(UserWarning, match="another digest"):
        layers = reader.get_reader([str(record)])([str(record)])
    assert layers[-1][1]["name"] == "A1 marks" and "A1 image" not in by_name(layers)
    (record.parents[1] / path.name).unlink()
    with pytest.warns(UserWarning, match="not there"):
        reader.get_reader([str(record)])([str(record)])


def test_other_files_are_not_ours():
    assert reader.get_reader("A1.cells.csv") is None
    assert reader.get_reader(["A1.run.json", "A1.png"]) is None


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


def edit_once(record, by="Eve"):
    """Remove the first mark, move the second by a hair, add one."""
    marks = table(record)[["y", "x"]].to_numpy(float)[1:]
    marks[0] += 0.3
    return edits.save_edit(record, [*marks, (2.2, 7.9)], by=by, reason="seen by eye")


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

    assert json.loads(after["A1.edited.run.json"]) == about
    assert (about["count"], about["added"], about["removed"]) == (len(original), 1, 1)
    assert about["original_count"] == len(original) and about["status"] == "counted"
    assert (about["by"], about["reason"]) == ("Eve", "seen by eye")
    for key, name in (("table_sha256", "cells.csv"), ("edited_sha256", "edited.cells.csv")):
        assert about[key] == hashlib.sha256(after[f"A1.{name}"]).hexdigest()
    assert about["sha256"] == json.loads(before["A1.run.json"])["sha256"]


def test_an_edit_opens_again_and_remembers_those_before(record):
    edit_once(record)
    path = record.with_name("A1.edited.run.json")
    data, options, _ = result.layers(result.open_result(path))[-1]
    original = table(record)[["y", "x"]].to_numpy(float)
    np.testing.assert_array_equal(data, [*original[1:], (2, 8)])
    assert list(options["features"]["edited"]) == [""] * (len(original) - 1) + ["added"]
    assert options["metadata"]["spotcore"]["record"] == str(record)

    again = edits.save_edit(record, [*data, original[0]])  # the first one was a spot after all
    assert (again["added"], again["removed"], again["by"]) == (1, 0, getpass.getuser())
    assert [(e["by"], e["removed"]) for e in again["history"]] == [("Eve", 1)]
    assert edits.save_edit(record, [])["status"] == "empty"
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
        lambda: result.open_result(edited),
        lambda: export_folder(record.parents[1], "json", edited=True),
    ):
        with pytest.raises(ValueError, match=r"the edit is not of the A1\.cells\.csv"):
            use()
    edits.save_edit(record, [])
    table_path = record.with_name("A1.edited.cells.csv")
    table_path.write_text(table_path.read_text().replace("removed", "", 1))
    with pytest.raises(ValueError, match=r"the edit is not of the A1\.edited\.cells\.csv"):
        result.open_result(edited)


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
    schema = json.loads((PLUGIN.parent / "export" / "result.schema.json").read_text())
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(document, schema)
    spots = [row for row in document["spots"] if row["well"] == "A1"]
    assert len(spots) == about["count"]
    assert [row["edited"] for row in spots] == [None] * (len(spots) - 1) + ["added"]
    (well,) = [row for row in document["wells"] if row["well"] == "A1"]
    assert (well["count"], well["low"], well["secretion"]) == (about["count"], None, None)
    assert well["reason"] == "edited by Eve"
    # They are of the original counts.
    assert not {"replicates", "responses"} & set(document)


def test_a_folder_without_a_table_says_so(record):
    record.with_name("A1.cells.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"A1\.cells\.csv: expected columns y and x"):
        result.open_result(record)


def test_the_package_names_its_manifest():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["napari.manifest"]
    assert named == {project["name"]: "spotcore.napari_plugin:napari.yaml"}
    assert (PLUGIN / "napari.yaml").exists()


@pytest.fixture
def napari():
    """napari with our manifest, whichever one is installed; its own warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import napari.components
        import npe2

        manager = npe2.PluginManager.instance()
        if "spotcore" not in manager:
            manager.register(npe2.PluginManifest.from_file(PLUGIN / "napari.yaml"))
        yield napari


@needs_napari
def test_the_manifest_is_valid(napari):
    import npe2

    manifest = npe2.PluginManifest.from_file(PLUGIN / "napari.yaml")
    manifest.validate_imports()
    (contribution,) = manifest.contributions.readers
    assert contribution.filename_patterns == ["*.run.json"]


@needs_napari
def test_napari_opens_a_result(napari, record, plate):
    viewer = napari.components.ViewerModel()
    viewer.open(str(record), plugin="spotcore")
    assert [layer.name for layer in viewer.layers][-2:] == ["A1 artefacts", "A1 marks"]
    marks = viewer.layers["A1 marks"]
    pd.testing.assert_frame_equal(marks.features, table(record), check_dtype=False)
    assert not viewer.layers["A1 artefacts"].visible and not viewer.layers["A1 score"].visible
    assert tuple(viewer.layers["A1 image"].scale) == (6.5, 6.5)
    viewer.open(str(plate / "wells" / "A2.run.json"), plugin="spotcore")
    viewer.layers["A2 marks"].add([3, 4])  # the first mark of an empty well
    assert len(viewer.layers["A2 marks"].data) == 1


@needs_napari
def test_the_widget_counts_and_saves(napari, record, monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    pytest.importorskip("qtpy")
    # Where a system's library is missing, such as libEGL, the reason says which one.
    widgets = pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    from spotcore.napari_plugin.widget import EditMarks

    application = widgets.QApplication.instance() or widgets.QApplication([])
    viewer = napari.components.ViewerModel()
    widget = EditMarks(viewer)
    assert not widget.save.enabled and "Open NAME.run.json" in widget.count.value
    viewer.open(str(record), plugin="spotcore")
    marks = viewer.layers["A1 marks"]
    viewer.layers.selection.active = marks
    n = len(marks.data)
    assert widget.save.enabled and f"{n} spots" in widget.count.value

    marks.add([2.2, 7.9])
    assert marks.features.iloc[-1].isna().all()  # not those of the mark that was selected last
    marks.selected_data = {0}
    marks.remove_selected()
    assert "1 added, 1 removed" in widget.count.value
    viewer.layers.selection.active = viewer.layers["A1 image"]
    assert "1 added, 1 removed" in widget.count.value
    widget.by.value, widget.reason.value = "Eve", "by eye"
    widget.save.native.click()
    about = json.loads(record.with_name("A1.edited.run.json").read_text())
    assert (about["count"], about["added"], about["removed"]) == (n, 1, 1)
    assert (about["by"], about["reason"]) == ("Eve", "by eye")

    marks.add([-5, 3])
    assert "outside the image" in widget.count.value
    application.processEvents()
