"""A PyTorch module on one image, as NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from spotcore.train.model import FULL_SCALE, ConvNet, SpotNet

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["maps_of"]


def maps_of(
    network: SpotNet | ConvNet, image: NDArray[np.float32], device: torch.device | str = "cpu"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return maps [K, H, W] and score map [H, W] of an image [H, W] in [0, 255]."""
    with torch.inference_mode():
        plane = torch.from_numpy(np.ascontiguousarray(image)).to(device)[None] / FULL_SCALE
        maps = network.maps(plane)
        score = network.score(maps)
        return (FULL_SCALE * maps)[:, 0].cpu().numpy(), (FULL_SCALE * score)[0].cpu().numpy()
