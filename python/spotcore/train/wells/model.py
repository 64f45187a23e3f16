"""The wells' network in PyTorch: an hourglass whose layers know no direction.

Each feature comes in the eight orientations of a square (four turns, and their mirror images), and
a layer treats all of them alike: a turned or flipped picture gives turned or flipped maps, whatever
the weights are. Cohen and Welling, "Group equivariant convolutional networks", ICML 2016.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from spotcore.networks.hourglass import CELLS, KINDS, LIMITS
from spotcore.networks.symmetry import ORIENTATIONS, group_table, lifting_table

__all__ = ["FIELDS", "WellNet"]

FIELDS = (2, 4, 6, 8, 8)
"""Features of each level; a level has half the size of the one before."""


_HIDDEN = 16


class _Lift(nn.Module):
    """[B, C, H, W] -> [B, 8 F, H, W]."""

    def __init__(self, channels: int, fields: int, size: int) -> None:
        super().__init__()
        spread = math.sqrt(2 / (channels * size * size))
        self.weight = nn.Parameter(torch.randn(fields, channels, 1, size * size) * spread)
        self.bias = nn.Parameter(torch.zeros(fields))
        self.size = size
        self.register_buffer("table", torch.from_numpy(lifting_table(size)), persistent=False)

    def taps(self) -> tuple[Tensor, Tensor]:
        (fields, channels), size = self.weight.shape[:2], self.size
        taps = self.weight[:, :, 0][:, :, self.table].transpose(1, 2)  # [F, 8, C, S S]
        taps = taps.reshape(ORIENTATIONS * fields, channels, size, size)
        return taps, self.bias.repeat_interleave(ORIENTATIONS)

    def forward(self, x: Tensor) -> Tensor:
        taps, bias = self.taps()
        return functional.conv2d(x, taps, bias, padding=self.size // 2)


class _Group(nn.Module):
    """[B, 8 F, H, W] -> [B, 8 G, H, W]."""

    def __init__(
        self, inputs: int, outputs: int, size: int = 3, gain: float = 1.0, bias: bool = True
    ) -> None:
        super().__init__()
        spread = gain * math.sqrt(2 / (inputs * ORIENTATIONS * size * size))
        self.weight = nn.Parameter(torch.randn(outputs, inputs, ORIENTATIONS, size * size) * spread)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.size = size
        self.register_buffer("table", torch.from_numpy(group_table(size)), persistent=False)

    def taps(self) -> tuple[Tensor, Tensor | None]:
        outputs, inputs = self.weight.shape[:2]
        taps = self.weight.reshape(outputs, inputs, -1)[:, :, self.table]  # [G, F, 8 g, 8 h, S S]
        taps = taps.permute(0, 2, 1, 3, 4)
        shape = (outputs * ORIENTATIONS, inputs * ORIENTATIONS, self.size, self.size)
        bias = None if self.bias is None else self.bias.repeat_interleave(ORIENTATIONS)
        return taps.reshape(shape), bias

    def forward(self, x: Tensor) -> Tensor:
        taps, bias = self.taps()
        return functional.conv2d(x, taps, bias, padding=self.size // 2)


class _Read(nn.Module):
    """[B, 8 F, H, W] -> [B, C, H, W], which have no orientation."""

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        super().__init__()
        spread = math.sqrt(2 / (inputs * ORIENTATIONS * size * size))
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, size * size) * spread)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.size = size
        self.register_buffer("table", torch.from_numpy(lifting_table(size)), persistent=False)

    def taps(self) -> tuple[Tensor, Tensor]:
        outputs, inputs = self.weight.shape[:2]
        taps = self.weight[:, :, 0][:, :, self.table]  # [C, F, 8 h, S S]
        return taps.reshape(outputs, inputs * ORIENTATIONS, self.size, self.size), self.bias

    def forward(self, x: Tensor) -> Tensor:
        taps, bias = self.taps()
        return functional.conv2d(x, taps, bias, padding=self.size // 2)


class _Head(nn.Module):
    """A layer without orientation, and what is read from it."""

    def __init__(self, fields: int, outputs: int) -> None:
        super().__init__()
        self.hidden = _Read(fields, _HIDDEN)
        self.weight = nn.Parameter(torch.randn(outputs, _HIDDEN) / math.sqrt(_HIDDEN))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(self.hidden(x))
        return functional.conv2d(hidden, self.weight[:, :, None, None], self.bias)


class WellNet(nn.Module):
    """The network: down the levels, and up again.

    Its first level only looks; each other one halves the size, and has a layer and a second one
    that adds to it. On the way up a level adds what the coarser one says, interpolated.
    """

    def __init__(self, fields: tuple[int, ...] = FIELDS) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(fields))
        self.lift = _Lift(2, fields[0], 5)
        self.down = nn.ModuleList(_Group(before, after) for before, after in pairs)
        self.deepen = nn.ModuleList(
            _Group(after, after, gain=0.5, bias=False) for _, after in pairs
        )
        self.lower = nn.ModuleList(_Group(after, before, 1, 0.7) for before, after in pairs)
        self.refine = nn.ModuleList(
            _Group(before, before, gain=0.5, bias=False) for before, _ in pairs
        )
        self.cells = _Head(fields[0], len(CELLS))
        self.kinds = _Head(fields[1], len(KINDS))
        with torch.no_grad():
            self.cells.bias[: len(LIMITS)] = -3.0

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs [B, 4, H, W] and the kinds' log-odds [B, 6, H / 2, W / 2]."""
        x = functional.relu(self.lift(views))
        held = [x]
        for down, deepen in zip(self.down, self.deepen, strict=True):
            x = functional.relu(down(functional.avg_pool2d(x, 2)))
            x = functional.relu(x + deepen(x))
            held.append(x)
        for level in reversed(range(len(self.lower))):
            if level == 0:
                kinds = self.kinds(x)
            coarse = functional.interpolate(
                self.lower[level](x), scale_factor=2, mode="bilinear", align_corners=False
            )
            x = functional.relu(held[level] + coarse)
            x = functional.relu(x + self.refine[level](x))
        return self.cells(x), kinds
