"""Colours, mosaic and heat map: legible, also without colour."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from spotcore._files import write_json
from spotcore.report import write_report
from spotcore.report.looks import HEAT_LEVELS, contrast, heat, ink
from spotcore.report.looks import STATUSES as LOOKS
from spotcore.report.mosaic import Mosaic
from spotcore.report.views import view_folder
from support.report_page import opened, rows_of
from support.result_folder import write_result


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = write_result(tmp_path_factory.mktemp("plate") / "OUT")
    assert write_report(folder) == folder / "report.html"
    return folder


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


@pytest.mark.parametrize("rows, columns", [(2, 3), (8, 12), (16, 24)])
def test_mosaic_is_legible(tmp_path, rows, columns):
    folder = tmp_path / "OUT"
    (folder / "wells").mkdir(parents=True)
    names = [f"{chr(65 + r)}{c + 1}" for r in range(rows) for c in range(columns)]
    kinds = [list(LOOKS)[k % len(LOOKS)] for k in range(len(names))]
    counts = [1234 if kind in ("counted", "empty") else None for kind in kinds]
    wells = [
        {"well": name, "name": name, "status": kind, "count": count}
        for name, kind, count in zip(names, kinds, counts, strict=True)
    ]
    write_json(folder / "plate.json", {"rows": rows, "columns": columns, "wells": wells})
    result = view_folder(folder)
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
