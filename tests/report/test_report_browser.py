"""The report in Chromium: opened by mouse and keys, marks, zoom, sorting, dark, silent, alone.

Needs playwright (``pip install spotcore[browser]``) and a Chromium, found as CHROMIUM or on PATH.
Screenshots lie in pytest's temporary folder, or in the folder that SCREENSHOTS names.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from spotcore.report import write_report
from support.result_folder import write_result, write_unit

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (extra browser)"
    )
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on PATH, and CHROMIUM does not name one")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser") / "PLATE"
    return write_report(write_result(folder, channels=("IFN-γ", "IL-2")))


@pytest.fixture
def visit(browser):
    """Open a page; at the end nothing may have failed, and nothing may have been asked for."""
    troubles: list[str] = []
    opened = []

    def open_page(path: Path, width: int = 1400, height: int = 900, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True, **options
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("request", lambda request: _ask(request.url, path, troubles))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in opened:
        context.close()
    assert troubles == []


def _ask(url: str, path: Path, troubles: list[str]) -> None:
    if not url.startswith("data:") and url.split("#")[0] != path.as_uri():
        troubles.append(f"request: {url}")


def keep(page, tmp_path: Path, name: str, **options) -> None:
    """Take a screenshot to look at."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    page.screenshot(path=folder / f"{name}.png", **options)


def title(page) -> str:
    return page.inner_text("#dialog-title")


def focused(page, what: str = "id") -> str | None:
    return page.evaluate(f"document.activeElement.getAttribute('{what}')")


def test_a_click_opens_a_well_and_marks_can_be_hidden(visit, plate, tmp_path):
    page = visit(plate)
    assert not page.is_visible("#dialog")
    page.click("#w0")
    assert page.is_visible("#dialog") and title(page) == "A1, IFN-γ"
    marks = page.locator("#dialog circle.mark")
    count = int(page.inner_text("#details dd >> nth=0"))
    assert marks.count() == count > 3
    assert page.locator("#dialog rect.artefact").count() == 2
    # The picture is there, and marks lie where the spots are: dark pixels.
    dark = page.evaluate("""() => {
        const image = document.querySelector("#dialog img");
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        const grey = (x, y) => context.getImageData(x, y, 1, 1).data[0];
        return [...document.querySelectorAll("#dialog circle.mark")].map((mark) =>
            grey(Math.floor(mark.getAttribute("cx")), Math.floor(mark.getAttribute("cy"))));
    }""")
    assert len(dark) == count and max(dark) < 160 and sum(dark) / count < 110
    keep(page, tmp_path, "dialog")

    for tool, key, what in (
        ("marks", "m", marks.first),
        ("artefacts", "a", page.locator("rect.artefact").first),
    ):
        button = page.locator(f'[data-do="{tool}"]')
        button.click()
        assert not what.is_visible() and button.get_attribute("aria-pressed") == "false"
        page.keyboard.press(key)
        assert what.is_visible() and button.get_attribute("aria-pressed") == "true"
    marks.last.hover(force=True)  # the one on top where marks overlap
    assert page.inner_text("#readout").startswith(f"Spot {count}: y ")
    page.click('[data-do="close"]')
    assert not page.is_visible("#dialog")


def test_all_of_it_without_a_mouse(visit, plate):
    page = visit(plate)
    for _ in range(8):  # link, views, channels, then one stop for the whole plate
        page.keyboard.press("Tab")
        if (focused(page) or "").startswith("w"):
            break
    assert focused(page, "data-well") == "A1"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert focused(page, "data-well") == "B2"
    page.keyboard.press("Enter")
    assert title(page) == "B2, IFN-γ"
    page.keyboard.press("ArrowRight")
    assert title(page) == "B3, IFN-γ" and "Too numerous" in page.inner_text("#details")
    assert "no count" in page.inner_text("#details")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("c")
    assert title(page) == "B1, IL-2"
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#readout").startswith("Spot 1: ")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#readout").startswith("Spot 2: ")
    assert focused(page, "aria-label") == page.inner_text("#readout")
    before = page.locator(".canvas").bounding_box()["width"]
    for _ in range(3):
        page.keyboard.press("+")
    assert page.locator(".canvas").bounding_box()["width"] == pytest.approx(
        1.5**3 * before, rel=0.01
    )
    mark, stage = page.locator("circle.mark:focus"), page.locator(".stage").bounding_box()
    box = mark.bounding_box()
    assert stage["x"] <= box["x"] + box["width"] / 2 <= stage["x"] + stage["width"]
    assert stage["y"] <= box["y"] + box["height"] / 2 <= stage["y"] + stage["height"]
    page.keyboard.press("0")
    assert page.inner_text("#zoom") == "100 %"
    page.keyboard.press("Escape")
    assert not page.is_visible("#dialog")
    assert focused(page, "data-well") == "B1" and focused(page, "data-channel") == "IL-2"


def test_the_focus_stays_in_the_dialog_and_is_seen(visit, plate):
    page = visit(plate)
    page.focus("#w0")
    page.keyboard.press("Enter")
    inside = (
        "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
    )
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
    page.focus('[data-do="next"]')
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_tables_sort_by_number_and_by_text(visit, plate):
    page = visit(plate)
    heading = page.locator("#wells th", has_text="Count")
    counts = f"#wells tbody tr td:nth-child({heading.evaluate('th => th.cellIndex') + 1})"
    assert [page.inner_text(f"{counts} >> nth={k}").isdigit() for k in (0, 1)] == [True, True]
    for press, direction in ((1, "ascending"), (2, "descending")):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == direction
        shown = [text.strip() for text in page.locator(counts).all_inner_texts()]
        known = [int(text) for text in shown if text]
        assert known == sorted(known, reverse=press == 2)
        assert set(shown[len(known) :]) == {""}  # no count comes last, either way
    page.locator("#wells thead th").first.locator("button").click()
    names = page.locator("#wells tbody th").all_inner_texts()
    assert names[::2] == [f"{row}{column}" for row in "ABCD" for column in range(1, 7)]
    channel = page.locator("#wells tbody td").first.inner_text()
    page.locator("#wells tbody th button").first.click()
    assert title(page) == f"A1, {channel}"


def test_views_and_channels(visit, plate, tmp_path):
    page = visit(plate)
    assert not page.is_visible("#w0 img")
    page.click('[data-view="pictures"]')
    assert page.is_visible("#w0 img") and not page.is_visible("#w1 img")
    page.wait_for_function("[...document.querySelectorAll('#w0 img')].every((i) => i.complete)")
    page.wait_for_timeout(300)
    keep(page, tmp_path, "pictures")
    page.click('.switch [data-channel="IL-2"]')
    assert page.is_visible("#w1 img") and not page.is_visible("#w0 img")


def test_spots_of_a_well_as_a_table(visit, plate):
    page = visit(plate)
    page.click("#w0")
    page.click("details.spots summary")
    rows = page.locator("details.spots tbody tr")
    assert rows.count() == page.locator("#dialog circle.mark").count()
    rows.nth(1).click()
    assert page.inner_text("#readout").startswith("Spot 2: ")
    assert "here" in rows.nth(1).get_attribute("class")


@pytest.mark.parametrize("width", [1400, 900, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_widths_and_dark(visit, plate, tmp_path, width, scheme):
    page = visit(plate, width, color_scheme=scheme)
    keep(page, tmp_path, f"page-{width}-{scheme}", full_page=True)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    grey = int(ground.removeprefix("rgb(").split(",")[0])
    assert (grey < 60) == (scheme == "dark")
    # Nothing but the tables' own boxes scrolls sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#w0")
    assert page.is_visible('[data-do="close"]') and page.is_visible("circle.mark >> nth=0")
    box = page.locator(".stage").bounding_box()
    assert box["width"] > 0.5 * min(width, 800) and box["x"] >= 0
    keep(page, tmp_path, f"dialog-{width}-{scheme}")


def test_printing(visit, plate, tmp_path):
    page = visit(plate)
    page.emulate_media(media="print")
    assert not page.is_visible("[data-view]") and page.is_visible("#w0")
    assert page.is_visible("#wells")
    keep(page, tmp_path, "print", full_page=True)


def test_hostile_names_do_nothing(visit, tmp_path):
    import numpy as np

    name = "<img src=x onerror=alert(1)>"
    write_unit(tmp_path, name, tmp_path / f"{name}.png", np.random.default_rng(0))
    page = visit(write_report(tmp_path))
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.click("#w0")
    assert title(page) == name
    page.click("#details summary >> nth=1")
    assert name in page.inner_text("#details pre")
