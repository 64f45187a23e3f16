"""Parameter files that lie: each is refused with a reason, and before it takes much memory."""

from __future__ import annotations

import json
import os
import random
import tracemalloc

import numpy as np
import pytest

from spotcore.networks import parameters as P
from spotcore.networks.parameters import ParameterError
from support.network_cases import NETWORKS, arrays, assert_same


def pack(header, data=b"", length=None):
    """Make a safetensors file of any header."""
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    length = len(header) if length is None else length
    return length.to_bytes(8, "little") + header + data


def document(**changes):
    """The text of the tied network, changed; None takes a name away."""
    net = NETWORKS["tied"]
    says = {
        "kind": "spotnet",
        "n_layers": 2,
        "n_channels": 3,
        "kernel_size": 3,
        "tied": True,
        "nonlinearity": "soft",
        **net.metadata.to_json(),
    } | changes
    return {name: value for name, value in says.items() if value != "none at all"}


def tensors(**changes):
    net = NETWORKS["tied"]
    kernels = np.concatenate([net.analysis[:1, :, ::-1, ::-1], net.synthesis])
    values = {
        "kernels": kernels,
        "bias": net.bias,
        "alpha": net.alpha,
        "score_weights": net.score_weights,
    } | changes
    return {
        name: np.asarray(value, np.float32) for name, value in values.items() if value is not None
    }


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
        small(document(training={"a": [[]] * 240_000}), alpha=[1.0]),
        ["alpha", "length 2"],
    ),
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
    **{
        f"dtype_{dtype}": (entry(dtype=dtype), ["'bias'", "'F32'", str(dtype)])
        for dtype in ("F16", "F64", "BF16", "I32", "f32", 3, ["F32"])
    },
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
    **{
        f"says_{name}_{value}"[:30]: (small(document(**{name: value})), [name, *words])
        for name, value, words in [
            ("kind", "unet", ["spotnet, convnet", "unet"]),
            ("kind", ["spotnet"], ["spotnet"]),
            ("surprise", 1, ["has 'surprise'"]),
            ("tied", "none at all", ["lacks 'tied'"]),
            ("name", "none at all", ["lacks 'name'"]),
            ("tied", 1, ["true or false", "1"]),
            ("n_layers", 3, ["expected 2", "3"]),
            ("n_layers", 10**9, ["1 to 64"]),
            ("n_layers", True, ["True"]),
            ("n_channels", 4, ["expected 3", "4"]),
            ("n_channels", 3.0, ["expected 3", "3.0"]),
            ("kernel_size", 5, ["expected 3", "5"]),
            ("version", 2, ["expected 1", "2"]),
            ("version", 1.0, ["expected 1", "1.0"]),
            ("nonlinearity", "relu", ["soft", "relu"]),
            ("image_scaling", 1, ["max255"]),
            ("sigma_limits", "0123", ["numbers", "0123"]),
            ("sigma_limits", [0, 1, 2], ["4", "3"]),
            ("sigma_limits", [0, 1, 2, "3"], ["numbers"]),
            ("sigma_limits", [0, 1, 3, 2], ["increasing"]),
            ("threshold", 5, ["object", "int"]),
            ("threshold", {"kind": "absolute"}, ["lacks 'value'"]),
            ("threshold", {"kind": "absolute", "value": True}, ["number", "True"]),
            ("threshold", {"kind": "absolute", "value": -1}, ["> 0", "-1"]),
            ("threshold", {"kind": [], "value": 1}, ["absolute"]),
            ("calibration", [1, 2, 3], ["length 2"]),
            ("calibration", [None, 1], ["numbers"]),
            ("calibration", {}, ["numbers"]),
            ("training", [1], ["mapping", "list"]),
            ("licence", None, ["text", "NoneType"]),
            ("source", "\ud800", ["printable"]),
        ]
    },
}


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
                n: v.shape for n, v in arrays(NETWORKS[name]).items()
            }
    assert refused > 1000
