"""The result of one picture to layers, as napari's readers return them; napari is not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spotcore.images.picture import Picture
from spotcore.images.refusal import ImageError
from spotcore.results import WellResult
from spotcore.results.read import Marks
from spotcore.wells.membrane import Circle

__all__ = ["LayerData", "layers"]

#: Data, options and kind of a layer.
LayerData = tuple[Any, dict[str, Any], str]

#: Columns of tables that hold text.
_TEXTS = ("reason", "edited")
_MAPS = {"signal": "gray", "score": "inferno", "fit": "gray"}


def layers(well: WellResult) -> tuple[list[LayerData], str]:
    """Make the layers of a result, the first one lowest.

    Parameters
    ----------
    well : WellResult
        From `spotcore.results.open_well`.

    Returns
    -------
    list of LayerData
        The image; signal, score and fit, hidden, where they were saved; the well; the artefacts,
        hidden; the marks, with the table's columns as features. All are in pixels, scaled to µm
        where the pixel size is known.
    str
        Why there is no image, "" where there is.

    Raises
    ------
    ValueError
        If a file is damaged, or an edited table is not that of its record or was made from
        another original; the message names the file.
    OSError
        If a file is missing.
    """
    record, name, marks = well.record(), well.name, well.marks()
    size = None if record.image is None else record.image.pixel_size_um
    common: dict[str, Any] = {} if size is None else {"scale": (size, size), "units": ("µm", "µm")}
    made: list[LayerData] = []
    missing = ""
    try:
        made.append(_image(well.picture(), f"{name} image", common))
    except ImageError as error:
        missing = str(error)
    maps = well.maps()
    for key in [key for key in _MAPS if key in maps]:
        shown = {"name": f"{name} {key}", "colormap": _MAPS[key], "visible": False, **common}
        made.append((maps[key], shown, "image"))
    found = record.well
    if found is not None and found.circle is not None:
        made.append(_well(found.circle, f"{name} well", common))
    reach = 2 * (3.0 if found is None else found.reach)  # as the overlay's rings
    artefacts = well.artefacts()
    if artefacts is not None:
        look: dict[str, Any] = {"border_color": "magenta", "symbol": "cross", "visible": False}
        made.append(_points(artefacts, f"{name} artefacts", reach, {**common, **look}))
    of = {"record": str(well.files.record), "table_sha256": marks.sha256}
    look = {"border_color": "yellow", "symbol": "disc", "metadata": {"spotcore": of}}
    made.append(_points(marks.counted, f"{name} marks", reach, {**common, **look}))
    return made, missing


def _image(picture: Picture, name: str, common: Mapping[str, Any]) -> LayerData:
    """Layer of the image in its own colours."""
    if picture.colours is not None:
        return picture.colours / picture.full_scale, {"name": name, "rgb": True, **common}, "image"
    limits = (0, picture.full_scale)
    return picture.pixels, {"name": name, "contrast_limits": limits, **common}, "image"


def _well(circle: Circle, name: str, common: Mapping[str, Any]) -> LayerData:
    """Layer of two circles: the well's edge, and the border of the pixels that were used."""
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    centre = [circle.y, circle.x]
    radii = dict.fromkeys((circle.radius, circle.radius - circle.rim))
    look = {"face_color": "transparent", "edge_color": "cyan", "edge_width": 1}
    data = [centre + radius * corners for radius in radii]
    return data, {"name": name, "shape_type": "ellipse", **look, **common}, "shapes"


def _points(marks: Marks, name: str, size: float, options: Mapping[str, Any]) -> LayerData:
    """Layer of marks with a table's columns."""
    features = {column: _feature(column, marks.rows) for column in marks.columns}
    look = {"face_color": "transparent", "border_width": 0.1, "size": size}
    return marks.yx, {"name": name, "features": features, **look, **options}, "points"


def _feature(column: str, rows: Sequence[Mapping[str, str]]) -> Any:
    """One column, text or numbers."""
    if column in _TEXTS:
        return np.array([row[column] for row in rows], dtype=object)
    return np.array([float(row[column] or "nan") for row in rows])
