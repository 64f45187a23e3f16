"""SpotNet and ConvNet: the core against a brute-force network, and what the classes add to it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import spotcore as sc
from spotcore import _core, networks, reference
from spotcore.networks import parameters as files
from spotcore.networks.parameters import (
    NONLINEARITIES,
    ConvLayer,
    ConvNetParameters,
    Metadata,
    SpotNetParameters,
    ThresholdRule,
)
from spotcore.reference.spotnet_layer import apply_nonlinearity
from support import oracles
from support.cases import single
from support.compiled import Array, f32
from support.network_cases import smoother
from support.network_precision import convnet_bound, spotnet_bound
from support.single_precision import gamma_n

SHAPES = [(1, 1), (2, 7), (17, 65), (40, 130)]


def kernels(rng: np.random.Generator, *shape: int, inputs: int) -> Array:
    """Draw kernels that neither magnify nor extinguish: Σ|g| over inputs and pixels is about 1."""
    return single(rng.normal(size=shape) / (inputs * shape[-1] ** 2))


def spotnet_weights(layers: int, bins: int, side: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "analysis": kernels(rng, layers + 1, bins, side, side, inputs=1),
        "synthesis": kernels(rng, layers, bins, side, side, inputs=bins),
        "bias": single(rng.uniform(0, 0.3, layers + 1)),
        "alpha": single(rng.uniform(-0.7, 0.7, layers)),
    }


def convnet_weights(seed: int = 0, side: int = 5) -> list[tuple[Array, Array]]:
    """The published architecture, then a full layer after a depthwise one."""
    rng = np.random.default_rng(seed)
    shapes = [(6, 1), (15, 6), (30, 1), (30, 1), (60, 1), (7, 60)]
    return [
        (kernels(rng, out, n, side, side, inputs=n), single(rng.uniform(-0.1, 0.3, out)))
        for out, n in shapes
    ]


def draw(shape: tuple[int, ...], seed: int = 2) -> Array:
    return single(np.random.default_rng(seed).normal(size=shape) * 10)


def run_spotnet(
    image: Array, weights: dict[str, Array], kind: str, score_weights: Array, **where: Any
) -> tuple[Any, Any]:
    arrays = {name: f32(array) for name, array in weights.items()}
    network = _core.spotnet(**arrays, nonlinearity=kind, score_weights=f32(score_weights), **where)
    return network.run(f32(image), True, True)


# --- the core against the oracle -----------------------------------------------------------------


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", NONLINEARITIES)
@pytest.mark.parametrize("bins", [1, 3, 16, 30, 33])
def test_spotnet_is_the_oracle(bins: int, kind: str) -> None:
    for (layers, side), shape in product([(1, 5), (2, 3), (3, 5), (4, 1), (2, 7)], SHAPES[:3]):
        weights, image = spotnet_weights(layers, bins, side), draw(shape)
        score_weights = single(np.random.default_rng(3).normal(size=bins))
        maps, score = run_spotnet(image[None], weights, kind, score_weights, threads=2)
        assert maps.shape == (1, bins, *shape) and score.shape == (1, *shape)
        expected = oracles.spotnet(image, **weights, kind=kind)
        bound = spotnet_bound(image, **weights, kind=kind)
        assert np.all(np.abs(maps[0] - expected) <= bound)
        assert bound.max() < 1e-2 * np.abs(image).max()  # or the bound says little
        weight = np.abs(score_weights)[:, None, None]
        bound = (weight * bound).sum(axis=0) + gamma_n(bins + 5) * (
            weight * (np.abs(expected) + bound)
        ).sum(axis=0)
        assert np.all(np.abs(score[0] - np.tensordot(score_weights, expected, 1)) <= bound)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("side", [3, 5, 9])
def test_convnet_is_the_oracle(side: int) -> None:
    for shape, last in product(SHAPES[:3], [1, 3, 6]):
        layers, image = convnet_weights(side=side)[:last], draw(shape)
        network = _core.convnet(
            [(f32(g), f32(b)) for g, b in layers], f32(layers[-1][1]), threads=2
        )
        maps, score = network.run(f32(image[None]), True, True)
        expected, bound = oracles.convnet(image, layers), convnet_bound(image, layers)
        assert np.all(np.abs(maps[0] - expected) <= bound)
        assert bound.max() < 1e-2 * np.abs(image).max()
        assert score[0] == pytest.approx(np.tensordot(layers[-1][1], maps[0], 1), abs=1e-5)


@pytest.mark.parametrize("kind", NONLINEARITIES)
def test_the_reference_is_the_oracle(kind: str) -> None:
    weights, image = spotnet_weights(3, 4, 5), draw((9, 14))
    expected = oracles.spotnet(image, **weights, kind=kind)
    assert reference.spotnet(image, **weights, nonlinearity=kind) == pytest.approx(
        expected, abs=1e-12
    )
    layers = convnet_weights(side=3)
    assert reference.convnet(image, layers) == pytest.approx(
        oracles.convnet(image, layers), abs=1e-12
    )


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("b", [-2.0, 0.0, 3.0])
@pytest.mark.parametrize("kind", NONLINEARITIES)
def test_a_nonlinearity_on_numbers_that_are_exact(kind: str, b: float) -> None:
    """A network whose only kernel is 1, and whose layer gives z - u = s back."""
    values = np.array([[-7.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 255.0]])
    one = np.ones((2, 1, 1, 1))
    weights = {"analysis": one, "synthesis": one[:1], "alpha": np.array([-1.0])}
    weights["bias"] = np.array([0.0, b])  # z_0 = 0: u = -s
    maps, _ = run_spotnet(values[None], weights, kind, np.ones(1))
    expected = apply_nonlinearity(values[None], b, kind)
    assert maps[0] == pytest.approx(expected, rel=1e-6)
    assert oracles.nonlinearity(values[None], b, kind) == pytest.approx(expected)


@pytest.mark.usefixtures("backend")
def test_a_momentum_that_extinguishes_z_is_no_division_by_zero() -> None:
    for first in (-1.0, -1 + 2.0**-14):
        weights, image = spotnet_weights(4, 5, 3), draw((11, 20))
        weights["alpha"][0] = first
        maps, _ = run_spotnet(image[None], weights, "soft", np.ones(5))
        expected = oracles.spotnet(image, **weights, kind="soft")
        assert np.all(np.abs(maps[0] - expected) <= spotnet_bound(image, **weights, kind="soft"))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", [(1, 1), (40, 130), (131, 400), (300, 33)], ids=str)
def test_the_cut_into_strips_bands_and_threads_is_not_seen(shape: tuple[int, int]) -> None:
    weights, images = spotnet_weights(3, 30, 5), draw((3, *shape))
    layers = [(f32(g), f32(b)) for g, b in convnet_weights()]
    runs = []
    for threads in (1, 2, 3, 7):
        net = _core.convnet(layers, np.ones(7, np.float32), threads=threads)
        of_three = run_spotnet(images, weights, "group_nonneg", np.ones(30), threads=threads)
        of_one = run_spotnet(images[1:2], weights, "group_nonneg", np.ones(30), threads=threads)
        runs.append((*of_three, *net.run(f32(images), True, True)))
        assert np.array_equal(of_one[0][0], of_three[0][1])
        assert np.array_equal(of_one[1][0], of_three[1][1])
    for other in runs[1:]:
        for first, second in zip(runs[0], other, strict=True):
            assert np.array_equal(first, second)


@pytest.mark.usefixtures("backend")
def test_a_wide_image_is_cut_where_nobody_sees_it() -> None:
    """Wider than a strip: each half of it, with what is seen around, gives the same numbers."""
    weights, image = spotnet_weights(2, 16, 5), draw((9, 1500))
    whole, _ = run_spotnet(image[None], weights, "soft", np.ones(16), threads=1)
    left, _ = run_spotnet(image[None, :, :760], weights, "soft", np.ones(16), threads=1)
    assert np.array_equal(whole[..., :750], left[..., :750])


@pytest.mark.usefixtures("backend")
def test_a_network_can_run_again_on_another_size() -> None:
    weights = {name: f32(array) for name, array in spotnet_weights(3, 30, 5).items()}
    score = np.ones(30, np.float32)
    net = _core.spotnet(**weights, nonlinearity="soft", score_weights=score, threads=2)
    sizes = [(40, 130), (5, 9), (131, 60), (40, 130)]
    results = [net.run(f32(draw((1, *size))), True, True) for size in sizes]
    net.run(np.full((1, 200, 200), 1e30, np.float32), True, True)
    for size, (maps, scores) in zip(sizes, results, strict=True):
        again = net.run(f32(draw((1, *size))), True, True)
        assert np.array_equal(again[0], maps) and np.array_equal(again[1], scores)


@pytest.mark.usefixtures("backend")
def test_what_is_not_asked_for_is_not_returned() -> None:
    weights = {name: f32(array) for name, array in spotnet_weights(2, 5, 3).items()}
    net = _core.spotnet(**weights, nonlinearity="soft", score_weights=f32(np.ones(5)))
    image = f32(draw((2, 20, 33)))
    maps, score = net.run(image, True, True)
    only_maps, only_score = net.run(image, True, False), net.run(image, False, True)
    assert only_maps[1] is None and np.array_equal(only_maps[0], maps)
    assert only_score[0] is None and np.array_equal(only_score[1], score)
    assert net.run(image, False, False) == (None, None)


# --- the classes ---------------------------------------------------------------------------------


def metadata(bins: int, **changes: Any) -> Metadata:
    given = {
        "name": "random",
        "sigma_limits": np.arange(bins + 1.0),
        "threshold": ThresholdRule("relative", 0.5),
    }
    return Metadata(**(given | changes))


def spotnet(**changes: Any) -> sc.SpotNet:
    w = {name: f32(array) for name, array in spotnet_weights(2, 5, 3).items()}
    return sc.SpotNet(
        SpotNetParameters(
            **w,
            nonlinearity="nonneg",
            score_weights=np.full(5, 0.2, np.float32),
            metadata=metadata(5, **changes),
        )
    )


def blobs() -> sc.SpotNet:
    return sc.SpotNet(smoother(metadata(1, calibration=(2.0, 0.5))))


def convnet() -> sc.ConvNet:
    layers = tuple(ConvLayer(f32(g), f32(b)) for g, b in convnet_weights())
    return sc.ConvNet(ConvNetParameters(layers, np.ones(7, np.float32), metadata(7)))


NETWORKS: list[Callable[[], Any]] = [spotnet, convnet]


@pytest.mark.parametrize("make", NETWORKS)
def test_one_image_is_a_batch_of_one(make: Callable[[], Any]) -> None:
    net, images = make(), draw((3, 21, 34))
    maps, score = net(images), net.score(images)
    assert maps.dtype == score.dtype == np.float32
    assert maps.shape == (3, len(net.parameters.score_weights), 21, 34)
    assert score.shape == (3, 21, 34)
    for image, one_maps, one_score in zip(images, maps, score, strict=True):
        assert np.array_equal(net(image, threads=1), one_maps)
        assert np.array_equal(net.score(image, threads=2), one_score)
    weighted = np.einsum("k,bkhw->bhw", net.parameters.score_weights, maps.astype(float))
    assert score == pytest.approx(weighted, abs=1e-5)


def test_images_are_scaled_each_by_its_own_maximum() -> None:
    net, plain = spotnet(image_scaling="max255"), spotnet()
    images = np.abs(draw((2, 12, 15)))
    scaled = images * (255 / images.max(axis=(1, 2), keepdims=True))
    assert net(images) == pytest.approx(plain(scaled), rel=1e-4, abs=1e-3)
    assert net(7 * images) == pytest.approx(net(images), rel=1e-4, abs=1e-3)
    assert not net(np.zeros((4, 5))).any()


def test_detect_finds_the_spots_above_its_own_threshold() -> None:
    net = blobs()
    image = np.zeros((30, 40))
    image[5, 7], image[20, 30], image[12, 20], image[25, 5] = 100, 80, 60, 20
    cells = net.detect(image)
    # Half of the weighted median of the peaks 25, 20, 15, 5 (times 4): half of 20.
    assert cells.threshold == pytest.approx(10)
    assert cells.yx.tolist() == [[5, 7], [20, 30], [12, 20]]
    assert cells.score == pytest.approx([25, 20, 15])
    assert cells.secretion is None and cells.profile is None
    odds = np.exp(2 * np.log(np.array([25, 20, 15]) / 10) + 0.5)
    assert cells.confidence == pytest.approx(odds / (1 + odds), rel=1e-6)
    assert list(cells.columns()) == ["y", "x", "score", "confidence"]
    # A threshold of the user's leaves the confidence alone; a mask leaves cells out.
    more = net.detect(image, 1.0)
    assert len(more) == 4 and np.array_equal(more.confidence[:3], cells.confidence)
    allowed = np.ones(image.shape, bool)
    allowed[:, 25:] = False
    assert net.detect(image, 1.0, mask=allowed).yx.tolist() == [[5, 7], [12, 20], [25, 5]]
    empty = net.detect(np.zeros((5, 5)))
    assert len(empty) == 0 and len(empty.confidence) == 0


def test_an_absolute_threshold_and_no_calibration() -> None:
    net = spotnet(threshold=ThresholdRule("absolute", 2.5))
    cells = net.detect(np.abs(draw((40, 40))))
    assert cells.threshold == 2.5 and cells.confidence is None
    assert "confidence" not in cells.columns()


def test_files_and_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Which file is read; what is in it is the business of `spotcore.networks.parameters`."""
    of = {"s": spotnet().parameters, "c": convnet().parameters}
    asked: list[Any] = []

    def read(path: Any) -> Any:
        asked.append(path)
        return of[path.stem]

    monkeypatch.setattr(files, "read", read)
    monkeypatch.setattr("spotcore.networks.inference._WEIGHTS", tmp_path)
    (tmp_path / "s.safetensors").touch()
    assert sc.SpotNet.load("s").parameters is of["s"]
    assert asked[-1] == tmp_path / "s.safetensors"
    for path in ("s.safetensors", "./s", "folder/s", tmp_path / "s"):
        assert isinstance(networks.load_network(path), sc.SpotNet)
        assert asked[-1].name == str(path).rsplit("/", maxsplit=1)[-1]
    assert isinstance(networks.load_network("c.bin"), sc.ConvNet)
    with pytest.raises(TypeError, match=r"expected SpotNetParameters, got ConvNetParameters"):
        sc.SpotNet.load("c.bin")
    with pytest.raises(ValueError, match=r"name_or_path: .*\(s\).*'best'"):
        sc.SpotNet.load("best")
    with pytest.raises(TypeError, match=r"name_or_path: .*3"):
        sc.SpotNet.load(3)  # type: ignore[arg-type]
    written: list[Any] = []
    monkeypatch.setattr(files, "write", lambda *given: written.append(given))
    spotnet_of = sc.SpotNet(of["s"])
    spotnet_of.save("x.safetensors")
    assert written == [("x.safetensors", of["s"])]


def test_a_network_is_copied_without_its_threads() -> None:
    net, image = spotnet(), draw((9, 9))
    expected = net(image)
    assert np.array_equal(pickle.loads(pickle.dumps(net))(image), expected)
