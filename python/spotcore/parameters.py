"""Parameters of the learned networks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NONLINEARITIES = ("soft", "nonneg", "group_nonneg", "shifted_abs")


@dataclass(frozen=True)
class ThresholdRule:
    """Smallest score of a cell: ``"absolute"``, or ``"relative"`` to a typical peak."""

    kind: str
    value: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Metadata:
    """What belongs to a network besides its weights."""

    name: str
    sigma_limits: NDArray[np.float64]
    threshold: ThresholdRule
    image_scaling: str = "none"
    calibration: tuple[float, float] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    source: str = ""
    version: int = 1


@dataclass(frozen=True, eq=False)
class SpotNetParameters:
    """Parameters of SpotNet."""

    analysis: NDArray[np.float32]
    synthesis: NDArray[np.float32]
    bias: NDArray[np.float32]
    alpha: NDArray[np.float32]
    nonlinearity: str
    score_weights: NDArray[np.float32]
    metadata: Metadata


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """One layer of ConvNet."""

    kernels: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ConvNetParameters:
    """Parameters of ConvNet."""

    layers: tuple[ConvLayer, ...]
    score_weights: NDArray[np.float32]
    metadata: Metadata


def read(path: str | os.PathLike[str]) -> SpotNetParameters | ConvNetParameters:
    """Read the parameters of a network."""
    raise NotImplementedError(path)


def write(path: str | os.PathLike[str], parameters: SpotNetParameters | ConvNetParameters) -> None:
    """Write the parameters of a network."""
    raise NotImplementedError(path, parameters)
