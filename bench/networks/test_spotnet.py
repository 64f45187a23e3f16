"""One 512 x 512 image through SpotNet as published (L = 3, K = 30, 5 x 5): ours and the peers'."""

from __future__ import annotations

import numpy as np
import pytest
from bench.peers import networks as peers_networks

import spotcore as sc
from spotcore.networks.parameters import Metadata, SpotNetParameters, ThresholdRule

LAYERS, BINS, SIDE = 3, 30, 5
# Multiply-adds of every tap at every pixel, those outside the image too, as the papers count.
GFLOP = 2e-9 * 512 * 512 * (2 * LAYERS + 1) * BINS * SIDE**2


def parameters() -> SpotNetParameters:
    """Random kernels that neither magnify nor extinguish."""
    rng = np.random.default_rng(0)
    shape = (BINS, SIDE, SIDE)
    return SpotNetParameters(
        analysis=(rng.normal(size=(LAYERS + 1, *shape)) / SIDE**2).astype(np.float32),
        synthesis=(rng.normal(size=(LAYERS, *shape)) / (BINS * SIDE**2)).astype(np.float32),
        bias=rng.uniform(-3, 3, LAYERS + 1).astype(np.float32),
        alpha=rng.uniform(-0.5, 0.5, LAYERS).astype(np.float32),
        nonlinearity="shifted_abs",
        score_weights=np.full(BINS, 1 / BINS, np.float32),
        metadata=Metadata(
            name="random",
            sigma_limits=np.arange(BINS + 1.0),
            threshold=ThresholdRule("relative", 0.2),
        ),
    )


def timed(benchmark, run, image, program: str, threads: int, rounds: int) -> np.ndarray:
    benchmark.extra_info.update(program=program, threads=threads, gflop=GFLOP)
    return benchmark.pedantic(run, (image,), rounds=rounds, warmup_rounds=3)


@pytest.mark.benchmark(group="SpotNet, 512x512, L=3, K=30, 5x5")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("what", ["maps", "score"])
def test_spotcore(benchmark, image, what, threads) -> None:
    net = sc.SpotNet(parameters())
    run = net if what == "maps" else net.score
    timed(
        benchmark, lambda s: run(s, threads=threads), image, f"spotcore, {what}", threads, rounds=41
    )


@pytest.mark.benchmark(group="SpotNet, 512x512, L=3, K=30, 5x5")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "library", ["torch", "onnxruntime", "onnxruntime full", "openvino", "openvino full"]
)
def test_peer(benchmark, image, library, threads) -> None:
    name, *form = library.split()
    pytest.importorskip(name, reason=f"needs {name}, of the extra bench")
    given = parameters()
    if name == "torch":
        peer = peers_networks.torch_peer(given, threads)
    else:
        pytest.importorskip("onnx", reason="needs onnx, of the extra bench")
        model = peers_networks.onnx_model(given, image.shape, depthwise=not form)
        make = {
            "onnxruntime": peers_networks.onnxruntime_peer,
            "openvino": peers_networks.openvino_peer,
        }[name]
        peer = make(model, threads)
    program = f"{name}, {'full convolutions' if form else 'depthwise form'}"
    maps = timed(benchmark, peer, image, program, threads, rounds=15)
    # The peer computes the same thing.
    ours = sc.SpotNet(given)(image)
    assert np.linalg.norm(maps - ours) < 1e-4 * np.linalg.norm(ours)
