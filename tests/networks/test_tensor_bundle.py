"""Checkpoints of TensorFlow 1: read as they are, or refused with a reason, whatever they hold."""

from __future__ import annotations

import os
import random
import tracemalloc

import numpy as np
import pytest

from spotcore.networks.convert.crc32c import crc32c, masked_crc32c
from spotcore.networks.convert.tensor_bundle import find_prefix, is_training_state, read_bundle
from spotcore.networks.safetensors_file import ParameterError
from support import bundle_writer as bw

RNG = np.random.default_rng(7)
VARIABLES = {
    "Net/Variable": np.float32(1.5),
    "Net/Variable_1": RNG.normal(size=(5, 5, 3, 1)).astype(np.float32),
    "Net/Variable_10": RNG.normal(size=7).astype(np.float32),
    "Variable": RNG.normal(size=(3, 2)).astype(np.float32),
    "Variable/Adam": RNG.normal(size=(3, 2)).astype(np.float32),
    "Variable/Adam_1": RNG.normal(size=(3, 2)).astype(np.float32),
    "Training/beta1_power": np.float32(0.9),
    "global_step": np.int64(12),
}
KEPT = {name for name in VARIABLES if not is_training_state(name)}


def assert_equal(found, variables=VARIABLES, names=frozenset(KEPT)):
    assert set(found) == names
    for name, value in found.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, variables[name])


def test_crc_against_its_check_value_and_the_definition():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, and every catalogue of CRCs
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(b"") == 0
    for length in (1, 31, 1023, 1024, 1025, 1100, 2048, 5000):
        data = RNG.bytes(length)
        assert crc32c(data) == bw.crc32c(data), length
        assert masked_crc32c(data) == bw.masked(data)


@pytest.mark.parametrize("n_shards", [1, 3])
@pytest.mark.parametrize("per_block", [1, 4, 100])
def test_reads_what_was_written(tmp_path, n_shards, per_block):
    bw.write_bundle(tmp_path / "net", VARIABLES, n_shards=n_shards, per_block=per_block)
    assert_equal(read_bundle(tmp_path / "net"))
    values = {k: v for k, v in VARIABLES.items() if k != "global_step"}
    found = read_bundle(tmp_path / "net", skip=lambda name: name == "global_step")
    assert_equal(found, names=frozenset(values))


def test_finds_the_checkpoint_that_is_meant(tmp_path):
    prefix = tmp_path / "model" / "variables" / "variables"
    bw.write_bundle(prefix, VARIABLES)
    index = prefix.with_name("variables.index")
    for source in (tmp_path / "model", prefix.parent, prefix, index, str(prefix)):
        assert find_prefix(source) == prefix
    steps = tmp_path / "model.ckpt-1000"
    bw.write_bundle(steps, VARIABLES)
    assert find_prefix(tmp_path) == steps
    assert_equal(read_bundle(steps))
    bw.write_bundle(tmp_path / "model.ckpt-2000", VARIABLES)
    for folder in (tmp_path, tmp_path / "model" / "variables" / "none"):
        with pytest.raises(ParameterError) as caught:
            read_bundle(find_prefix(folder))
        assert str(folder) in str(caught.value)


def lie(**says):
    """Write a bundle in which the entry of one variable says something else."""
    return lambda prefix: bw.write_bundle(prefix, VARIABLES, lies={"Net/Variable_1": says})


def with_header(*fields):
    return lambda prefix: bw.write_bundle(prefix, VARIABLES, header=b"".join(fields))


def with_index(data):
    def write(prefix):
        bw.write_bundle(prefix, VARIABLES)
        prefix.with_name("net.index").write_bytes(data() if callable(data) else data)

    return write


def one_block(content):
    """Make an index whose only block has this content."""
    return with_index(bw.table([(b"z", bw.sealed(content))]))


def changed(name, change):
    """Write a bundle and change the bytes of one of its files."""

    def write(prefix):
        bw.write_bundle(prefix, VARIABLES)
        path = prefix.with_name(f"net.{name}")
        path.write_bytes(change(path.read_bytes()))

    return write


def entries(count, name=lambda i: b"%06d" % i):
    value = bw.entry_proto(shape=(), size=4, crc=0)
    pairs = [(b"", bw.header_proto()), *[(name(i), value) for i in range(count)]]
    return bw.table([(pairs[-1][0], bw.block(pairs))])


def overlapping_blocks():
    content = bw.block([(b"", bw.header_proto())])
    handle = bw.varint(0) + bw.varint(len(content) - 5)
    return bw.finished(content, bw.block([(b"a", handle), (b"b", handle)], interval=1))


DATA = "data-00000-of-00001"
WILD = 2**63 + 12
HOSTILE = {  # what is written: what the message has to say
    "empty": (with_index(b""), ["0 bytes"]),
    "no_table": (with_index(b"x" * 100), ["magic"]),
    "too_large": (changed("index", lambda d: d + bytes(2**20)), ["at most 1048576 bytes"]),
    "snappy": (lambda p: bw.write_bundle(p, VARIABLES, kind=1), ["compression", "Snappy"]),
    "unknown_kind": (lambda p: bw.write_bundle(p, VARIABLES, kind=9), ["compression", "kind 9"]),
    "index_crc": (changed("index", lambda d: b"\1" + d[1:]), ["CRC"]),
    "handle_beyond": (
        changed("index", lambda d: d[:-48] + bw.varint(WILD) * 4 + d[-8:]),
        ["within", str(WILD)],
    ),
    "handle_endless": (changed("index", lambda d: d[:-48] + b"\xff" * 40 + d[-8:]), ["2^64"]),
    "meta_blocks": (with_index(lambda: bw.table([], meta=[(b"filter", b"")])), ["meta blocks"]),
    "blocks_overlap": (with_index(overlapping_blocks), ["expected a block from", "got one at 0"]),
    "block_of_nothing": (one_block(b""), ["at least"]),
    "too_many_restarts": (one_block(b"\xff" * 4), ["at least"]),
    "shared_too_long": (one_block(b"\1\0\0" + bytes(8)), ["1 shared"]),
    "key_beyond": (one_block(b"\0\x70\0" + bytes(8)), ["112"]),
    "value_beyond": (one_block(b"\0\0" + bw.varint(WILD) + bytes(8)), [str(WILD)]),
    "long_name": (with_index(entries(1, lambda i: b"x" * 600)), ["512", "600"]),
    "many_entries": (with_index(lambda: entries(4200)), ["4096"]),
    "names_twice": (with_index(lambda: entries(2, lambda i: b"same")), ["same", "after"]),
    "names_unordered": (with_index(lambda: entries(2, lambda i: b"%d" % (9 - i))), ["after"]),
    "name_no_text": (with_index(lambda: entries(1, lambda i: b"\xff\xfe")), ["UTF-8", "xff"]),
    "no_header": (with_index(lambda: bw.table([(b"a", bw.block([(b"a", b"")]))])), ["header"]),
    "big_endian": (with_header(bw.header_proto(endianness=1)), ["little-endian", "big"]),
    "no_shards": (with_header(bw.header_proto(n_shards=0)), ["data files", "got 0"]),
    "many_shards": (with_header(bw.header_proto(n_shards=WILD)), ["data files", str(WILD)]),
    "header_field": (with_header(bw.header_proto(), bw.field(9, 1)), ["header", "field 9"]),
    "header_twice": (with_header(bw.header_proto(), bw.field(1, 1)), ["header", "field 1", "once"]),
    "field_beyond": (lie(extra=bw.varint(7 << 3 | 2) + b"\x7f"), ["Net/Variable_1", "127"]),
    "group": (lie(extra=bw.varint(7 << 3 | 3)), ["Net/Variable_1", "wire type 3"]),
    "slices": (lie(extra=bw.field(7, b"")), ["Net/Variable_1", "field 7"]),
    "double": (lie(dtype=2), ["Net/Variable_1", "float32", "DataType 2"]),
    "text": (lie(dtype=7), ["Net/Variable_1", "float32", "DataType 7"]),
    "shape_smaller": (lie(shape=(5, 5, 3)[:2]), ["Net/Variable_1", "float32 [5, 5]", "300"]),
    "shape_huge": (lie(shape=(2**26,) * 8), ["Net/Variable_1", "float32", "300 bytes"]),
    "shape_negative": (lie(shape=(2**64 - 75,)), ["Net/Variable_1", "shape"]),
    "shape_zero": (lie(shape=(75, 0)), ["Net/Variable_1", "shape"]),
    "many_axes": (lie(shape=(1,) * 5000), ["Net/Variable_1", "shape"]),
    "shard_beyond": (lie(shard=1), ["Net/Variable_1", "data file"]),
    "offset_wild": (lie(offset=WILD), ["Net/Variable_1", "within", str(WILD)]),
    "offset_beyond": (lie(offset=10_000), ["Net/Variable_1", "within", "10000"]),
    "offset_overlaps": (lie(offset=0), ["an offset from 4 on, got 0"]),
    "size_wild": (lie(size=WILD), ["at most"]),
    "sizes_beyond": (lie(size=2**27), ["at most"]),
    "crc": (lie(crc=0), ["Net/Variable_1", "CRC"]),
    "data_crc": (changed(DATA, lambda d: d[:9] + bytes([d[9] ^ 1]) + d[10:]), ["CRC"]),
    "slot_crc": (changed(DATA, lambda d: d[:-1] + b"\x7f"), ["global_step", "CRC"]),
    "data_short": (changed(DATA, lambda d: d[:-1]), ["global_step", "within"]),
    "nan": (
        lambda p: bw.write_bundle(p, VARIABLES | {"Variable": np.array([1, np.nan], np.float32)}),
        ["'Variable'", "finite", "nan at index (1,)"],
    ),
    "int": (
        lambda p: bw.write_bundle(p, VARIABLES | {"Variable": np.arange(3)}),
        ["'Variable'", "float32", "DataType 9"],
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_checkpoints_are_refused_with_a_reason(tmp_path, name):
    write, words = HOSTILE[name]
    write(tmp_path / "net")
    tracemalloc.start()
    try:
        with pytest.raises(ParameterError) as caught:
            read_bundle(tmp_path / "net")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert all(word in message for word in [str(tmp_path / "net"), *words]), message
    assert "expected" in message and "got" in message and len(message) < 1000
    assert peak < 64 * 2**20


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ParameterError, match=r"net\.index: cannot be read"):
        read_bundle(tmp_path / "net")
    bw.write_bundle(tmp_path / "net", VARIABLES, n_shards=2)
    (tmp_path / "net.data-00001-of-00002").unlink()
    with pytest.raises(ParameterError, match="data-00001-of-00002: cannot be read"):
        read_bundle(tmp_path / "net")
    os.mkfifo(tmp_path / "net.data-00001-of-00002")
    with pytest.raises(ParameterError, match="regular file"):
        read_bundle(tmp_path / "net")


@pytest.mark.parametrize("name", ["index", DATA])
def test_truncated_and_changed_files(tmp_path, name):
    bw.write_bundle(tmp_path / "net", VARIABLES)
    path = tmp_path / f"net.{name}"
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ParameterError):
            read_bundle(tmp_path / "net")
    rng = random.Random(11)
    refused = 0
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        path.write_bytes(data)
        try:
            found = read_bundle(tmp_path / "net")
        except ParameterError:
            refused += 1
        else:
            assert_equal(found)  # a byte that means nothing, as in the footer's padding
    assert refused > 1300


def test_blocks_that_pass_their_crc_are_not_trusted(tmp_path):
    """Change bytes within blocks and make their CRC right again: parsers meet anything."""
    bw.write_bundle(tmp_path / "net", VARIABLES, per_block=100)
    path = tmp_path / "net.index"
    whole = path.read_bytes()
    size = whole.index(bw.block([])) - 5  # of the only data block
    rng = random.Random(12)
    for _ in range(1500):
        content = bytearray(whole[:size])
        for _ in range(rng.choice((1, 1, 2, 8))):
            content[rng.randrange(size)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        path.write_bytes(bw.sealed(bytes(content)) + whole[size + 5 :])
        try:
            found = read_bundle(tmp_path / "net")
        except ParameterError:
            continue
        assert all(np.isfinite(value).all() for value in found.values())
