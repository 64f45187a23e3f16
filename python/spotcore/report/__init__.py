"""A result to look at: one self-contained HTML page, a mosaic and a heat map of a plate.

`folder` reads a result, `looks` has its colours and shapes, `pictures` its images, `histograms` its
distributions, `mosaic` and `heatmap` draw pictures, `page` writes the page (``page.html``,
``page.css``, ``page.js``). Needs Pillow and Jinja2 (``pip install spotcore[cli]``).
"""

from __future__ import annotations

from spotcore.report.page import write_report

__all__ = ["write_report"]
