"""Networks from the files that a training run leaves, for the evaluation."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from spotcore import networks
from spotcore.networks.metadata import ThresholdRule
from spotcore.networks.parameters import SpotNetParameters
from spotcore.train.evaluate import Network
from spotcore.train.inference import maps_of
from spotcore.train.model import FULL_SCALE, ConvNet, SpotNet

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["load_evaluated", "read_network", "read_start", "restored"]


def restored(content: dict[str, Any]) -> SpotNet | ConvNet:
    """Make the module of the content of a ``network.pt``: the inverse of its `exported`."""
    state = dict(content["state"])
    if content["kind"] == "convnet":
        count = sum(name.endswith(".kernels") for name in state)
        kernels = [state[f"layer.{index}.kernels"] for index in range(count)]
        n_full = max([i + 1 for i in range(count) if kernels[i].shape[1] > 1], default=1)
        channels = (1, *(len(k) for k in kernels))
        convnet = ConvNet(channels, n_full, int(kernels[0].shape[-1]))
        bias = torch.stack([state[f"layer.{index}.bias"][0] for index in range(count)])
        values = {f"kernels.{index}": k for index, k in enumerate(kernels)}
        values |= {"bias": bias / FULL_SCALE, "score_weights": state["score_weights"]}
        convnet.load_state_dict(values)
        return convnet
    tied = "kernels" in state
    first = state["kernels" if tied else "analysis"]
    spotnet = SpotNet(
        len(first) - 1,
        first.shape[1],
        first.shape[-1],
        tied=tied,
        nonlinearity=content["metadata"]["nonlinearity"],
    )
    spotnet.load_state_dict({**state, "bias": state["bias"] / FULL_SCALE})
    return spotnet


def read_network(path: Path) -> tuple[SpotNet | ConvNet, dict[str, Any], str]:
    """Read ``network.pt`` of a training run: its module, its metadata, eight digits of its digest.

    Raises
    ------
    ValueError
        If the file is no such file; the message names it.
    """
    content = _checked(_read(path), path)
    return restored(content), content["metadata"], _digest(path)


def read_start(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]:
    """Read what another run begins with.

    Parameters
    ----------
    path : Path
        ``network.pt`` of a run, or its ``checkpoint.pt``, which has the losses' own parameters too:
        without them the first steps pull the network towards the losses' initial ones.

    Returns
    -------
    network, detection : dict of tensors
        States of the two modules, the second None for ``network.pt``.
    record : dict
        Where they came from.

    Raises
    ------
    ValueError
        If the file is neither; the message names it.
    """
    content = _read(path)
    if isinstance(content, dict) and {"average", "best", "detection", "recipe"} <= set(content):
        best = content["best"] if content["recipe"]["keep"] == "best" else None
        network = content["average"] if best is None else best["network"]
        record = {name: content[name] for name in ("recipe", "start", "step")}
        name, detection = path.absolute().parent.name, content["detection"]
        return network, detection, {"name": name, "digest": _digest(path), "training": record}
    metadata = _checked(content, path)["metadata"]
    record = {"name": metadata["name"], "training": metadata["training"], "digest": _digest(path)}
    return restored(content).state_dict(), None, record


def _read(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch raises what it likes on broken files
        raise ValueError(f"{path}: expected a file of a training run, got {error}") from error


def _checked(content: Any, path: Path) -> dict[str, Any]:
    """Refuse what is not the content of a ``network.pt``."""
    if not isinstance(content, dict) or set(content) != {"kind", "state", "metadata"}:
        raise ValueError(f"{path}: expected the network.pt of a training run")
    return content


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def load_evaluated(source: str | Path, device: str = "cpu") -> Network:
    """Load what `spotcore.train.evaluate.evaluate` takes.

    Parameters
    ----------
    source : str or Path
        ``network.pt`` of a training run, which PyTorch then runs; or a parameter file or the name
        of shipped weights, which the compiled core runs.
    device : str
        Of PyTorch.

    Returns
    -------
    Network
        Labelled by its name and the digest of its file.
    """
    path = Path(source)
    if path.suffix != ".pt":
        return _of_parameters(source)
    restored_network, metadata, digest = read_network(path)
    module = restored_network.to(device)
    rule = metadata["threshold"]

    def maps(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        scale = FULL_SCALE / (float(image.max()) or FULL_SCALE)
        return maps_of(module, image * image.dtype.type(scale), device)

    name = f"{metadata['name']}-{digest}"
    return Network(name, maps, ThresholdRule(**rule))


def _of_parameters(source: str | Path) -> Network:
    """Network of a parameter file or of shipped weights, run by the compiled core."""
    found = networks.load_network(source)
    parameters = found.parameters
    weights = parameters.score_weights
    digest = hashlib.sha256(weights.tobytes())
    if isinstance(parameters, SpotNetParameters):
        tensors = [parameters.analysis, parameters.synthesis, parameters.bias, parameters.alpha]
    else:
        tensors = [array for layer in parameters.layers for array in (layer.kernels, layer.bias)]
    for array in tensors:
        digest.update(array.tobytes())

    name = f"{parameters.metadata.name}-{digest.hexdigest()[:8]}"
    return Network(name, found.maps_and_score, parameters.metadata.threshold)
