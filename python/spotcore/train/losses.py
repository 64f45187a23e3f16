"""What a network is trained for: its maps near the PSDRs, and its score map high at cells alone.

Maps: ``mean((x - a)^2)`` over the pixels of the mask and the K maps, the papers' loss, or the same
relative to the image's mean square, so that images of few and of many cells count alike.

Detection: the score over the typical score t of the image's cells is turned into a probability,

    p = sigmoid(g (log(score / t + e) - c)),

g and c learned beside the network, and compared with peaks of height 1 at the cells by the binary
cross-entropy, per cell. The squared error is mostly amplitude at true pixels and says little about
detection; this says nothing else. As it sees the score relative to t, it also asks for scores that
one threshold relative to the image's typical score separates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spotcore.train.data import Batch
from spotcore.train.model import ConvNet, SpotNet
from spotcore.train.recipes import Recipe

__all__ = ["Detection", "Part", "part_loss", "parts_of"]

_SMALLEST = 1e-3  # e above: scores this far below the typical one are alike


class Detection(nn.Module):
    """From score over typical score to the logit of a cell's being there."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.centre = nn.Parameter(torch.tensor(-1.0))

    def forward(self, score: Tensor, typical: Tensor) -> Tensor:
        """Return the logit [B, H, W] of scores [B, H, W] of images of typical scores [B]."""
        share = torch.relu(score) / typical[:, None, None]
        return self.gain * (torch.log(share + _SMALLEST) - self.centre)


@dataclass(frozen=True)
class Part:
    """Some crops of a batch as tensors, with the sums that normalise the losses of all of it."""

    image: Tensor
    mask: Tensor
    where: Tensor
    psdr: Tensor
    heat: Tensor
    typical: Tensor
    share: Tensor  # [B]: weight of a crop's squared errors
    n_cells: float  # of the whole batch


def parts_of(batch: Batch, recipe: Recipe, n_parts: int, device: torch.device) -> list[Part]:
    """Split a batch for threads that work side by side; the parts' losses add up to the batch's."""
    power = batch.power.astype(np.float64) if recipe.relative else np.ones(len(batch.image))
    shares = 1.0 / np.maximum(power, np.finfo(np.float32).tiny)
    shares = shares / batch.mask.sum(dtype=np.float64) / batch.psdr.shape[1]
    n_cells = max(1.0, float(len(batch.where)))
    parts = []
    for crops in np.array_split(np.arange(len(batch.image)), n_parts):
        first, last = int(crops[0]), int(crops[-1]) + 1
        mine = (batch.where[:, 0] >= first) & (batch.where[:, 0] < last)
        arrays = {
            "image": batch.image[first:last],
            "mask": batch.mask[first:last],
            "where": batch.where[mine] - np.array([first, 0, 0]),
            "psdr": batch.psdr[mine],
            "heat": batch.heat[first:last],
            "typical": np.maximum(batch.typical[first:last], np.finfo(np.float32).tiny),
            "share": shares[first:last].astype(np.float32),
        }
        tensors: dict[str, Any] = {
            name: torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for name, array in arrays.items()
        }
        parts.append(Part(**tensors, n_cells=n_cells))
    return parts


def part_loss(
    network: SpotNet | ConvNet, detection: Detection, part: Part, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of a part, and its two terms before their weights."""
    maps = network.maps(part.image)
    crop, row, column = part.where.T
    # sum (x - a)^2 without forming a: a is 0 but at the cells.
    energy = (part.mask * (maps * maps).sum(dim=0)).sum(dim=(1, 2))  # [B]
    at_cells = (part.psdr * (part.psdr - 2.0 * maps[:, crop, row, column].T)).sum(dim=1)
    maps_loss = (energy * part.share).sum() + (at_cells * part.share[crop]).sum()
    if recipe.detection_weight == 0.0:
        return recipe.maps_weight * maps_loss, maps_loss, torch.zeros_like(maps_loss)
    logit = detection(network.score(maps), part.typical)
    entropy = functional.binary_cross_entropy_with_logits(logit, part.heat, reduction="none")
    detection_loss = (part.mask * entropy).sum() / part.n_cells
    loss = recipe.maps_weight * maps_loss + recipe.detection_weight * detection_loss
    return loss, maps_loss, detection_loss
