"""The report: one HTML file that needs nothing else, written well by well.

The template escapes everything that is put in (Jinja2's autoescape): names of files and what a
layout says are not ours. The page's policy lets nothing be loaded and no script run but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import urllib.parse
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore._files import atomic_file
from spotcore.images.overlay import MARK_ON_BRIGHT, MARK_ON_DARK
from spotcore.report.heatmap import draw_heatmap
from spotcore.report.histograms import HEIGHT, WIDTH, Histogram, histogram, measures_of
from spotcore.report.looks import HEAT_LEVELS, STATUSES, heat, heat_level, ink, look
from spotcore.report.mosaic import Mosaic
from spotcore.report.pictures import jpeg, show
from spotcore.report.views import PlateView, WellView, view_folder
from spotcore.results import Record
from spotcore.results.names import WellFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from spotcore.wells.membrane import Circle

__all__ = ["MAX_MARKS", "write_report"]

#: Marks of a well in the page; its table has them all.
MAX_MARKS = 2000
#: Bytes that all pictures of a page share, and what one gets of them at most.
_PICTURES, _PICTURE = 12_000_000, 90_000

#: What the page asks of the provenance.
_ABOUT = ("spotcore", "started", "settings_hash", "settings", "machine", "layout")
#: Columns of the table of wells that are left out where no well has a value.
_OPTIONAL = ("low", "secretion", "artefacts", "reason")
#: Columns of the table of spots that the page knows: label, unit.
_COLUMNS = {
    "y": ("y", "px"),
    "x": ("x", "px"),
    "diameter": ("diameter", "px"),
    "diameter_um": ("diameter", "µm"),
    "area": ("area", "px"),
    "area_mm2": ("area", "mm²"),
    "peak": ("peak", ""),
    "density": ("density", ""),
    "secretion": ("secretion", ""),
    "score": ("score", ""),
    "sharpness": ("sharpness", ""),
    "confidence": ("confidence", ""),
    "nearest": ("nearest", "px"),
    "nearest_um": ("nearest", "µm"),
}


def write_report(folder: str | Path) -> Path:
    """Write report.html, mosaic.png and heatmap.png of a result into its folder.

    The page holds no more than one well's picture in memory at a time.

    Parameters
    ----------
    folder : path-like
        What `spotcore plate` or `spotcore detect` wrote. The images are read again from where their
        records say; one that is missing or has changed is replaced by its overlay, and the page
        says so.

    Returns
    -------
    pathlib.Path
        Of report.html.

    Raises
    ------
    ValueError
        If the folder holds no result, or its tables cannot be understood; the message names the
        file.
    OutputError
        If a file cannot be written.
    """
    view = view_folder(folder)
    files = view.result.files
    mosaic = Mosaic(view)
    page = _Page(view, _histograms(view), mosaic)
    with atomic_file(files.report) as file:
        for piece in page.stream():
            file.write(piece.encode("utf-8", errors="replace"))
    mosaic.save(files.mosaic)
    draw_heatmap(view, files.heatmap)
    return files.report


class _Page:
    """What the template asks for; the heavy parts only when it comes to them."""

    def __init__(
        self, view: PlateView, histograms: Mapping[str, list[Histogram]], mosaic: Mosaic
    ) -> None:
        self._view = view
        self._histograms = histograms
        self._mosaic = mosaic
        self._budget = min(_PICTURE, _PICTURES // max(1, len(view.units)))
        self.notes: list[str] = []  # of wells already written, for what comes after them

    def stream(self) -> Iterator[str]:
        """Yield the page, piece by piece."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("spotcore.report", ""),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"short": _short, "look": look, "quote": urllib.parse.quote}
        view = self._view
        style, script = _style(), _asset("page.js")
        context = {
            "result": view,
            "about": dict.fromkeys(_ABOUT) | view.provenance,
            "page": self,
            "style": style,
            "script": script,
            "style_hash": _policy_hash(style),
            "script_hash": _policy_hash(script),
            "statuses": self._statuses(),
            "level": self._level,
            "spots": sum(unit.count or 0 for unit in view.units),
            "samples": list(dict.fromkeys(k for unit in view.units for k in unit.layout)),
            "histograms": {c: [h.context() for h in hs] for c, hs in self._histograms.items()},
            "box": (WIDTH, HEIGHT),
            "files": view.result.files,
            "heat": _css(heat(0.0)),
            "has": {
                key
                for unit in view.units
                for key in _OPTIONAL
                if getattr(unit.row, key) not in (None, "")
            },
            "scale": [_css(heat(k / 16)) for k in range(17)],
        }
        # Plain text: what Jinja2 has marked as safe would escape a text that it is added to.
        return map(str, environment.get_template("page.html").generate(context))

    def _statuses(self) -> list[tuple[str, int]]:
        """Statuses that occur, with how often, in the order of a legend."""
        found = Counter(unit.status for unit in self._view.units)
        order = [*STATUSES, *sorted(set(found) - set(STATUSES))]
        return [(status, found[status]) for status in order if found[status]]

    def _level(self, unit: WellView) -> int | None:
        """Which colour of the heat map a well has."""
        if unit.count is None:
            return None
        return heat_level(unit.count, self._view.largest(unit.channel))

    def links(self, unit: WellView, tables: bool = False) -> list[tuple[str, str]]:
        """Label and relative address of the files (or tables) of a well that are there."""
        links = [
            (label, self._view.link(path)) for label, path in _files(unit.result.files, tables)
        ]
        return [
            (label, "./" + urllib.parse.quote(os.fsencode(link))) for label, link in links if link
        ]

    @staticmethod
    def _artefacts(unit: WellView, notes: list[str]) -> list[dict[str, str]]:
        """Rows of the table of artefacts; none, and a note, where it is damaged."""
        try:
            marks = unit.result.artefacts()
        except (ValueError, OSError) as error:
            notes.append(str(error))
            return []
        return [] if marks is None else marks.rows[:MAX_MARKS]

    def heavy(self, unit: WellView) -> dict[str, Any]:
        """Picture, marks, measures and record of a well; pastes it into the mosaic too."""
        damaged = []
        try:
            record, written = unit.result.record(), unit.result.provenance()
        except (ValueError, OSError) as error:  # what the table knows is shown all the same
            record, written = Record(file=unit.row.file or "", sha256=unit.sha256), {}
            damaged = [str(error)]
        shown = show(unit.result, record)
        self._mosaic.add(unit, shown.image)
        analysed = record.image is not None or not unit.reason  # else the reason says it all
        notes = [*damaged, *filter(None, [shown.note])] if analysed else []
        cells: dict[str, NDArray[np.float64]] = {}
        try:
            cells = unit.result.cells()
        except (ValueError, OSError) as error:
            notes += [str(error)] if analysed else []
        total = len(next(iter(cells.values()), ()))
        if total > MAX_MARKS:
            notes.append(f"the strongest {MAX_MARKS} of {total} spots are marked")
        self.notes += [f"{unit.name}: {note}" for note in notes]
        source = ""
        if shown.image is not None:
            data = base64.b64encode(jpeg(shown.image, self._budget)).decode()
            source = f"data:image/jpeg;base64,{data}"
        artefacts = self._artefacts(unit, notes)
        height, width = max(shown.height, 1), max(shown.width, 1)
        well = record.well
        dark = well is not None and well.polarity == "dark"
        return {
            "source": source,
            "height": height,
            "width": width,
            "notes": notes,
            "measures": _measures(unit, record, cells),
            "histograms": [
                h.context(cells[h.measure.column])
                for h in self._histograms[unit.channel]
                if h.measure.column in cells and total
            ],
            "record": json.dumps(written, indent=1, ensure_ascii=False),
            "marks": {
                "height": height,
                "width": width,
                "circle": _circle(None if well is None else well.circle),
                "colour": _css(MARK_ON_BRIGHT if dark else MARK_ON_DARK),
                "radius": 2.0 * ((well.spot_scale if well is not None else None) or 2.0),
                "columns": _columns(cells),
                "artefacts": [_artefact(row) for row in artefacts],
            },
        }


def _files(files: WellFiles, tables: bool) -> list[tuple[str, Path]]:
    """Label and path of the files (or tables) of a well that the page leads to."""
    found = [("spots", files.cells), ("artefacts", files.artefacts)]
    return found if tables else [*found, ("overlay", files.overlay), ("record", files.record)]


def _histograms(view: PlateView) -> dict[str, list[Histogram]]:
    """Bins over all spots of each channel: two numbers a spot are held while they are made."""
    found: dict[str, list[Histogram]] = {}
    for channel in view.channels:
        values: list[dict[str, NDArray[np.float32]]] = []
        for unit in view.of(channel):
            try:
                cells = unit.result.cells()
            except (ValueError, OSError):
                continue
            kept = ("diameter_um", "diameter", "density")
            if len(next(iter(cells.values()), ())):
                values.append({k: cells[k].astype(np.float32) for k in kept if k in cells})
        measures = measures_of([list(v) for v in values])
        binned = [
            histogram(m, np.concatenate([v[m.column] for v in values]).astype(np.float64))
            for m in measures
        ]
        found[channel] = [h for h in binned if h is not None]
    return found


def _measures(
    unit: WellView, record: Record, cells: Mapping[str, NDArray[np.float64]]
) -> list[tuple[str, str]]:
    """Label and value of what is known of a well, for a person."""
    image, row = record.image, unit.row
    interval = row.low is not None and row.high is not None
    found: list[tuple[str, Any]] = [
        ("Spots", "no count" if unit.count is None else unit.count),
        ("95 % interval", f"{_short(row.low)} – {_short(row.high)}" if interval else None),
        ("Secretion", row.secretion),
        ("Artefacts", row.artefacts),
        *((key.replace("_", " ").capitalize(), value) for key, value in unit.layout.items()),
    ]
    for column in ("diameter_um", "diameter", "area_mm2", "density", "sharpness", "nearest_um"):
        values = cells.get(column, np.zeros(0))
        values = values[np.isfinite(values)]
        if len(values) and not (column == "diameter" and "diameter_um" in cells):
            label, what = _COLUMNS[column]
            found.append((f"Median {label}", f"{_short(float(np.median(values)))} {what}".strip()))
    pixel = image and image.pixel_size_um
    polarity = record.well and record.well.polarity
    found += [
        ("Image", f"{image.width} × {image.height} px" if image else None),
        ("Pixel", f"{_short(pixel)} µm" if pixel else None),
        ("Taken as", image and image.channel),
        ("Appearance", f"{polarity} spots" if polarity else None),
        ("File", Path(row.file or "").name),
        ("Page", None if record.page is None else record.page + 1),
        ("SHA-256", unit.sha256 and f"{unit.sha256[:16]}…"),
    ]
    return [(label, _short(value)) for label, value in found if value not in (None, "")]


def _columns(cells: Mapping[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    """Columns for the page's marks and table: known ones, in micrometres where there are such."""
    found = []
    for name, (label, unit) in _COLUMNS.items():
        better = {"area": "area_mm2", "nearest": "nearest_um"}.get(name)
        if name in cells and better not in cells:
            values = [_digits(value) for value in cells[name][:MAX_MARKS].tolist()]
            told = name != "diameter" or "diameter_um" not in cells  # pixels are for the marks
            found.append(
                {"name": name, "label": label, "unit": unit, "values": values, "told": told}
            )
    return found


def _artefact(row: Mapping[str, str]) -> dict[str, Any]:
    """Return one artefact for the page's marks."""
    numbers = {}
    for key in ("y", "x", "length", "area"):
        try:
            numbers[key] = _digits(float(row.get(key, "")))
        except ValueError:
            numbers[key] = None
    return {**numbers, "reason": row.get("reason", "")}


def _circle(circle: Circle | None) -> dict[str, float] | None:
    """Return the circle of the used pixels."""
    if circle is None:
        return None
    return {"y": circle.y, "x": circle.x, "radius": circle.radius - circle.rim}


def _digits(value: float) -> float | None:
    """Four digits are enough to look at, and JSON has no NaN."""
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _short(value: Any) -> str:
    """Write a value as a person would read it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", "\u202f") if abs(value) < 1e15 else f"{value:.4g}"
    return f"{value:.4g}"


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


@cache
def _asset(name: str) -> str:
    """Return one of the files beside this module."""
    return resources.files("spotcore.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    """Return the style sheet with a class for each colour of the heat map and of the statuses."""
    levels = (heat(k / (HEAT_LEVELS - 1)) for k in range(HEAT_LEVELS))
    rules = [f".h{k}{{background:{_css(c)};color:{_css(ink(c))}}}" for k, c in enumerate(levels)]
    rules += [f".s-{status}{{--status:{shown.css}}}" for status, shown in STATUSES.items()]
    return _asset("page.css") + "\n".join(rules)


def _policy_hash(text: str) -> str:
    """Digest by which the page's policy knows its own script and style (CSP Level 3, 6.7.3)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
