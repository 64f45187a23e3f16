"""Same-size, zero-padded correlations between one plane and K planes, differentiable.

On a GPU these are `conv2d`. On a CPU, PyTorch's `conv2d` with one input or output channel reaches a
few per cent of the machine; writing it as a matrix product over the S S shifts of a plane is
several times faster, forward and backward. Planes lie in the order [K, B, H, W], so that the
product needs no transposition.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["many_to_one", "one_to_many", "shifted_sum", "shifts"]


def one_to_many(plane: Tensor, kernels: Tensor, base: Tensor | None = None) -> Tensor:
    """Compute ``base - kernels_k * plane``, or ``kernels_k * plane`` without a base.

    `plane` [B, H, W], `kernels` [K, S, S], `base` and result [K, B, H, W].
    """
    n, size = len(kernels), kernels.shape[-1]
    if plane.is_cuda:
        maps = functional.conv2d(plane[:, None], kernels[:, None], padding=size // 2)
        maps = maps.transpose(0, 1)
        return maps if base is None else base - maps
    shifts = _Shifts.apply(plane, size)  # [S S, B H W]
    flat = kernels.reshape(n, size * size)
    if base is None:
        return (flat @ shifts).reshape(n, *plane.shape)
    product = torch.addmm(base.reshape(n, -1), flat, shifts, alpha=-1.0)
    return product.reshape(base.shape)


def many_to_one(maps: Tensor, kernels: Tensor) -> Tensor:
    """Compute ``sum_k kernels_k * maps_k``: `maps` [K, B, H, W], `kernels` [K, S, S], [B, H, W]."""
    n, size = len(kernels), kernels.shape[-1]
    if maps.is_cuda:
        stacked = maps.transpose(0, 1)
        return functional.conv2d(stacked, kernels[None], padding=size // 2)[:, 0]
    # Correlation: the tap (i, j) brings the pixel at (i, j) - S/2, so it is added at the opposite.
    flat = kernels.flip(-2, -1).reshape(n, size * size)
    products = flat.t() @ maps.reshape(n, -1)  # [S S, B H W]
    return _ShiftedSum.apply(products, maps.shape[1:], size)


def shifts(plane: Tensor, size: int) -> Tensor:
    """Return the plane [B, H, W] seen from each tap of a kernel, [S S, B H W], zeros outside."""
    batch, height, width = plane.shape
    padded = functional.pad(plane, (size // 2,) * 4)
    image, row, column = padded.stride()
    views = padded.as_strided((size, size, batch, height, width), (row, column, image, row, column))
    return views.reshape(size * size, -1)


def shifted_sum(products: Tensor, shape: tuple[int, int, int], size: int) -> Tensor:
    """Adjoint of `shifts`: [S S, B H W] to [B, H, W]."""
    batch, height, width = shape
    total = products.new_zeros((batch, height + size - 1, width + size - 1))
    taps = products.reshape(size, size, batch, height, width)
    for i in range(size):
        for j in range(size):
            total[:, i : i + height, j : j + width].add_(taps[i, j])
    edge = size // 2
    return total[:, edge : edge + height, edge : edge + width]


class _Shifts(torch.autograd.Function):
    """`shifts` with its adjoint as derivative."""

    @staticmethod
    def forward(ctx: Any, plane: Tensor, size: int) -> Tensor:
        ctx.shape, ctx.size = plane.shape, size
        return shifts(plane, size)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        return shifted_sum(gradient[0], ctx.shape, ctx.size), None


class _ShiftedSum(torch.autograd.Function):
    """`shifted_sum` with its adjoint as derivative."""

    @staticmethod
    def forward(ctx: Any, products: Tensor, shape: tuple[int, int, int], size: int) -> Tensor:
        ctx.size = size
        return shifted_sum(products, shape, size)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        return shifts(gradient[0], ctx.size), None, None
