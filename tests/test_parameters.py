"""Parameters of networks: what they may be, their files, and files that lie."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from spotcore import parameters as P
from spotcore.output import OutputError
from spotcore.parameters import (
    ConvLayer,
    ConvNetParameters,
    Metadata,
    ParameterError,
    SpotNetParameters,
    ThresholdRule,
)

RNG = np.random.default_rng(3)


def metadata(k, **changes):
    values = {
        "name": "a net",
        "sigma_limits": np.linspace(0.0, 7.7, k + 1),
        "threshold": ThresholdRule("relative", 0.3),
        "image_scaling": "max255",
        "calibration": (2.5, -0.125),
        "training": {"steps": 3, "seeds": [1, 2], "loss": 1e-300, "µ": None, "deep": {"a": True}},
        "licence": "BSD-3-Clause",
        "source": "trained by λ",
    }
    return Metadata(**(values | changes))


def spotnet(n_layers=2, k=3, side=3, tied=True, **changes):
    shape = (k, side, side)
    synthesis = RNG.normal(size=(n_layers, *shape))
    analysis = RNG.normal(size=(n_layers + 1, *shape))
    if tied:
        analysis[1:] = synthesis[..., ::-1, ::-1]
    values = {
        "analysis": analysis,
        "synthesis": synthesis,
        "bias": RNG.normal(size=n_layers + 1),
        "alpha": RNG.normal(size=n_layers),
        "nonlinearity": "soft",
        "score_weights": np.full(k, 1 / k),
        "metadata": metadata(k),
    }
    return SpotNetParameters(**(values | changes))


def layer(n_out, n_in, side=3, bias=None):
    bias = RNG.normal(size=n_out) if bias is None else bias
    return ConvLayer(RNG.normal(size=(n_out, n_in, side, side)), bias)


def convnet():
    layers = (layer(2, 1), layer(4, 2, bias=0.5), layer(8, 1), layer(8, 1))
    return ConvNetParameters(layers, np.ones(8), metadata(8, calibration=None))


def arrays(parameters):
    if isinstance(parameters, ConvNetParameters):
        layers = {f"{n}{i}": getattr(v, n) for i, v in enumerate(parameters.layers)
                  for n in ("kernels", "bias")}  # fmt: skip
        return layers | {"score_weights": parameters.score_weights}
    names = ("analysis", "synthesis", "bias", "alpha", "score_weights")
    return {name: getattr(parameters, name) for name in names}


def assert_same(a, b):
    assert type(a) is type(b)
    ours, theirs = arrays(a), arrays(b)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        assert value.dtype == np.float32 and value.flags.c_contiguous
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    assert a.metadata.to_json() == b.metadata.to_json()
    assert getattr(a, "nonlinearity", None) == getattr(b, "nonlinearity", None)


NETWORKS = {
    "tied": spotnet(),
    "untied": spotnet(3, 5, 5, tied=False, nonlinearity="group_nonneg"),
    "one_by_one": spotnet(1, 1, 1),
    "convnet": convnet(),
}


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


@pytest.mark.parametrize("call, error, words", [
    (lambda: spotnet(analysis=np.ones((3, 3, 4, 4))), ValueError, ["analysis", "odd", "4"]),
    (lambda: spotnet(analysis=np.ones((3, 3, 3, 5))), ValueError, ["analysis", "(3, 3, 3, 5)"]),
    (lambda: spotnet(analysis=np.ones((1, 3, 3, 3))), ValueError, ["analysis", "1 <= L"]),
    (lambda: spotnet(analysis=np.ones((66, 1, 1, 1))), ValueError, ["analysis", "64", "66"]),
    (lambda: spotnet(analysis=np.ones((2, 1025, 1, 1))), ValueError, ["1024", "1025"]),
    (lambda: spotnet(analysis=np.ones((2, 1, 33, 33))), ValueError, ["31", "33"]),
    (lambda: spotnet(12, 1024, 31, analysis=np.broadcast_to(1.0, (18, 1024, 31, 31)),
                     synthesis=np.broadcast_to(1.0, (17, 1024, 31, 31)), bias=np.ones(18),
                     alpha=np.ones(17)), ValueError, ["kernels", "bytes"]),
    (lambda: spotnet(synthesis=np.ones((3, 3, 3, 3))), ValueError, ["synthesis", "(2, 3, 3, 3)"]),
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
    (lambda: metadata(2, image_scaling="max"), ValueError, ["image_scaling", "max255", "'max'"]),
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
    (lambda: ConvNetParameters((layer(2, 2),), np.ones(2), metadata(2)), ValueError,
     ["layer 0", "[out, 1, S, S]", "(2, 2, 3, 3)"]),
    (lambda: ConvNetParameters((layer(2, 1), layer(3, 1)), np.ones(3), metadata(3)), ValueError,
     ["layer 1", "[m 2, 1, S, S]", "(3, 1, 3, 3)"]),
    (lambda: ConvNetParameters((layer(2, 1), layer(2, 2, 5)), np.ones(2), metadata(2)), ValueError,
     ["layer 1", "side 3", "5"]),
    (lambda: P.write("x", {}), TypeError, ["parameters", "dict"]),
])  # fmt: skip
def test_bad_parameters(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def pack(header, data=b"", length=None):
    """Make a safetensors file of any header."""
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    length = len(header) if length is None else length
    return length.to_bytes(8, "little") + header + data


def document(**changes):
    """The text of the tied network, changed; None takes a name away."""
    net = NETWORKS["tied"]
    says = {"kind": "spotnet", "n_layers": 2, "n_channels": 3, "kernel_size": 3, "tied": True,
            "nonlinearity": "soft", **net.metadata.to_json()} | changes  # fmt: skip
    return {name: value for name, value in says.items() if value != "none at all"}


def tensors(**changes):
    net = NETWORKS["tied"]
    kernels = np.concatenate([net.analysis[:1, :, ::-1, ::-1], net.synthesis])
    values = {"kernels": kernels, "bias": net.bias, "alpha": net.alpha,
              "score_weights": net.score_weights} | changes  # fmt: skip
    return {name: np.asarray(value, np.float32) for name, value in values.items()
            if value is not None}  # fmt: skip


def small(says=None, entries=None, texts=None, data=None, **arrays_changed):
    """Make the file of the tied network; `entries` change what the header says of tensors."""
    header = {"__metadata__": {"spotcore": json.dumps(document() if says is None else says)}}
    if texts is not None:
        header["__metadata__"] = texts
    at, content = 0, b""
    for name, value in tensors(**arrays_changed).items():
        entry = {
            "dtype": "F32",
            "shape": list(value.shape),
            "data_offsets": [at, at + value.nbytes],
        }
        header[name] = entry | (entries or {}).get(name, {})
        at += value.nbytes
        content += value.tobytes()
    return pack(header, content if data is None else data)


def entry(**says):
    return small(entries={"bias": says})


MANY = b'{"a":[' + b"[]," * 349_000 + b"{}]}"
MANY_NAMES = b"{" + b",".join(b'"%d":[]' % i for i in range(95_000)) + b"}"
BIAS_AT = [324, 336]  # 81 values of kernels before
DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
TEXT = json.dumps(document())
HOSTILE = {  # the file: what the message has to say
    "empty": (b"", ["8 bytes", "got 0"]),
    "length_cut": (b"\1\0", ["8 bytes", "got 2"]),
    "length_zero": (pack(b"", b"x" * 9), ["length of the header", "got 0"]),
    "length_wild": (pack({}, length=2**64 - 1), ["length of the header", str(2**64 - 1)]),
    "length_beyond": (pack({}, length=3), ["length of the header", "2 to 2", "got 3"]),
    "length_limit": (pack(b" " * (2**20 + 1)), ["length of the header", str(2**20 + 1)]),
    "no_text": (pack(b'{"\xff":1}'), ["header", "JSON", "utf-8"]),
    "no_json": (pack(b"{,}"), ["header", "JSON"]),
    "space_first": (pack(b' {"a":1}'), ["first byte"]),
    "list": (pack([]), ["object"]),
    "deep": (pack(DEEP), ["header", "32 deep"]),
    "deep_broken": (pack(b"{" + b"[" * 1_000_000), ["header", "32 deep"]),
    "many_lists": (pack(MANY), ["'a'", "list"]),
    "many_names": (pack(MANY_NAMES), ["'0'", "list"]),
    "training_large_kept": (
        small(document(training={"a": [[]] * 240_000}), alpha=[1.0]), ["alpha", "length 2"]),
    "many_digits": (pack(b'{"a":' + b"1" * 100_000 + b"}"), ["header", "JSON"]),
    "twice": (pack(b'{"a":{},"a":{}}'), ["'a' twice"]),
    "twice_inside": (pack(b'{"a":{"dtype":"F32","dtype":"F32"}}'), ["'dtype' twice"]),
    "json_nan": (pack(b'{"a":NaN}'), ["NaN", "JSON"]),
    "no_tensors": (pack({"__metadata__": {}}), ["tensors", "none"]),
    "entry_no_object": (pack({"a": 3}), ["'a'", "dtype", "int"]),
    "entry_extra": (entry(stride=1), ["'bias'", "stride"]),
    "metadata_list": (small(texts=[]), ["__metadata__", "list"]),
    "metadata_number": (small(texts={"spotcore": 3}), ["__metadata__", "spotcore", "int"]),
    "metadata_missing": (small(texts={}), ["__metadata__", "lacks 'spotcore'"]),
    "metadata_unknown": (small(texts={"spotcore": TEXT, "a": ""}), ["__metadata__", "has 'a'"]),
    **{f"dtype_{dtype}": (entry(dtype=dtype), ["'bias'", "'F32'", str(dtype)])
       for dtype in ("F16", "F64", "BF16", "I32", "f32", 3, ["F32"])},
    "shape_text": (entry(shape="3"), ["'bias'", "shape", "'3'"]),
    "shape_huge": (entry(shape=[2**62, 4]), ["'bias'", "shape", str(2**62)]),
    "shape_product": (entry(shape=[2**26] * 8), ["'bias'", "[324, 336]"]),
    "shape_digits": (entry(shape=[10**4000]), ["'bias'", "shape"]),
    "shape_negative": (entry(shape=[-1, -3]), ["'bias'", "shape", "-1"]),
    "shape_zero": (entry(shape=[0]), ["'bias'", "shape", "[0]"]),
    "shape_float": (entry(shape=[3.0]), ["'bias'", "shape", "3.0"]),
    "shape_true": (entry(shape=[True, 3]), ["'bias'", "shape", "True"]),
    "shape_axes": (entry(shape=[1] * 9 + [3]), ["'bias'", "8"]),
    "shape_larger": (entry(shape=[4]), ["'bias'", "16 bytes", "[324, 336]"]),
    "offsets_one": (entry(data_offsets=[324]), ["'bias'", "two data_offsets"]),
    "offsets_wild": (entry(data_offsets=[2**70, 2**70 + 12]), ["'bias'", "data_offsets"]),
    "offsets_negative": (entry(data_offsets=[-12, 0]), ["'bias'", "data_offsets", "-12"]),
    "offsets_reversed": (entry(data_offsets=BIAS_AT[::-1]), ["'bias'", "[336, 324]"]),
    "offsets_overlap": (entry(data_offsets=[320, 332]), ["'bias'", "from 324", "[320, 332]"]),
    "offsets_gap": (entry(data_offsets=[328, 340]), ["expected", "from"]),
    "offsets_same": (small(entries={"bias": {"data_offsets": [0, 12]}}), ["expected", "from"]),
    "data_short": (small(data=bytes(340)), ["'alpha'", "within 340"]),
    "data_long": (small() + b"\0", ["bytes of tensors"]),
    "nan": (small(alpha=[1, np.nan]), ["'alpha'", "finite", "nan at index (1,)"]),
    "inf": (small(bias=[np.inf, 1, 1]), ["'bias'", "finite", "inf at index (0,)"]),
    "tensor_missing": (small(alpha=None), ["tensors", "lacks 'alpha'"]),
    "tensor_unknown": (small(beta=[1.0]), ["tensors", "has 'beta'"]),
    "tensor_shape": (small(alpha=[1.0]), ["alpha", "length 2", "got 1"]),
    "kernels_flat": (small(kernels=np.ones(5)), ["kernels", "[L + 1, K, S, S]", "(5,)"]),
    "kernels_one": (small(kernels=np.ones((1, 3, 3, 3))), ["kernels", "(1, 3, 3, 3)"]),
    "kernels_even": (small(kernels=np.ones((3, 3, 2, 2))), ["odd", "2"]),
    "says_nothing": (small({}), ["kind", "None"]),
    "says_list": (small([1]), ["kind", "None"]),
    "says_no_json": (small(texts={"spotcore": "{"}), ["Expecting"]),
    "says_deep": (small(texts={"spotcore": DEEP.decode()}), ["32 deep"]),
    **{f"says_{name}_{value}"[:30]: (small(document(**{name: value})), [name, *words])
       for name, value, words in [
           ("kind", "unet", ["spotnet, convnet", "unet"]), ("kind", ["spotnet"], ["spotnet"]),
           ("surprise", 1, ["has 'surprise'"]), ("tied", "none at all", ["lacks 'tied'"]),
           ("name", "none at all", ["lacks 'name'"]), ("tied", 1, ["true or false", "1"]),
           ("n_layers", 3, ["expected 2", "3"]), ("n_layers", 10**9, ["1 to 64"]),
           ("n_layers", True, ["True"]), ("n_channels", 4, ["expected 3", "4"]),
           ("n_channels", 3.0, ["expected 3", "3.0"]), ("kernel_size", 5, ["expected 3", "5"]),
           ("version", 2, ["expected 1", "2"]), ("version", 1.0, ["expected 1", "1.0"]),
           ("nonlinearity", "relu", ["soft", "relu"]), ("image_scaling", 1, ["max255"]),
           ("sigma_limits", "0123", ["numbers", "0123"]), ("sigma_limits", [0, 1, 2], ["4", "3"]),
           ("sigma_limits", [0, 1, 2, "3"], ["numbers"]),
           ("sigma_limits", [0, 1, 3, 2], ["increasing"]), ("threshold", 5, ["object", "int"]),
           ("threshold", {"kind": "absolute"}, ["lacks 'value'"]),
           ("threshold", {"kind": "absolute", "value": True}, ["number", "True"]),
           ("threshold", {"kind": "absolute", "value": -1}, ["> 0", "-1"]),
           ("threshold", {"kind": [], "value": 1}, ["absolute"]),
           ("calibration", [1, 2, 3], ["length 2"]), ("calibration", [None, 1], ["numbers"]),
           ("calibration", {}, ["numbers"]), ("training", [1], ["mapping", "list"]),
           ("licence", None, ["text", "NoneType"]), ("source", "\ud800", ["printable"]),
       ]},
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_reason(tmp_path, name):
    data, words = HOSTILE[name]
    path = tmp_path / "net.safetensors"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ParameterError) as caught:
            P.read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert all(word in message for word in [str(path), *words]), message
    assert len(message) < 1000 and message.encode()
    assert peak < 64 * 2**20


def test_the_hostile_files_begin_as_a_good_one(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(small())
    assert_same(P.read(path), NETWORKS["tied"])
    header = {"a": {"dtype": "F32", "shape": [2**24 + 2**20], "data_offsets": [0, 2**26 + 2**22]}}
    with path.open("wb") as file:  # a large file that is not there
        file.write(pack(header))
        file.truncate(2**40)
    with pytest.raises(ParameterError, match="at most"):
        P.read(path)


def test_unreadable_files_are_named(tmp_path):
    for path, word in ((tmp_path / "no.safetensors", "No such file"), (tmp_path, "regular")):
        with pytest.raises(ParameterError, match=word) as caught:
            P.read(path)
        assert str(path) in str(caught.value)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ParameterError, match="regular"):
        P.read(tmp_path / "pipe")
    with pytest.raises(ParameterError, match="null"):
        P.read("a\0b")


@pytest.mark.parametrize("name", ["tied", "convnet"])
def test_truncated_and_changed_files(tmp_path, name):
    path = tmp_path / "net.safetensors"
    P.write(path, NETWORKS[name])
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ParameterError):
            P.read(path)
    rng = random.Random(5)
    end = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(end)] ^= rng.randrange(1, 256)
        path.write_bytes(data)
        try:
            found = P.read(path)
        except ParameterError:
            refused += 1
        else:  # another letter in a text, or another digit in a number
            assert {n: v.shape for n, v in arrays(found).items()} == {
                n: v.shape for n, v in arrays(NETWORKS[name]).items()}  # fmt: skip
    assert refused > 1000


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
        "import sys; from spotcore import parameters; parameters.read(sys.argv[1]);"
        "heavy = {'torch', 'scipy', 'safetensors', 'numba', 'typer'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "net.safetensors")]
    subprocess.run(command, check=True, timeout=120)
