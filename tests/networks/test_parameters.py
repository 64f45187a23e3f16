"""Parameters of networks: what they may be, and their files."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from spotcore._files import OutputError
from spotcore.networks import parameters as P
from spotcore.networks.parameters import ConvNetParameters, ThresholdRule
from support.network_cases import NETWORKS, assert_same, layer, metadata, spotnet


@pytest.mark.parametrize("name", NETWORKS)
def test_files_hold_everything(tmp_path, name):
    network, path = NETWORKS[name], tmp_path / "net.safetensors"
    P.write(path, network)
    assert_same(P.read(path), network)
    first = path.read_bytes()
    P.write(path, P.read(path))
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == ["net.safetensors"]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_reference_implementation_reads_the_same(tmp_path, name):
    path = tmp_path / "net.safetensors"
    P.write(path, NETWORKS[name])
    tensors = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, "np") as file:
        texts = file.metadata()
    document = json.loads(texts["spotcore"])
    assert document["version"] == 1 and document["name"] == "a net"
    safetensors.numpy.save_file(tensors, tmp_path / "theirs.safetensors", texts)
    assert_same(P.read(tmp_path / "theirs.safetensors"), NETWORKS[name])
    if name == "tied":  # stored once
        np.testing.assert_array_equal(tensors["kernels"][1:], NETWORKS[name].synthesis)
        assert set(tensors) == {"kernels", "bias", "alpha", "score_weights"}


def test_sizes_and_ties():
    net = NETWORKS["untied"]
    assert (net.n_layers, net.n_channels, net.kernel_size, net.tied) == (3, 5, 5, False)
    assert NETWORKS["tied"].tied
    net = NETWORKS["convnet"]
    assert (net.n_layers, net.n_channels, net.kernel_size) == (4, 8, 3)
    np.testing.assert_array_equal(net.layers[1].bias, np.full(4, np.float32(0.5)))


def test_parameters_are_copies_that_do_not_change():
    mine = np.ones((2, 1, 3, 3), np.float32)
    net = spotnet(1, 1, 3, analysis=mine)
    mine[:] = 5
    assert (net.analysis == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        net.analysis[0] = 2
    record = {"a": [1]}
    kept = metadata(1, training=record)
    record["a"].append(2)
    assert kept.training == {"a": [1]}
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.alpha = 3


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: spotnet(analysis=np.ones((3, 3, 4, 4))), ValueError, ["analysis", "odd", "4"]),
        (lambda: spotnet(analysis=np.ones((3, 3, 3, 5))), ValueError, ["analysis", "(3, 3, 3, 5)"]),
        (lambda: spotnet(analysis=np.ones((1, 3, 3, 3))), ValueError, ["analysis", "1 <= L"]),
        (lambda: spotnet(analysis=np.ones((66, 1, 1, 1))), ValueError, ["analysis", "64", "66"]),
        (lambda: spotnet(analysis=np.ones((2, 1025, 1, 1))), ValueError, ["1024", "1025"]),
        (lambda: spotnet(analysis=np.ones((2, 1, 33, 33))), ValueError, ["31", "33"]),
        (
            lambda: spotnet(
                12,
                1024,
                31,
                analysis=np.broadcast_to(1.0, (18, 1024, 31, 31)),
                synthesis=np.broadcast_to(1.0, (17, 1024, 31, 31)),
                bias=np.ones(18),
                alpha=np.ones(17),
            ),
            ValueError,
            ["kernels", "bytes"],
        ),
        (
            lambda: spotnet(synthesis=np.ones((3, 3, 3, 3))),
            ValueError,
            ["synthesis", "(2, 3, 3, 3)"],
        ),
        (lambda: spotnet(bias=[1.0, 2.0]), ValueError, ["bias", "length 3", "2"]),
        (lambda: spotnet(alpha=[1.0]), ValueError, ["alpha", "length 2", "1"]),
        (lambda: spotnet(alpha=[1.0, np.inf]), ValueError, ["alpha", "finite", "inf"]),
        (lambda: spotnet(bias="abc"), TypeError, ["bias", "<U3"]),
        (lambda: spotnet(nonlinearity="relu"), ValueError, ["nonlinearity", "relu", "shifted_abs"]),
        (lambda: spotnet(score_weights=np.ones(4)), ValueError, ["score_weights", "3", "4"]),
        (lambda: spotnet(metadata=metadata(4)), ValueError, ["sigma_limits", "4 limits", "got 5"]),
        (lambda: spotnet(metadata={}), TypeError, ["metadata", "dict"]),
        (lambda: metadata(2, sigma_limits=[0, 2, 2]), ValueError, ["sigma_limits", "increasing"]),
        (lambda: metadata(2, name=3), TypeError, ["name", "int"]),
        (lambda: metadata(2, name="a\x1b[2J"), ValueError, ["name", "printable"]),
        (lambda: metadata(2, licence="x" * 1001), ValueError, ["licence", "1000", "1001"]),
        (lambda: metadata(2, version=2), ValueError, ["version", "1", "2"]),
        (lambda: metadata(2, version=True), ValueError, ["version", "True"]),
        (
            lambda: metadata(2, image_scaling="max"),
            ValueError,
            ["image_scaling", "max255", "'max'"],
        ),
        (lambda: metadata(2, threshold=3.0), TypeError, ["threshold", "ThresholdRule", "3.0"]),
        (lambda: metadata(2, calibration=(1.0,)), ValueError, ["calibration", "length 2"]),
        (lambda: metadata(2, calibration=(0.0, 1.0)), ValueError, ["calibration", "> 0"]),
        (lambda: metadata(2, training={"a": np.nan}), ValueError, ["training", "JSON"]),
        (lambda: metadata(2, training={"a": object()}), ValueError, ["training", "JSON"]),
        (lambda: metadata(2, training=[1]), TypeError, ["training", "list"]),
        (lambda: ThresholdRule("maximum", 1.0), ValueError, ["threshold kind", "maximum"]),
        (lambda: ThresholdRule("absolute", 0.0), ValueError, ["threshold value", "> 0"]),
        (lambda: layer(2, 1, 4), ValueError, ["kernels", "odd", "4"]),
        (lambda: layer(2, 1, bias=np.ones(3)), ValueError, ["bias", "length 2", "3"]),
        (lambda: layer(2, 1, bias=np.nan), ValueError, ["bias", "finite"]),
        (lambda: ConvNetParameters((), np.ones(2), metadata(2)), ValueError, ["layers", "1 to 64"]),
        (lambda: ConvNetParameters((3,), np.ones(2), metadata(2)), TypeError, ["ConvLayer", "int"]),
        (
            lambda: ConvNetParameters((layer(2, 2),), np.ones(2), metadata(2)),
            ValueError,
            ["layer 0", "[out, 1, S, S]", "(2, 2, 3, 3)"],
        ),
        (
            lambda: ConvNetParameters((layer(2, 1), layer(3, 1)), np.ones(3), metadata(3)),
            ValueError,
            ["layer 1", "[m 2, 1, S, S]", "(3, 1, 3, 3)"],
        ),
        (
            lambda: ConvNetParameters((layer(2, 1), layer(2, 2, 5)), np.ones(2), metadata(2)),
            ValueError,
            ["layer 1", "side 3", "5"],
        ),
        (lambda: P.write("x", {}), TypeError, ["parameters", "dict"]),
    ],
)
def test_bad_parameters(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_writing_fails_whole(tmp_path):
    with pytest.raises(OutputError, match="none"):
        P.write(tmp_path / "none" / "net.safetensors", NETWORKS["tied"])
    long = spotnet(1, 1, 1, metadata=metadata(1, training={"log": "x" * 2**20}))
    with pytest.raises(ValueError, match="metadata: expected at most 1048576"):
        P.write(tmp_path / "net.safetensors", long)
    assert os.listdir(tmp_path) == []


def test_reading_needs_numpy_alone(tmp_path):
    P.write(tmp_path / "net.safetensors", NETWORKS["tied"])
    code = (
        "import sys; from spotcore.networks import parameters; parameters.read(sys.argv[1]);"
        "heavy = {'torch', 'scipy', 'safetensors', 'numba', 'typer'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "net.safetensors")]
    subprocess.run(command, check=True, timeout=120)
