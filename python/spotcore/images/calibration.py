"""What a file says about the size of its pixels, and whether it can be believed."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any, NamedTuple

from spotcore.images.picture import PIXEL_SIZE_LIMITS

__all__ = ["Calibration", "of_ngff", "of_ome", "of_printing", "of_sides", "of_tiff"]

_INCH = 25_400.0  # µm
_MICROMETRES = {
    "nm": 1e-3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "inch": _INCH,
}
_NGFF_MICROMETRES = {
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "micron": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
#: Dots per inch of screens, scanners and printers, which converters write in any unit.
_PRINTING = (72, 75, 96, 100, 120, 144, 150, 180, 200, 240, 300, 360, 400, 600, 720, 1200, 2400)
_SQUARE = 0.01  # by how much the sides of a pixel may differ
_PRINTED = 1e-3  # the same, of a side from a printing resolution's


class Calibration(NamedTuple):
    """A pixel side, or why there is none.

    Attributes
    ----------
    pixel_size : float or None
        [µm]; None where the file gives none that can be believed.
    note : str
        What was not believed; empty where there is nothing to say.
    """

    pixel_size: float | None = None
    note: str = ""


def of_sides(x: float, y: float) -> Calibration:
    """Judge the sides of a pixel [µm]."""
    if not (0 < x < float("inf") and 0 < y < float("inf")):
        return Calibration()
    if abs(x - y) > _SQUARE * x:
        return Calibration(None, f"its pixels of {x:.4g} x {y:.4g} µm are not square")
    for dots in _PRINTING:
        if abs(x * dots - _INCH) <= _PRINTED * _INCH:
            return Calibration(
                None, f"{dots} dots per inch ({x:.4g} µm) is a resolution of screens and printers"
            )
    low, high = PIXEL_SIZE_LIMITS
    if not low <= x <= high:
        return Calibration(None, f"a side of {x:.4g} µm is outside {low:g} to {high:g} µm")
    return Calibration(float(x))


def of_tiff(tiff: Any, page: Any) -> Calibration:
    """Judge what OME, ImageJ or the resolution tags of a TIFF say.

    A resolution in dots per inch is never believed: it says how large a picture is to be printed.
    """
    if tiff.is_ome:
        return of_ome(tiff.ome_metadata or "")
    unit = str((tiff.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
    unit = unit or {2: "inch", 3: "cm"}.get(int(page.resolutionunit), "")
    across, down = page.resolution
    if unit not in _MICROMETRES or min(across, down) <= 0:
        return Calibration()
    if unit == "inch":
        return of_printing(across)
    return of_sides(_MICROMETRES[unit] / across, _MICROMETRES[unit] / down)


def of_printing(dots: float) -> Calibration:
    """Say that a resolution in dots per inch is no calibration; nothing of those of screens."""
    if dots in (0.0, 1.0, 72.0, 96.0):  # what programs write that know of none
        return Calibration()
    return Calibration(None, f"{dots:.4g} dots per inch says how large it is to be printed")


def of_ome(xml: str) -> Calibration:
    """Judge PhysicalSizeX and PhysicalSizeY of OME metadata, whose default unit is µm."""
    try:
        for element in ElementTree.fromstring(xml).iter():
            if element.tag.endswith("}Pixels") and "PhysicalSizeX" in element.attrib:
                x, y = (
                    float(element.get(f"PhysicalSize{axis}", "0"))
                    * _MICROMETRES.get(element.get(f"PhysicalSize{axis}Unit", "µm"), 0.0)
                    for axis in "XY"
                )
                return of_sides(x, y)
    except (ElementTree.ParseError, ValueError) as error:
        return Calibration(None, f"its OME metadata cannot be read ({error})")
    return Calibration()


def of_ngff(scales: Mapping[str, Any]) -> Calibration:
    """Judge the scales of OME-Zarr's multiscales, of which one that gives none says nothing."""
    steps = (
        *scales["datasets"][0].get("coordinateTransformations", ()),
        *scales.get("coordinateTransformations", ()),
    )
    factors = [step["scale"][-2:] for step in steps if step.get("type") == "scale"]
    units = [one.get("unit") if isinstance(one, dict) else None for one in scales.get("axes", ())]
    unit = units[-1] if units else None
    if not factors or unit is None:
        return Calibration()
    if str(unit) not in _NGFF_MICROMETRES or units[-2] != unit:
        return Calibration(None, f"its pixels have a size in {unit!r}, which is not known")
    height, width = (math.prod(map(float, each)) for each in zip(*factors, strict=True))
    return of_sides(width * _NGFF_MICROMETRES[str(unit)], height * _NGFF_MICROMETRES[str(unit)])
