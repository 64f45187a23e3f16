"""scikit-image's detectors on real wells, with the best settings that the development data give.

`peak_local_max` on the Laplacian of Gaussian, and `blob_log`. They are given what ours finds out:
the polarity, the well, the optical density with its background taken off. Their one or two
parameters are chosen, from the grids below, to do best on the development data of ours: the mean of
F1 on test1 and of the rank correlation on the plate, totals within 15 % of the reader's.
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

# Thresholds are in standard deviations of the noise as ours measures it: an absolute one cannot
# serve both density and grey levels.
SCALES = (0.8, 1.0, 1.25)
THRESHOLDS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)


def laplacian_peaks(scale: float, threshold: float) -> Detector:
    """`peak_local_max` of ``-scale^2 Laplacian(G_scale * signal)``."""
    from skimage.feature import peak_local_max

    def detect(well: Well) -> NDArray[np.float64]:
        inside = well.mask > 0
        at = scale * well.peak_scale
        image = well.continued.astype(np.float64)
        response = -(at**2) * ndimage.gaussian_laplace(image, at, mode="nearest")
        found = peak_local_max(
            response, min_distance=1, threshold_abs=threshold * well.noise, exclude_border=False
        )
        return found[inside[tuple(found.T)]].astype(np.float64)

    return detect


def blobs(overlap: float, threshold: float) -> Detector:
    """`blob_log` from the finest spots to six times their width."""
    from skimage.feature import blob_log

    def detect(well: Well) -> NDArray[np.float64]:
        inside = well.mask > 0
        found = blob_log(
            well.continued.astype(np.float64),
            min_sigma=0.8 * well.peak_scale,
            max_sigma=5 * well.peak_scale,
            num_sigma=8,
            threshold=threshold * well.noise,
            overlap=overlap,
        )[:, :2]
        return found[inside[tuple(found.astype(int).T)]]

    return detect


def candidates() -> Iterator[tuple[str, Detector]]:
    """Every setting that is tried, with a name."""
    for threshold in THRESHOLDS:
        for scale in SCALES:
            yield f"peak_local_max {scale} {threshold}", laplacian_peaks(scale, threshold)
        yield f"blob_log 0.5 {threshold}", blobs(0.5, threshold)
