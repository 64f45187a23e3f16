"""A writer of TensorFlow 1 checkpoints (TensorBundle), written after the format's description.

It imports nothing of ours.  Everything that a checkpoint says can be made to lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = 0xDB4775248B80FB57
Pairs = Sequence[tuple[bytes, bytes]]


def crc32c(data: bytes) -> int:
    """Bit by bit, after the definition: the reflected polynomial 0x1EDC6F41."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | bytes, *, fixed32: bool = False) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if fixed32:
        return varint(number << 3 | 5) + value.to_bytes(4, "little")
    return varint(number << 3) + varint(value)


def shape_proto(shape: Sequence[int]) -> bytes:
    return b"".join(field(2, field(1, side)) for side in shape)


def entry_proto(**says: Any) -> bytes:
    """BundleEntryProto; `extra` are bytes to append."""
    proto = field(1, says.get("dtype", 1)) + field(2, shape_proto(says["shape"]))
    for number, name in ((3, "shard"), (4, "offset"), (5, "size")):
        if says.get(name, 0):
            proto += field(number, says[name])
    return proto + field(6, says["crc"], fixed32=True) + says.get("extra", b"")


def block(pairs: Pairs, interval: int = 16, kind: int = 0) -> bytes:
    """A block with its trailer; every `interval`-th key is whole."""
    content, restarts, last = b"", [], b""
    for i, (key, value) in enumerate(pairs):
        shared = 0
        if i % interval == 0:
            restarts.append(len(content))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value))
        content += key[shared:] + value
        last = key
    return sealed(
        content
        + b"".join(r.to_bytes(4, "little") for r in restarts or [0])
        + max(len(restarts), 1).to_bytes(4, "little"),
        kind,
    )


def sealed(content: bytes, kind: int = 0) -> bytes:
    content += bytes([kind])
    return content + masked(content).to_bytes(4, "little")


def table(blocks: Sequence[tuple[bytes, bytes]], meta: Pairs = ()) -> bytes:
    """A table of sealed blocks, each with its last key."""
    data, index = b"", []
    for key, content in blocks:
        index.append((key, varint(len(data)) + varint(len(content) - 5)))
        data += content
    return finished(data, block(index, interval=1), block(meta))


def finished(data: bytes, index: bytes, meta: bytes | None = None) -> bytes:
    """Data blocks, meta index, index, footer."""
    meta = block([]) if meta is None else meta
    handles = varint(len(data)) + varint(len(meta) - 5)
    handles += varint(len(data) + len(meta)) + varint(len(index) - 5)
    return data + meta + index + handles.ljust(40, b"\0") + MAGIC.to_bytes(8, "little")


def header_proto(n_shards: int = 1, endianness: int = 0) -> bytes:
    proto = field(1, n_shards) + (field(2, endianness) if endianness else b"")
    return proto + field(3, field(1, 1))


def write_bundle(
    prefix: Path,
    variables: Mapping[str, Any],
    *,
    n_shards: int = 1,
    per_block: int = 7,
    header: bytes | None = None,
    lies: Mapping[str, Mapping[str, Any]] | None = None,
    kind: int = 0,
) -> None:
    """Write variables (float32 but for arrays of another dtype); `lies` change their entries."""
    pairs = [(b"", header_proto(n_shards) if header is None else header)]
    shards = [b""] * n_shards
    for i, (name, value) in enumerate(sorted(variables.items(), key=lambda v: v[0].encode())):
        array = np.asarray(value)
        dtype = {"f8": 2, "i8": 9}.get(array.dtype.str[1:], 1)
        data = array.astype(array.dtype if dtype != 1 else "<f4").tobytes()
        shard = i % n_shards
        says = {
            "dtype": dtype,
            "shape": array.shape,
            "shard": shard,
            "size": len(data),
            "offset": len(shards[shard]),
            "crc": masked(data),
        }
        pairs.append((name.encode(), entry_proto(**says | dict((lies or {}).get(name, {})))))
        shards[shard] += data
    groups = [pairs[i : i + per_block] for i in range(0, len(pairs), per_block)]
    index = table([(group[-1][0], block(group, kind=kind)) for group in groups])
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(prefix.name + ".index").write_bytes(index)
    for i, data in enumerate(shards):
        prefix.with_name(f"{prefix.name}.data-{i:05d}-of-{n_shards:05d}").write_bytes(data)
