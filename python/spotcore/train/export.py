"""From trained weights to a file that `spotcore convert` takes: threshold, confidence, record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from spotcore.simulation.diffusion import sigma_grid
from spotcore.simulation.simulate import ISBI2019
from spotcore.train.calibrate import Calibration, Peaks, calibrate, labelled_peaks, reliability
from spotcore.train.evaluate import Case, load_truth
from spotcore.train.files import save
from spotcore.train.inference import maps_of
from spotcore.train.model import ConvNet, SpotNet

__all__ = ["CALIBRATION", "CHECK", "calibrated", "write_network"]

# Seeds that neither training (from 10^6 on, a million for each run) nor evaluation uses.
_FIRST_SEED = 5 * 10**5


def _grid(first: int, densities: tuple[int, ...]) -> tuple[Case, ...]:
    return tuple(
        Case(n_cells, first + 10 * index + bits, bits=bits)
        for index, n_cells in enumerate(densities)
        for bits in (4, 6, 8, 10)
    )


CALIBRATION = _grid(_FIRST_SEED, (100, 200, 400, 800, 1600))
"""Images that threshold and confidence are fitted on."""

CHECK = _grid(_FIRST_SEED + 1000, (140, 560, 1130))
"""Images that the confidence is checked on."""


def calibrated(
    score: Callable[[Any], Any],
    images: Path | None = None,
    fit: tuple[Case, ...] | None = None,
    check: tuple[Case, ...] | None = None,
) -> tuple[Calibration, dict[str, Any]]:
    """Fit threshold and confidence of a network; return them and how they do on other images.

    `score` makes a score map [H, W] of an image [H, W] in [0, 255]; simulated images are kept in
    the folder `images`.
    """
    fit, check = CALIBRATION if fit is None else fit, CHECK if check is None else check

    def peaks(some: tuple[Case, ...]) -> Iterator[Peaks]:
        for case in some:
            truth = load_truth(case, images)
            yield labelled_peaks(score(truth.image), truth.cells)

    fitted = calibrate(list(peaks(fit)))
    others = list(peaks(check))
    f1 = [p.f1(fitted.rule.of_peaks(p.score)) for p in others]
    best = [p.best_f1() for p in others]
    record = {
        "mean_f1_below_best": fitted.cost,
        "check": [
            {"n_cells": case.n_cells, "bits": case.bits, "f1": round(a, 5), "best_f1": round(b, 5)}
            for case, a, b in zip(check, f1, best, strict=True)
        ],
        "reliability": reliability(others, fitted.rule, fitted.confidence),
    }
    return fitted, record


def write_network(
    network: SpotNet | ConvNet,
    path: Path,
    training: dict[str, Any],
    name: str,
    images: Path | None = None,
    calibration: bool = True,
) -> None:
    """Write kind, tensors for images in [0, 255], and metadata of a network.

    Parameters
    ----------
    network : SpotNet or ConvNet
        Trained network.
    path : Path
        File to write, NAME.pt.
    training : dict
        Record of what made it.
    name : str
        Name of the network.
    images : Path, optional
        Folder that keeps the simulated images.
    calibration : bool
        Whether to fit threshold and confidence; otherwise there is a placeholder.
    """
    metadata: dict[str, Any] = {
        "name": name,
        "sigma_limits": [float(limit) for limit in sigma_grid(ISBI2019.assay)],
        "image_scaling": "max255",
        "threshold": {"kind": "relative", "value": 0.25},
        "calibration": None,
        "licence": "BSD-3-Clause",
        "source": "trained by spotcore",
    }
    if isinstance(network, SpotNet):
        metadata["nonlinearity"] = network.nonlinearity
    if calibration:
        device = next(network.parameters()).device
        fitted, record = calibrated(lambda image: maps_of(network, image, device)[1], images)
        metadata["threshold"] = {"kind": fitted.rule.kind, "value": fitted.rule.value}
        metadata["calibration"] = list(fitted.confidence)
        training = {**training, "threshold": record}
    metadata["training"] = json.loads(json.dumps(training))
    exported = {name: tensor.contiguous() for name, tensor in network.exported().items()}
    if not all(bool(torch.isfinite(tensor).all()) for tensor in exported.values()):
        raise ValueError(f"{path}: the parameters are not finite; the training has diverged")
    save({"kind": network.kind, "state": exported, "metadata": metadata}, path)
