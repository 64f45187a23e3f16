"""The report: all that a result holds is in it, nothing of it can do harm."""

from __future__ import annotations

import hashlib
import io
import json
import re
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from spotcore._files import write_png
from spotcore.report import page as page_module
from spotcore.report import write_report
from spotcore.report.mosaic import Mosaic
from spotcore.report.pictures import jpeg
from spotcore.report.views import view_folder
from support.report_page import Parsed, check_alone, marks, opened, parsed, picture, rows_of
from support.result_folder import STATUSES, write_result, write_unit

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = write_result(tmp_path_factory.mktemp("plate") / "OUT")
    assert write_report(folder) == folder / "report.html"
    return folder


def test_every_well_is_there_with_its_count_and_status(plate):
    page = parsed(plate)
    buttons = [a for a, _ in page.all("button") if "well" in (a.get("class") or "").split()]
    rows = rows_of(plate / "wells.csv")
    assert len(buttons) == len(rows) == 24
    for button, row in zip(buttons, rows, strict=True):
        label = button["aria-label"]
        status = STATUSES.get(row["well"], "counted").replace("_", " ")
        assert label.startswith(f"{row['well']}, {status}")
        assert (f", {row['count']} spots" in label) == bool(row["count"])
        assert f"s-{row['status']}" in button["class"].split()
    for row in rows:
        if row["reason"]:
            assert any(row["reason"] == text for _, text in page.all("td"))
    assert f"{sum(int(r['count'] or 0) for r in rows)}" in [text for _, text in page.all("dd")]


def test_marks_are_the_rows_of_the_tables(plate):
    page = parsed(plate)
    for index, entry in enumerate(json.loads((plate / "plate.json").read_text())["wells"]):
        data = marks(page, index)
        rows = rows_of(plate / "wells" / f"{entry['name']}.cells.csv")
        columns = {c["name"]: c["values"] for c in data["columns"]}
        for name in ("y", "x", "diameter", "diameter_um", "density", "confidence"):
            expected = [float(row[name]) for row in rows]
            np.testing.assert_allclose(columns.get(name, []), expected, rtol=6e-4)  # four digits
        artefacts = rows_of(plate / "wells" / f"{entry['name']}.artefacts.csv")
        assert [a["reason"] for a in data["artefacts"]] == [row["reason"] for row in artefacts]
        assert (data["height"], data["width"]) == (96, 96)


def test_links_lead_to_files_beside_the_page(plate):
    links = [a["href"] for a, _ in parsed(plate).all("a") if not a["href"].startswith("#")]
    assert len(links) > 4 * 24
    for link in links:
        assert link.startswith("./") and (plate / urllib.parse.unquote(link)).is_file()


def test_wells_without_an_image_keep_their_place(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 2)
    path = folder / "plate.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rows": 8, "columns": 12}))
    write_report(folder)
    page = parsed(folder)
    assert len(page.all("span", **{"class": "absent"})) == 94
    rows = [text for _, text in page.all("th", scope="row")]
    assert rows[:8] == list("ABCDEFGH")
    assert any("2 of 96 wells" in text for _, text in page.all("p"))


def test_tables_of_replicates_and_responses(plate):
    page = parsed(plate)
    cells = [text for _, text in page.all("td")]
    for name in ("replicates", "responses"):
        for row in rows_of(plate / f"{name}.csv"):
            assert all(value in cells for value in row.values() if value)
    headings = [text for _, text in page.all("th")]
    assert "sfu per 1e6" in headings and "channel" not in headings  # the column is empty


def test_the_page_stands_alone(plate):
    check_alone(plate)


def test_nothing_that_others_wrote_is_markup(tmp_path):
    folder = write_result(tmp_path / "OUT <b>&amp;", 2, 3, channels=("<i>x", "b'\"&"))
    path = folder / "plate.json"
    plate = json.loads(path.read_text())
    plate["settings_hash"] = plate["pattern"] = plate["settings"]["network"] = EVIL
    plate["wells"][0] |= {"file": EVIL, "status": EVIL, "reason": EVIL}
    plate["layout"][0] |= {"sample": EVIL, EVIL: EVIL}
    path.write_text(json.dumps(plate))
    record = folder / "wells" / (plate["wells"][0]["name"] + ".run.json")
    changed = json.loads(record.read_text()) | {"file": EVIL, "reason": "</template>" + EVIL}
    record.write_text(json.dumps(changed))
    artefacts = folder / "wells" / (plate["wells"][0]["name"] + ".artefacts.csv")
    artefacts.write_text(
        f'y,x,reason,length,area\n1,2,"</script>{EVIL.replace(chr(34), "")}",3,4\n'
    )
    responses = folder / "responses.csv"
    responses.write_text(responses.read_text() + f'"{EVIL.replace(chr(34), chr(34) * 2)}",,,,,\n')
    write_report(folder)
    check_alone(folder)
    page = parsed(folder)
    assert not page.all("i") and not page.all("img", src="x")
    assert marks(page, 0)["artefacts"][0]["reason"].startswith("</script>")
    assert any(EVIL in text for _, text in page.all("td"))  # shown, as text
    assert page.all("h1") == [({}, "OUT <b>&amp;")]


def test_a_file_name_with_markup_among_images(tmp_path):
    rng = np.random.default_rng(0)
    name = "<script>alert(1)<script> & 50% #1"
    write_unit(tmp_path, name, tmp_path / f"{name}.png", rng)
    write_report(tmp_path)
    check_alone(tmp_path)
    assert any(name in (a.get("aria-label") or "") for a, _ in parsed(tmp_path).all("button"))
    links = [a["href"] for a, _ in parsed(tmp_path).all("a") if a["href"].startswith("./")]
    assert links and all((tmp_path / urllib.parse.unquote(link)).is_file() for link in links)


def test_missing_and_changed_images_are_replaced_and_named(tmp_path):
    folder = write_result(tmp_path / "OUT", 2, 3, statuses={})
    images = sorted((tmp_path / "images").iterdir())
    images[0].unlink()
    write_png(images[1], np.full((96, 96), 7, np.uint8))
    (folder / "wells" / "A3.cells.csv").unlink()
    images[3].unlink()
    (folder / "wells" / "B1.overlay.png").unlink()
    write_report(folder)
    page = parsed(folder)
    notes = [text for _, text in page.all("li") if re.match(r"[AB]\d: ", text)]
    assert len(notes) == 4
    assert "A1: " in notes[0] and "missing" in notes[0] and "overlay" in notes[0]
    assert "A2: " in notes[1] and "changed" in notes[1]
    assert "A3.cells.csv" in notes[2]
    assert "B1: No picture" in notes[3] and "missing" in notes[3]
    # The overlay has colours (its marks) and no caption; an image of this result is grey.
    for index, coloured in ((0, True), (1, True), (2, False), (4, False)):
        shown = picture(page, index)
        assert shown.size[0] == shown.size[1]
        spread = np.ptp(np.asarray(shown.convert("RGB")).astype(int), axis=2)
        assert (spread.max() > 60) == coloured
    assert marks(page, 2)["columns"] == []


def test_a_damaged_overlay_is_no_picture(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 3, statuses={})
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    overlays = [folder / "wells" / f"A{k}.overlay.png" for k in (1, 2, 3)]
    overlays[0].write_bytes(b"")
    overlays[1].write_bytes(overlays[1].read_bytes()[:500])
    whole = overlays[2].read_bytes()
    at = whole.index(b"IDAT")  # a wrong length of this chunk is a SyntaxError to Pillow
    overlays[2].write_bytes(whole[: at - 4] + b"\0\0\0\5" + whole[at:])
    write_report(folder)
    notes = [text for _, text in parsed(folder).all("li") if re.match(r"A\d: ", text)]
    assert [note.split(" is missing")[0] for note in notes] == [
        f"A{k}: No picture: {tmp_path / 'images' / f'plate_A{k}.png'}" for k in (1, 2, 3)
    ]


def test_the_picture_is_the_image(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 1, size=80)
    write_report(folder)
    shown = np.asarray(picture(parsed(folder), 0), dtype=float)
    image = opened(next((tmp_path / "images").iterdir())).astype(float)
    assert shown.shape == image.shape
    assert np.corrcoef(shown.ravel(), image.ravel())[0, 1] > 0.99


def test_colours_keep_their_hue(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 1, size=80, statuses={"A1": "empty"})
    path = next((tmp_path / "images").iterdir())
    colour = np.zeros((80, 80, 3), np.uint8) + np.array([40, 20, 80], np.uint8)
    write_png(path, colour)
    record = folder / "wells" / "A1.run.json"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record.write_text(json.dumps(json.loads(record.read_text()) | {"sha256": digest}))
    write_report(folder)
    shown = np.asarray(picture(parsed(folder), 0).convert("RGB"), dtype=float).mean(axis=(0, 1))
    np.testing.assert_allclose(shown / shown[2], [0.5, 0.25, 1.0], atol=0.03)


def test_a_refused_well_has_its_reason_and_no_more_notes(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 2, statuses={"A1": "rejected"})
    for path in (folder / "wells").glob("A1.*"):
        if path.suffix != ".json":
            path.unlink()
    record = folder / "wells" / "A1.run.json"
    refused = json.loads(record.read_text()) | {"image": None, "well": None, "sha256": None}
    record.write_text(json.dumps(refused))
    sorted((tmp_path / "images").iterdir())[0].write_bytes(b"no image")
    write_report(folder)
    page = parsed(folder)
    assert not [text for _, text in page.all("li") if text.startswith("A1: ")]
    assert any("a bubble covers" in text for _, text in page.all("td"))


def test_images_by_name(tmp_path):
    rng = np.random.default_rng(1)
    for number in (10, 2, 1):
        write_unit(tmp_path, f"well_{number}", tmp_path / f"well_{number}.png", rng)
    (tmp_path / "well_11.run.json").write_text("{")
    old = json.loads((tmp_path / "well_1.run.json").read_text())  # a record without a status
    del old["status"], old["interval"], old["reason"]
    (tmp_path / "well_1.run.json").write_text(json.dumps(old))
    write_report(tmp_path)
    units = view_folder(tmp_path).units
    assert [unit.name for unit in units] == ["well_1", "well_2", "well_10", "well_11"]
    assert units[0].status == "counted" and units[3].status == "rejected"
    check_alone(tmp_path)
    assert {"mosaic.png", "heatmap.png"} <= {path.name for path in tmp_path.iterdir()}


def test_pictures_obey_their_budget():
    noise = np.random.default_rng(0).integers(0, 256, (512, 512), np.uint8)
    for budget in (90_000, 39_000, 5_000):
        data = jpeg(Image.fromarray(noise), budget)
        assert 0.3 * budget < len(data) <= budget
    assert Image.open(io.BytesIO(jpeg(Image.fromarray(noise), 500_000))).size == (512, 512)


@pytest.mark.parametrize("wells, megabytes", [(96, 15), (384, 30)])
def test_pages_of_whole_plates_stay_small(tmp_path, monkeypatch, wells, megabytes):
    folder = write_result(tmp_path / "OUT", 1, 2, size=600, spots=150, statuses={})
    # As many share the pictures' bytes as on the plate; a few wells stand for all.
    monkeypatch.setattr(page_module, "_PICTURES", page_module._PICTURES * 2 // wells)
    write_report(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    fixed = sum(
        len(c) for tag in ("style", "script") for a, c in Parsed(text).all(tag) if "type" not in a
    )
    assert (len(text.encode()) - fixed) / 2 * wells < megabytes * 1e6
    assert max(picture(Parsed(text), 0).size) <= 512


def test_one_well_at_a_time(tmp_path, monkeypatch):
    folder = write_result(tmp_path / "OUT", 3, 4, size=32)
    result = view_folder(folder)
    shown = []
    original = page_module.show
    monkeypatch.setattr(page_module, "show", lambda *a: shown.append(1) or original(*a))
    stream = page_module._Page(result, page_module._histograms(result), Mosaic(result)).stream()
    seen = ""
    while 'id="w3"' not in seen:
        seen += next(stream)
    assert 4 <= len(shown) < 12


def test_no_more_marks_than_the_page_bears(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "MAX_MARKS", 5)
    folder = write_result(tmp_path / "OUT", 1, 1, spots=20)
    write_report(folder)
    page = parsed(folder)
    assert {len(c["values"]) for c in marks(page, 0)["columns"]} == {5}
    assert any("the strongest 5 of" in text for _, text in page.all("li"))
