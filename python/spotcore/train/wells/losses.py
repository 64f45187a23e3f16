"""What the network is asked of a batch of crops, and how far it is from that."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spotcore.networks.hourglass import KINDS, LIMITS
from spotcore.train.wells.data import CROP, Crop

__all__ = ["UNKNOWN", "Batch", "batch_of", "loss_of"]

UNKNOWN = 255
"""Instead of the number of a kind, where nobody says what is there."""
_MARK = 1.3  # standard deviation of a cell in the target, in pixels of the view
_UNCLEAR = 2.0  # the same of what is not asked about
_REACH = 5  # pixels around a cell that its mark changes
_NEAR = 1.6  # pixels around a cell where its width is asked for
_CELLS, _WIDTHS, _OF_KINDS = 50.0, 0.3, 0.3  # weights of the losses
_OF_KIND = {
    "membrane": 1.0, "outside": 1.0, "scratch": 4.0, "dust": 16.0, "blotch": 4.0, "writing": 4.0,
}  # fmt: skip
"""Weight of a pixel of each of `KINDS`: what is rare would cost nothing where it is missed."""
_AT_CELLS = 2.0  # by how much a cell's own pixels count more


_CPU = torch.device("cpu")


class Batch(NamedTuple):
    """Tensors of B crops of a side of S, on one device.

    Attributes
    ----------
    views : [B, 2, S, S]
    marks : [B, 4, S, S]
        Of cells that stand out by each of `LIMITS`.
    weight : [B, S, S]
        Where they are asked for.
    near : bool, [B, S, S]
        Where a cell has its width.
    width : [B, S, S]
        Logarithm of that.
    kinds : int64, [B, S / 2, S / 2]
    """

    views: Tensor
    marks: Tensor
    weight: Tensor
    near: Tensor
    width: Tensor
    kinds: Tensor


def batch_of(crops: list[Crop], signs: list[int], device: torch.device = _CPU) -> Batch:
    """Draw what is asked of crops; those with a sign of -1 are seen inverted and hold no cells."""
    pairs = list(zip(crops, signs, strict=True))
    cells = [crop.cells if sign > 0 else crop.cells[:0] for crop, sign in pairs]
    of = np.repeat(np.arange(len(crops)), [len(each) for each in cells])
    table = np.concatenate(cells)
    # The most visible comes last: where cells meet, its width stands.
    order = np.argsort(table[:, 3], kind="stable")
    drawn = _Drawn(torch.from_numpy(of[order]), torch.from_numpy(table[order]), device)
    seen = drawn.table[:, 3]
    marks = [drawn.plane(seen >= math.log(limit), _MARK, len(crops)) for limit in LIMITS]
    unclear = drawn.plane(seen <= 0, _UNCLEAR, len(crops))
    near, width = drawn.widths(seen >= math.log(LIMITS[0]), len(crops))
    views = torch.from_numpy(np.stack([crop.view for crop in crops])).to(device).float()
    views *= torch.tensor(signs, device=device)[:, None, None, None]
    kinds = torch.from_numpy(np.stack([crop.kinds for crop in crops])).to(device).long()
    weight = torch.maximum(1.0 - unclear, marks[0])
    return Batch(views, torch.stack(marks, dim=1), weight, near, width, kinds)


class _Drawn:
    """Cells [n, 4] of crops [n], and the pixels [n, p] around them."""

    def __init__(self, of: Tensor, table: Tensor, device: torch.device) -> None:
        self.table = table.to(device)
        steps = torch.arange(-_REACH, _REACH + 1, device=device)
        dy, dx = (each.reshape(-1) for each in torch.meshgrid(steps, steps, indexing="ij"))
        place = self.table[:, :2]
        middle = place.round().long()
        y, x = middle[:, :1] + dy, middle[:, 1:] + dx
        self.squared = (y - place[:, :1]) ** 2 + (x - place[:, 1:]) ** 2
        self.within = (y >= 0) & (y < CROP) & (x >= 0) & (x < CROP)
        pixel = (of.to(device)[:, None] * CROP + y) * CROP + x
        self.pixel = torch.where(self.within, pixel, 0).reshape(-1)

    def plane(self, chosen: Tensor, sigma: float, crops: int) -> Tensor:
        """Draw some of the cells as bells [crops, S, S]; where they meet, the larger value."""
        value = torch.exp(-self.squared / (2 * sigma**2)) * (self.within & chosen[:, None])
        return self._largest(value, value.new_zeros(crops * CROP * CROP))

    def widths(self, chosen: Tensor, crops: int) -> tuple[Tensor, Tensor]:
        """Return which pixels [crops, S, S] are near one of some cells, and its `Batch.width`."""
        used = self.within & chosen[:, None] & (self.squared < _NEAR**2)
        ranks = torch.arange(1, len(self.table) + 1, device=used.device)[:, None]
        rank = self._largest(used * ranks, ranks.new_zeros(crops * CROP * CROP))
        width = torch.cat([self.table.new_zeros(1), self.table[:, 2]])
        return rank > 0, width[rank]

    def _largest(self, values: Tensor, empty: Tensor) -> Tensor:
        empty.scatter_reduce_(0, self.pixel, values.reshape(-1), "amax")
        return empty.reshape(-1, CROP, CROP)


def loss_of(cells: Tensor, kinds: Tensor, batch: Batch) -> Tensor:
    """Return the loss of the network's answers and its three parts, [4]."""
    odds, width = cells[:, :-1], cells[:, -1]
    error = functional.binary_cross_entropy_with_logits(odds, batch.marks, reduction="none")
    marks = (error * batch.weight[:, None] * (1.0 + _AT_CELLS * batch.marks)).mean()
    off = functional.smooth_l1_loss(width, batch.width, reduction="none", beta=0.3)
    widths = _mean(off, batch.near.float())
    known = batch.kinds != UNKNOWN
    number = torch.where(known, batch.kinds, 0)
    of_kind = torch.tensor([_OF_KIND[kind] for kind in KINDS], device=kinds.device)
    missed = functional.cross_entropy(kinds, number, reduction="none")
    what = _mean(missed, of_kind[number] * known)
    loss = _CELLS * marks + _WIDTHS * widths + _OF_KINDS * what
    return torch.stack([loss, marks, widths, what])


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of what has a weight, 0 of nothing."""
    return (values * weights).sum() / weights.sum().clamp_min(1.0)
