"""Adam in the eigenbasis of the gradients: for networks of few, strongly coupled parameters.

The K kernels of a layer see almost the same image: their gradients lie near a subspace of few
dimensions, and Adam, which scales each tap by itself, creeps along all others. Here each layer's
taps are scaled along the eigenvectors of the covariance of their gradients. A layer has some 750
taps, so that the whole covariance is affordable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["EigenAdam"]


class EigenAdam(torch.optim.Optimizer):
    """Adam along the eigenvectors of each block's gradient covariance (SOAP with one whole factor).

    Tensors of four axes are the taps of one layer, or of several, [layers, ...]: each layer has a
    basis of its own, which is renewed by one step of the power method. Tensors of fewer axes are
    Adam's, as they are.

    Parameters
    ----------
    params : iterable of Parameter
        What to optimise.
    lr : float
        Adam's learning rate, for tensors of fewer than four axes. Those with a basis take
        `basis_rate` times as much: few directions carry a signal that lasts, so that the same rate
        moves them less.
    betas : tuple of two floats
        Decay of the mean of the gradients, and of their covariance.
    stacked : bool
        Whether the first axis of tensors of four axes counts layers.
    every : int
        Steps between two renewals of a basis; nothing with a basis moves before the first.
    basis_rate : float
        See `lr`.
    eps : float
        Smallest standard deviation of a gradient.

    References
    ----------
    Vyas et al., "SOAP: improving and stabilizing Shampoo using Adam", ICLR 2025, Algorithm 3.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        stacked: bool = True,
        every: int = 20,
        basis_rate: float = 7.5,
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "every": every, "basis_rate": basis_rate, "eps": eps}
        super().__init__(params, {**defaults, "stacked": stacked})

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take one step; a closure is not supported."""
        if closure is not None:
            raise NotImplementedError("closure: not supported")
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._change(parameter, group)

    def _change(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        is_layers = parameter.ndim == 4
        blocks = len(parameter) if is_layers and group["stacked"] else 1
        gradient = parameter.grad.reshape(blocks, -1)
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(gradient)
            state["power"] = torch.zeros_like(gradient)
            if is_layers:
                n = gradient.shape[1]
                state["covariance"] = gradient.new_zeros(blocks, n, n)
        state["step"] += 1
        change = (_along_basis if is_layers else _along_axes)(state, gradient, group)
        parameter.sub_(change.reshape(parameter.shape))


def _along_axes(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
    """Adam's step."""
    beta, beta2 = group["betas"]
    mean = state["mean"].lerp_(gradient, 1.0 - beta)
    power = state["power"].mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
    return group["lr"] * _ratio(mean, power, state, group)


def _along_basis(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
    """Adam's step along the basis of each block; 0 as long as there is none."""
    beta, beta2 = group["betas"]
    mean = state["mean"].lerp_(gradient, 1.0 - beta)
    covariance = state["covariance"]
    covariance.mul_(beta2).baddbmm_(gradient[:, :, None], gradient[:, None], alpha=1.0 - beta2)
    step = int(state["step"])
    if step % group["every"] == 0:
        state["basis"], state["power"] = _renewed(covariance, state.get("basis"))
    elif "basis" in state:
        projected = _projected(state["basis"], gradient)
        state["power"].mul_(beta2).addcmul_(projected, projected, value=1.0 - beta2)
    if "basis" not in state:
        return torch.zeros_like(gradient)
    basis = state["basis"]
    scaled = _ratio(_projected(basis, mean), state["power"], state, group)
    rate = group["basis_rate"] * group["lr"]
    return torch.bmm(basis, (rate * scaled)[:, :, None])[:, :, 0]


def _renewed(covariance: Tensor, basis: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return bases [B, n, n] nearer to the eigenvectors, and the gradients' power along them."""
    if basis is None:
        # Of a few gradients it has many eigenvalues 0, which single precision does not part.
        basis = torch.linalg.eigh(covariance.double())[1].flip(-1).to(covariance)
    else:
        product = covariance @ basis
        order = (basis * product).sum(dim=1).argsort(dim=1, descending=True)
        # Where hardly any gradient points, the old vectors stay.
        product = product + 1e-12 * basis
        basis = torch.linalg.qr(product.gather(2, order[:, None].expand_as(product)))[0]
    return basis, (basis * (covariance @ basis)).sum(dim=1).clamp_min(0.0)


def _projected(basis: Tensor, vectors: Tensor) -> Tensor:
    """Coordinates [B, n] of vectors [B, n]."""
    return torch.bmm(vectors[:, None], basis)[:, 0]


def _ratio(mean: Tensor, power: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """Adam's quotient, without the bias of the first steps."""
    (beta, beta2), step = group["betas"], float(state["step"])
    deviation = (power / (1.0 - beta2**step)).sqrt_()
    return mean / (1.0 - beta**step) / (deviation + group["eps"])
