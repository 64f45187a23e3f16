"""Parameters of the learned networks, checked when they are made, and their files.

A file is safetensors with one text, ``spotcore``, a JSON document that says what the network is;
`read` takes nothing that `write` could not have written.  NumPy alone is needed for both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore._arrays import as_choice, as_real, as_vector
from spotcore.networks.metadata import IMAGE_SCALINGS, Metadata, ThresholdRule, require_names
from spotcore.networks.safetensors_file import (
    MAX_BYTES,
    ParameterError,
    read_tensors,
    strict_json,
    write_tensors,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "IMAGE_SCALINGS",
    "NONLINEARITIES",
    "ConvLayer",
    "ConvNetParameters",
    "Metadata",
    "ParameterError",
    "SpotNetParameters",
    "ThresholdRule",
    "read",
    "write",
]

NONLINEARITIES = ("soft", "nonneg", "group_nonneg", "shifted_abs")
MAX_CHANNELS = 1024
MAX_LAYERS = 64
MAX_KERNEL_SIDE = 31

_KEY = "spotcore"
_ARCHITECTURE = {"kind", "n_layers", "n_channels", "kernel_size"}
_KEYS = {"spotnet": _ARCHITECTURE | {"nonlinearity", "tied"}, "convnet": _ARCHITECTURE}


@dataclass(frozen=True, eq=False)
class SpotNetParameters:
    """Parameters of SpotNet: L layers of K kernels of S x S (ISBI 2019, Section 2).

    With ``*`` the correlation of the same size, zeros outside the image, ``s`` the image,

        x_0 = phi_{b_0}(analysis[0]_k * s),               z_0 = (1 + alpha_0) x_0,
        u_l = sum_k synthesis[l - 1]_k * z_{l-1,k} - s,
        x_l = phi_{b_l}(z_{l-1} - analysis[l]_k * u_l),   z_l = x_l + alpha_l (x_l - x_{l-1}),

    and the score map is ``sum_k score_weights_k x_{L,k}``.

    Parameters
    ----------
    analysis : array_like, shape [L + 1, K, S, S]
        S is odd. In the paper each kernel is the flipped one of `synthesis`: the weights are tied.
    synthesis : array_like, shape [L, K, S, S]
        Of layers 1 to L.
    bias : array_like, shape [L + 1]
        ``b``, in the image's unit of intensity.
    alpha : array_like, shape [L]
        Momentum after layers 0 to L - 1.
    nonlinearity : str
        ``"soft"``: sign(x) max(|x| - b, 0); ``"nonneg"``: max(x - b, 0); ``"group_nonneg"``:
        Theorem 2 of Part II over k; ``"shifted_abs"``: |x + b|.
    score_weights : array_like, shape [K]
        1 / K in the paper.
    metadata : Metadata
        Of the same K.

    Raises
    ------
    ValueError
        If shapes do not agree, values are not finite, or a size is beyond the limits (K <= 1024,
        L <= 64, S <= 31, 64 MiB).
    TypeError
        If something is not numbers.
    """

    analysis: NDArray[np.float32]
    synthesis: NDArray[np.float32]
    bias: NDArray[np.float32]
    alpha: NDArray[np.float32]
    nonlinearity: str
    score_weights: NDArray[np.float32]
    metadata: Metadata

    def __post_init__(self) -> None:
        """Check everything, and keep float32 copies that nobody else can change."""
        _set(self, "analysis", as_real(self.analysis, "analysis", "[L + 1, K, S, S]", 4))
        n_maps, k, side, _ = self.analysis.shape
        if not 2 <= n_maps <= MAX_LAYERS + 1 or self.analysis.shape[2:] != (side, side):
            raise ValueError(
                f"analysis: expected shape [L + 1, K, S, S] with 1 <= L <= "
                f"{MAX_LAYERS}, got {self.analysis.shape}"
            )
        _check_sizes("analysis", k, side)
        chosen = as_choice(self.nonlinearity, "nonlinearity", NONLINEARITIES)
        object.__setattr__(self, "nonlinearity", chosen)
        shape = (n_maps - 1, k, side, side)
        _set(self, "synthesis", as_real(self.synthesis, "synthesis", "[L, K, S, S]", 4))
        if self.synthesis.shape != shape:
            raise ValueError(f"synthesis: expected shape {shape}, got {self.synthesis.shape}")
        for name, length in (("bias", n_maps), ("alpha", n_maps - 1), ("score_weights", k)):
            _set(self, name, as_vector(getattr(self, name), name, length))
        _check_total(self.analysis, self.synthesis)
        _check_metadata(self.metadata, k)

    @property
    def n_layers(self) -> int:
        """L, the number of layers after the input half-layer."""
        return len(self.synthesis)

    @property
    def n_channels(self) -> int:
        """K, the number of output maps."""
        return int(self.analysis.shape[1])

    @property
    def kernel_size(self) -> int:
        """S, the side of the kernels in pixels."""
        return int(self.analysis.shape[2])

    @property
    def tied(self) -> bool:
        """Whether each analysis kernel is the flipped synthesis kernel of its layer."""
        return np.array_equal(self.analysis[1:], _flip(self.synthesis))


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """One layer of a `ConvNetParameters`, followed by max(x, 0).

    Parameters
    ----------
    kernels : array_like, shape [out, in, S, S]
        Correlated with the maps before and added over ``in``; with ``in`` = 1 the layer works on
        each map alone (depthwise): output ``c m + j`` of ``out = m channels`` is made of map c.
    bias : array_like, shape [out], or a number
        Added before max(x, 0); a number stands for all outputs.
    """

    kernels: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check both, and keep float32 copies that nobody else can change."""
        _set(self, "kernels", as_real(self.kernels, "kernels", "[out, in, S, S]", 4))
        n_out, n_in, side, width = self.kernels.shape
        if side != width:
            raise ValueError(f"kernels: expected [out, in, S, S], got {self.kernels.shape}")
        for channels in (n_in, n_out):
            _check_sizes("kernels", channels, side)
        bias = np.asarray(self.bias)
        if bias.ndim == 0:
            bias = np.repeat(as_vector(bias[None], "bias"), n_out)
        _set(self, "bias", as_vector(bias, "bias", n_out))


@dataclass(frozen=True, eq=False)
class ConvNetParameters:
    """Parameters of ConvNet, the comparison of the SpotNet paper: layers, each with a ReLU.

    Parameters
    ----------
    layers : sequence of ConvLayer
        The first one sees the image; all have kernels of one size.
    score_weights : array_like, shape [K]
        The score map is ``sum_k score_weights_k x_k`` of the K maps of the last layer.
    metadata : Metadata
        Of the same K.

    Raises
    ------
    ValueError
        If the layers do not fit each other, or a size is beyond the limits of `SpotNetParameters`.
    TypeError
        If something is of another type.
    """

    layers: tuple[ConvLayer, ...]
    score_weights: NDArray[np.float32]
    metadata: Metadata

    def __post_init__(self) -> None:
        """Check how the layers fit each other."""
        object.__setattr__(self, "layers", tuple(self.layers))
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise ValueError(f"layers: expected 1 to {MAX_LAYERS}, got {len(self.layers)}")
        channels = 1
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, ConvLayer):
                raise TypeError(f"layers: expected ConvLayer, got {type(layer).__name__} at {i}")
            n_out, n_in, side, _ = layer.kernels.shape
            if side != self.kernel_size:
                raise ValueError(
                    f"layer {i}: expected kernels of side {self.kernel_size} as in "
                    f"layer 0, got {side}"
                )
            if n_in != channels and (n_in != 1 or n_out % channels):
                raise ValueError(
                    f"layer {i}: expected kernels [out, {channels}, S, S], or [m {channels}, 1, "
                    f"S, S] for each map alone, got {layer.kernels.shape}"
                )
            channels = n_out
        _set(self, "score_weights", as_vector(self.score_weights, "score_weights", channels))
        _check_total(*(layer.kernels for layer in self.layers))
        _check_metadata(self.metadata, channels)

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @property
    def n_channels(self) -> int:
        """K, the number of output maps."""
        return len(self.layers[-1].kernels)

    @property
    def kernel_size(self) -> int:
        """S, the side of the kernels in pixels."""
        return int(self.layers[0].kernels.shape[2])


def _set(owner: object, name: str, array: NDArray[Any]) -> None:
    """Set an attribute of a frozen dataclass to a read-only copy."""
    copy = array.copy()
    copy.setflags(write=False)
    object.__setattr__(owner, name, copy)


def _flip(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flip kernels in both axes."""
    return kernels[..., ::-1, ::-1]


def _check_sizes(name: str, channels: int, side: int) -> None:
    """Check the limits that hold for all networks."""
    if channels > MAX_CHANNELS:
        raise ValueError(f"{name}: expected up to {MAX_CHANNELS} channels, got {channels}")
    if side > MAX_KERNEL_SIDE or side % 2 == 0:
        raise ValueError(
            f"{name}: expected kernels with an odd side up to {MAX_KERNEL_SIDE}, got {side}"
        )


def _check_total(*kernels: NDArray[np.float32]) -> None:
    """Check that the file of a network can be read again (its vectors are below 1 MiB)."""
    n_bytes = sum(array.nbytes for array in kernels)
    if n_bytes > MAX_BYTES - 2**20:
        raise ValueError(f"kernels: expected at most {MAX_BYTES - 2**20} bytes, got {n_bytes}")


def _check_metadata(metadata: Metadata, channels: int) -> None:
    """Check that the metadata belong to a network of so many outputs."""
    if not isinstance(metadata, Metadata):
        raise TypeError(f"metadata: expected Metadata, got {type(metadata).__name__}")
    if len(metadata.sigma_limits) != channels + 1:
        raise ValueError(
            f"sigma_limits: expected {channels + 1} limits of {channels} bins, "
            f"got {len(metadata.sigma_limits)}"
        )


def write(path: str | os.PathLike[str], parameters: SpotNetParameters | ConvNetParameters) -> None:
    """Write the parameters of a network as a safetensors file, whole or not at all.

    Parameters
    ----------
    path : path-like
        The final name.
    parameters : SpotNetParameters or ConvNetParameters
        What to write; tied weights are written once.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If the training record is longer than a header may be.
    OutputError
        If the file cannot be written.
    """
    if not isinstance(parameters, SpotNetParameters | ConvNetParameters):
        raise TypeError(f"parameters: expected those of a network, got {type(parameters).__name__}")
    document: dict[str, Any] = {
        "kind": "convnet",
        "n_layers": parameters.n_layers,
        "n_channels": parameters.n_channels,
        "kernel_size": parameters.kernel_size,
    }
    tensors: dict[str, NDArray[np.float32]] = {}
    if isinstance(parameters, SpotNetParameters):
        tied = parameters.tied
        document |= {"kind": "spotnet", "nonlinearity": parameters.nonlinearity, "tied": tied}
        if tied:
            first = _flip(parameters.analysis[:1])
            tensors["kernels"] = np.concatenate([first, parameters.synthesis])
        else:
            tensors |= {"analysis": parameters.analysis, "synthesis": parameters.synthesis}
        tensors |= {"bias": parameters.bias, "alpha": parameters.alpha}
    else:
        for i, layer in enumerate(parameters.layers):
            tensors |= {f"layer.{i}.kernels": layer.kernels, f"layer.{i}.bias": layer.bias}
    tensors["score_weights"] = parameters.score_weights
    document |= parameters.metadata.to_json()
    write_tensors(path, tensors, {_KEY: json.dumps(document, allow_nan=False)})


def read(path: str | os.PathLike[str]) -> SpotNetParameters | ConvNetParameters:
    """Read the parameters of a network from a safetensors file that `write` made.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    SpotNetParameters or ConvNetParameters
        What the file holds, checked.

    Raises
    ------
    ParameterError
        If the file is missing, damaged, hostile or of another kind; the message names the file, the
        tensor or the text, what came and what was expected.
    """
    tensors, texts = read_tensors(path)
    try:
        require_names(texts, {_KEY}, "__metadata__")
        document = strict_json(texts[_KEY])
        return from_tensors(document, tensors)
    except (ValueError, TypeError, RecursionError) as error:
        raise ParameterError(f"{os.fspath(path)}: {error}") from error


def from_tensors(
    document: Any, tensors: Mapping[str, Any]
) -> SpotNetParameters | ConvNetParameters:
    """Make the parameters of a network of what a file says and of its tensors.

    Raises ValueError or TypeError if a name is missing or unknown, or they do not agree.
    """
    kind = document.get("kind") if isinstance(document, Mapping) else None
    kind = as_choice(kind, "kind", tuple(_KEYS))
    meta_keys = {f.name for f in fields(Metadata)}
    require_names(document, _KEYS[kind] | meta_keys, kind)
    metadata = Metadata.from_json({name: document[name] for name in meta_keys})
    n_layers = document["n_layers"]
    if type(n_layers) is not int or not 1 <= n_layers <= MAX_LAYERS:
        raise ValueError(f"n_layers: expected 1 to {MAX_LAYERS}, got {n_layers!r}")
    parameters: SpotNetParameters | ConvNetParameters
    if kind == "spotnet":
        parameters = _spotnet(document, tensors, metadata)
    else:
        names = {f"layer.{i}.{part}" for i in range(n_layers) for part in ("kernels", "bias")}
        require_names(tensors, names | {"score_weights"}, "tensors")
        layers = []
        for i in range(n_layers):
            try:
                kernels, bias = (tensors[f"layer.{i}.{part}"] for part in ("kernels", "bias"))
                layers.append(ConvLayer(kernels, bias))
            except (ValueError, TypeError) as error:
                raise type(error)(f"layer.{i}.{error}") from error
        parameters = ConvNetParameters(tuple(layers), tensors["score_weights"], metadata)
    for name in ("n_layers", "n_channels", "kernel_size"):
        got = getattr(parameters, name)
        if type(document[name]) is not int or document[name] != got:
            raise ValueError(f"{name}: expected {got} of the tensors, got {document[name]!r}")
    return parameters


def _spotnet(
    document: Mapping[str, Any], tensors: Mapping[str, Any], metadata: Metadata
) -> SpotNetParameters:
    """Make the parameters of SpotNet, whose tied kernels are stored once: h_0, h_1 .. h_L."""
    tied = document["tied"]
    if type(tied) is not bool:
        raise TypeError(f"tied: expected true or false, got {tied!r}")
    stored = {"kernels"} if tied else {"analysis", "synthesis"}
    require_names(tensors, stored | {"bias", "alpha", "score_weights"}, "tensors")
    arrays = dict(tensors)
    if tied:
        kernels = as_real(arrays.pop("kernels"), "kernels", "[L + 1, K, S, S]", 4)
        if len(kernels) < 2:
            raise ValueError(f"kernels: expected shape [L + 1, K, S, S], got {kernels.shape}")
        arrays |= {"analysis": _flip(kernels), "synthesis": kernels[1:]}
    return SpotNetParameters(**arrays, nonlinearity=document["nonlinearity"], metadata=metadata)
