"""A report's page as a reader of HTML sees it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image


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


def picture(page: Parsed, index: int) -> Image.Image:
    """The picture of a well: the first image after its button began."""
    tags = page.elements
    start = next(k for k, (_, a) in enumerate(tags) if a.get("id") == f"w{index}")
    source = next(a["src"] for tag, a in tags[start:] if tag == "img")
    return Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))
