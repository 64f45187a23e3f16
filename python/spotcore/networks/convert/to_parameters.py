"""Networks of other programs as parameters of spotcore.

Two kinds of source are known: checkpoints of TensorFlow 1 with the names of the published project
(github.com/poldap/SpotNet), read without TensorFlow, and the PyTorch files of our own trainer.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore._arrays import as_choice
from spotcore.networks.convert.tensor_bundle import find_prefix, read_bundle
from spotcore.networks.metadata import FORMAT_VERSION, require_names
from spotcore.networks.parameters import (
    NONLINEARITIES,
    ConvLayer,
    ConvNetParameters,
    Metadata,
    ParameterError,
    SpotNetParameters,
    ThresholdRule,
    from_tensors,
)
from spotcore.networks.safetensors_file import MAX_BYTES, file_size, refused
from spotcore.simulation.diffusion import sigma_grid
from spotcore.simulation.simulate import ISBI2019

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PUBLISHED_THRESHOLD", "convert", "from_tensorflow", "from_torch"]

PUBLISHED_THRESHOLD = ThresholdRule("absolute", 180.0)
"""Default of converted checkpoints, which carry none.

For the published SpotNet, chosen on simulated images of 250, 750 and 1250 cells (preset isbi2019, 6
bits, two each, not the papers' seeds) where 180 gives a mean F1 of 0.975, 0.980, 0.934; the best of
each image 0.991, 0.982, 0.957. No share of a typical peak does as well: the network answers to an
empty image too, so that at 250 cells the typical peak is noise.
"""

# Kernels of the published ConvNet in TensorFlow's order: [S, S, in, out], or, where each map is
# worked on alone, [S, S, in, outputs of each].
_CONVNET_SHAPES = ((5, 5, 1, 6), (5, 5, 6, 15), (5, 5, 15, 2), *[(5, 5, 30, 1)] * 3)
_CONVNET_FULL = 2  # so many layers from the first one on mix the maps

# What the metadata of a .pt file may leave out.
_OPTIONAL_METADATA: dict[str, Any] = {
    "image_scaling": "none",
    "calibration": None,
    "training": {},
    "licence": "",
    "source": "",
    "version": FORMAT_VERSION,
}

_NAME = re.compile(r"(?:(.*)/)?Variable(?:_(\d{1,4}))?", re.DOTALL)


def convert(
    source: str | os.PathLike[str],
    *,
    name: str,
    nonlinearity: str | None = None,
    threshold: ThresholdRule | None = None,
    image_scaling: str | None = None,
    licence: str | None = None,
    origin: str | None = None,
) -> SpotNetParameters | ConvNetParameters:
    """Read a network that another program has written.

    Parameters
    ----------
    source : path-like
        Folder of a SavedModel of TensorFlow 1, folder, prefix or index file of its checkpoint, or
        a ``.pt`` file of our own trainer.
    name : str
        What to call the network.
    nonlinearity : str, optional
        Of a SpotNet from TensorFlow, whose checkpoint does not say: ``"shifted_abs"``, that of the
        published one, by default.
    threshold : ThresholdRule, optional
        Default threshold; by default the file's, and `PUBLISHED_THRESHOLD` for TensorFlow.
    image_scaling : str, optional
        By default the file's, and ``"none"`` for TensorFlow, whose networks see images as they are.
    licence, origin : str, optional
        Of the weights, by default the file's.

    Returns
    -------
    SpotNetParameters or ConvNetParameters
        The network.

    Raises
    ------
    ParameterError
        If the source is missing, damaged, hostile or of another kind.
    ValueError
        If an option is not one of those possible, or does not belong to this source.
    """
    path = Path(source)
    given = {
        "threshold": threshold,
        "image_scaling": image_scaling,
        "licence": licence,
        "source": origin,
    }
    options = {"name": name} | {key: value for key, value in given.items() if value is not None}
    if path.suffix in (".pt", ".pth") and not path.is_dir():
        if nonlinearity is not None:
            raise ValueError(
                f"nonlinearity: expected none for {path}, which says it itself, "
                f"got {nonlinearity!r}"
            )
        return from_torch(path, options)
    prefix = find_prefix(path)
    variables = read_bundle(prefix)
    defaults: dict[str, Any] = {
        "threshold": PUBLISHED_THRESHOLD,
        "training": {"converted_from": "TensorFlow 1 checkpoint", "sha256": _digest(variables)},
    }
    try:
        return from_tensorflow(variables, nonlinearity, defaults | options)
    except _Unfit as error:
        raise ParameterError(f"{prefix}: {error}") from error


class _Unfit(ValueError):
    """A variable that is not what the published networks have."""


def from_tensorflow(
    variables: Mapping[str, NDArray[np.float32]],
    nonlinearity: str | None,
    options: Mapping[str, Any],
) -> SpotNetParameters | ConvNetParameters:
    """Make the parameters of a published network of its variables.

    Parameters
    ----------
    variables : mapping of str to ndarray
        By TensorFlow's names, without those of the optimiser.
    nonlinearity : str or None
        Of a SpotNet, None for ``"shifted_abs"``.
    options : mapping
        Arguments of `Metadata`, except for the sigma limits: the networks estimate the PSDR on the
        grid of the simulation `ISBI2019`.

    Returns
    -------
    SpotNetParameters or ConvNetParameters
        A SpotNet if there is a scope of that name.

    Raises
    ------
    ValueError
        If a variable is missing, is not known, or has another shape.
    """
    if any(name.startswith("SpotNet/") for name in variables):
        return _spotnet(dict(variables), nonlinearity or "shifted_abs", options)
    if nonlinearity is not None:
        raise ValueError(f"nonlinearity: expected none for a ConvNet, got {nonlinearity!r}")
    return _convnet(variables, options)


def _metadata(n_channels: int, options: Mapping[str, Any]) -> Metadata:
    """Metadata with the sigma limits of the simulation, on as many bins as there are outputs."""
    assay = ISBI2019.assay
    if n_channels != assay.n_bins:
        raise _Unfit(f"expected {assay.n_bins} outputs, one a sigma bin, got {n_channels}")
    return Metadata(sigma_limits=sigma_grid(assay), **options)


def _spotnet(
    variables: dict[str, NDArray[np.float32]], nonlinearity: str, options: Mapping[str, Any]
) -> SpotNetParameters:
    """Make a SpotNet: `Variable` is h_0, then b_0, alpha_0, h_1, b_1, alpha_1 .. in their scope.

    The program's analysis is `conv2d_transpose`, its synthesis `conv2d` with the same kernel
    [S, S, K, 1]: h correlates K maps into one, the flipped h one into K.
    """
    n_layers, rest = divmod(len(variables) - 3, 3)
    if rest or n_layers < 1:
        raise _Unfit(
            f"SpotNet: expected 3 (L + 1) variables, got {len(variables)}: "
            f"{', '.join(sorted(variables))[:300]}"
        )

    def take(number: int) -> NDArray[np.float32]:
        scope = "SpotNet/Variable" if number >= 0 else "Variable"
        name = f"{scope}_{number}" if number > 0 else scope
        if name not in variables:
            others = ", ".join(sorted(variables))[:300]
            raise _Unfit(f"SpotNet: expected variable {name!r}, got {others}")
        variable = variables[name]
        scalar = number >= 0 and number % 3 != 2
        if variable.shape != (() if scalar else kernel_shape):
            expected = "a scalar" if scalar else f"shape {kernel_shape}"
            raise _Unfit(f"{name!r}: expected {expected}, got shape {variable.shape}")
        return variable

    kernel_shape = variables["Variable"].shape if "Variable" in variables else ()
    if len(kernel_shape) != 4 or kernel_shape[0] != kernel_shape[1] or kernel_shape[3] != 1:
        raise _Unfit(f"'Variable': expected shape [S, S, K, 1], got {list(kernel_shape)}")
    stored = np.stack([take(3 * layer - 1) for layer in range(n_layers + 1)])
    kernels = stored[..., 0].transpose(0, 3, 1, 2)  # [L + 1, K, S, S]
    take(3 * n_layers + 1)  # the last alpha, which no output depends on, has to be there
    n_channels = kernels.shape[1]
    as_choice(nonlinearity, "nonlinearity", NONLINEARITIES)
    metadata = _metadata(n_channels, options)
    try:
        return SpotNetParameters(
            analysis=kernels[..., ::-1, ::-1],
            synthesis=kernels[1:],
            bias=np.stack([take(3 * layer) for layer in range(n_layers + 1)]),
            alpha=np.stack([take(3 * layer + 1) for layer in range(n_layers)]),
            nonlinearity=nonlinearity,
            score_weights=np.full(n_channels, 1.0 / n_channels, np.float32),
            metadata=metadata,
        )
    except ValueError as error:  # of the variables: the options have been checked
        raise _Unfit(f"SpotNet: {error}") from error


def _convnet(
    variables: Mapping[str, NDArray[np.float32]], options: Mapping[str, Any]
) -> ConvNetParameters:
    """Make a ConvNet of six kernels and six scalars, in the order in which they were made.

    Its names were never written down: within a scope the numbers say the order, outer scopes come
    first, and every shape has to be the published one.
    """
    order = sorted(variables, key=_made)
    kernels = [name for name in order if variables[name].ndim > 0]
    biases = [name for name in order if variables[name].ndim == 0]
    shapes = tuple(variables[name].shape for name in kernels)
    if shapes != _CONVNET_SHAPES or len(biases) != len(kernels):
        listing = ", ".join(f"{name!r} {list(variables[name].shape)}" for name in order[:20])
        raise _Unfit(
            f"ConvNet: expected kernels {', '.join(str(list(s)) for s in _CONVNET_SHAPES)} and as "
            f"many scalars, got {listing[:1000]}"
        )
    layers = []
    for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        stored = variables[kernel]
        side = stored.shape[0]
        if i < _CONVNET_FULL:
            ours = stored.transpose(3, 2, 0, 1)
        else:  # output c m + j of map c
            ours = stored.transpose(2, 3, 0, 1).reshape(-1, 1, side, side)
        layers.append(ConvLayer(ours, variables[bias]))
    n_channels = len(layers[-1].kernels)
    weights = np.full(n_channels, 1.0 / n_channels, np.float32)
    return ConvNetParameters(tuple(layers), weights, _metadata(n_channels, options))


def _made(name: str) -> tuple[int, str, int]:
    """Key that sorts TensorFlow's default names by when they were made."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise _Unfit(f"expected variables named [SCOPE/]Variable[_NUMBER], got {name[:80]!r}")
    scope = parts[1] or ""
    return (scope.count("/") + 1 if scope else 0, scope, int(parts[2] or 0))


def from_torch(
    path: str | os.PathLike[str], options: Mapping[str, Any]
) -> SpotNetParameters | ConvNetParameters:
    """Read a ``.pt`` file of our own trainer; PyTorch is needed for it.

    It holds ``{"kind", "state", "metadata"}``: the tensors by the names of a safetensors file, and
    what its JSON document says beyond what the shapes do.

    Parameters
    ----------
    path : path-like
        The file.
    options : mapping
        Arguments of `Metadata` that replace the file's.

    Returns
    -------
    SpotNetParameters or ConvNetParameters
        The network.

    Raises
    ------
    ParameterError
        If the file is missing, damaged, hostile or of another kind.
    ModuleNotFoundError
        If PyTorch is missing.
    """
    path = Path(path)
    _check_archive(path)
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path}: reading .pt files needs PyTorch: pip install torch", name="torch"
        ) from error
    try:
        # weights_only: an unrestricted pickle may run any program.
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what it likes on broken input
        raise ParameterError(f"{path}: expected a file of PyTorch, got {error}") from error
    try:
        require_names(content, {"kind", "state", "metadata"}, "file")
        state, document = content["state"], content["metadata"]
        if not isinstance(state, Mapping) or not isinstance(document, Mapping):
            raise TypeError("state and metadata: expected mappings")
        tensors: dict[str, NDArray[Any]] = {}
        for name, tensor in state.items():
            if not isinstance(tensor, torch.Tensor):
                raise TypeError(f"state {name!r}: expected a tensor, got {type(tensor).__name__}")
            if tensor.numel() > MAX_BYTES // 4:  # few stored values can stand for many
                raise ValueError(
                    f"state {name!r}: expected at most {MAX_BYTES} bytes, got "
                    f"shape {tuple(tensor.shape)}"
                )
            tensors[str(name)] = tensor.detach().numpy()
        says = _document(content["kind"], document, tensors)
        rule = options.get("threshold")
        if isinstance(rule, ThresholdRule):
            options = {**options, "threshold": {"kind": rule.kind, "value": rule.value}}
        return from_tensors(says | dict(options), tensors)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ParameterError(f"{path}: {error}") from error


def _document(
    kind: Any, metadata: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """Complete what a .pt file says of itself to the document of a parameter file.

    `options`, with which the trainer built the network, go to the training record; the sigma limits
    of a network of as many outputs are those of the simulation, on which it was trained.
    """
    document = dict(metadata)
    built = document.pop("options", {})
    record = document.get("training", {})
    if not isinstance(built, Mapping) or not isinstance(record, Mapping):
        raise TypeError("options and training: expected mappings")
    if built:
        document["training"] = {**record, "network": dict(built)}
    if kind == "spotnet" and "nonlinearity" in built:
        document.setdefault("nonlinearity", built["nonlinearity"])
    architecture = _architecture({name: tensor.shape for name, tensor in tensors.items()})
    if architecture.get("n_channels") == ISBI2019.assay.n_bins:
        document.setdefault("sigma_limits", sigma_grid(ISBI2019.assay).tolist())
    return {**architecture, **_OPTIONAL_METADATA, **document, "kind": kind}


def _check_archive(path: Path) -> None:
    """Refuse what is no zip archive, or one that grows when it is unpacked."""
    file_size(path, 2 * MAX_BYTES)
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except Exception as error:  # zipfile raises more than its own error on broken input
        raise ParameterError(f"{path}: expected a file of PyTorch, got {error}") from error
    if total > 2 * MAX_BYTES:
        raise refused(path, "file", f"at most {2 * MAX_BYTES} bytes unpacked", total)


def _architecture(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Derive from shapes what a parameter file says of them; `from_tensors` checks it."""
    kernels = [shapes[name] for name in ("kernels", "analysis") if name in shapes]
    if kernels:
        tied = {"tied": "kernels" in shapes}
        n_layers, channels = kernels[0][0] - 1, kernels[0][1:]
    else:
        tied = {}
        n_layers = sum(name.endswith(".kernels") for name in shapes)
        last = shapes.get(f"layer.{n_layers - 1}.kernels", ())
        channels = (*last[:1], *last[2:])
    sizes = dict(zip(("n_channels", "kernel_size"), channels, strict=False))
    return {"n_layers": n_layers, **sizes, **tied}


def _digest(variables: Mapping[str, NDArray[np.float32]]) -> str:
    """SHA-256 of all names, shapes and values: which checkpoint it was, wherever it lay."""
    digest = hashlib.sha256()
    for name in sorted(variables):
        digest.update(f"{name} {list(variables[name].shape)}\n".encode())
        digest.update(variables[name].astype("<f4").tobytes())
    return digest.hexdigest()
