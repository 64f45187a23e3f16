"""The report in Chromium: opened by mouse and keys, marks, zoom, sorting, dark, silent, alone.

The page answers some events in a later task of its own, and decodes pictures beside it: what is
looked for is waited for (`expect`), never read once right after an action.

Needs playwright (``pip install spotcore[browser]``) and a Chromium, found as CHROMIUM or on PATH.
Screenshots lie in pytest's temporary folder, or in the folder that SCREENSHOTS names.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
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


WAIT = 60_000  # ms, for a page that may stand beside a busy core


@pytest.fixture(scope="module")
def playwright():
    module = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (extra browser)"
    )
    module.expect.set_options(timeout=WAIT)
    return module


@pytest.fixture(scope="module")
def expect(playwright):
    """Assertions that wait for the page."""
    return playwright.expect


@pytest.fixture(scope="module")
def browser(playwright):
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
        page.set_default_timeout(WAIT)
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


def with_focus(page, well: str, channel: str):
    """Return the button of a well where it has the focus."""
    return page.locator(f'button.well[data-well="{well}"][data-channel="{channel}"]:focus')


def test_a_click_opens_a_well_and_marks_can_be_hidden(visit, expect, plate, tmp_path):
    page = visit(plate)
    dialog, readout = page.locator("#dialog"), page.locator("#readout")
    expect(dialog).to_be_hidden()
    page.click("#w0")
    expect(dialog).to_be_visible()
    expect(page.locator("#dialog-title")).to_have_text("A1, IFN-γ")
    marks = page.locator("#dialog circle.mark")
    count = int(page.inner_text("#details dd >> nth=0"))
    assert count > 3
    expect(marks).to_have_count(count)
    expect(page.locator("#dialog rect.artefact")).to_have_count(2)
    # The picture is there, and marks lie where the spots are: dark pixels.
    dark = page.evaluate("""async () => {
        const image = document.querySelector("#dialog img");
        await image.decode();
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
        expect(what).to_be_hidden()
        expect(button).to_have_attribute("aria-pressed", "false")
        page.keyboard.press(key)
        expect(what).to_be_visible()
        expect(button).to_have_attribute("aria-pressed", "true")
    marks.last.hover(force=True)  # the one on top where marks overlap
    expect(readout).to_have_text(re.compile(f"^Spot {count}: y "))
    page.click('[data-do="close"]')
    expect(dialog).to_be_hidden()


def test_all_of_it_without_a_mouse(visit, expect, plate):
    page = visit(plate)
    title, readout = page.locator("#dialog-title"), page.locator("#readout")
    details, canvas = page.locator("#details"), page.locator(".canvas")
    for _ in range(8):  # link, views, channels, then one stop for the whole plate
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('button.well')"):
            break
    expect(with_focus(page, "A1", "IFN-γ")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(with_focus(page, "B2", "IFN-γ")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(title).to_have_text("B2, IFN-γ")
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text("B3, IFN-γ")
    expect(details).to_contain_text("Too numerous")
    expect(details).to_contain_text("no count")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("c")
    expect(title).to_have_text("B1, IL-2")
    page.keyboard.press("ArrowDown")
    expect(readout).to_have_text(re.compile("^Spot 1: "))
    page.keyboard.press("ArrowDown")
    expect(readout).to_have_text(re.compile("^Spot 2: "))
    mark = page.locator("circle.mark:focus")
    expect(mark).to_have_attribute("aria-label", readout.inner_text())
    before = canvas.bounding_box()["width"]
    for _ in range(3):
        page.keyboard.press("+")
    expect(page.locator("#zoom")).to_have_text("338 %")
    assert canvas.bounding_box()["width"] == pytest.approx(1.5**3 * before, rel=0.01)
    box, stage = mark.bounding_box(), page.locator(".stage").bounding_box()
    assert stage["x"] <= box["x"] + box["width"] / 2 <= stage["x"] + stage["width"]
    assert stage["y"] <= box["y"] + box["height"] / 2 <= stage["y"] + stage["height"]
    page.keyboard.press("0")
    expect(page.locator("#zoom")).to_have_text("100 %")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(with_focus(page, "B1", "IL-2")).to_have_count(1)


def test_the_focus_stays_in_the_dialog_and_is_seen(visit, expect, plate):
    page = visit(plate)
    page.focus("#w0")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog-title")).to_be_focused()
    inside = (
        "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
    )
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
    page.focus('[data-do="next"]')
    page.keyboard.press("Tab")
    expect(page.locator("#dialog :focus")).to_have_css("outline-style", "solid")


def test_tables_sort_by_number_and_by_text(visit, expect, plate):
    page = visit(plate)
    heading = page.locator("#wells th", has_text="Count")
    counts = f"#wells tbody tr td:nth-child({heading.evaluate('th => th.cellIndex') + 1})"
    for k in (0, 1):
        expect(page.locator(counts).nth(k)).to_have_text(re.compile(r"^\s*\d+\s*$"))
    for press, direction in ((1, "ascending"), (2, "descending")):
        heading.locator("button").click()
        # It is set in the same task that sorts the rows: once it is there, they are sorted.
        expect(heading).to_have_attribute("aria-sort", direction)
        shown = [text.strip() for text in page.locator(counts).all_inner_texts()]
        known = [int(text) for text in shown if text]
        assert known == sorted(known, reverse=press == 2)
        assert set(shown[len(known) :]) == {""}  # no count comes last, either way
    first = page.locator("#wells thead th").first
    first.locator("button").click()
    expect(first).to_have_attribute("aria-sort", "ascending")
    names = page.locator("#wells tbody th").all_inner_texts()
    assert names[::2] == [f"{row}{column}" for row in "ABCD" for column in range(1, 7)]
    channel = page.locator("#wells tbody td").first.inner_text()
    page.locator("#wells tbody th button").first.click()
    expect(page.locator("#dialog-title")).to_have_text(f"A1, {channel}")


def test_views_and_channels(visit, expect, plate, tmp_path):
    page = visit(plate)
    pictures = [page.locator(f"#w{k} img") for k in (0, 1)]
    expect(pictures[0]).to_be_hidden()
    page.click('[data-view="pictures"]')
    expect(pictures[0]).to_be_visible()
    expect(pictures[1]).to_be_hidden()
    pictures[0].evaluate("image => image.decode()")
    keep(page, tmp_path, "pictures")
    page.click('.switch [data-channel="IL-2"]')
    expect(pictures[1]).to_be_visible()
    expect(pictures[0]).to_be_hidden()


def test_spots_of_a_well_as_a_table(visit, expect, plate):
    page = visit(plate)
    readout, rows = page.locator("#readout"), page.locator("details.spots tbody tr")
    page.click("#w0")
    count = int(page.inner_text("#details dd >> nth=0"))
    expect(page.locator("#dialog circle.mark")).to_have_count(count)
    page.click("details.spots summary")
    expect(rows).to_have_count(count)
    rows.nth(1).click()
    expect(readout).to_have_text(re.compile("^Spot 2: "))
    expect(rows.nth(1)).to_have_class(re.compile(r"\bhere\b"))
    expect(page.locator("details.spots tr.here")).to_have_count(1)


def test_a_table_opened_later_shows_where_one_is(visit, expect, plate):
    page = visit(plate)
    page.click("#w0")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#readout")).to_have_text(re.compile("^Spot 3: "))
    page.click("details.spots summary")
    here = page.locator("details.spots tr.here")
    expect(here.locator("td").first).to_have_text("3")


@pytest.mark.parametrize("width", [1400, 900, 420])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_widths_and_dark(visit, expect, plate, tmp_path, width, scheme):
    page = visit(plate, width, color_scheme=scheme)
    keep(page, tmp_path, f"page-{width}-{scheme}", full_page=True)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    grey = int(ground.removeprefix("rgb(").split(",")[0])
    assert (grey < 60) == (scheme == "dark")
    # Nothing but the tables' own boxes scrolls sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#w0")
    expect(page.locator('[data-do="close"]')).to_be_visible()
    expect(page.locator("circle.mark").first).to_be_visible()
    box = page.locator(".stage").bounding_box()
    assert box["width"] > 0.5 * min(width, 800) and box["x"] >= 0
    keep(page, tmp_path, f"dialog-{width}-{scheme}")


def test_printing(visit, expect, plate, tmp_path):
    page = visit(plate)
    page.emulate_media(media="print")
    expect(page.locator("[data-view]").first).to_be_hidden()
    expect(page.locator("#w0")).to_be_visible()
    expect(page.locator("#wells")).to_be_visible()
    keep(page, tmp_path, "print", full_page=True)


def test_hostile_names_do_nothing(visit, expect, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    write_unit(tmp_path, name, tmp_path / f"{name}.png", np.random.default_rng(0))
    page = visit(write_report(tmp_path))
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.click("#w0")
    expect(page.locator("#dialog-title")).to_have_text(name)
    page.click("#details summary >> nth=1")
    expect(page.locator("#details pre")).to_contain_text(name)
