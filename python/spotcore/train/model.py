"""SpotNet and ConvNet as PyTorch modules.

Inside, images and maps are divided by 255: the networks are positively homogeneous but for their
biases, so that the exported parameters (for images in [0, 255]) differ in the biases alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spotcore.train.convolution import many_to_one, one_to_many
from spotcore.train.unrolled import ELEMENTWISE, unrolled

__all__ = ["FULL_SCALE", "NONLINEARITIES", "ConvNet", "SpotNet", "build"]

FULL_SCALE = 255.0


def _soft(x: Tensor, bias: Tensor) -> Tensor:
    return torch.sign(x) * torch.relu(torch.abs(x) - bias)


def _nonneg(x: Tensor, bias: Tensor) -> Tensor:
    return torch.relu(x - bias)


def _group_nonneg(x: Tensor, bias: Tensor) -> Tensor:
    """Theorem 2 of Part II: non-negative part, its norm over k shrunk by `bias`; x [K, ...]."""
    positive = torch.relu(x)
    # The floor keeps the derivative of the root finite where no map is positive.
    norm = torch.sqrt((positive * positive).sum(dim=0, keepdim=True).clamp_min(1e-12))
    return positive * torch.relu(1.0 - bias / norm)


def _shifted_abs(x: Tensor, bias: Tensor) -> Tensor:
    return torch.abs(x + bias)


NONLINEARITIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "soft": _soft,
    "nonneg": _nonneg,
    "group_nonneg": _group_nonneg,
    "shifted_abs": _shifted_abs,
}


class SpotNet(nn.Module):
    """Unrolled accelerated proximal gradient steps with learned kernels.

    Parameters
    ----------
    layers, maps, size : int
        L, K and S of the papers; S is odd.
    tied : bool
        Whether a layer's analysis kernels are its synthesis kernels, flipped.
    nonlinearity : str
        A key of `NONLINEARITIES`.
    learn_score : bool
        Whether the weights of the score map are learned; otherwise they are 1/K.
    generator : torch.Generator, optional
        Draws the initial kernels.
    """

    kind = "spotnet"

    def __init__(
        self,
        layers: int = 3,
        maps: int = 30,
        size: int = 5,
        tied: bool = True,
        nonlinearity: str = "nonneg",
        learn_score: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if size % 2 == 0:
            raise ValueError(f"size: expected an odd number, got {size}")
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(
                f"nonlinearity: expected one of {sorted(NONLINEARITIES)}, got {nonlinearity!r}"
            )
        self.options: dict[str, Any] = {
            "layers": layers,
            "maps": maps,
            "size": size,
            "tied": tied,
            "nonlinearity": nonlinearity,
            "learn_score": learn_score,
        }
        self.nonlinearity = nonlinearity
        self.tied = tied
        taps = (maps, size, size)
        if tied:
            # Such that K maps of unit variance make a plane of about unit variance and back.
            kernels = 0.06 * torch.randn((layers + 1, *taps), generator=generator)
            self.kernels = nn.Parameter(kernels)
        else:
            scale = 2.0 / (size * maps**0.5)
            self.analysis = nn.Parameter(
                0.3 / size * torch.randn((layers + 1, *taps), generator=generator)
            )
            self.synthesis = nn.Parameter(scale * torch.randn((layers, *taps), generator=generator))
        self.bias = nn.Parameter(torch.zeros(layers + 1))
        self.alpha = nn.Parameter(torch.zeros(layers))
        weights = torch.full((maps,), 1.0 / maps)
        if learn_score:
            self.score_weights = nn.Parameter(weights)
        else:
            self.register_buffer("score_weights", weights)

    @property
    def reach(self) -> int:
        """Pixels around an output pixel that it depends on."""
        half = self.options["size"] // 2
        return half * (1 + 2 * self.options["layers"])

    def kernel_pair(self) -> tuple[Tensor, Tensor]:
        """Return analysis [L+1, K, S, S] and synthesis [L, K, S, S] kernels."""
        if self.tied:
            return self.kernels.flip(-2, -1), self.kernels[1:]
        return self.analysis, self.synthesis

    def maps(self, image: Tensor) -> Tensor:
        """Return the maps [K, B, H, W] of images [B, H, W], both divided by 255."""
        analysis, synthesis = self.kernel_pair()
        if not image.is_cuda and self.nonlinearity in ELEMENTWISE:
            return unrolled(image, analysis, synthesis, self.bias, self.alpha, self.nonlinearity)
        return self.maps_by_layer(image)

    def maps_by_layer(self, image: Tensor) -> Tensor:
        """Return the same as `maps`, layer by layer as the formulas stand."""
        analysis, synthesis = self.kernel_pair()
        shrink = NONLINEARITIES[self.nonlinearity]
        x = shrink(one_to_many(image, analysis[0]), self.bias[0])
        z = (1.0 + self.alpha[0]) * x
        for layer in range(1, len(analysis)):
            residual = many_to_one(z, synthesis[layer - 1]) - image
            previous = x
            x = shrink(one_to_many(residual, analysis[layer], z), self.bias[layer])
            if layer + 1 < len(analysis):
                z = torch.lerp(previous, x, 1.0 + self.alpha[layer])
        return x

    def score(self, maps: Tensor) -> Tensor:
        """Return the score map [B, H, W] of maps [K, B, H, W]."""
        weights: Tensor = self.score_weights
        return torch.einsum("k,kbhw->bhw", weights, maps)

    def forward(self, image: Tensor) -> Tensor:
        """Return the maps [B, K, H, W] of images [B, H, W] in [0, 255]."""
        return FULL_SCALE * self.maps(image / FULL_SCALE).transpose(0, 1)

    def exported(self) -> dict[str, Tensor]:
        """Return the tensors of a parameter file, for images in [0, 255]."""
        tensors: dict[str, Tensor] = {"kernels": self.kernels} if self.tied else {}
        if not self.tied:
            tensors |= {"analysis": self.analysis, "synthesis": self.synthesis}
        tensors |= {
            "bias": FULL_SCALE * self.bias,
            "alpha": self.alpha,
            "score_weights": self.score_weights,
        }
        return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


class ConvNet(nn.Module):
    """The paper's comparison: 1 -> 6 -> 15 full, 15 -> 30 and three times 30 -> 30 depthwise.

    Each layer has one scalar bias and ends in a ReLU; 5406 parameters with 5 by 5 kernels.
    """

    kind = "convnet"

    def __init__(
        self,
        channels: tuple[int, ...] = (1, 6, 15, 30, 30, 30, 30),
        n_full: int = 2,
        size: int = 5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if size % 2 == 0:
            raise ValueError(f"size: expected an odd number, got {size}")
        self.options: dict[str, Any] = {"channels": tuple(channels), "n_full": n_full, "size": size}
        self.groups = [
            1 if index < n_full else inputs for index, inputs in enumerate(channels[:-1])
        ]
        self.kernels = nn.ParameterList()
        for inputs, outputs, groups in zip(channels, channels[1:], self.groups, strict=False):
            fan_in = inputs // groups * size * size
            shape = (outputs, inputs // groups, size, size)
            kernels = torch.randn(shape, generator=generator) * (2.0 / fan_in) ** 0.5
            self.kernels.append(nn.Parameter(kernels))
        self.bias = nn.Parameter(torch.zeros(len(self.kernels)))
        self.register_buffer("score_weights", torch.full((channels[-1],), 1.0 / channels[-1]))

    @property
    def reach(self) -> int:
        """Pixels around an output pixel that it depends on."""
        return len(self.kernels) * (self.options["size"] // 2)

    def maps(self, image: Tensor) -> Tensor:
        """Return the maps [K, B, H, W] of images [B, H, W], both divided by 255."""
        # With the channels last, PyTorch's convolutions of each channel are twice as fast on a CPU.
        last = torch.channels_last
        x = image[:, None].contiguous(memory_format=last)
        for kernels, bias, groups in zip(self.kernels, self.bias, self.groups, strict=True):
            half = kernels.shape[-1] // 2
            kernels = kernels.contiguous(memory_format=last)
            y = functional.conv2d(x, kernels, padding=half, groups=groups)
            x = torch.relu(y + bias)
        return x.transpose(0, 1)

    def score(self, maps: Tensor) -> Tensor:
        """Return the score map [B, H, W] of maps [K, B, H, W]."""
        weights: Tensor = self.score_weights
        return torch.einsum("k,kbhw->bhw", weights, maps)

    def forward(self, image: Tensor) -> Tensor:
        """Return the maps [B, K, H, W] of images [B, H, W] in [0, 255]."""
        return FULL_SCALE * self.maps(image / FULL_SCALE).transpose(0, 1)

    def exported(self) -> dict[str, Tensor]:
        """Return the tensors of a parameter file, for images in [0, 255]."""
        tensors = {}
        for index, (kernels, bias) in enumerate(zip(self.kernels, self.bias, strict=True)):
            tensors[f"layer.{index}.kernels"] = kernels
            tensors[f"layer.{index}.bias"] = (FULL_SCALE * bias).expand(len(kernels))
        tensors["score_weights"] = self.score_weights
        return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def build(kind: str, options: dict[str, Any], seed: int = 0) -> SpotNet | ConvNet:
    """Build a network of a kind ("spotnet" or "convnet") with kernels drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "spotnet":
        return SpotNet(**options, generator=generator)
    if kind == "convnet":
        return ConvNet(**options, generator=generator)
    raise ValueError(f"kind: expected 'spotnet' or 'convnet', got {kind!r}")
