"""SpotNet's layers as one differentiable operation with a derivative written by hand.

On a CPU, half of a training step is spent on passes over the K maps between the convolutions.
Knowing the whole graph, the forward pass can keep one array per layer and work in place, and the
backward pass can add the gradients that meet in a layer without temporaries. The result is that of
the layers one by one, `spotcore.train.model.SpotNet.maps`, to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spotcore.train.convolution import shifted_sum, shifts

__all__ = ["ELEMENTWISE", "unrolled"]

ELEMENTWISE = ("nonneg", "shifted_abs")
"""Non-linearities that this operation knows."""


def unrolled(
    image: Tensor,
    analysis: Tensor,
    synthesis: Tensor,
    bias: Tensor,
    alpha: Tensor,
    nonlinearity: str,
) -> Tensor:
    """Return the maps [K, B, H, W] of images [B, H, W].

    `analysis` [L + 1, K, S, S], `synthesis` [L, K, S, S], `bias` [L + 1], `alpha` [L].
    """
    result: Tensor = _Unrolled.apply(image, analysis, synthesis, bias, alpha, nonlinearity)
    return result


def _activated(kept: Tensor, nonlinearity: str) -> Tensor:
    """Output of a layer from what was kept of it."""
    return torch.abs(kept) if nonlinearity == "shifted_abs" else kept


def _extrapolated(x: Tensor, before: Tensor | None, alpha: float) -> Tensor:
    """Extrapolate: z = x + alpha (x - before), `before` None meaning 0."""
    return x * (1.0 + alpha) if before is None else torch.lerp(before, x, 1.0 + alpha)


class _Unrolled(torch.autograd.Function):
    """Arrays of maps are [K, B H W], "taps" are a plane seen from each tap, [S S, B H W]."""

    @staticmethod
    def forward(
        ctx: Any,
        image: Tensor,
        analysis: Tensor,
        synthesis: Tensor,
        bias: Tensor,
        alpha: Tensor,
        nonlinearity: str,
    ) -> Tensor:
        n_layers, n_maps, size = len(synthesis), analysis.shape[1], analysis.shape[-1]
        toward = -1.0 if nonlinearity == "nonneg" else 1.0  # max(x - b, 0), but |x + b|
        kept, planes = [], []
        z = before = None
        for layer in range(n_layers + 1):
            flat = analysis[layer].reshape(n_maps, -1)
            if z is None:
                kept.append(flat @ shifts(image, size))
            else:
                taps = synthesis[layer - 1].flip(-2, -1).reshape(n_maps, -1)
                plane = shifted_sum(taps.t() @ z, image.shape, size) - image
                planes.append(plane)
                kept.append(z.addmm_(flat, shifts(plane, size), alpha=-1.0))
            kept[-1].add_(bias[layer], alpha=toward)
            if nonlinearity == "nonneg":
                kept[-1].relu_()
            x = _activated(kept[-1], nonlinearity)
            if layer < n_layers:
                z = _extrapolated(x, before, float(alpha[layer]))
                before = x
        ctx.save_for_backward(image, analysis, synthesis, bias, alpha, *kept, *planes)
        ctx.nonlinearity = nonlinearity
        return x.reshape(n_maps, *image.shape)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        image, analysis, synthesis, bias, alpha, *rest = ctx.saved_tensors
        n_layers, n_maps, size = len(synthesis), analysis.shape[1], analysis.shape[-1]
        kept, planes = rest[: n_layers + 1], rest[n_layers + 1 :]
        nonlinearity = ctx.nonlinearity
        grads = [torch.zeros_like(tensor) for tensor in (analysis, synthesis, bias, alpha)]
        analysis_grad, synthesis_grad, bias_grad, alpha_grad = grads

        incoming = gradient[0].reshape(n_maps, -1)  # of x of this layer
        earlier: Tensor | None = None  # what the layer above gives x of the layer below
        for layer in range(n_layers, -1, -1):
            if nonlinearity == "nonneg":
                g = torch.ops.aten.threshold_backward(incoming, kept[layer], 0.0)
                bias_grad[layer] = -g.sum()
            else:
                g = incoming * torch.sign(kept[layer])
                bias_grad[layer] = g.sum()
            flat = analysis[layer].reshape(n_maps, -1)
            if layer == 0:
                analysis_grad[0] = (g @ shifts(image, size).t()).reshape(analysis_grad[0].shape)
                break
            seen = shifts(planes[layer - 1], size)
            analysis_grad[layer] = -(g @ seen.t()).reshape(analysis_grad[layer].shape)
            plane_grad = shifted_sum(flat.t() @ g, image.shape, size).neg_()
            seen = shifts(plane_grad, size)
            x = _activated(kept[layer - 1], nonlinearity)
            before = _activated(kept[layer - 2], nonlinearity) if layer > 1 else None
            step = float(alpha[layer - 1])
            z = _extrapolated(x, before, step)
            taps = synthesis[layer - 1].flip(-2, -1).reshape(n_maps, -1)
            synthesis_grad[layer - 1] = (
                (z @ seen.t()).reshape(synthesis_grad[layer - 1].shape).flip(-2, -1)
            )
            g.addmm_(taps, seen)  # now the gradient of z
            drop = 0.0 if before is None else torch.dot(before.reshape(-1), g.reshape(-1))
            alpha_grad[layer - 1] = torch.dot(x.reshape(-1), g.reshape(-1)) - drop
            incoming = g * (1.0 + step) if earlier is None else earlier.add_(g, alpha=1.0 + step)
            earlier = None if before is None else g.mul_(-step)
        return None, *grads, None
