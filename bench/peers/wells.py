"""scikit-image's detectors on real wells, with the best settings that the development data give.

`peak_local_max` on the Laplacian of Gaussian, `blob_log` and `blob_dog`. They are given what ours
finds out: the polarity, the membrane, the size of a typical spot, the optical density with its
background taken off. Their parameters are chosen, from the grids below, to do best on the
development data: the mean of F1 on test1 and of the rank correlation on the plate, totals within
15 % of the reader's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from spotcore.wells import Well

if TYPE_CHECKING:
    from numpy.typing import NDArray

Detector = Callable[[Well], "NDArray[np.float64]"]

# Thresholds are in standard deviations of the filtered membrane: an absolute one cannot serve both
# density and grey levels.
SCALES = (0.8, 1.0, 1.25)  # of a typical spot's width
THRESHOLDS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0)


def _response(well: Well, at: float) -> tuple[NDArray[np.float64], float]:
    """Return ``-scale^2 Laplacian(G_scale * signal)`` and its standard deviation."""
    signal = well.signal.astype(np.float64)
    response = -(at**2) * ndimage.gaussian_laplace(signal, at, mode="nearest")
    values = response[well.membrane]
    return response, 1.4826 * float(np.median(np.abs(values - np.median(values)))) or 1.0


def _inside(found: NDArray[np.float64], well: Well) -> NDArray[np.float64]:
    return found[well.membrane[tuple(found.astype(int).T)]]


def laplacian_peaks(scale: float, threshold: float) -> Detector:
    """`peak_local_max` of the Laplacian of Gaussian."""
    from skimage.feature import peak_local_max

    def detect(well: Well) -> NDArray[np.float64]:
        response, unit = _response(well, scale * well.spot_scale)
        found = peak_local_max(
            response, min_distance=1, threshold_abs=threshold * unit, exclude_border=False
        )
        return _inside(found.astype(np.float64), well)

    return detect


def blobs(name: str, threshold: float) -> Detector:
    """`blob_log` or `blob_dog` from half of a typical spot's width to four times that."""
    from skimage import feature

    def detect(well: Well) -> NDArray[np.float64]:
        _, unit = _response(well, well.spot_scale)
        found = getattr(feature, name)(
            well.signal.astype(np.float64),
            min_sigma=0.5 * well.spot_scale,
            max_sigma=4 * well.spot_scale,
            threshold=threshold * unit * (1.0 if name == "blob_log" else 0.5),
            overlap=0.5,
            **({"num_sigma": 8} if name == "blob_log" else {}),
        )[:, :2]
        return _inside(found, well)

    return detect


def candidates() -> Iterator[tuple[str, Detector]]:
    """Every setting that is tried, with a name."""
    for threshold in THRESHOLDS:
        for scale in SCALES:
            yield f"peak_local_max {scale} {threshold}", laplacian_peaks(scale, threshold)
        for name in ("blob_log", "blob_dog"):
            yield f"{name} {threshold}", blobs(name, threshold)
