"""The heat map: counts as colours, and a shape where the status says that there is no count."""

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
)
from spotcore.report.looks import heat, ink, look

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.ImageDraw import ImageDraw

    from spotcore.report.views import PlateView, WellView

__all__ = ["draw_heatmap"]

_FONT, _TITLE, _LEFT, _RIGHT = 15, 20, 56, 110


def draw_heatmap(result: PlateView, path: Path) -> None:
    """Write the heat map of a result as PNG, atomically; a map per channel, one below the other.

    Parameters
    ----------
    result : PlateView
        What is shown.
    path : Path
        The final name.
    """
    grids = [result.grid(channel) for channel in result.channels]
    across, plate = max(len(grid[0]) for grid in grids), result.shape is not None
    cell = round(min(max(1200 / across, 46), 90)) if plate else 110
    tall = cell if plate else 60
    above = (4.5 if plate else 2.6) * _FONT
    heights = [above + len(grid) * tall + _FONT for grid in grids]
    width = max(_LEFT + across * cell + _RIGHT, 720)
    picture, draw = canvas(width, 2.6 * _TITLE + sum(heights) + 5 * _FONT)
    draw_text(
        draw,
        (_LEFT, 1.6 * _TITLE),
        fit_text(draw, result.title, _TITLE, width - 80),
        _TITLE,
        bold=True,
    )
    top = 2.6 * _TITLE
    for channel, grid, height in zip(result.channels, grids, heights, strict=True):
        largest = result.largest(channel)
        caption = f"Spots per well, {channel}" if channel else "Spots per well"
        draw_text(draw, (_LEFT, top + 0.9 * _FONT), caption, _FONT, fill=MUTED)
        for row, line in enumerate(grid):
            y = top + above + row * tall
            if plate:
                draw_text(
                    draw,
                    (_LEFT - 12, y + tall / 2),
                    result.row_names()[row],
                    _FONT,
                    anchor="rm",
                    fill=MUTED,
                )
            for column, unit in enumerate(line):
                x = _LEFT + column * cell
                if plate and row == 0:
                    draw_text(
                        draw,
                        (x + cell / 2, y - _FONT),
                        str(column + 1),
                        _FONT,
                        anchor="mm",
                        fill=MUTED,
                    )
                _cell(draw, unit, (x, y, x + cell - 3, y + tall - 3), largest, plate)
        _scale(draw, (_LEFT + across * cell + 24, top + above), min(len(grid) * tall, 260), largest)
        top += height
    draw_legend(
        draw,
        (_LEFT, top + 1.6 * _FONT),
        _FONT,
        (unit.status for unit in result.units),
        width - _LEFT - _FONT,
    )
    with atomic_file(path) as file:
        picture.save(file, format="PNG")


def _cell(
    draw: ImageDraw,
    unit: WellView | None,
    box: tuple[float, float, float, float],
    largest: int,
    plate: bool,
) -> None:
    """Draw one well: a colour and its count, or its status."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    if unit is None:
        draw.rectangle(box, outline=LINE)
        return
    if unit.count is None:
        draw.rectangle(box, fill=(244, 245, 246), outline=look(unit.status).colour, width=2)
        draw_shape(draw, unit.status, (x, y if plate else y - 8), 20)
    else:
        ground = heat(unit.count / largest if largest else 0.0)
        draw.rectangle(box, fill=ground, outline=LINE if unit.count * 8 <= largest else None)
        size = _FONT if unit.count < 10000 else _FONT - 3
        draw_text(
            draw, (x, y if plate else y - 8), str(unit.count), size, anchor="mm", fill=ink(ground)
        )
    if not plate:
        ground = (244, 245, 246) if unit.count is None else heat(unit.count / max(largest, 1))
        name = fit_text(draw, unit.name, _FONT - 3, box[2] - box[0] - 10)
        draw_text(draw, (x, y + 14), name, _FONT - 3, anchor="mm", fill=ink(ground))


def _scale(draw: ImageDraw, at: tuple[float, float], height: float, largest: int) -> None:
    """Draw the colours from 0 (below) to the largest count with three numbers."""
    x, y = at
    steps = round(height)
    for k in range(steps):
        draw.line((x, y + k, x + 14, y + k), fill=heat(1 - k / max(steps - 1, 1)))
    draw.rectangle((x, y, x + 14, y + steps - 1), outline=LINE)
    for share in (0.0, 0.5, 1.0) if largest > 1 else (0.0, 1.0):
        text = f"{share * largest:g}"
        draw_text(draw, (x + 22, y + (1 - share) * (steps - 1)), text, _FONT - 2, fill=INK)
