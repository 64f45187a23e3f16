"""What the network is asked of a batch of crops, and how far it is from that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spotcore.train.wells.data import CROP, Crop

__all__ = ["Batch", "batch_of", "loss_of"]

_MARK = 1.3  # standard deviation of a cell in the target, in pixels of the view
_UNCLEAR = 2.0  # the same of what is not asked about
_REACH = 5  # pixels around a cell that its mark changes
_NEAR = 1.6  # pixels around a cell where its width and visibility are asked for
_CELLS, _MEASURES, _KINDS = 50.0, 0.2, 0.3  # weights of the losses
_AT_CELLS = 4.0  # by how much a cell's own pixels count more


class Batch(NamedTuple):
    """Tensors of B crops of a side of S.

    Attributes
    ----------
    views : [B, 2, S, S]
    target, weight : [B, S, S]
        Marks of cells, and where they are asked for.
    near : bool, [B, S, S]
        Where there are measures of a cell.
    measures : [B, 2, S, S]
        Logarithms of width and visibility.
    kinds : int64, [B, S / 2, S / 2]
    """

    views: Tensor
    target: Tensor
    weight: Tensor
    near: Tensor
    measures: Tensor
    kinds: Tensor


def batch_of(crops: list[Crop], signs: list[int]) -> Batch:
    """Draw what is asked of crops; those with a sign of -1 are seen inverted and hold no cells."""
    shape = (len(crops), CROP, CROP)
    target, unclear = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    measures = np.zeros((2, *shape), np.float32)
    near = np.zeros(shape, bool)
    dy, dx = (each.ravel() for each in np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1])
    cells = [crop.cells if sign > 0 else crop.cells[:0] for crop, sign in zip(crops, signs)]
    of = np.repeat(np.arange(len(crops)), [len(each) for each in cells])
    table = np.concatenate(cells)
    # The most visible is drawn last: where cells meet, its measures stand.
    order = np.argsort(table[:, 4], kind="stable")
    of, table = of[order], table[order]
    middle = np.rint(table[:, :2]).astype(int)
    y, x = middle[:, :1] + dy, middle[:, 1:] + dx
    squared = (y - table[:, :1]) ** 2 + (x - table[:, 1:2]) ** 2
    asked = table[:, 2] > 0
    within = (y >= 0) & (y < CROP) & (x >= 0) & (x < CROP)
    where = np.broadcast_to(of[:, None], y.shape)
    for plane, chosen, sigma in ((target, asked, _MARK), (unclear, ~asked, _UNCLEAR)):
        used = within & chosen[:, None]
        value = np.exp(-squared[used] / (2 * sigma**2)).astype(np.float32)
        np.maximum.at(plane, (where[used], y[used], x[used]), value)
    used = within & (squared < _NEAR**2) & (table[:, 4:5] > 0)
    at = (where[used], y[used], x[used])
    near[at] = True
    for plane, column in zip(measures, (3, 4), strict=True):
        plane[at] = np.broadcast_to(table[:, column : column + 1], y.shape)[used]
    weight = np.maximum(1.0 - unclear, target)
    views = np.stack([crop.view.astype(np.float32) * sign for crop, sign in zip(crops, signs)])
    return Batch(
        torch.from_numpy(views),
        torch.from_numpy(target),
        torch.from_numpy(weight),
        torch.from_numpy(near),
        torch.from_numpy(measures.transpose(1, 0, 2, 3).copy()),
        torch.from_numpy(np.stack([crop.kinds for crop in crops]).astype(np.int64)),
    )


def loss_of(cells: Tensor, kinds: Tensor, batch: Batch) -> tuple[Tensor, list[float]]:
    """Return the loss of the network's answers, and its parts."""
    error = functional.binary_cross_entropy_with_logits(cells[:, 0], batch.target, reduction="none")
    marks = (error * batch.weight * (1.0 + _AT_CELLS * batch.target)).mean()
    off = functional.smooth_l1_loss(cells[:, 1:], batch.measures, reduction="none", beta=0.3)
    near = batch.near[:, None].expand_as(off)
    measures = off[near].mean() if near.any() else off.sum() * 0.0
    what = functional.cross_entropy(kinds, batch.kinds)
    loss = _CELLS * marks + _MEASURES * measures + _KINDS * what
    return loss, [float(each.detach()) for each in (marks, measures, what)]
