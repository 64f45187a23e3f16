"""The plugin of napari: files to layers and edited marks to files, with and without napari."""

from __future__ import annotations

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

from spotcore._files import write_png
from spotcore.images.read import read_image
from spotcore.napari_plugin import layers, reader
from spotcore.results import WellFiles, open_well
from support.edited_folder import table

PLUGIN = Path(layers.__file__).parent
needs_napari = pytest.mark.skipif(
    importlib.util.find_spec("napari") is None, reason="napari is not installed (extra napari)"
)


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
    with np.load(record.with_name("A1.maps.npz")) as maps:
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
    empty = by_name(layers.layers(open_well(plate / "wells" / "A2.run.json"))[0])
    assert empty["A2 marks"][0].shape == (0, 2)
    path = plate / "wells" / "A3.run.json"
    about = json.loads(path.read_text())
    about["well"]["circle"], about["image"]["pixel_size_um"] = None, None
    path.write_text(json.dumps(about))
    path.with_name("A3.maps.npz").unlink()
    bare = by_name(layers.layers(open_well(path))[0])
    assert set(bare) == {"A3 image", "A3 artefacts", "A3 marks"}
    assert "scale" not in bare["A3 image"][1]


def test_colours_are_shown_as_they_are(record):
    about = json.loads(record.read_text())
    path = Path(about["file"])
    colours = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    write_png(path, colours)
    record.write_text(json.dumps(about | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))
    data, options, _ = layers.layers(open_well(record))[0][0]
    assert options["rgb"] and data.max() <= 1
    np.testing.assert_allclose(255 * data, colours, atol=1e-4)


def test_the_image_is_found_beside_the_result_or_missed(record):
    about = json.loads(record.read_text())
    path = Path(about["file"])
    record.write_text(json.dumps(about | {"file": f"/moved/since/{path.name}"}))
    shutil.copy(path, record.parents[1] / path.name)
    assert open_well(record).picture().sha256 == about["sha256"]

    write_png(record.parents[1] / path.name, np.zeros((96, 96), np.uint8))
    with pytest.warns(UserWarning, match="another digest"):
        layers = reader.get_reader([str(record)])([str(record)])
    assert layers[-1][1]["name"] == "A1 marks" and "A1 image" not in by_name(layers)
    (record.parents[1] / path.name).unlink()
    with pytest.warns(UserWarning, match="missing"):
        reader.get_reader([str(record)])([str(record)])


def test_other_files_are_not_ours():
    assert reader.get_reader("A1.cells.csv") is None
    assert reader.get_reader(["A1.run.json", "A1.png"]) is None


def test_a_folder_without_a_table_says_so(record):
    record.with_name("A1.cells.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"A1\.cells\.csv: expected columns y and x"):
        layers.layers(open_well(record))


def test_the_package_names_its_manifest():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["napari.manifest"]
    assert named == {project["name"]: "spotcore.napari_plugin:napari.yaml"}
    # The manifest cannot ask `spotcore.results.names` what records are called.
    pattern = f"*{WellFiles(Path(), '').record}"
    assert f"filename_patterns: [{json.dumps(pattern)}]" in (PLUGIN / "napari.yaml").read_text()


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
