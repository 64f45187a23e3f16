"""Conversion of networks of our own trainer."""

from __future__ import annotations

import numpy as np
import pytest

from spotcore.networks import parameters as P
from spotcore.networks.convert import convert
from spotcore.networks.parameters import ParameterError, ThresholdRule
from spotcore.simulation.simulate import simulate
from support.command_line import run


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="reading .pt files needs PyTorch, which is large")


def trained(torch, **changes):
    """What our trainer saves of a SpotNet."""
    kernels = torch.randn((3, 2, 3, 3))
    content = {
        "kind": "spotnet",
        "state": {
            "analysis": kernels.flip(-1, -2),
            "synthesis": kernels[1:],
            "bias": torch.randn(3),
            "alpha": torch.randn(2),
            "score_weights": torch.ones(2),
        },
        "metadata": {
            "name": "ours",
            "nonlinearity": "group_nonneg",
            "sigma_limits": [0.0, 1.0, 2.0],
            "threshold": {"kind": "relative", "value": 0.2},
            "calibration": [2.0, 0.5],
            "training": {"steps": 9},
        },
    }
    return content | changes


def test_files_of_our_trainer(tmp_path, torch):
    content = trained(torch)
    path, out = tmp_path / "net.pt", tmp_path / "net.safetensors"
    torch.save(content, path)
    assert run("convert", path, "-o", out).exit_code == 0
    net = P.read(out)
    for name, tensor in content["state"].items():
        np.testing.assert_array_equal(getattr(net, name), tensor.numpy())
    assert net.tied and net.nonlinearity == "group_nonneg"
    assert net.metadata.calibration == (2.0, 0.5) and net.metadata.training == {"steps": 9}
    assert convert(path, name="n", threshold=ThresholdRule("absolute", 3)).metadata.threshold == (
        ThresholdRule("absolute", 3)
    )

    state = {
        "layer.0.kernels": torch.randn(2, 1, 3, 3),
        "layer.0.bias": torch.randn(2),
        "layer.1.kernels": torch.randn(4, 1, 3, 3),
        "layer.1.bias": torch.randn(4),
        "score_weights": torch.ones(4),
    }
    says = {"sigma_limits": [0, 1, 2, 3, 4], "threshold": {"kind": "absolute", "value": 1}}
    torch.save({"kind": "convnet", "state": state, "metadata": says}, path)
    net = convert(path, name="c")
    assert (net.n_layers, net.n_channels, net.metadata.name) == (2, 4, "c")
    np.testing.assert_array_equal(net.layers[1].kernels, state["layer.1.kernels"].numpy())


def test_files_of_our_trainer_that_leave_to_us_what_is_known(tmp_path, torch):
    path, out = tmp_path / "net.pt", tmp_path / "net.safetensors"
    kernels = torch.randn((4, 30, 5, 5))
    state = {
        "analysis": kernels.flip(-1, -2),
        "synthesis": kernels[1:],
        "bias": torch.randn(4),
        "alpha": torch.randn(3),
        "score_weights": torch.ones(30),
    }
    built = {"layers": 3, "maps": 30, "size": 5, "tied": True, "nonlinearity": "nonneg"}
    says = {"options": built, "training": {"step": 5}}
    torch.save({"kind": "spotnet", "state": state, "metadata": says}, path)
    result = run("convert", path, "-o", out)
    assert result.exit_code == 1 and "lacks 'threshold'" in result.stderr
    assert run("convert", path, "-o", out, "--threshold", 20).exit_code == 0
    net = P.read(out)
    assert net.nonlinearity == "nonneg" and net.tied
    assert net.metadata.training == {"step": 5, "network": built}
    np.testing.assert_array_equal(net.metadata.sigma_limits, simulate(0, (1, 1)).sigma_limits)


def test_other_torch_files_are_refused(tmp_path, torch):
    path = tmp_path / "net.pt"
    good = trained(torch)
    huge = torch.ones(1).expand(2**33)  # 4 bytes in the file
    cases = [
        ([1], "object"),
        (good | {"step": 1}, "'step'"),
        (trained(torch, kind="unet"), "'unet'"),
        (trained(torch, state=[]), "mappings"),
        (trained(torch, state={}), "lacks"),
        (trained(torch, state=good["state"] | {"beta": torch.ones(1)}), "'beta'"),
        (trained(torch, state=good["state"] | {"bias": 3}), "tensor"),
        (trained(torch, state=good["state"] | {"bias": huge}), "at most"),
        (trained(torch, state=good["state"] | {"bias": torch.tensor([1, float("nan"), 1])}), "nan"),
        (trained(torch, metadata=good["metadata"] | {"loss": 1}), "'loss'"),
        (trained(torch, metadata={}), "lacks"),
        (trained(torch, metadata={"options": 3}), "mappings"),
        ({"kind": object}, "PyTorch"),
    ]
    for content, word in cases:
        torch.save(content, path)
        with pytest.raises(ParameterError, match=word) as caught:
            convert(path, name="n")
        assert str(path) in str(caught.value)
    torch.save(good, path)
    with pytest.raises(ValueError, match="nonlinearity: expected none"):
        convert(path, name="n", nonlinearity="soft")
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(ParameterError):
            convert(path, name="n")
