"""The networks as PyTorch modules against their formulas in NumPy, and derivatives by hand."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed (extra 'train'); these tests need its networks"
)

from spotcore.networks import parameters  # noqa: E402
from spotcore.networks.convert import convert  # noqa: E402
from spotcore.train.export import write_network  # noqa: E402
from spotcore.train.inference import maps_of  # noqa: E402
from spotcore.train.model import NONLINEARITIES, ConvNet, SpotNet, build  # noqa: E402
from spotcore.train.saved import load_evaluated, restored  # noqa: E402


def random_spotnet(**options):
    network = build("spotnet", {"layers": 2, "maps": 4, "size": 3, **options}, seed=3).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        network.bias.copy_(0.05 * torch.randn(3, generator=generator))
        network.alpha.copy_(0.5 * torch.randn(2, generator=generator))
    return network


def correlate(planes, kernels):
    """Same-size correlation, written as its definition: [n, H, W] each with [n, S, S]."""
    half = kernels.shape[-1] // 2
    padded = np.pad(planes, ((0, 0), (half, half), (half, half)))
    height, width = planes.shape[1:]
    return sum(
        kernels[:, i, j, None, None] * padded[:, i : i + height, j : j + width]
        for i in range(kernels.shape[-1])
        for j in range(kernels.shape[-1])
    )


def shrink(x, bias, name):
    if name == "soft":
        return np.sign(x) * np.maximum(np.abs(x) - bias, 0)
    if name == "nonneg":
        return np.maximum(x - bias, 0)
    if name == "shifted_abs":
        return np.abs(x + bias)
    positive = np.maximum(x, 0)
    norm = np.maximum(np.sqrt((positive**2).sum(axis=0)), 1e-300)
    return positive * np.maximum(1 - bias / norm, 0)


def oracle(tensors, nonlinearity, image):
    """SpotNet from the tensors of its file, with the formulas of the paper."""
    t = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    if "kernels" in t:
        t |= {"analysis": t["kernels"][..., ::-1, ::-1], "synthesis": t["kernels"][1:]}
    n_maps = t["analysis"].shape[1]
    spread = np.repeat(image[None], n_maps, axis=0)
    x = shrink(correlate(spread, t["analysis"][0]), t["bias"][0], nonlinearity)
    z = (1 + t["alpha"][0]) * x
    for layer in range(1, len(t["analysis"])):
        u = correlate(z, t["synthesis"][layer - 1]).sum(axis=0) - image
        step = correlate(np.repeat(u[None], n_maps, axis=0), t["analysis"][layer])
        x, before = shrink(z - step, t["bias"][layer], nonlinearity), x
        if layer < len(t["alpha"]):
            z = x + t["alpha"][layer] * (x - before)
    return x


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("nonlinearity", sorted(NONLINEARITIES))
def test_exported_tensors_are_the_network_for_images_up_to_255(tied, nonlinearity):
    network = random_spotnet(tied=tied, nonlinearity=nonlinearity)
    image = np.random.default_rng(0).uniform(0, 255, (11, 13))
    expected = oracle(network.exported(), nonlinearity, image)
    found = network(torch.from_numpy(image)[None])[0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    kept = restored(
        {
            "kind": "spotnet",
            "state": {name: tensor.float() for name, tensor in network.exported().items()},
            "metadata": {"nonlinearity": nonlinearity},
        }
    )
    again = maps_of(kept, image.astype(np.float32))[0]
    np.testing.assert_allclose(again, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_exported_convnet_is_the_network_for_images_up_to_255():
    network = build("convnet", {"channels": (1, 2, 4), "n_full": 1, "size": 3}, seed=1).double()
    with torch.no_grad():
        network.bias.copy_(torch.tensor([0.02, -0.01]))
    image = np.random.default_rng(0).uniform(0, 255, (9, 8))
    t = {name: tensor.numpy() for name, tensor in network.exported().items()}
    first = correlate(np.repeat(image[None], 2, axis=0), t["layer.0.kernels"][:, 0])
    first = np.maximum(first + t["layer.0.bias"][:, None, None], 0)
    second = correlate(np.repeat(first, 2, axis=0), t["layer.1.kernels"][:, 0])  # c m + j from c
    expected = np.maximum(second + t["layer.1.bias"][:, None, None], 0)
    found = network(torch.from_numpy(image)[None])[0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    content = {"kind": "convnet", "state": network.exported(), "metadata": {}}
    assert restored(content).options == network.options


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("nonlinearity", ["nonneg", "shifted_abs"])
def test_derivative_by_hand_is_that_of_the_layers(tied, nonlinearity):
    network = random_spotnet(tied=tied, nonlinearity=nonlinearity)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((2, 7, 9), dtype=torch.double, generator=generator)
    towards = torch.randn((4, 2, 7, 9), dtype=torch.double, generator=generator)
    parameters = [p for name, p in network.named_parameters() if name != "score_weights"]
    pairs = []
    for maps in (network.maps, network.maps_by_layer):
        result = maps(image)
        pairs.append((result, *torch.autograd.grad((result * towards).sum(), parameters)))
    for ours, theirs in zip(*pairs, strict=True):
        assert torch.allclose(
            ours, theirs, rtol=1e-10, atol=1e-10 * float(theirs.detach().abs().max())
        )


def test_paper_sizes():
    def count(network):
        return sum(p.numel() for p in network.parameters())

    # The paper counts 4 (30 25 + 2) = 3008, with the last alpha, which nothing depends on.
    assert count(SpotNet()) == 3007
    assert count(ConvNet()) == 5406


@pytest.mark.parametrize("kind", ["spotnet", "convnet"])
def test_converted_network_of_a_run_gives_the_same_in_the_core(tmp_path, kind):
    tied = {"layers": 2, "size": 3, "nonlinearity": "nonneg"}
    network = build(kind, tied if kind == "spotnet" else {"size": 3}, seed=4)
    path = tmp_path / "network.pt"
    write_network(network, path, {"recipe": {}}, "tiny", calibration=False)
    parameters.write(tmp_path / "tiny.safetensors", convert(path, name="tiny"))
    trained, core = (load_evaluated(p) for p in (path, tmp_path / "tiny.safetensors"))
    assert core.rule == trained.rule and core.label.startswith("tiny-")
    image = np.random.default_rng(0).uniform(0, 200, (24, 31)).astype(np.float32)
    for ours, theirs in zip(core.maps(image), trained.maps(image), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
