"""The network that finds the cells of real wells: weights, and a view through it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore import _core
from spotcore._backends import as_threads
from spotcore.networks.safetensors_file import ParameterError, read_tensors, write_tensors
from spotcore.networks.symmetry import ORIENTATIONS, group_table, lifting_table

__all__ = ["CELLS", "COUNTED", "KINDS", "LIMITS", "Hourglass"]

LIMITS = (8.0, 17.0, 36.0)
"""Visibilities: the network gives the log-odds of a cell that stands out by at least as much."""
COUNTED = 17.0
"""Visibility from which on a spot is counted, unless the user says otherwise."""
CELLS = (*(f"cell_{limit:g}" for limit in LIMITS), "width")
"""At each pixel: the log-odds of a cell of each of `LIMITS`, the logarithm of a spot's width."""
KINDS = ("membrane", "outside", "scratch", "dust", "blotch", "writing")
"""What a pixel of half the size shows besides spots."""
_ADDING = ("deepen", "refine")  # layers that add to their input, without a bias
_LEVELLED = ("down", "deepen", "lower", "refine")

Tensors = Mapping[str, NDArray[np.float32]]
_Layer = tuple[NDArray[np.float32], NDArray[np.float32] | None]


class Hourglass:
    """A network that looks at a picture on five levels, whatever way it is turned.

    Each of its features comes in the eight orientations of a square, and its kernels are shared
    between them: a turned or flipped view gives turned or flipped answers.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        Base kernels and biases by name, as `spotcore.train.wells` writes them.
    record : dict
        How they came about.

    Attributes
    ----------
    layers : dict
        Kernels and biases of all layers, as the core and `spotcore.reference.hourglass` take them.

    Raises
    ------
    ValueError
        If the tensors are not those of such a network.

    References
    ----------
    Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015; Cohen and Welling, "Group equivariant
    convolutional networks", ICML 2016.
    """

    def __init__(self, tensors: Tensors, record: dict[str, Any] | None = None) -> None:
        self.tensors = dict(tensors)
        self.record = {} if record is None else record
        self.layers = _layers_of(self.tensors)
        self._idle: dict[tuple[int, int], list[_core.Hourglass]] = {}
        self._plan(1)  # the core checks all shapes

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Hourglass:
        """Read a file that `save` wrote.

        Raises
        ------
        ParameterError
            If the file is missing, damaged, or another network's.
        """
        tensors, texts = read_tensors(path)
        if texts.get("kind") != "wells":
            raise ParameterError(f"{path}: expected the weights of a wells' network")
        try:
            return cls(tensors, json.loads(texts.get("record", "{}")))
        except ValueError as error:
            raise ParameterError(f"{path}: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the weights; what stands there is replaced whole or not at all."""
        write_tensors(path, self.tensors, {"kind": "wells", "record": json.dumps(self.record)})

    def __call__(
        self, view: NDArray[np.float32], threads: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Look at a view.

        Parameters
        ----------
        view : ndarray, float32, shape [2, H, W]
            From `spotcore.wells.view.contrast_view`.
        threads : int, optional
            By default one for each processor. The answer does not depend on it.

        Returns
        -------
        cells : ndarray, float32, shape [4, H, W]
            `CELLS`.
        kinds : ndarray, float32, shape [6, H / 2, W / 2]
            Log-odds of `KINDS`.
        """
        count = as_threads(threads)
        idle = self._idle.setdefault((os.getpid(), count), [])
        try:
            plan = idle.pop()
        except IndexError:
            plan = self._plan(count)
        answers = plan.run(np.ascontiguousarray(view, np.float32))
        idle.append(plan)
        return answers

    def _plan(self, threads: int) -> _core.Hourglass:
        return _core.hourglass(**self.layers, threads=threads)

    def __getstate__(self) -> dict[str, Any]:
        """Leave plans behind: they belong to this process."""
        return {**self.__dict__, "_idle": {}}


def _layers_of(tensors: Tensors) -> dict[str, Any]:
    """Make kernels of base kernels, as the core takes them."""
    left = dict(tensors)

    def take(name: str, axes: int) -> NDArray[np.float32]:
        if name not in left or left[name].ndim != axes:
            raise ValueError(f"{name}: expected a tensor of {axes} axes")
        return np.asarray(left.pop(name), np.float32)

    def layer(name: str) -> _Layer:
        biased = name.split(".")[0] not in _ADDING
        weight = take(f"{name}.weight", 4)
        return _kernels(name, weight, take(f"{name}.bias", 1) if biased else None)

    def head(name: str) -> list[_Layer]:
        read = take(f"{name}.weight", 2)[:, :, None, None]
        bias = take(f"{name}.bias", 1)
        return [layer(f"{name}.hidden"), (np.ascontiguousarray(read), bias)]

    levels = sum(name.startswith("down.") and name.endswith(".weight") for name in tensors)
    layers: dict[str, Any] = {"lift": layer("lift")}
    for part in _LEVELLED:
        layers[part] = [layer(f"{part}.{level}") for level in range(levels)]
    layers |= {name: head(name) for name in ("cells", "kinds")}
    if left:
        raise ValueError(f"{min(left)}: not a tensor of this network")
    return layers


def _kernels(name: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None) -> _Layer:
    """Turn base kernels [outputs, inputs, 1 or 8, S * S] to all orientations."""
    outputs, inputs, depth, area = weight.shape
    size = round(area**0.5)
    if size * size != area or size > 5 or depth not in (1, ORIENTATIONS):
        raise ValueError(f"{name}.weight: expected base kernels, got {weight.shape}")
    if depth == ORIENTATIONS:
        kernels = weight.reshape(outputs, inputs, -1)[:, :, group_table(size)]
        kernels = kernels.transpose(0, 2, 1, 3, 4)
        turned = True
    elif name == "lift":
        kernels = weight[:, :, 0][:, :, lifting_table(size)].transpose(0, 2, 1, 3)
        turned = True
    else:  # without orientation
        kernels = weight[:, :, 0][:, :, lifting_table(size)]
        turned = False
    # The last axes of `kernels` are those of inputs, and taps.
    rows = outputs * (ORIENTATIONS if turned else 1)
    if bias is not None and len(bias) != outputs:
        raise ValueError(f"{name}.bias: expected {outputs} numbers, got {len(bias)}")
    if turned and bias is not None:
        bias = np.repeat(bias, ORIENTATIONS)
    return np.ascontiguousarray(kernels.reshape(rows, -1, size, size)), bias
