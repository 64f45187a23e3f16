"""TIFF: one page of it, and what its tags say about the pixel size."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np

from spotcore.images.limits import check_page, check_size
from spotcore.images.picture import Decoded, refused

__all__ = ["decode_tiff"]

#: Pixel sides outside these limits [µm] are printing resolutions, not a microscope's or a reader's.
PIXEL_SIZE_LIMITS = (0.05, 100.0)

_MICROMETRES = {
    "nm": 1e-3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "cm": 1e4,
}


def decode_tiff(path: Path, data: bytes, number: int | None = None) -> Decoded:
    """Decode one page of a TIFF."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        imagej = tiff.imagej_metadata or {}
        images = int(imagej.get("images", 1))
        # ImageJ writes large stacks behind a single page; those have no pages to be chosen.
        check_page(path, number, max(len(tiff.pages), images if number is None else 1))
        page: Any = tiff.pages[number or 0]
        check_size(path, page.imagelength, page.imagewidth)
        kind = page.photometric.name if page.photometric is not None else "none"
        grey = kind in ("MINISBLACK", "MINISWHITE") or (kind == "PALETTE" and tiff.is_imagej)
        colour = kind in ("RGB", "YCBCR")
        if not (grey or colour) or str(page.dtype) not in ("uint8", "uint16"):
            raise refused(path, f"a TIFF of kind {kind} and type {page.dtype}")
        if page.imagedepth != 1 or not (3 if colour else 1) <= page.samplesperpixel <= 16:
            raise refused(path, f"a TIFF of {page.samplesperpixel} samples a pixel")
        strips = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(offset + count > len(data) for offset, count in strips):
            raise refused(path, "a truncated file")  # some decoders fill up in silence
        samples = page.asarray()
        if page.axes[0] == "S":
            samples = np.moveaxis(samples, 0, -1)
        full_scale = 2 ** int(page.bitspersample) - 1
        if kind == "MINISWHITE":
            samples = full_scale - samples
        samples = samples.reshape(page.imagelength, page.imagewidth, -1)
        return Decoded(samples, 3 if colour else 1, full_scale, _tiff_pixel_size(tiff, page))


def _tiff_pixel_size(tiff: Any, page: Any) -> float | None:
    """Return the pixel side [µm] from OME, ImageJ or the resolution in cm, else None.

    Resolutions in dots per inch (also ImageJ's unit "inch") are what scanners and converters
    write for printing: they say nothing about the object.
    """
    sides: tuple[float, float] | None = None
    if tiff.is_ome:
        sides = _ome_sides(tiff.ome_metadata or "")
    else:
        unit = str((tiff.imagej_metadata or {}).get("unit", ""))
        unit = unit.replace("\\u00B5", "µ") or {3: "cm"}.get(int(page.resolutionunit), "")
        per_unit = page.resolution
        if unit in _MICROMETRES and min(per_unit) > 0:
            sides = (_MICROMETRES[unit] / per_unit[0], _MICROMETRES[unit] / per_unit[1])
    low, high = PIXEL_SIZE_LIMITS
    if sides is None or abs(sides[0] - sides[1]) > 0.01 * sides[0] or not low <= sides[0] <= high:
        return None
    return float(sides[0])


def _ome_sides(xml: str) -> tuple[float, float] | None:
    """Return PhysicalSizeX and PhysicalSizeY [µm] of OME metadata (whose default unit is µm)."""
    for element in ElementTree.fromstring(xml).iter():
        if element.tag.endswith("}Pixels") and "PhysicalSizeX" in element.attrib:
            x, y = (
                float(element.get(f"PhysicalSize{axis}", "0"))
                * _MICROMETRES.get(element.get(f"PhysicalSize{axis}Unit", "µm"), 0.0)
                for axis in "XY"
            )
            return x, y
    return None
