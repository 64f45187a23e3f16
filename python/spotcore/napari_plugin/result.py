"""Files of one analysed image to layers, as napari's readers return them; napari is not needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore.export.result import read_edit, read_header, read_record, read_rows
from spotcore.images.read import ImageError, Picture, read_image

__all__ = ["LayerData", "Result", "Rows", "layers", "open_result", "read_table"]

#: Data, options and kind of a layer.
LayerData = tuple[Any, dict[str, Any], str]
Rows = list[dict[str, str]]

#: Columns of tables that hold text.
_TEXTS = ("reason", "edited")
_MAPS = {"signal": "gray", "score": "inferno", "fit": "gray"}


@dataclass(frozen=True, eq=False)
class Result:
    """One analysed image.

    Attributes
    ----------
    record_path : pathlib.Path
        NAME.run.json.
    record : dict
        What it holds.
    table : Rows
        Rows of NAME.cells.csv as text, of NAME.edited.cells.csv where that was opened.
    columns : list of str
        Columns of NAME.cells.csv.
    table_sha256 : str
        Digest of NAME.cells.csv.
    edit : dict or None
        The record of the edit, where that was opened.
    picture : Picture or None
        The image, None where it is not there any more or is another one.
    no_picture : str
        Why there is none.
    """

    record_path: Path
    record: dict[str, Any]
    table: Rows
    columns: list[str]
    table_sha256: str
    edit: dict[str, Any] | None
    picture: Picture | None
    no_picture: str

    @property
    def name(self) -> str:
        """NAME of the result's files."""
        return self.record_path.name.removesuffix(".run.json")

    @property
    def marks(self) -> NDArray[np.float64]:
        """Positions (y, x) [px] of the spots that count, [n, 2]."""
        return _positions([row for row in self.table if row.get("edited") != "removed"])


def open_result(path: str | Path) -> Result:
    """Read the files of one analysed image.

    Parameters
    ----------
    path : path-like
        NAME.run.json, or NAME.edited.run.json for its marks as they were edited.

    Returns
    -------
    Result
        Table, record and image. The image is looked for where the record says, then in the
        folders around the record; its digest has to be the record's.

    Raises
    ------
    ValueError
        If a file is damaged, or an edited table is not that of its record or was made from
        another original; the message names the file.
    OSError
        If a file is missing.
    """
    path = Path(path)
    name, edited = path.name.removesuffix(".run.json"), path.name.endswith(".edited.run.json")
    name = name.removesuffix(".edited") if edited else name
    record_path = path.with_name(f"{name}.run.json")
    record = read_record(record_path)
    original = path.with_name(f"{name}.cells.csv")
    columns, table, digest = read_table(original)
    edit = read_edit(path.parent, name) if edited else None
    if edit is not None:
        _, table, _ = read_table(path.with_name(f"{name}.edited.cells.csv"))
    picture, why = _find_picture(record, path.parent)
    return Result(record_path, record, table, columns, digest, edit, picture, why)


def read_table(path: Path) -> tuple[list[str], Rows, str]:
    """Read a table of spots as text.

    Parameters
    ----------
    path : pathlib.Path
        CSV file with the columns y and x.

    Returns
    -------
    columns : list of str
        The header.
    rows : Rows
        Text by column.
    digest : str
        SHA-256 of the file.

    Raises
    ------
    ValueError
        If it has no y and x.
    OSError
        If it cannot be read.
    """
    columns, digest = read_header(path), hashlib.sha256(path.read_bytes()).hexdigest()
    if not {"y", "x"} <= set(columns):
        raise ValueError(f"{path}: expected columns y and x, got {columns}")
    return columns, [row for _, row in read_rows(path)], digest


def layers(result: Result) -> list[LayerData]:
    """Make a result's layers, the first one lowest.

    Parameters
    ----------
    result : Result
        From `open_result`.

    Returns
    -------
    list of LayerData
        The image; signal, score and fit, hidden, where NAME.maps.npz is; the well; the artefacts,
        hidden; the marks, with the table's columns as features. All are in pixels, scaled to µm
        where the pixel size is known.
    """
    record, name = result.record, result.name
    size = record.get("image", {}).get("pixel_size_um")
    common = {} if size is None else {"scale": (size, size), "units": ("µm", "µm")}
    made: list[LayerData] = []
    if result.picture is not None:
        made.append(_image(result.picture, f"{name} image", common))
    made += _maps(result.record_path.with_name(f"{name}.maps.npz"), name, common)
    well = record.get("well") or {}
    if well.get("circle"):
        made.append(_well(well["circle"], f"{name} well", common))
    reach = 2 * max(2.0 * well.get("spot_scale", 0.0), 3.0)  # as the overlay's rings
    artefacts = result.record_path.with_name(f"{name}.artefacts.csv")
    if artefacts.exists():
        columns, rows, _ = read_table(artefacts)
        look = {"border_color": "magenta", "symbol": "cross", "visible": False}
        made.append(_points(rows, columns, f"{name} artefacts", reach, {**common, **look}))
    columns = [*result.columns, *(["edited"] if result.edit else [])]
    counted = [row for row in result.table if row.get("edited") != "removed"]
    data, options, kind = _points(counted, columns, f"{name} marks", reach, common)
    options["metadata"] = {
        "spotcore": {"record": str(result.record_path), "table_sha256": result.table_sha256}
    }
    made.append((data, {**options, "border_color": "yellow", "symbol": "disc"}, kind))
    return made


def _find_picture(record: Mapping[str, Any], folder: Path) -> tuple[Picture | None, str]:
    """Read the image that the record names, by its digest, or say why not."""
    given = Path(str(record.get("file")))
    around = [folder.resolve(), *folder.resolve().parents[:2]]
    places = [
        given,
        *(place / given for place in around),
        *(place / given.name for place in around),
    ]
    why = f"{given}: the image is not there"
    for place in dict.fromkeys(places):
        if not place.is_file():
            continue
        try:
            picture = read_image(
                place, record.get("settings", {}).get("channel"), page=record.get("page")
            )
        except ImageError as error:
            why = str(error)
            continue
        if picture.sha256 == record.get("sha256"):
            return picture, ""
        why = f"{place}: is not the image that was analysed (another digest)"
    return None, why


def _image(picture: Picture, name: str, common: Mapping[str, Any]) -> LayerData:
    """Layer of the image in its own colours."""
    if picture.colours is not None:
        return picture.colours / picture.full_scale, {"name": name, "rgb": True, **common}, "image"
    limits = (0, picture.full_scale)
    return picture.pixels, {"name": name, "contrast_limits": limits, **common}, "image"


def _maps(path: Path, name: str, common: Mapping[str, Any]) -> list[LayerData]:
    """Layers of signal, score and fit where they were saved."""
    if not path.exists():
        return []
    with np.load(path, allow_pickle=False) as maps:
        return [
            (
                maps[key],
                {"name": f"{name} {key}", "colormap": colours, "visible": False, **common},
                "image",
            )
            for key, colours in _MAPS.items()
            if key in maps
        ]


def _well(circle: Mapping[str, float], name: str, common: Mapping[str, Any]) -> LayerData:
    """Layer of two circles: the well's edge, and the border of the pixels that were used."""
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    centre = [circle["y"], circle["x"]]
    radii = dict.fromkeys((circle["radius"], circle["radius"] - circle["rim"]))
    look = {"face_color": "transparent", "edge_color": "cyan", "edge_width": 1}
    data = [centre + radius * corners for radius in radii]
    return data, {"name": name, "shape_type": "ellipse", **look, **common}, "shapes"


def _points(
    rows: Rows, columns: Sequence[str], name: str, size: float, options: Mapping[str, Any]
) -> LayerData:
    """Layer of marks with a table's columns."""
    features = {
        column: np.array([row[column] for row in rows], dtype=object)
        if column in _TEXTS
        else np.array([float(row[column] or "nan") for row in rows])
        for column in columns
    }
    look = {"face_color": "transparent", "border_width": 0.1, "size": size}
    return _positions(rows), {"name": name, "features": features, **look, **options}, "points"


def _positions(rows: Rows) -> NDArray[np.float64]:
    """Columns y and x, [n, 2]."""
    return np.array([(row["y"], row["x"]) for row in rows], dtype=np.float64).reshape(-1, 2)
