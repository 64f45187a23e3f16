"""What the network is asked of a batch of crops, and how far it is from that."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spotcore.networks.hourglass import LIMITS
from spotcore.train.wells.data import CROP, Crop

__all__ = ["UNKNOWN", "Batch", "batch_of", "loss_of"]

UNKNOWN = 255
"""Instead of the number of a kind, where nobody says what is there."""
_MARK = 1.3  # standard deviation of a cell in the target, in pixels of the view
_UNCLEAR = 2.0  # the same of what is not asked about
_REACH = 5  # pixels around a cell that its mark changes
_NEAR = 1.6  # pixels around a cell where its width is asked for
_CELLS, _WIDTHS, _KINDS = 50.0, 0.3, 0.3  # weights of the losses
_AT_CELLS = 2.0  # by how much a cell's own pixels count more


class Batch(NamedTuple):
    """Tensors of B crops of a side of S.

    Attributes
    ----------
    views : [B, 2, S, S]
    marks : [B, 3, S, S]
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


def batch_of(crops: list[Crop], signs: list[int]) -> Batch:
    """Draw what is asked of crops; those with a sign of -1 are seen inverted and hold no cells."""
    shape = (len(crops), CROP, CROP)
    marks, unclear = np.zeros((len(LIMITS), *shape), np.float32), np.zeros(shape, np.float32)
    width, near = np.zeros(shape, np.float32), np.zeros(shape, bool)
    dy, dx = (each.ravel() for each in np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1])
    pairs = list(zip(crops, signs, strict=True))
    cells = [crop.cells if sign > 0 else crop.cells[:0] for crop, sign in pairs]
    of = np.repeat(np.arange(len(crops)), [len(each) for each in cells])
    table = np.concatenate(cells)
    # The most visible is drawn last: where cells meet, its width stands.
    order = np.argsort(table[:, 3], kind="stable")
    of, table = of[order], table[order]
    place, log_width, seen = table[:, :2], table[:, 2], table[:, 3]
    middle = np.rint(place).astype(int)
    y, x = middle[:, :1] + dy, middle[:, 1:] + dx
    squared = (y - place[:, :1]) ** 2 + (x - place[:, 1:]) ** 2
    within = (y >= 0) & (y < CROP) & (x >= 0) & (x < CROP)
    where = np.broadcast_to(of[:, None], y.shape)
    drawn = [
        (plane, seen >= math.log(limit), _MARK) for plane, limit in zip(marks, LIMITS, strict=True)
    ]
    for plane, chosen, sigma in [*drawn, (unclear, seen <= 0, _UNCLEAR)]:
        used = within & chosen[:, None]
        value = np.exp(-squared[used] / (2 * sigma**2)).astype(np.float32)
        np.maximum.at(plane, (where[used], y[used], x[used]), value)
    used = within & (squared < _NEAR**2) & (seen >= math.log(LIMITS[0]))[:, None]
    at = (where[used], y[used], x[used])
    near[at] = True
    width[at] = np.broadcast_to(log_width[:, None], y.shape)[used]
    weight = np.maximum(1.0 - unclear, marks[0])
    views = np.stack([crop.view.astype(np.float32) * sign for crop, sign in pairs])
    return Batch(
        torch.from_numpy(views),
        torch.from_numpy(marks.transpose(1, 0, 2, 3).copy()),
        torch.from_numpy(weight),
        torch.from_numpy(near),
        torch.from_numpy(width),
        torch.from_numpy(np.stack([crop.kinds for crop in crops]).astype(np.int64)),
    )


def loss_of(cells: Tensor, kinds: Tensor, batch: Batch) -> tuple[Tensor, list[float]]:
    """Return the loss of the network's answers, and its parts."""
    odds, width = cells[:, :-1], cells[:, -1]
    error = functional.binary_cross_entropy_with_logits(odds, batch.marks, reduction="none")
    marks = (error * batch.weight[:, None] * (1.0 + _AT_CELLS * batch.marks)).mean()
    off = functional.smooth_l1_loss(width, batch.width, reduction="none", beta=0.3)
    widths = off[batch.near].mean() if batch.near.any() else off.sum() * 0.0
    what = functional.cross_entropy(kinds, batch.kinds, ignore_index=UNKNOWN)
    what = what if bool((batch.kinds != UNKNOWN).any()) else kinds.sum() * 0.0
    loss = _CELLS * marks + _WIDTHS * widths + _KINDS * what
    return loss, [float(each.detach()) for each in (marks, widths, what)]
