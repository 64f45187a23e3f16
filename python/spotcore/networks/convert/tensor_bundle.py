"""Read the checkpoints of TensorFlow 1 without TensorFlow: its TensorBundle, with NumPy alone.

``PREFIX.index`` is a sorted table of LevelDB: blocks of key-value pairs, an index block that says
where they lie, and a footer that says where the index block lies.  Every block is followed by the
kind of its compression (one byte) and a CRC.  Keys are the names of variables, values are protocol
buffers: for the empty key the header of the bundle, for the others dtype, shape, and where in the
files ``PREFIX.data-00000-of-00001`` the bytes lie, with their CRC.

    tensorflow/core/util/tensor_bundle/tensor_bundle.h, core/protobuf/tensor_bundle.proto,
    core/lib/io/format.cc; github.com/google/leveldb, doc/table_format.md

Offsets and lengths are checked against the file before they are used, and all CRCs are.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spotcore.networks.convert.crc32c import masked_crc32c
from spotcore.networks.safetensors_file import (
    MAX_BYTES,
    ParameterError,
    file_size,
    refused,
    require_finite,
)

__all__ = ["find_prefix", "is_training_state", "read_bundle"]

# A hundred bytes a variable: the published networks have 1.1 kB of index.
_MAX_INDEX_BYTES = 2**20
_MAX_ENTRIES = 4096
# Keys are written as what differs from the last key: without this, few bytes make long keys.
_MAX_NAME_BYTES = 512
_MAX_AXES = 8
_MAX_SHARDS = 99_999  # five digits in the names of the data files

_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # kind of compression, CRC
_MAGIC = 0xDB4775248B80FB57
_COMPRESSIONS = {1: "Snappy", 2: "Zstandard"}
_DT_FLOAT = 1

# Wire types of protocol buffers.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Field = int | bytes


class _Damaged(ValueError):
    """What is wrong with some bytes, before it is known to whom they belong."""


@dataclass(frozen=True)
class _Entry:
    """Where a tensor lies: `size` bytes from `offset` on in data file `shard`."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


def is_training_state(name: str) -> bool:
    """Tell whether a variable belongs to the optimiser, not to the network.

    Parameters
    ----------
    name : str
        Name of the variable.

    Returns
    -------
    bool
        True for the slots and the powers of Adam, and for the counter of steps.
    """
    return name.rpartition("/")[2] in (
        "Adam",
        "Adam_1",
        "beta1_power",
        "beta2_power",
        "global_step",
    )


def find_prefix(source: str | os.PathLike[str]) -> Path:
    """Find the checkpoint that a user means.

    Parameters
    ----------
    source : path-like
        Folder of a SavedModel, folder of a checkpoint, its index file, or its prefix.

    Returns
    -------
    pathlib.Path
        The path to which ``.index`` and ``.data-00000-of-00001`` are appended.

    Raises
    ------
    ParameterError
        If there is none, or more than one.
    """
    source = Path(source)
    if source.is_dir():
        folder = source / "variables" if (source / "variables").is_dir() else source
        found = sorted(itertools.islice(folder.glob("*.index"), 3))
        if len(found) != 1:
            got = ", ".join(path.name for path in found) or "none"
            raise refused(folder, "folder", "one checkpoint (*.index)", got)
        return found[0].with_suffix("")
    return source.with_suffix("") if source.suffix == ".index" else source


def read_bundle(
    prefix: str | os.PathLike[str], skip: Callable[[str], bool] = is_training_state
) -> dict[str, NDArray[np.float32]]:
    """Read the float32 variables of a checkpoint.

    Parameters
    ----------
    prefix : path-like
        Path of the checkpoint without ``.index``.
    skip : callable
        Given a name, tells whether to leave that variable out. What is left out is checked all the
        same, except for its dtype and values.

    Returns
    -------
    dict
        float32 arrays by name, names in order.

    Raises
    ------
    ParameterError
        If a file is missing, damaged or hostile, or a variable is not float32 or not finite.
    """
    prefix = Path(prefix)
    index = prefix.with_name(prefix.name + ".index")
    size = file_size(index, _MAX_INDEX_BYTES)
    try:
        with index.open("rb") as file:
            table = _table(file.read(size))
        entries, n_shards = _entries(table)
    except OSError as error:
        raise ParameterError(f"{index}: cannot be read ({error.strerror})") from error
    except _Damaged as error:
        raise ParameterError(f"{index}: {error}") from error
    total = sum(entry.size for entry in entries.values())
    if total > MAX_BYTES:
        raise refused(index, "tensors", f"at most {MAX_BYTES} bytes", total)
    variables: dict[str, NDArray[np.float32]] = {}
    for shard in sorted({entry.shard for entry in entries.values()}):
        path = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{n_shards:05d}")
        within = {name: entry for name, entry in entries.items() if entry.shard == shard}
        variables |= _read_shard(path, within, skip)
    return {name: variables[name] for name in entries if name in variables}


def _read_shard(
    path: Path, entries: dict[str, _Entry], skip: Callable[[str], bool]
) -> dict[str, NDArray[np.float32]]:
    """Read and check the tensors of one data file."""
    total = file_size(path, MAX_BYTES)
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].offset):
        if entry.offset < end:
            raise refused(path, f"tensor {name!r}", f"an offset from {end} on", entry.offset)
        end = entry.offset + entry.size
        if end > total:
            got = f"{entry.size} bytes from {entry.offset} on"
            raise refused(path, f"tensor {name!r}", f"a place within {total} bytes", got)
        if not skip(name):
            if entry.dtype != _DT_FLOAT:
                got = f"DataType {entry.dtype}"
                raise refused(path, f"tensor {name!r}", f"float32 (DataType {_DT_FLOAT})", got)
            if entry.size != 4 * math.prod(entry.shape):
                got = f"{entry.size} bytes"
                raise refused(path, f"tensor {name!r}", f"float32 {list(entry.shape)}", got)
    variables: dict[str, NDArray[np.float32]] = {}
    try:
        with path.open("rb") as file:
            for name, entry in entries.items():
                file.seek(entry.offset)
                data = file.read(entry.size)
                if len(data) != entry.size or masked_crc32c(data) != entry.crc:
                    raise refused(path, f"tensor {name!r}", "the CRC of the index", "another")
                if not skip(name):
                    values = np.frombuffer(data, dtype="<f4").reshape(entry.shape)
                    require_finite(path, name, values)
                    variables[name] = values.astype(np.float32)
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror})") from error
    return variables


def _table(data: bytes) -> dict[bytes, bytes]:
    """Read all pairs of a sorted table."""
    if len(data) < _FOOTER_BYTES:
        raise _Damaged(f"expected a footer of {_FOOTER_BYTES} bytes, got {len(data)} bytes")
    end = len(data) - _FOOTER_BYTES
    footer = data[end:]
    magic = int.from_bytes(footer[-8:], "little")
    if magic != _MAGIC:
        raise _Damaged(f"expected the magic number {_MAGIC:#x} at the end, got {magic:#x}")
    meta, at = _handle(footer[:-8], 0)
    blocks, _ = _handle(footer[:-8], at)
    if any(_pairs(_block(data[:end], *meta))):
        raise _Damaged("expected no meta blocks, got some")
    table: dict[bytes, bytes] = {}
    last: bytes | None = None
    free = 0  # blocks lie one after the other: none is read, and its CRC computed, twice
    for _, handle in _pairs(_block(data[:end], *blocks)):
        (offset, size), _ = _handle(handle, 0)
        if offset < free:
            raise _Damaged(f"expected a block from {free} on, got one at {offset}")
        free = offset + size + _TRAILER_BYTES
        for key, value in _pairs(_block(data[:end], offset, size)):
            if last is not None and key <= last:
                raise _Damaged(f"expected a key after {last!r}, got {key!r}")
            if len(table) == _MAX_ENTRIES:
                raise _Damaged(f"expected at most {_MAX_ENTRIES} entries, got more")
            table[key] = value
            last = key
    return table


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Read offset and size of a block, and return where the next thing begins too."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(data: bytes, offset: int, size: int) -> bytes:
    """Return the contents of a block after checking its CRC."""
    end = offset + size
    if end + _TRAILER_BYTES > len(data):
        raise _Damaged(
            f"expected a block within {len(data)} bytes, got {size} bytes from {offset} on"
        )
    compression = data[end]
    if compression != 0:
        kind = _COMPRESSIONS.get(compression, f"kind {compression}")
        raise _Damaged(f"expected a block without compression, got {kind}")
    crc = int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little")
    if masked_crc32c(data[offset : end + 1]) != crc:
        raise _Damaged(f"expected CRC {crc:#010x} for the block at {offset}, got another")
    return data[offset:end]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pairs of a block, whose keys lack what they share with the key before.

    At the end stands a list of places where a key is whole, for searching, and its length.
    """
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise _Damaged(f"expected a block of at least {4 * (restarts + 1)} bytes, got {len(block)}")
    at = 0
    key = b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise _Damaged(
                f"expected an entry within {end} bytes and a key of {len(key)}, got "
                f"{own} + {length} bytes from {at} on and {shared} shared"
            )
        if shared + own > _MAX_NAME_BYTES:
            raise _Damaged(f"expected names up to {_MAX_NAME_BYTES} bytes, got {shared + own}")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read an integer of 7 bits a byte, lowest first, and return where the next thing begins."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise _Damaged(f"expected an integer at byte {at}, got the end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, at
    raise _Damaged(f"expected an integer below 2^64 before byte {at}, got a larger one")


def _fields(message: bytes) -> Iterator[tuple[int, int, _Field]]:
    """Yield number, wire type and value of each field of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise _Damaged(f"expected a field, got wire type {wire}")
        if at + length > len(message):
            raise _Damaged(f"expected a field of {len(message) - at} bytes, got {length}")
        data = message[at : at + length]
        at += length
        yield number, wire, data if wire == _BYTES else int.from_bytes(data, "little")


def _message(
    data: bytes, wires: dict[int, int], repeated: tuple[int, ...] = ()
) -> dict[int, list[_Field]]:
    """Collect the fields of a protocol buffer, each of a known number and wire type."""
    found: dict[int, list[_Field]] = {}
    for number, wire, value in _fields(data):
        if wires.get(number) != wire:
            raise _Damaged(f"expected fields {sorted(wires)}, got field {number} of type {wire}")
        values = found.setdefault(number, [])
        if values and number not in repeated:
            raise _Damaged(f"expected field {number} once, got it twice")
        values.append(value)
    return found


def _number(message: dict[int, list[_Field]], field: int) -> int:
    """Return an integer field, 0 where it is left out, as everywhere in protocol buffers."""
    (value,) = message.get(field, [0])
    assert isinstance(value, int)
    return value


def _entries(table: dict[bytes, bytes]) -> tuple[dict[str, _Entry], int]:
    """Decode the values of the table: where each tensor lies, and the number of data files."""
    if b"" not in table:
        raise _Damaged("expected the header of a bundle (the empty key), got none")
    try:
        # BundleHeaderProto: num_shards, endianness (0 = little), version
        header = _message(table.pop(b""), {1: _VARINT, 2: _VARINT, 3: _BYTES})
    except _Damaged as error:
        raise _Damaged(f"header of the bundle: {error}") from error
    n_shards = _number(header, 1)
    if not 1 <= n_shards <= _MAX_SHARDS:
        raise _Damaged(f"expected 1 to {_MAX_SHARDS} data files, got {n_shards}")
    if _number(header, 2) != 0:
        raise _Damaged("expected little-endian data, got big-endian")
    entries: dict[str, _Entry] = {}
    for key, value in table.items():
        try:
            name = key.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _Damaged(f"expected names in UTF-8, got {key!r}") from error
        try:
            entries[name] = _entry(value, n_shards)
        except _Damaged as error:
            raise _Damaged(f"tensor {name!r}: {error}") from error
    return entries, n_shards


def _entry(value: bytes, n_shards: int) -> _Entry:
    """Decode one BundleEntryProto."""
    # dtype, shape, shard_id, offset, size, crc32c; partitioned variables (slices = 7) are unknown
    # here, as is everything that nobody had thought of.
    wires = {1: _VARINT, 2: _BYTES, 3: _VARINT, 4: _VARINT, 5: _VARINT, 6: _FIXED32}
    entry = _message(value, wires)
    shape: list[int] = []
    for proto in entry.get(2, []):
        assert isinstance(proto, bytes)
        # TensorShapeProto: dim (repeated: size, name), unknown_rank
        for dim in _message(proto, {2: _BYTES}, repeated=(2,)).get(2, []):
            assert isinstance(dim, bytes)
            shape.append(_number(_message(dim, {1: _VARINT, 2: _BYTES}), 1))
    if len(shape) > _MAX_AXES or not all(1 <= side <= MAX_BYTES for side in shape):
        raise _Damaged(f"expected a shape of up to {_MAX_AXES} counts from 1, got {shape[:9]}")
    shard = _number(entry, 3)
    if shard >= n_shards:
        raise _Damaged(f"expected a data file below {n_shards}, got {shard}")
    return _Entry(
        dtype=_number(entry, 1),
        shape=tuple(shape),
        shard=shard,
        offset=_number(entry, 4),
        size=_number(entry, 5),
        crc=_number(entry, 6),
    )
