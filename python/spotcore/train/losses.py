"""What a network is trained for: maps near the PSDRs, and peaks of its score map that are cells.

Maps: ``mean((x - a)^2)`` over the pixels of the mask and the K maps, the papers' loss, or the same
relative to the image's mean square, so that images of few and of many cells count alike.

Detection: the score over the typical score t of the image's cells is turned into a probability,

    p = sigmoid(g (log(score / t + e) - c)),

g and c learned beside the network, and compared with peaks of height 1 at the cells by the binary
cross-entropy, per cell. The squared error is mostly amplitude at true pixels and says little about
detection; this asks for a peak where a cell is. But where a position is uncertain, the probability
spreads over pixels, and the height of a peak says less about whether there is a cell at all:

Peaks: the local maxima of the score map are matched with the cells as in the evaluation, and the
binary cross-entropy of ``sigmoid(g' (log(score) - c'))`` with "is a cell" is taken at each, and
with 1 at each cell that was missed. As g' and c' are the same for all images, this asks for scores
that one threshold separates, whatever density and noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spotcore.detections import local_maxima
from spotcore.metrics import take_closest
from spotcore.train.data import Batch
from spotcore.train.model import ConvNet, SpotNet
from spotcore.train.recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Detection", "Part", "part_loss", "parts_of"]

_SMALLEST = 1e-3  # e above: scores this far below the typical one are alike


class Detection(nn.Module):
    """From scores to the logit of a cell's being there."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.centre = nn.Parameter(torch.tensor(-1.0))
        self.peak_gain = nn.Parameter(torch.tensor(2.0))
        self.peak_centre = nn.Parameter(torch.tensor(-1.2))

    def forward(self, score: Tensor, typical: Tensor) -> Tensor:
        """Return the logit [B, H, W] of scores [B, H, W] of images of typical scores [B]."""
        share = torch.relu(score) / typical[:, None, None]
        return self.gain * (torch.log(share + _SMALLEST) - self.centre)

    def peaks(self, score: Tensor) -> Tensor:
        """Return the logit of scores, at any places."""
        return self.peak_gain * (torch.log(torch.relu(score) + _SMALLEST) - self.peak_centre)


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
    cells: list[NDArray[np.int64]]  # per crop, positions
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
        cells = [batch.cells[batch.cells[:, 0] == crop, 1:] for crop in crops]
        parts.append(Part(**tensors, cells=cells, n_cells=n_cells))
    return parts


def part_loss(
    network: SpotNet | ConvNet, detection: Detection, part: Part, recipe: Recipe, step: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the loss of a part, and its three terms before their weights."""
    maps = network.maps(part.image)
    crop, row, column = part.where.T
    # sum (x - a)^2 without forming a: a is 0 but at the cells.
    energy = (part.mask * (maps * maps).sum(dim=0)).sum(dim=(1, 2))  # [B]
    at_cells = (part.psdr * (part.psdr - 2.0 * maps[:, crop, row, column].T)).sum(dim=1)
    maps_loss = (energy * part.share).sum() + (at_cells * part.share[crop]).sum()
    loss = recipe.maps_weight * maps_loss
    detection_loss = peaks_loss = torch.zeros_like(maps_loss)
    if recipe.detection_weight > 0.0:
        score = network.score(maps)
        logit = detection(score, part.typical)
        entropy = functional.binary_cross_entropy_with_logits(logit, part.heat, reduction="none")
        detection_loss = (part.mask * entropy).sum() / part.n_cells
        loss = loss + recipe.detection_weight * detection_loss
        if recipe.peaks_weight > 0.0 and step >= recipe.peaks_from:
            peaks_loss = _peaks_loss(score, detection, part)
            loss = loss + recipe.peaks_weight * peaks_loss
    return loss, maps_loss, detection_loss, peaks_loss


def _peaks_loss(score: Tensor, detection: Detection, part: Part) -> Tensor:
    """Cross-entropy of peaks and missed cells of score maps [B, H, W], per cell."""
    places, labels = [], []
    for number, (plane, cells) in enumerate(zip(score.detach(), part.cells, strict=True)):
        peaks, _ = local_maxima(plane.cpu().numpy())
        # The faintest of many more peaks than cells are far below any threshold.
        peaks = peaks[: 2 * len(cells) + 50]
        taken = take_closest(peaks.astype(np.float64), cells.astype(np.float64), 3.0)
        missed = np.delete(cells, taken[taken >= 0], axis=0)
        here = np.concatenate([peaks, missed])
        places.append(np.concatenate([np.full((len(here), 1), number), here], axis=1))
        labels.append(np.concatenate([taken >= 0, np.ones(len(missed), dtype=bool)]))
    crop, row, column = torch.from_numpy(np.concatenate(places)).to(score.device).T
    label = torch.from_numpy(np.concatenate(labels)).to(score)
    logit = detection.peaks(score[crop, row, column])
    entropy = functional.binary_cross_entropy_with_logits(logit, label, reduction="none")
    return (part.mask[crop, row, column] * entropy).sum() / part.n_cells
