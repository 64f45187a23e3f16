"""What a camera cut off: which pixels, and one summit again for each spot that has lost its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spotcore.wells.gaussian import gradient_magnitude

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spotcore.images import Picture
    from spotcore.wells.membrane import Polarity

__all__ = ["domed", "saturated"]


def saturated(picture: Picture, polarity: Polarity) -> NDArray[np.bool_]:
    """Tell the pixels whose signal the camera cut off: as much as it says, or more.

    Bright spots: at full scale, in any of the colours. Dark ones: black. The other end is no loss:
    a white pixel among dark spots is bare membrane, a black one among bright spots too.

    Parameters
    ----------
    picture : Picture
        As it was read: what follows moves the levels.
    polarity : {"dark", "bright"}

    Returns
    -------
    ndarray, bool, shape [H, W]
    """
    levels = picture.pixels[..., None] if picture.colours is None else picture.colours
    cut = levels >= picture.full_scale if polarity == "bright" else levels <= 0
    return np.asarray(cut.any(axis=2))


def domed(signal: NDArray[np.float32], cut: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Raise what a camera cut off, so that a saturated spot has one summit again.

    A plateau has many: its noise's, and its edge's. Each is raised by a cone, as steep as the
    signal arrives at its edge: a guess that orders pixels. How much the spot holds is for the
    solver to say, to which they weigh nothing.

    Parameters
    ----------
    signal : ndarray, float32, shape [H, W]
        Spots bright.
    cut : ndarray, bool, shape [H, W]
        Saturated pixels.

    Returns
    -------
    ndarray, float32, shape [H, W]
    """
    from scipy import ndimage

    labels, count = ndimage.label(cut, np.ones((3, 3), bool))
    # The steepest is of the flank: on the plateau's own pixels there is nothing to be seen of it.
    slope = ndimage.maximum_filter(gradient_magnitude(signal, 1.0), 5)
    steepness = np.asarray(ndimage.median(slope, labels, np.arange(1, count + 1)))
    raised = signal.copy()
    raised[cut] += (steepness[labels[cut] - 1] * ndimage.distance_transform_edt(cut)[cut]).astype(
        np.float32
    )
    return raised
