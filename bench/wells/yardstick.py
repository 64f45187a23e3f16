"""A small U-Net trained on simulated wells alone: the yardstick of learned detectors.

    python -m bench.wells.yardstick [--minutes 30] [--out out/yardstick]

Prints precision, recall and F1 with the hand marks of real wells, of which it has seen none, at the
threshold that was best on simulated ones, and what changes of a picture do to its marks. Needs the
extra `train`. It is not a part of the package: what is shipped has to be as good for less.
"""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import numpy as np
import torch
from bench.common.machine import lines, machine
from bench.wells.agreement import DATA, HAND_MARKS, RADIUS, against_marks, read_marks
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

import spotcore as sc
from spotcore.simulation.render import simulate_well

CROP, BATCH, WIDTHS = 128, 8, (12, 20, 28, 40)
SEEN, UNSEEN = 9.0, 4.5  # signal to noise from which a spot is asked for, below which it is none
MARK = 1.5  # standard deviation of a mark in the target, pixels
HELD_OUT = 10_000_000  # first seed of wells that it is not trained on

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Crop:
    """A part of a simulated well: what is seen, what is asked, and where it is asked."""

    image: Image
    target: Image
    weight: Image


def normalised(image: NDArray[np.generic]) -> Image:
    """Grey levels in units of the noise, whatever gain, offset and bits they have."""
    grey = image.astype(np.float32)
    grey = grey if grey.ndim == 2 else grey @ np.array([0.299, 0.587, 0.114], np.float32)
    noise = 1.4826 * float(np.median(np.abs(ndimage.laplace(grey)))) / np.sqrt(20.0)
    noise = max(noise, 0.02 * float(grey.std()), 1e-6)
    ground = ndimage.zoom(ndimage.median_filter(grey[::8, ::8], 9), 8, order=1)
    ground = ndimage.gaussian_filter(ground, 8)[: grey.shape[0], : grey.shape[1]]
    pad = [(0, grey.shape[axis] - ground.shape[axis]) for axis in (0, 1)]
    return np.arcsinh((grey - np.pad(ground, pad, mode="edge")) / (3 * noise)).astype(np.float32)


def crops(seed: int) -> Iterator[Crop]:
    """Cut a simulated well to pieces."""
    rng = np.random.default_rng(seed)
    side = int(rng.integers(160, 420))
    well = simulate_well(shape=(side, side), seed=seed)
    image = normalised(well.image)
    asked = (well.hidden_by < 0) & (well.snr >= SEEN)
    unclear = ~asked & (well.snr > UNSEEN)
    target, unknown = (np.zeros((side, side), np.float32) for _ in range(2))
    for points, plane in ((well.cells[asked], target), (well.cells[unclear], unknown)):
        y, x = np.rint(points).astype(int).T
        plane[y, x] = 1.0
    peak = 2 * np.pi * MARK**2
    target = np.minimum(ndimage.gaussian_filter(target, MARK) * peak, 1.0)
    weight = 1.0 - np.minimum(ndimage.gaussian_filter(unknown, 2.0) * 2 * np.pi * 4, 1.0)
    weight = np.maximum(weight, target)
    for _ in range(3):
        y, x = rng.integers(0, side - CROP + 1, 2)
        parts = [plane[y : y + CROP, x : x + CROP] for plane in (image, target, weight)]
        turn, flip = int(rng.integers(4)), bool(rng.integers(2))
        parts = [np.rot90(part[:, ::-1] if flip else part, turn).copy() for part in parts]
        sign = np.float32(1 if rng.random() < 0.5 else -1)
        yield Crop(sign * parts[0], parts[1], parts[2])


class UNet(nn.Module):
    """Four levels of two convolutions each."""

    def __init__(self) -> None:
        super().__init__()
        pairs = itertools.pairwise((1, *WIDTHS))
        self.down = nn.ModuleList(_two(before, after) for before, after in pairs)
        ups = list(itertools.pairwise(reversed(WIDTHS)))
        self.up = nn.ModuleList(_two(deep + wide, wide) for deep, wide in ups)
        self.out = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nn.functional.avg_pool2d(x, 2))
            held.append(x)
        for block, wide in zip(self.up, reversed(held[:-1]), strict=True):
            x = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, wide], 1))
        return self.out(x)[:, 0]


def _two(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(),
    )


def batches() -> Iterator[list[torch.Tensor]]:
    """Yield batches whose crops are of many wells, made ahead in a thread of its own."""
    queue: Queue[list[torch.Tensor]] = Queue(8)

    def make() -> None:
        rng, pool = np.random.default_rng(0), list[Crop]()
        for seed in itertools.count():
            pool.extend(crops(seed))
            if len(pool) < 240:
                continue
            for _ in range(3):
                chosen = [pool[k] for k in rng.choice(len(pool), BATCH, replace=False)]
                planes = ([getattr(c, name) for c in chosen] for name in Crop.__annotations__)
                queue.put([torch.from_numpy(np.stack(plane)) for plane in planes])
            del pool[:3]

    threading.Thread(target=make, daemon=True).start()
    while True:
        yield queue.get()


def train(minutes: float) -> UNet:
    """Train for some minutes, the step falling to nothing."""
    torch.manual_seed(0)
    network = UNet()
    print(sum(p.numel() for p in network.parameters()), "parameters")
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    began, total = time.monotonic(), 60 * minutes
    for step, (image, target, weight) in enumerate(batches()):
        spent = (time.monotonic() - began) / total
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, step / 100) * 0.5 * (1 + np.cos(np.pi * spent))
        logits = network(image[:, None])
        error = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        loss = (error * weight * (1 + 9 * target)).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if step % 250 == 0:
            print(f"step {step}, {60 * minutes * spent:.0f} s, loss {loss.item():.5f}", flush=True)
    return network


def probabilities(network: UNet, image: NDArray[np.generic]) -> Image:
    """Return the network's map [H, W]."""
    seen = normalised(image)
    pad = [(0, -size % 8) for size in seen.shape]
    with torch.no_grad():
        map_ = torch.sigmoid(network(torch.from_numpy(np.pad(seen, pad, mode="edge"))[None, None]))
    return map_[0, : seen.shape[0], : seen.shape[1]].numpy()


def marks(network: UNet, image: NDArray[np.generic], threshold: float) -> NDArray[np.int64]:
    points, value = sc.local_maxima(probabilities(network, image))
    return points[value > threshold]


def f1(found: NDArray[np.int64], true: NDArray[np.float64]) -> float:
    return sc.match(found, true, radius=RADIUS).f1


def best_threshold(network: UNet) -> float:
    """Return the threshold of the best mean F1 over simulated wells that were not trained on."""
    wells = [simulate_well(shape=(320, 320), seed=HELD_OUT + k) for k in range(60)]
    maps = [sc.local_maxima(probabilities(network, well.image)) for well in wells]
    figures = {}
    for threshold in np.arange(0.2, 0.95, 0.05):
        scores = []
        for well, (points, value) in zip(wells, maps, strict=True):
            shown = well.hidden_by < 0
            clear, unclear = shown & (well.snr >= SEEN), well.snr > UNSEEN
            sure, doubtful = well.cells[clear], well.cells[~clear & unclear]
            got = against_marks(points[value > threshold], (sure, doubtful))
            if got.marks:
                scores.append(2 * got.hits / (got.marks + got.found - got.at_doubtful or 1))
        figures[float(threshold)] = float(np.mean(scores))
    best = max(figures, key=lambda key: figures[key])
    print(f"simulated wells: F1 {figures[best]:.3f} in the mean at {best:.2f}", figures)
    return best


def changed(image: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    """The same well as another camera, or another moment, would show it."""
    rng = np.random.default_rng(0)
    levels = image.astype(np.float64)
    return {
        "16 bit": image.astype(np.uint16) * 257,
        "contrast x 0.25": np.rint(levels.mean() + 0.25 * (levels - levels.mean())).astype(
            np.uint8
        ),
        "x 0.6 + 20": np.rint(0.6 * levels + 20).astype(np.uint8),
        "inverted": 255 - image,
        "noise of 2": np.clip(np.rint(levels + rng.normal(0, 2, image.shape)), 0, 255),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=Path("out/yardstick"))
    asked = parser.parse_args()
    print(lines(machine()))
    network = train(asked.minutes)
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), asked.out / "unet.pt")
    threshold = best_threshold(network)
    for path in sorted((DATA / "wells").glob("*.tif")):
        image = np.rint(sc.read_image(path).pixels).astype(np.uint8)
        began = time.perf_counter()
        found = marks(network, image, threshold)
        words = f"{path.stem}: {len(found)} marks, {time.perf_counter() - began:.2f} s"
        table = HAND_MARKS / f"{path.stem}.csv"
        if table.exists():
            got = against_marks(found, read_marks(table))
            f = 2 * got.hits / max(got.marks + got.found - got.at_doubtful, 1)
            words += f"; {got.marks} hand marks, {got.hits} hit, F1 {f:.3f}"
        same = {
            name: f1(marks(network, other, threshold), found.astype(float))
            for name, other in changed(image).items()
        }
        print(words + "; " + ", ".join(f"{name} {value:.2f}" for name, value in same.items()))


if __name__ == "__main__":
    main()
