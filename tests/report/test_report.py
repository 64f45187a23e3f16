"""The report: all that a result holds is in it, nothing of it can do harm, bad input is named."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from typer.testing import CliRunner

from spotcore._files import write_json, write_png
from spotcore.commands.app import app
from spotcore.report import page as page_module
from spotcore.report import write_report
from spotcore.report.folder import read_result
from spotcore.report.histograms import HEIGHT, WIDTH, Measure, histogram
from spotcore.report.looks import HEAT_LEVELS, contrast, heat, ink
from spotcore.report.looks import STATUSES as LOOKS
from spotcore.report.mosaic import Mosaic
from spotcore.report.pictures import jpeg
from support.result_folder import STATUSES, write_result, write_unit

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Parsed(HTMLParser):
    """Elements with their attributes and texts, by Python's own parser."""

    VOID = frozenset(("meta", "img", "input", "br", "link"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.texts.append("")
        if tag not in self.VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.texts.append("")

    def handle_endtag(self, tag):
        while self._open and self.elements[self._open.pop()][0] != tag:
            pass

    def handle_data(self, data):
        for at in self._open:
            self.texts[at] += data

    def all(self, tag, **wanted):
        """Attributes and text of the elements that have the wanted ones."""
        return [
            (attributes, text)
            for (name, attributes), text in zip(self.elements, self.texts, strict=True)
            if name == tag and all(attributes.get(k) == v for k, v in wanted.items())
        ]


def parsed(folder: Path) -> Parsed:
    return Parsed((folder / "report.html").read_text(encoding="utf-8"))


def marks(page: Parsed, index: int) -> dict:
    ((_, text),) = page.all("script", id=f"m{index}")
    return json.loads(text)


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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


def check_alone(folder: Path) -> None:
    """Nothing is fetched, and nothing runs but the page's own script."""
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Parsed(text)
    ((policy, _),) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        own = [content for a, content in page.all(tag) if "type" not in a]
        assert len(own) == 1
        digest = base64.b64encode(hashlib.sha256(own[0].encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert not re.search(r"url\(|@import", page.all("style")[0][1])
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "form", "base")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if attributes.get("src"):
            assert attributes["src"].startswith("data:image/jpeg;base64,")
        if attributes.get("href"):
            assert attributes["href"].startswith(("#", "./"))


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


def picture(page: Parsed, index: int) -> Image.Image:
    """The picture of a well: the first image after its button began."""
    tags = page.elements
    start = next(k for k, (_, a) in enumerate(tags) if a.get("id") == f"w{index}")
    source = next(a["src"] for tag, a in tags[start:] if tag == "img")
    return Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))


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
    units = read_result(tmp_path).units
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
    result = read_result(folder)
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


# ---- Colours


def _oklab(rgb):
    """Forward transform, with Ottosson's forward matrices (the code has the inverse ones)."""
    share = np.asarray(rgb) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    return cones @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )


def test_heat_is_uniform_and_read_without_colour():
    colours = [heat(k / 16) for k in range(17)]
    lab = _oklab(colours)
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    # Rounding to 8 bits moves a colour by up to about 0.003
    np.testing.assert_allclose(steps, steps.mean(), atol=0.006)
    assert (np.diff(lab[:, 0]) < -0.02).all()
    assert heat(-1) == heat(0) and heat(2) == heat(1)
    for k in range(HEAT_LEVELS):
        ground = heat(k / (HEAT_LEVELS - 1))
        assert contrast(ground, ink(ground)) >= 4.5


def test_statuses_differ_in_shape_and_are_seen_on_both_grounds():
    assert len({look.path for look in LOOKS.values()}) == len(LOOKS)
    for look in LOOKS.values():
        assert contrast(look.colour, (255, 255, 255)) >= 3
        assert contrast(look.colour, (26, 32, 39)) >= 3
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)


# ---- Pictures of the plate


@pytest.mark.parametrize("rows, columns", [(2, 3), (8, 12), (16, 24)])
def test_mosaic_is_legible(tmp_path, rows, columns):
    folder = tmp_path / "OUT"
    (folder / "wells").mkdir(parents=True)
    names = [f"{chr(65 + r)}{c + 1}" for r in range(rows) for c in range(columns)]
    kinds = [list(LOOKS)[k % len(LOOKS)] for k in range(len(names))]
    counts = [1234 if kind in ("counted", "empty") else None for kind in kinds]
    wells = [
        {"well": name, "status": kind, "count": count}
        for name, kind, count in zip(names, kinds, counts, strict=True)
    ]
    write_json(folder / "plate.json", {"rows": rows, "columns": columns, "wells": wells})
    result = read_result(folder)
    mosaic = Mosaic(result)
    grey = Image.new("L", (64, 64), 128)
    for unit in result.units:
        mosaic.add(unit, grey)
    mosaic.save(folder / "mosaic.png")
    drawn = opened(folder / "mosaic.png").astype(np.int32)
    drawn = drawn[..., 0] << 16 | drawn[..., 1] << 8 | drawn[..., 2]
    # Every well has a frame of at least 100 pixels a side in its status's colour ...
    for status, look in LOOKS.items():
        pixels = np.count_nonzero(drawn == int(look.css[1:], 16))
        assert pixels > 3 * 4 * 100 * sum(w["status"] == status for w in wells)
    # ... and a picture; a screen of some thousand pixels holds them all.
    assert np.count_nonzero(drawn == 0x808080) > rows * columns * 100**2
    assert drawn.shape[1] < 3200


def test_heatmap_has_the_counts_colours(plate):
    drawn = opened(plate / "heatmap.png")
    counts = [int(row["count"]) for row in rows_of(plate / "wells.csv") if row["count"]]
    for count in set(counts):
        cells = counts.count(count)
        share = int((drawn == heat(count / max(counts))).all(axis=2).sum())
        assert share > cells * 80 * 80 * 0.9


# ---- Histograms

numbers = st.floats(-1e6, 1e6).map(lambda v: round(v, 3)) | st.just(np.nan)
values = arrays(np.float64, st.integers(0, 60), elements=numbers)


@given(values, st.booleans())
def test_histograms_count_every_value_once(sample, log):
    measure = Measure("density", "Density", "", log=log)
    found = histogram(measure, sample)
    usable = [v for v in sample.tolist() if np.isfinite(v) and (v > 0 or not log)]
    if not usable:
        assert found is None
        return
    assert found.counts.sum() == len(usable)
    assert (np.diff(found.edges) > 0).all()
    half = sample[: len(sample) // 2]
    assert (found.count(half) <= found.counts).all()
    assert all(0 <= at <= WIDTH + 1e-6 for at, _ in found.ticks())
    tops = [float(t) for t in re.findall(r"v-([\d.e+-]+)", found.path(found.counts))]
    assert max(tops) == pytest.approx(HEIGHT)


def test_histogram_ticks_are_round():
    found = histogram(Measure("diameter", "Diameter", "px"), np.array([0.0, 3.0, 97.0]))
    assert [text for _, text in found.ticks()] == ["0", "20", "40", "60", "80", "100"]
    found = histogram(Measure("density", "Density", "", log=True), np.array([0.9, 60.0]))
    assert [text for _, text in found.ticks()] == ["1", "2", "5", "10", "20", "50"]


# ---- Bad input


def test_what_is_no_result_is_named(tmp_path):
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        write_report(tmp_path)
    (tmp_path / "plate.json").write_text("[]")
    with pytest.raises(ValueError, match=r"plate.json: expected a JSON object"):
        write_report(tmp_path)
    (tmp_path / "plate.json").write_text("{")
    with pytest.raises(ValueError, match=r"plate.json: cannot be read"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rows": None}, "expected rows, columns and wells"),
        ({"rows": 1000}, "at most 64 rows"),
        ({"wells": [{"well": "Z99"}]}, "plate.json: .*'Z99'"),
        ({"wells": [{"well": "A1", "name": "../../secret"}]}, "plain name"),
        ({"wells": [3]}, "expected rows, columns and wells"),
    ],
)
def test_bad_plates_are_named(tmp_path, change, message):
    folder = write_result(tmp_path / "OUT", 1, 1)
    path = folder / "plate.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        write_report(folder)


def test_a_table_with_a_short_row_is_named(tmp_path):
    folder = write_result(tmp_path / "OUT", 1, 1)
    with open(folder / "replicates.csv", "a", encoding="utf-8") as file:
        file.write("x,y\n")
    with pytest.raises(ValueError, match=r"replicates.csv, line 3: expected 8 fields, got 2"):
        write_report(folder)


def test_the_command(tmp_path):
    run = CliRunner().invoke
    folder = write_result(tmp_path / "OUT", 1, 1)
    done = run(app, ["report", str(folder)])
    assert done.exit_code == 0 and done.stdout.strip() == str(folder / "report.html")
    failed = run(app, ["report", str(tmp_path / "nothing")])
    assert failed.exit_code == 1 and "nothing" in failed.stderr
    assert "Traceback" not in failed.output
