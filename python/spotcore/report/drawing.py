"""What the mosaic and the heat map draw alike, with Pillow: text that fits, shapes, a legend."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from spotcore._files import one_line
from spotcore.report.looks import STATUSES, look

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

    from spotcore.report.looks import Rgb

__all__ = [
    "INK",
    "LINE",
    "MUTED",
    "canvas",
    "draw_legend",
    "draw_shape",
    "draw_text",
    "fit_text",
    "text_width",
]

INK: Rgb = (29, 39, 51)
MUTED: Rgb = (92, 103, 115)
LINE: Rgb = (221, 225, 230)


@lru_cache(maxsize=32)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)  # type: ignore[return-value]


def text_width(draw: ImageDraw, text: str, size: int) -> float:
    """Return how wide a text is in pixels."""
    return draw.textlength(one_line(text), font=_font(size))


def fit_text(draw: ImageDraw, text: str, size: int, width: float) -> str:
    """Cut a text in the middle until it is no wider than `width` pixels.

    The middle, because names of files differ at their ends.
    """
    shown, keep = text, len(text)
    while keep > 1 and text_width(draw, shown, size) > width:
        keep -= 1
        shown = text[: keep // 2] + "…" + text[len(text) - (keep - keep // 2) :]
    return shown


def draw_text(
    draw: ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    *,
    anchor: str = "lm",
    fill: Rgb = INK,
    bold: bool = False,
) -> float:
    """Write a text and return its width in pixels; `anchor` is Pillow's."""
    draw.text(
        at,
        one_line(text),
        font=_font(size),
        fill=fill,
        anchor=anchor,
        stroke_width=size / 40 if bold else 0,
        stroke_fill=fill,
    )
    return text_width(draw, text, size)


def draw_shape(draw: ImageDraw, status: str, centre: tuple[float, float], size: int) -> None:
    """Draw a status's shape in its colour, `size` pixels large."""
    draw.bitmap(
        (round(centre[0] - size / 2), round(centre[1] - size / 2)),
        _shape(status, size),
        fill=look(status).colour,
    )


@lru_cache(maxsize=64)
def _shape(status: str, size: int) -> Image:
    """Cover of a shape's pixels [size, size], drawn large and shrunk: Pillow draws hard edges."""
    from PIL import Image, ImageDraw

    large = 8 * size
    cover = Image.new("L", (large, large))
    draw = ImageDraw.Draw(cover)
    for stroke in look(status).strokes:
        points = [(large * x, large * y) for x, y in stroke]
        if look(status).filled:
            draw.polygon(points, fill=255)
        else:
            draw.line(points, fill=255, width=round(large / 7), joint="curve")
    return cover.resize((size, size), Image.Resampling.LANCZOS)


def draw_legend(
    draw: ImageDraw, at: tuple[float, float], size: int, statuses: Iterable[str], width: float
) -> None:
    """List the statuses that occur, with how often, in lines of at most `width` pixels."""
    counts = Counter(statuses)
    order = [*STATUSES, *sorted(set(counts) - set(STATUSES))]
    x, y = at
    for status in (status for status in order if counts[status]):
        text = f"{look(status).label} {counts[status]}"
        if x + 1.5 * size + text_width(draw, text, size) > at[0] + width:
            x, y = at[0], y + 1.7 * size
        draw_shape(draw, status, (x + size / 2, y), size)
        x += 1.5 * size
        x += draw_text(draw, (x, y), text, size, fill=MUTED) + 1.6 * size


def canvas(width: float, height: float) -> tuple[Image, ImageDraw]:
    """Return a white RGB picture and what draws on it."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (round(width), round(height)), "white")
    return picture, ImageDraw.Draw(picture)
