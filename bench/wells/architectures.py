"""Which network for wells? Four of them, trained alike, in one table.

    python -m bench.wells.architectures --pool out/wells/pool [--steps 2000] [--wells 100]

``hourglass``: the one that is shipped, whose features come in eight orientations. ``unet``: a plain
one of about as many operations. ``pyramid``: the paper's SpotNet, its layers unrolled on the view
and on its halves, quarters and eighths. ``multiscale``: SpotNet with its bins of sigma on grids of
their own, as the fast solver decimates them, one group shrinkage over all of them. Each sees the
same crops in the same order, by the same optimiser, and answers the same questions. Needs the extra
`train` and the pool of crops that ``spotcore train --recipe wells -o out/wells`` makes.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench.common.machine import lines, machine
from bench.wells.agreement import DATA, HAND_MARKS, against_marks, read_marks
from bench.wells.rendered import FIRST
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from spotcore.networks.hourglass import CELLS, KINDS
from spotcore.train.wells.calibrate import judged
from spotcore.train.wells.data import shown
from spotcore.train.wells.model import WellNet
from spotcore.train.wells.pool import Pool
from spotcore.train.wells.trainer import Trainer, WellsRecipe
from spotcore.wells.detector import look

SCALES = 4


class Heads(nn.Module):
    """Cells from features of the view's size, kinds from their means over 2 x 2 pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cells = nn.Sequential(
            nn.Conv2d(channels, 16, 1), nn.ReLU(), nn.Conv2d(16, len(CELLS), 1)
        )
        self.kinds = nn.Sequential(
            nn.Conv2d(channels, 16, 1), nn.ReLU(), nn.Conv2d(16, len(KINDS), 1)
        )
        with torch.no_grad():
            self.cells[2].bias[:-1] = -3.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cells(x), self.kinds(functional.avg_pool2d(x, 2))


class UNet(nn.Module):
    """Two convolutions on each of five levels, down and up."""

    def __init__(self, widths: tuple[int, ...] = (12, 20, 28, 36, 40)) -> None:
        super().__init__()
        self.down = nn.ModuleList(_two(a, b) for a, b in itertools.pairwise((2, *widths)))
        pairs = itertools.pairwise(reversed(widths))
        self.up = nn.ModuleList(_two(deep + wide, wide) for deep, wide in pairs)
        self.heads = Heads(widths[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        held = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.avg_pool2d(x, 2))
            held.append(x)
        for block, wide in zip(self.up, reversed(held[:-1]), strict=True):
            x = block(torch.cat([_twice(x), wide], 1))
        return self.heads(x)


class SpotNetPyramid(nn.Module):
    """x <- phi(z - analysis * (synthesis * z - s)) with momentum, on each scale by itself."""

    def __init__(self, layers: int = 4, bins: int = 16, size: int = 5) -> None:
        super().__init__()
        self.analysis = _kernels(layers + 1, bins, 2, size)
        self.synthesis = _kernels(layers, 2, bins, size)
        self.bias = nn.Parameter(torch.zeros(layers + 1))
        self.alpha = nn.Parameter(torch.full((layers,), 0.3))
        self.heads = Heads(SCALES * bins)

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        maps = []
        for scale in range(SCALES):
            x = self.unrolled(s)
            for _ in range(scale):
                x = _twice(x)
            maps.append(x)
            s = functional.avg_pool2d(s, 2)
        return self.heads(torch.cat(maps, 1))

    def unrolled(self, s: Tensor) -> Tensor:
        x = functional.relu(_same(s, self.analysis[0]) - self.bias[0])
        z = (1 + self.alpha[0]) * x
        for layer in range(len(self.synthesis)):
            u = _same(z, self.synthesis[layer]) - s
            new = functional.relu(z - _same(u, self.analysis[layer + 1]) - self.bias[layer + 1])
            x, z = new, new + self.alpha[layer] * (new - x)
        return x


class MultiScaleSpotNet(nn.Module):
    """The same, bins of a scale on a grid of that scale, and all of a pixel shrink as one group."""

    def __init__(self, layers: int = 5, bins: int = 12, size: int = 5) -> None:
        super().__init__()
        self.analysis = nn.ModuleList(
            nn.ParameterList(_kernels(1, bins, 2, size)[0] for _ in range(SCALES))
            for _ in range(layers + 1)
        )
        self.synthesis = nn.ModuleList(
            nn.ParameterList(_kernels(1, 2, bins, size)[0] for _ in range(SCALES))
            for _ in range(layers)
        )
        self.bias = nn.Parameter(torch.zeros(layers + 1))
        self.alpha = nn.Parameter(torch.full((layers,), 0.3))
        self.heads = Heads(SCALES * bins)

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        x = self.shrunk(self.analysed(s, 0), 0)
        z = [(1 + self.alpha[0]) * each for each in x]
        for layer, kernels in enumerate(self.synthesis):
            u = (
                sum(
                    _grown(_same(each, k), scale)
                    for scale, (each, k) in enumerate(zip(z, kernels, strict=True))
                )
                - s
            )
            steps = self.analysed(u, layer + 1)
            new = self.shrunk([a - b for a, b in zip(z, steps, strict=True)], layer + 1)
            z = [n + self.alpha[layer] * (n - o) for n, o in zip(new, x, strict=True)]
            x = new
        return self.heads(torch.cat([_grown(each, scale) for scale, each in enumerate(x)], 1))

    def analysed(self, s: Tensor, layer: int) -> list[Tensor]:
        found = []
        for kernels in self.analysis[layer]:
            found.append(_same(s, kernels))
            s = functional.avg_pool2d(s, 2)
        return found

    def shrunk(self, x: list[Tensor], layer: int) -> list[Tensor]:
        x = [functional.relu(each) for each in x]
        power = sum(
            _grown(each.square().sum(1, keepdim=True), scale) for scale, each in enumerate(x)
        )
        factor = functional.relu(1 - self.bias[layer] / (power + 1e-6).sqrt())
        shrunk = []
        for each in x:
            shrunk.append(each * factor)
            factor = functional.avg_pool2d(factor, 2)
        return shrunk


def _kernels(layers: int, outputs: int, inputs: int, size: int) -> nn.ParameterList:
    spread = 0.5 / (inputs * size * size) ** 0.5
    return nn.ParameterList(
        nn.Parameter(torch.randn(outputs, inputs, size, size) * spread) for _ in range(layers)
    )


def _same(x: Tensor, kernels: Tensor) -> Tensor:
    return functional.conv2d(x, kernels, padding=kernels.shape[-1] // 2)


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _grown(x: Tensor, times: int) -> Tensor:
    for _ in range(times):
        x = _twice(x)
    return x


def _two(before: int, after: int) -> nn.Sequential:
    first, second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


NETWORKS = {
    "hourglass": WellNet,
    "unet": UNet,
    "pyramid": SpotNetPyramid,
    "multiscale": MultiScaleSpotNet,
}


def alike(steps: int) -> WellsRecipe:
    """How each of them is trained: small batches, for two cores."""
    return WellsRecipe(steps=steps, batch=16, learning_rate=7e-4, warm_up=200)


class Looked:
    """A module where the package expects its network."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, view: NDArray[np.float32], _: int | None = None):
        with torch.no_grad():
            cells, kinds = self.module(torch.from_numpy(np.ascontiguousarray(view))[None])
        return cells[0].numpy(), kinds[0].numpy()


def figures(network: Looked, wells: int) -> list[str]:
    """F1 on simulated wells and with hand marks, and the seconds of one view of 512 x 512."""
    scores = []
    for seed in range(FIRST, FIRST + wells):
        picture = shown(seed)
        found = judged(network, picture)
        if found.true:
            scores.append(found.f1(0.5))
    words = [f"{np.mean(scores):.3f}"]
    for path in sorted(HAND_MARKS.glob("*.csv")):
        grey = np.asarray(Image.open(DATA / f"wells/{path.stem}.tif").convert("L"), np.float32)
        marks = look(grey, network=network).marks
        got = against_marks(marks.yx[marks.probability >= 0.5], read_marks(path))
        words.append(f"{got.f1:.3f}")
    view, spent = np.zeros((2, 512, 512), np.float32), []
    for _ in range(7):
        began = time.perf_counter()
        network(view)
        spent.append(time.perf_counter() - began)
    return [*words, f"{1e3 * np.median(spent):.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--wells", type=int, default=100)
    parser.add_argument("--network", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    asked = parser.parse_args()
    print(lines(machine()))
    crops = Pool(sorted(asked.pool.glob("*.npz")))
    print("| network | parameters | minutes | last loss | simulated | test1 | test3 | test4 | ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in asked.network:
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(alike(asked.steps), Path(folder))
            torch.manual_seed(0)
            trainer.take(NETWORKS[name]())
            losses: list[float] = []
            trainer.steps(crops, lambda t, kept=losses: kept.append(float(t.losses[0])))
            size = sum(p.numel() for p in trainer.network.parameters())
            last = float(np.mean(losses[-200:]))
            words = " | ".join(figures(Looked(trainer.average.eval()), asked.wells))
            print(
                f"| {name} | {size} | {trainer.seconds / 60:.1f} | {last:.2f} | {words} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
