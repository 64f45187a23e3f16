"""One FISTA iteration at 512 x 512, K = 8 (the grid of Part II): ours and the peers'.

Each timing is of a number of iterations; `report.py` divides. Ours includes the objective at every
iteration, and what a solve does before and after them: its memory, and the duality gap at the end.
A hundred iterations share that, where the papers' ten thousand would. The peers have none of it.
"""

from __future__ import annotations

import numpy as np
import pytest
from bench.common.machine import PART2_LIMITS
from bench.common.work import multiply_adds, streamed_bytes
from bench.peers.scipy_fft import ScipyFftFista, run

import spotcore as sc
from spotcore.model.kernels import gaussian_kernels

ITERATIONS = 100
PEER_ITERATIONS = 20
STEP = 1 / 64.7
LAM = 0.5


@pytest.mark.benchmark(group="FISTA iteration, 512x512, K=8")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rank", [1, 3, None])
def test_spotcore(benchmark, image, rank, threads) -> None:
    model = sc.ObservationModel.gaussian(PART2_LIMITS, rank=rank)
    program = "multiscale" if rank is None else f"direct, rank {rank}"
    benchmark.extra_info.update(program=f"spotcore, {program}", threads=threads, per=ITERATIONS)
    benchmark.extra_info["gflop"] = 2e-9 * multiply_adds(model, 512)
    benchmark.extra_info["gigabyte"] = 1e-9 * streamed_bytes(8, 512)
    result = benchmark.pedantic(
        sc.solve,
        (image, model),
        {
            "lam": LAM,
            "method": "fista",
            "step": STEP,
            "tol": 0,
            "max_iter": ITERATIONS,
            "threads": threads,
        },
        rounds=7,
        warmup_rounds=1,
    )
    assert result.iterations == ITERATIONS


@pytest.mark.benchmark(group="FISTA iteration, 512x512, K=8")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("library", ["scipy.fft", "torch.fft"])
def test_peer(benchmark, image, library, threads) -> None:
    peer_class = ScipyFftFista
    if library == "torch.fft":
        peer_class = pytest.importorskip("bench.peers.torch", reason="needs torch").TorchFftFista
    peer = peer_class(image, gaussian_kernels(PART2_LIMITS), threads)
    assert peer.padded == (720, 720)
    benchmark.extra_info.update(program=f"{library}, float32", threads=threads, per=PEER_ITERATIONS)
    a = benchmark.pedantic(run, (peer, LAM, STEP, PEER_ITERATIONS), rounds=5, warmup_rounds=1)
    # The peer computes the same thing: exact kernels against 1e-6 of them.
    model = sc.ObservationModel.gaussian(PART2_LIMITS, rank=5)
    ours = sc.solve(
        image, model, lam=LAM, method="fista", step=STEP, tol=0, max_iter=PEER_ITERATIONS
    )
    assert np.linalg.norm(a - ours.a) < 1e-3 * np.linalg.norm(ours.a)
