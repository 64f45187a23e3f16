"""Conversion of other programs' networks: the published ones."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.signal import correlate2d, oaconvolve

from spotcore.commands.convert import ImageScaling, Nonlinearity, ThresholdKind
from spotcore.networks import SpotNet
from spotcore.networks import parameters as P
from spotcore.networks.convert import PUBLISHED_THRESHOLD, convert
from spotcore.networks.metadata import IMAGE_SCALINGS, THRESHOLDS
from spotcore.networks.parameters import NONLINEARITIES, ParameterError, ThresholdRule
from spotcore.simulation.simulate import simulate
from support import bundle_writer as bw
from support.command_line import run

RNG = np.random.default_rng(41)


def spotnet_variables(n_layers=3, k=30, side=5):
    """Variables of a SpotNet by the names and in the order of the published program."""
    made = [
        RNG.normal(size=(side, side, k, 1)) if i % 3 == 2 else RNG.normal()
        for i in range(3 * n_layers + 2)
    ]
    variables = {"Variable": RNG.normal(size=(side, side, k, 1))}
    variables |= {f"SpotNet/Variable{f'_{i}' if i else ''}": v for i, v in enumerate(made)}
    slots = {
        f"{name}/{slot}": np.asarray(value) * 0
        for name, value in variables.items()
        for slot in ("Adam", "Adam_1")
    }
    powers = {"Training/beta1_power": 0.9, "Training/beta2_power": 0.99}
    return {n: np.float32(v) for n, v in (variables | slots | powers).items()}


SHAPES = [(5, 5, 1, 6), (5, 5, 6, 15), (5, 5, 15, 2), *[(5, 5, 30, 1)] * 3]


def convnet_variables(scope="ConvNet/", interleaved=True):
    """Variables of a ConvNet, kernels and biases in turn or one kind after the other."""
    scale = 0.1  # of about one output's inputs
    kernels = [scale * RNG.normal(size=shape) for shape in SHAPES]
    biases = [RNG.normal() for _ in SHAPES]
    pairs = zip(kernels, biases, strict=True)
    made = [v for pair in pairs for v in pair] if interleaved else kernels + biases
    return {f"{scope}Variable{f'_{i}' if i else ''}": np.float32(v) for i, v in enumerate(made)}


def run_spotnet(image, net, correlate):
    """The last maps [K, H, W] of a network of the non-linearity |x + b|, in float64."""
    assert net.nonlinearity == "shifted_abs"
    analysis, synthesis, bias, alpha = (
        np.asarray(getattr(net, name), np.float64)
        for name in ("analysis", "synthesis", "bias", "alpha")
    )
    x = np.stack([np.abs(correlate(image, h) + bias[0]) for h in analysis[0]])
    z = (1 + alpha[0]) * x
    for layer in range(1, net.n_layers + 1):
        u = sum(correlate(zk, h) for zk, h in zip(z, synthesis[layer - 1], strict=True)) - image
        new = np.stack(
            [
                np.abs(zk - correlate(u, h) + bias[layer])
                for zk, h in zip(z, analysis[layer], strict=True)
            ]
        )
        if layer < net.n_layers:
            z = new + alpha[layer] * (new - x)
        x = new
    return x


def by_fft(image, kernel):
    return oaconvolve(image, kernel[::-1, ::-1], mode="same")


def by_sums(image, kernel):
    return correlate2d(image, kernel, mode="same")


def test_the_published_spotnet_gives_the_published_output(shared_data):
    net = convert(shared_data / "spotnet-isbi2019", name="published")
    with np.load(shared_data / "spotnet-isbi2019" / "reference_250_0.npz") as data:
        image, expected = data["image"].astype(np.float64), data["spotnet_mean"]
    maps = run_spotnet(image, net, by_fft)
    score = np.tensordot(net.score_weights, maps, axes=1)
    # TensorFlow computed in float32: sums of 750 products, rounded at random, three times.
    assert np.linalg.norm(score - expected) < 1e-5 * np.linalg.norm(expected)
    assert np.abs(score - expected).max() < 1e-4 * np.abs(expected).max()
    # The core computes in float32 too, in another order.
    network = SpotNet(net)
    for ours in (network.score(image), np.tensordot(net.score_weights, network(image), axes=1)):
        assert np.linalg.norm(ours - expected) < 1e-5 * np.linalg.norm(expected)
        assert np.linalg.norm(ours - score) < 1e-5 * np.linalg.norm(score)

    assert net.tied and (net.n_layers, net.n_channels, net.kernel_size) == (3, 30, 5)
    np.testing.assert_allclose(net.bias, [3.30, -0.34, 6.95, -15.78], atol=0.005)
    np.testing.assert_allclose(net.alpha, [0.60, -0.68, 0.46], atol=0.005)
    np.testing.assert_array_equal(net.metadata.sigma_limits, simulate(0, (1, 1)).sigma_limits)
    assert net.metadata.threshold == PUBLISHED_THRESHOLD
    assert image.max() == 255 and net.metadata.image_scaling == "none"


def as_tensorflow(image, variables):
    """Run SpotNet as the published program does, which knows one kernel a layer, `conv2d` (maps to
    image) and `conv2d_transpose` (image to maps, the same kernel flipped), written as sums."""
    names = ["Variable", *(f"SpotNet/Variable{f'_{i}' if i else ''}" for i in range(11))]
    values = [np.asarray(variables[name], np.float64) for name in names]
    height, width = image.shape

    def transpose(plane, h):
        out = np.zeros((height + 4, width + 4, h.shape[2]))
        for dy in range(5):
            for dx in range(5):
                out[dy : dy + height, dx : dx + width] += plane[..., None] * h[dy, dx, :, 0]
        return out[2:-2, 2:-2]

    def conv2d(maps, h):
        padded = np.pad(maps, ((2, 2), (2, 2), (0, 0)))
        return sum(
            padded[dy : dy + height, dx : dx + width] @ h[dy, dx, :, 0]
            for dy in range(5)
            for dx in range(5)
        )

    h, b, alpha = values[0], values[1], values[2]
    x = np.abs(transpose(image, h) + b)
    z = x + alpha * x
    for h, b, alpha in zip(values[3::3], values[4::3], values[5::3], strict=True):
        new = np.abs(z - transpose(conv2d(z, h) - image, h) + b)
        z, x = new + alpha * (new - x), new
    return x.transpose(2, 0, 1)


def test_spotnet_as_the_published_program_runs_it(tmp_path):
    variables = spotnet_variables()
    bw.write_bundle(tmp_path / "variables", variables)
    net = convert(tmp_path / "variables", name="n")
    image = RNG.uniform(0, 255, (9, 12))
    expected = as_tensorflow(image, variables)
    np.testing.assert_allclose(
        run_spotnet(image, net, by_sums), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max()
    )
    for n_layers, side in ((1, 3), (5, 7)):  # the program's own constants are not ours
        bw.write_bundle(tmp_path / "other", spotnet_variables(n_layers, 30, side))
        net = convert(tmp_path / "other", name="n", nonlinearity="soft")
        assert (net.n_layers, net.kernel_size, net.nonlinearity) == (n_layers, side, "soft")


def convnet_as_tensorflow(image, kernels, biases):
    """Channels last, HWIO kernels, depthwise HW-in-multiplier, as sums in float64."""
    x = image[..., None]
    height, width = image.shape
    for i, (h, b) in enumerate(zip(kernels, biases, strict=True)):
        padded = np.pad(x, ((2, 2), (2, 2), (0, 0)))
        # depthwise_conv2d: output c M + m of map c
        form = "hwc,co->hwo" if i < 2 else "hwc,cm->hwcm"
        y = sum(
            np.einsum(form, padded[dy : dy + height, dx : dx + width], h[dy, dx])
            for dy in range(5)
            for dx in range(5)
        )
        x = np.maximum(y.reshape(height, width, -1) + b, 0)
    return x.transpose(2, 0, 1)


@pytest.mark.parametrize("interleaved", [True, False])
def test_convnet_as_the_published_program_runs_it(tmp_path, interleaved):
    variables = convnet_variables(interleaved=interleaved)
    # The first kernel may have been made outside of the scope.
    outside = {
        "Variable" if name == "ConvNet/Variable" else name: v for name, v in variables.items()
    }
    image = RNG.uniform(0, 255, (8, 11))
    values = [np.asarray(v, np.float64) for v in variables.values()]
    expected = convnet_as_tensorflow(
        image, [v for v in values if v.ndim], [v for v in values if not v.ndim]
    )
    assert (expected > 0).any()
    for name, given in (("a", variables), ("b", outside)):
        bw.write_bundle(tmp_path / name / "variables" / "variables", given)
        net = convert(tmp_path / name, name="n")
        x = image[None]
        for layer in net.layers:
            n_in, each = len(x), len(layer.kernels) // len(x)
            full = layer.kernels.shape[1] == n_in
            kernels = layer.kernels.astype(np.float64)
            if full:
                x = np.stack([sum(map(by_sums, x, h)) for h in kernels])
            else:
                x = np.stack([by_sums(x[o // each], h[0]) for o, h in enumerate(kernels)])
            x = np.maximum(x + layer.bias[:, None, None], 0)
        np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-9 * expected.max())
        assert net.metadata.threshold == PUBLISHED_THRESHOLD and net.n_channels == 30


def without(variables, *names):
    return {name: value for name, value in variables.items() if name not in names}


UNFIT = {  # what is changed: what the message has to say
    "spotnet_short": (lambda: without(spotnet_variables(), "SpotNet/Variable_10"), ["3 (L + 1)"]),
    "spotnet_gap": (
        lambda: without(spotnet_variables(), "SpotNet/Variable_4") | {"x/Variable": np.float32(1)},
        ["'SpotNet/Variable_4'", "x/Variable"],
    ),
    "spotnet_shape": (
        lambda: spotnet_variables() | {"SpotNet/Variable_5": np.ones((5, 5, 1, 30), np.float32)},
        ["'SpotNet/Variable_5'", "(5, 5, 30, 1)", "(5, 5, 1, 30)"],
    ),
    "spotnet_scalar": (
        lambda: spotnet_variables() | {"SpotNet/Variable": np.ones(2, np.float32)},
        ["'SpotNet/Variable'", "scalar", "(2,)"],
    ),
    "spotnet_last": (
        lambda: spotnet_variables() | {"SpotNet/Variable_10": np.ones(2, np.float32)},
        ["'SpotNet/Variable_10'", "scalar", "(2,)"],
    ),
    "spotnet_first": (
        lambda: spotnet_variables() | {"Variable": np.ones(2, np.float32)},
        ["'Variable'", "[S, S, K, 1]", "[2]"],
    ),
    "spotnet_outputs": (lambda: spotnet_variables(1, 7, 3), ["30 outputs", "7"]),
    "spotnet_even": (lambda: spotnet_variables(1, 30, 4), ["odd", "4"]),
    "convnet_short": (
        lambda: without(convnet_variables(), "ConvNet/Variable_3"),
        ["ConvNet", "as many scalars"],
    ),
    "convnet_order": (
        lambda: convnet_variables() | {"ConvNet/Variable": np.ones((5, 5, 6, 1), np.float32)},
        ["ConvNet", "[5, 5, 1, 6]", "'ConvNet/Variable' [5, 5, 6, 1]"],
    ),
    "other_names": (lambda: {"conv1/kernel": np.float32(1)}, ["'conv1/kernel'", "Variable"]),
    "nothing": (lambda: {}, ["ConvNet", "got"]),
}


@pytest.mark.parametrize("name", UNFIT)
def test_other_networks_are_refused_by_name(tmp_path, name):
    make, words = UNFIT[name]
    bw.write_bundle(tmp_path / "net", make())
    with pytest.raises(ParameterError) as caught:
        convert(tmp_path / "net", name="n")
    message = str(caught.value)
    assert all(word in message for word in [str(tmp_path / "net"), *words]), message


def test_options_replace_what_the_source_says(tmp_path):
    bw.write_bundle(tmp_path / "net", convnet_variables(""))
    rule = ThresholdRule("relative", 0.25)
    net = convert(
        tmp_path / "net",
        name="mine",
        threshold=rule,
        image_scaling="max255",
        licence="MIT",
        origin="there",
    )
    found = net.metadata
    assert (found.name, found.threshold, found.image_scaling) == ("mine", rule, "max255")
    assert (found.licence, found.source) == ("MIT", "there")
    assert found.training["converted_from"] and len(found.training["sha256"]) == 64
    with pytest.raises(ValueError, match="nonlinearity: expected none for a ConvNet"):
        convert(tmp_path / "net", name="n", nonlinearity="soft")


def test_the_command_writes_a_file_that_is_read_again(tmp_path):
    bw.write_bundle(tmp_path / "saved" / "variables" / "variables", spotnet_variables())
    out = tmp_path / "mine.safetensors"
    result = run(
        "convert",
        tmp_path / "saved",
        "-o",
        out,
        "--nonlinearity",
        "nonneg",
        "--threshold",
        0.5,
        "--threshold-kind",
        "relative",
        "--image-scaling",
        "max255",
    )
    assert result.exit_code == 0, result.output
    assert "SpotNet, 3 layers, 30 maps, kernels 5 x 5" in result.stdout
    net = P.read(out)
    assert net.nonlinearity == "nonneg" and type(net.nonlinearity) is str
    assert net.metadata.name == "mine" and net.metadata.image_scaling == "max255"
    assert net.metadata.threshold == ThresholdRule("relative", 0.5)
    assert sorted(os.listdir(tmp_path)) == ["mine.safetensors", "saved"]


def test_the_command_says_what_is_wrong_and_writes_nothing(tmp_path):
    bw.write_bundle(tmp_path / "net", convnet_variables())
    (tmp_path / "bad.pt").write_bytes(b"no archive")
    out = tmp_path / "out.safetensors"
    before = sorted(os.listdir(tmp_path))
    for code, words, arguments in (
        (1, ["none.index", "No such file"], [tmp_path / "none", "-o", out]),
        (1, ["bad.pt", "PyTorch"], [tmp_path / "bad.pt", "-o", out]),
        (1, ["no.pt", "No such file"], [tmp_path / "no.pt", "-o", out]),
        (1, ["ConvNet", "soft"], [tmp_path / "net", "-o", out, "--nonlinearity", "soft"]),
        (1, ["threshold", "-1"], [tmp_path / "net", "-o", out, "--threshold", "-1"]),
        (1, ["none", "cannot be written"], [tmp_path / "net", "-o", tmp_path / "none" / out.name]),
        (2, [".safetensors"], [tmp_path / "net", "-o", tmp_path / "out.pt"]),
        (2, ["--threshold"], [tmp_path / "net", "-o", out, "--threshold-kind", "absolute"]),
        (2, ["nonlinearity"], [tmp_path / "net", "-o", out, "--nonlinearity", "relu"]),
        (2, ["output"], [tmp_path / "net"]),
    ):
        result = run("convert", *arguments)
        assert result.exit_code == code and result.stdout == "", (arguments, result.output)
        assert all(word in result.stderr for word in words), result.stderr
    assert sorted(os.listdir(tmp_path)) == before


def test_the_command_offers_what_the_library_has():
    for ours, names in (
        (Nonlinearity, NONLINEARITIES),
        (ThresholdKind, THRESHOLDS),
        (ImageScaling, IMAGE_SCALINGS),
    ):
        assert tuple(choice.value for choice in ours) == names
