"""The mosaic: every well's picture, small, with its name, its count and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotcore._files import atomic_file
from spotcore.report.drawing import (
    INK,
    LINE,
    MUTED,
    canvas,
    draw_legend,
    draw_shape,
    draw_text,
    fit_text,
    text_width,
)
from spotcore.report.looks import look

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from spotcore.report.views import PlateView, WellView

__all__ = ["Mosaic"]


class Mosaic:
    """A picture of all wells that is filled one well at a time: no more than one is held.

    Several channels lie one below the other.

    Parameters
    ----------
    result : PlateView
        What is shown.
    """

    def __init__(self, result: PlateView) -> None:
        self._result = result
        grids = [result.grid(channel) for channel in result.channels]
        across = max(len(grid[0]) for grid in grids)
        # 24 columns (384 wells) have tiles that still show a count; 3 do not fill a wall.
        self._tile = round(min(max(2400 / across, 112), 320))
        self._font = max(13, self._tile // 11)
        self._strip = round(1.7 * self._font)
        self._gap = max(6, self._tile // 16)
        self._big = max(20, self._font + 4)
        self._margin = 2 * self._gap + 8
        self._step = self._tile + self._gap, self._tile + self._strip + self._gap
        self._places: dict[int, tuple[float, float]] = {}
        top = 3.0 * self._big
        width = 2 * self._margin + across * self._step[0] - self._gap
        height = top
        for grid in grids:
            height += (2.0 * self._big if len(grids) > 1 else 0) + len(grid) * self._step[1]
        self._picture, self._draw = canvas(max(width, 640), height + 3.5 * self._big)
        draw_text(
            self._draw,
            (self._margin, 1.6 * self._big),
            fit_text(self._draw, result.title, self._big, max(width, 640) - 40),
            self._big,
            bold=True,
        )
        for channel, grid in zip(result.channels, grids, strict=True):
            if len(grids) > 1:
                draw_text(self._draw, (self._margin, top + 0.8 * self._big), channel, self._big)
                top += 2.0 * self._big
            for row, line in enumerate(grid):
                for column, unit in enumerate(line):
                    at = (self._margin + column * self._step[0], top + row * self._step[1])
                    if unit is None:
                        self._frame(at, LINE, 1)
                    else:
                        self._places[unit.index] = at
            top += len(grid) * self._step[1]
        statuses = [unit.status for unit in result.units]
        at = self._margin, top + 0.9 * self._big
        draw_legend(self._draw, at, self._big - 3, statuses, max(width, 640) - 2 * self._margin)

    def add(self, unit: WellView, image: Image | None) -> None:
        """Paste a well's picture (None where there is none) and write what is known of it."""
        from PIL import Image as Images

        x, y = self._places[unit.index]
        shown, size = look(unit.status), self._font
        line = 3 if self._tile < 200 else 5
        inner = self._tile - 2 * line
        if image is not None:
            scale = inner / max(image.size)
            small = image.convert("RGB").resize(
                (max(1, round(scale * image.width)), max(1, round(scale * image.height))),
                Images.Resampling.LANCZOS,
            )
            corner = (
                round(x + line + (inner - small.width) / 2),
                round(y + line + (inner - small.height) / 2),
            )
            self._picture.paste(small, corner)
        else:
            draw_text(
                self._draw,
                (x + self._tile / 2, y + self._tile / 2),
                "no picture",
                size,
                anchor="mm",
                fill=MUTED,
            )
        self._frame((x, y), shown.colour, line)

        middle = y + self._tile + 0.55 * self._strip
        right = x + self._tile
        if unit.count is not None:
            text = f"{unit.count}"
            used = draw_text(self._draw, (right, middle), text, size, anchor="rm", bold=True)
        else:
            text = shown.label
            if text_width(self._draw, text, size) > 0.6 * self._tile:
                text = ""
            used = draw_text(self._draw, (right, middle), text, size, anchor="rm", fill=MUTED)
        if unit.status != "counted":
            draw_shape(self._draw, unit.status, (right - used - 0.8 * size, middle), size)
            used += 1.4 * size
        name = fit_text(self._draw, unit.label, size, self._tile - used - 0.5 * size)
        draw_text(self._draw, (x, middle), name, size, fill=INK if unit.well else MUTED)

    def save(self, path: Path) -> None:
        """Write the mosaic as PNG, atomically."""
        with atomic_file(path) as file:
            self._picture.save(file, format="PNG")

    def _frame(self, at: tuple[float, float], colour: tuple[int, int, int], line: int) -> None:
        x, y = at
        self._draw.rectangle(
            (x, y, x + self._tile - 1, y + self._tile - 1), outline=colour, width=line
        )
