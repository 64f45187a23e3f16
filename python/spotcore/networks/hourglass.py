"""The network that finds the cells of real wells: weights, and a view through it."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spotcore import _core
from spotcore._arrays import as_real, as_stack
from spotcore._backends import as_threads
from spotcore.networks.plans import Plans
from spotcore.networks.safetensors_file import (
    ParameterError,
    read_tensors,
    strict_json,
    write_tensors,
)
from spotcore.networks.symmetry import ORIENTATIONS, group_table, lifting_table

__all__ = ["CELLS", "KINDS", "LIMITS", "Hourglass"]

LIMITS = (6.0, 12.0, 24.0, 48.0)
"""Visibilities: the network gives the log-odds of a cell that stands out by at least as much."""
CELLS = (*(f"cell_{limit:g}" for limit in LIMITS), "width")
"""At each pixel: the log-odds of a cell of each of `LIMITS`, the logarithm of a spot's width."""
KINDS = ("membrane", "outside", "scratch", "dust", "blotch", "writing")
"""What a pixel of half the size shows besides spots."""
_CHANNELS = 2  # of a view
_AREAS = (1, 9, 25)  # taps of a kernel
_LEVEL = re.compile(r"(?:down|deepen|lower|refine)\.([0-9])\.")

Tensors = Mapping[str, NDArray[np.float32]]
_Layer = tuple[NDArray[np.float32], NDArray[np.float32] | None]


class Hourglass:
    """A network that looks at a picture on five levels, whatever way it is turned.

    Each of its features comes in the eight orientations of a square, and its kernels are shared
    between them: a turned or flipped view gives turned or flipped answers.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        Base kernels [outputs, inputs, 1 or 8 orientations, S * S] and biases [outputs] by name, as
        `spotcore.train.wells` writes them.
    record : dict
        How they came about.

    Attributes
    ----------
    layers : dict
        Kernels and biases of all layers, as the core and `spotcore.reference.hourglass` take them.

    Raises
    ------
    ValueError
        If the tensors are not those of such a network: which one, what came, what was expected.
    TypeError
        If a tensor does not hold real numbers.

    References
    ----------
    Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015; Cohen and Welling, "Group equivariant
    convolutional networks", ICML 2016.
    """

    def __init__(self, tensors: Tensors, record: dict[str, Any] | None = None) -> None:
        self.tensors = dict(tensors)
        self.record = {} if record is None else record
        self.layers = _layers_of(self.tensors)
        self._plans: Plans[_core.Hourglass] = Plans()
        self._plan(1)  # the core refuses what it cannot run

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
            record = strict_json(texts.get("record", "{}"))
            if not isinstance(record, dict):
                raise ValueError(f"record: expected a JSON object, got {type(record).__name__}")
            return cls(tensors, record)
        except ValueError as error:
            raise ParameterError(f"{path}: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file that `load` takes.

        Parameters
        ----------
        path : path-like
            The final name; what stands there is replaced whole or not at all.

        Raises
        ------
        ValueError
            If the record is no JSON (which has no NaN), or too long.
        OutputError
            If the file cannot be written.
        """
        record = json.dumps(self.record, allow_nan=False)
        write_tensors(path, self.tensors, {"kind": "wells", "record": record})

    def __call__(
        self, view: NDArray[np.float32], threads: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Look at a view.

        Parameters
        ----------
        view : ndarray, float32, shape [2, H, W]
            From `spotcore.wells.view.contrast_view`, without unit. Sides are multiples of 2 to the
            number of levels after the first.
        threads : int, optional
            By default one for each processor. The answer does not depend on it.

        Returns
        -------
        cells : ndarray, float32, shape [5, H, W]
            `CELLS`; widths are those of spots in pixels of the view.
        kinds : ndarray, float32, shape [6, H / 2, W / 2]
            Log-odds of `KINDS`.

        Raises
        ------
        ValueError
            If the view has another shape, its sides do not fit, or a value is not finite.
        TypeError
            If the view does not hold real numbers.
        """
        seen = as_stack(view, "view", _CHANNELS)
        with self._plans.lent(as_threads(threads), self._plan) as plan:
            return plan.run(seen)

    def _plan(self, threads: int) -> _core.Hourglass:
        return _core.hourglass(**self.layers, threads=threads)


def _layers_of(tensors: Tensors) -> dict[str, Any]:
    """Make kernels of base kernels, as the core takes them; names in a shape stand for any size."""
    left = dict(tensors)

    def take(name: str, *shape: int | str) -> NDArray[np.float32]:
        text = f"[{', '.join(map(str, shape))}]"
        if name not in left:
            raise ValueError(f"{name}: expected a tensor {text}, got none")
        values = as_real(left.pop(name), name, text, len(shape))
        if any(isinstance(n, int) and n != m for n, m in zip(shape, values.shape, strict=True)):
            raise ValueError(f"{name}: expected shape {text}, got {values.shape}")
        return values

    def layer(
        name: str, outputs: int | str, inputs: int, base: int = ORIENTATIONS, biased: bool = True
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        weight = take(f"{name}.weight", outputs, inputs, base, "S * S")
        if weight.shape[3] not in _AREAS:
            raise ValueError(f"{name}.weight: expected S of 1, 3 or 5, got {weight.shape}")
        return weight, take(f"{name}.bias", len(weight)) if biased else None

    def head(name: str, inputs: int, outputs: int) -> list[_Layer]:
        weight, bias = layer(f"{name}.hidden", "outputs", inputs, base=1)
        read = take(f"{name}.weight", outputs, len(weight))[:, :, None, None]
        return [(_without_orientation(weight), bias), (read, take(f"{name}.bias", outputs))]

    weight, bias = layer("lift", "outputs", _CHANNELS, base=1)
    layers: dict[str, Any] = {"lift": (_lifted(weight), _repeated(bias))}
    # Features of each level.
    fields = [len(weight)]
    layers["down"] = []
    # From all names, so that the one that misses is named.
    levels = 1 + max((int(found[1]) for found in map(_LEVEL.match, left) if found), default=0)
    for level in range(levels):
        weight, bias = layer(f"down.{level}", "outputs", fields[-1])
        fields.append(len(weight))
        layers["down"].append((_turned(weight), _repeated(bias)))
    for part in ("deepen", "lower", "refine"):
        layers[part] = []
        for level, (finer, coarser) in enumerate(itertools.pairwise(fields)):
            inputs = finer if part == "refine" else coarser
            outputs = coarser if part == "deepen" else finer
            weight, bias = layer(f"{part}.{level}", outputs, inputs, biased=part == "lower")
            layers[part].append((_turned(weight), _repeated(bias)))
    layers["cells"] = head("cells", fields[0], len(CELLS))
    layers["kinds"] = head("kinds", fields[1], len(KINDS))
    if left:
        raise ValueError(f"{min(left)}: not a tensor of this network")
    return layers


def _size(weight: NDArray[np.float32]) -> int:
    return math.isqrt(weight.shape[-1])


def _lifted(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn base kernels of a picture, [F, C, 1, S * S], to [8 F, C, S, S]."""
    size = _size(weight)
    kernels = weight[:, :, 0][:, :, lifting_table(size)].transpose(0, 2, 1, 3)  # [F, 8, C, S * S]
    return np.ascontiguousarray(kernels).reshape(-1, weight.shape[1], size, size)


def _turned(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn base kernels of features, [G, F, 8, S * S], to [8 G, 8 F, S, S]."""
    outputs, inputs = weight.shape[:2]
    size = _size(weight)
    kernels = weight.reshape(outputs, inputs, -1)[:, :, group_table(size)]  # [G, F, 8, 8, S * S]
    kernels = np.ascontiguousarray(kernels.transpose(0, 2, 1, 3, 4))
    return kernels.reshape(outputs * ORIENTATIONS, inputs * ORIENTATIONS, size, size)


def _without_orientation(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn base kernels [G, F, 1, S * S] to [G, 8 F, S, S]: all orientations are added up alike."""
    size = _size(weight)
    kernels = weight[:, :, 0][:, :, lifting_table(size)]  # [G, F, 8, S * S]
    return np.ascontiguousarray(kernels).reshape(len(weight), -1, size, size)


def _repeated(bias: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Give each orientation of a feature its bias."""
    return None if bias is None else np.repeat(bias, ORIENTATIONS)
