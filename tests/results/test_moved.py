"""A result that was moved opens by the report, by napari and by an export alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spotcore._files import write_png
from spotcore.export import export_folder
from spotcore.images.refusal import ImageError
from spotcore.napari_plugin.layers import layers
from spotcore.report import write_report
from spotcore.results import open_folder
from support.report_page import Parsed
from support.result_folder import write_result


@pytest.fixture
def made(tmp_path):
    """OUT beside images, whose paths the records give in full."""
    return write_result(tmp_path / "was" / "OUT", 1, 3, statuses={})


def notes(folder: Path) -> list[str]:
    """What the report says of pictures."""
    page = Parsed(write_report(folder).read_text(encoding="utf-8"))
    return [text for _, text in page.all("li") if text.startswith("A")]


def opens(folder: Path) -> None:
    """All three have the pictures, or the tables where they need no more."""
    assert notes(folder) == []
    for well in open_folder(folder).wells:
        made, missing = layers(well)
        assert missing == "" and made[0][1]["name"] == f"{well.name} image"
    (path,) = export_folder(folder, "json")
    assert len(json.loads(path.read_text())["wells"]) == 3


def test_moved_together(made, tmp_path):
    made.parent.rename(tmp_path / "is")
    opens(tmp_path / "is" / "OUT")


@pytest.mark.parametrize("where", ["OUT/wells", "OUT", ".", "OUT/images"])
def test_pictures_moved_to_the_result(made, tmp_path, where):
    target = made.parent / where
    target.mkdir(exist_ok=True)
    for picture in (made.parent / "images").iterdir():
        shutil.move(picture, target / picture.name)
    opens(made)


def test_the_result_moved_from_its_pictures(made, tmp_path):
    """They are where the records say."""
    (tmp_path / "elsewhere").mkdir()
    opens(Path(shutil.move(made, tmp_path / "elsewhere" / "OUT")))


def test_relative_names_are_looked_for_around_the_record(made, tmp_path, monkeypatch):
    for path in (made / "wells").glob("*.run.json"):
        about = json.loads(path.read_text())
        name = Path(about["file"]).name
        path.write_text(json.dumps(about | {"file": f"images/{name}"}))
    made.parent.rename(tmp_path / "is")
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    opens(tmp_path / "is" / "OUT")


def test_names_of_another_system(made, tmp_path):
    for path in (made / "wells").glob("*.run.json"):
        about = json.loads(path.read_text())
        name = Path(about["file"]).name
        path.write_text(json.dumps(about | {"file": f"D:\\scans\\images\\{name}"}))
    opens(made)


def test_never_another_picture(made):
    """One of the same name nearer to the record is passed over; alone, it is named."""
    name = "plate_A1.png"
    write_png(made / "wells" / name, np.zeros((96, 96), np.uint8))
    opens(made)
    (made.parent / "images" / name).unlink()
    well = open_folder(made).wells[0]
    with pytest.raises(ImageError, match="has changed since it was analysed"):
        well.picture()
    made_layers, missing = layers(well)
    assert "has changed" in missing and made_layers[-1][1]["name"] == "A1 marks"
    (note,) = notes(made)
    assert "has changed" in note and "overlay" in note
    (made / "wells" / name).unlink()
    with pytest.raises(ImageError, match=r"plate_A1\.png is missing"):
        well.picture()
    (made / "wells" / name).write_bytes(b"no picture")
    with pytest.raises(ImageError, match="expected a grey or RGB"):
        well.picture()
    assert len(json.loads(export_folder(made, "json")[0].read_text())["wells"]) == 3
