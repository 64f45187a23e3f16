"""A strict reader and writer of safetensors files, with NumPy alone.

A file is the length of its header (8 bytes, little endian), the header (JSON: per tensor its
dtype, its shape and where its bytes lie, and a map of texts ``__metadata__``) and their bytes.
Parameters are downloaded from anywhere, so everything that the header says is checked against the
size of the file before anything is allocated, and only what spotcore writes is read: float32, no
gaps, no overlaps, no name twice, finite values.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from spotcore._files import atomic_file

__all__ = ["MAX_BYTES", "MAX_HEADER_BYTES", "ParameterError", "read_tensors", "write_tensors"]

#: Largest sum of all tensors that is read or written; the published networks have 12 and 22 kB.
MAX_BYTES = 64 * 2**20
#: Largest header; the text of a network is a few kB, the record of its training included.
MAX_HEADER_BYTES = 2**20
# JSON nests as deep as its writer likes, the parser's stack does not.
_MAX_DEPTH = 32
_MAX_AXES = 8
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
# Possessive, so that a long text takes no backtracking stack.
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


class ParameterError(ValueError):
    """A parameter file that cannot be used; the message names it, what came, what was expected."""


def refused(path: str | os.PathLike[str], what: str, expected: str, got: object) -> ParameterError:
    """Word every refusal alike: the file, the part of it, what was expected, what came."""
    return ParameterError(f"{os.fspath(path)}: {what}: expected {expected}, got {got}")


def file_size(path: Path, largest: int) -> int:
    """Return the size of a regular file in bytes (a pipe would block), refuse one that is larger.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    largest : int
        Most bytes that it may have.

    Returns
    -------
    int
        Its size.

    Raises
    ------
    ParameterError
        If it is missing, no regular file, or too large.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"{path}: cannot be read ({reason})") from error
    if not stat.S_ISREG(status.st_mode):
        raise refused(path, "file", "a regular file", "another kind")
    if status.st_size > largest:
        raise refused(path, "file", f"at most {largest} bytes", status.st_size)
    return status.st_size


def strict_json(text: str) -> Any:
    """Parse JSON that has no names twice, no NaN or Infinity, and is not nested deeply.

    Parameters
    ----------
    text : str
        The document.

    Returns
    -------
    object
        What it says.

    Raises
    ------
    ValueError
        If it is no such JSON.
    """
    depth = 0
    for token in _TEXT_OR_BRACKET.finditer(text):
        bracket = token.group()
        if len(bracket) == 1:
            depth += 1 if bracket in "[{" else -1
            if depth > _MAX_DEPTH:
                raise ValueError(f"nested more than {_MAX_DEPTH} deep")
    return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of a JSON object, of whose equal names Python would keep the last."""
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{name!r} twice in one object")
            seen.add(name)
    return members


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity, which Python's JSON reads and JSON does not have."""
    raise ValueError(f"{name}, which is no JSON")


def read_tensors(
    path: str | os.PathLike[str],
) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Read all tensors of a safetensors file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    tensors : dict
        float32 arrays by name, in the order of their bytes.
    metadata : dict
        The file's map of texts.

    Raises
    ------
    ParameterError
        If the file is missing, damaged, hostile or holds what spotcore does not write.
    """
    path = Path(path)
    size = file_size(path, _LENGTH_BYTES + MAX_HEADER_BYTES + MAX_BYTES)
    try:
        with path.open("rb") as file:
            header, length = _header(path, file, size)
            metadata = _texts(path, header.pop(_METADATA, {}))
            shapes = _layout(path, header, size - _LENGTH_BYTES - length)
            return {name: _tensor(path, file, name, shapes[name]) for name in shapes}, metadata
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror})") from error


def _header(path: Path, file: io.BufferedReader, size: int) -> tuple[dict[str, Any], int]:
    """Read and parse the header, and return its length too."""
    if size < _LENGTH_BYTES:
        raise refused(path, "file", f"at least {_LENGTH_BYTES} bytes", size)
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    most = min(MAX_HEADER_BYTES, size - _LENGTH_BYTES)
    if not 2 <= length <= most:
        raise refused(path, "length of the header", f"2 to {most} bytes", length)
    raw = file.read(length)
    try:
        header = strict_json(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise refused(path, "header", "JSON", error) from error
    if raw[:1] != b"{" or not isinstance(header, dict):
        raise refused(path, "header", "a JSON object from the first byte on", repr(raw[:16]))
    return header, length


def _texts(path: Path, metadata: Any) -> dict[str, str]:
    """Check the map of texts (JSON has no other names than texts)."""
    if not isinstance(metadata, dict):
        raise refused(path, _METADATA, "a map of texts", type(metadata).__name__)
    for name, value in metadata.items():
        if not isinstance(value, str):
            raise refused(path, f"{_METADATA} {name!r}", "a text", type(value).__name__)
    return metadata


def _layout(path: Path, header: dict[str, Any], n_bytes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors in the order of their bytes, which they fill exactly."""
    if not header:
        raise refused(path, "header", "tensors", "none")
    begins = {name: _begin(path, name, entry) for name, entry in header.items()}
    shapes: dict[str, tuple[int, ...]] = {}
    end = 0
    for name in sorted(begins, key=begins.__getitem__):
        shape, offsets = header[name]["shape"], header[name]["data_offsets"]
        if begins[name] != end:
            raise refused(path, f"tensor {name!r}", f"its bytes from {end} on", offsets)
        end += 4 * math.prod(shape)
        if offsets[1] != end or end > n_bytes:
            expected = f"{4 * math.prod(shape)} bytes for shape {shape} within {n_bytes}"
            raise refused(path, f"tensor {name!r}", expected, f"offsets {offsets}")
        shapes[name] = tuple(shape)
    if end != n_bytes:
        raise refused(path, "file", f"{end} bytes of tensors", n_bytes)
    return shapes


def _begin(path: Path, name: str, entry: Any) -> int:
    """Check what the header says of one tensor, and return where it begins."""
    what = f"tensor {name!r}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        got = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
        raise refused(path, what, "dtype, shape and data_offsets", _short(got))
    if entry["dtype"] != "F32":
        raise refused(path, what, "dtype 'F32'", _short(entry["dtype"]))
    shape, offsets = entry["shape"], entry["data_offsets"]
    # `type is int`: True is an int for isinstance. The bounds come first: a product of eight
    # numbers below 2^26 is computed in no time, one of a million digits is not.
    if not _counts(shape, _MAX_AXES, lowest=1, highest=MAX_BYTES):
        raise refused(path, what, f"a shape of up to {_MAX_AXES} counts from 1", _short(shape))
    if not _counts(offsets, 2, lowest=0, highest=MAX_BYTES) or len(offsets) != 2:
        raise refused(path, what, f"two data_offsets up to {MAX_BYTES}", _short(offsets))
    return int(offsets[0])


def _counts(values: Any, longest: int, lowest: int, highest: int) -> bool:
    """Tell whether this is a short list of integers in a range."""
    return (
        isinstance(values, list)
        and len(values) <= longest
        and all(type(value) is int and lowest <= value <= highest for value in values)
    )


def _short(value: Any) -> str:
    """Show a value of a hostile header, but not all of it."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a huge number"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _tensor(
    path: Path, file: io.BufferedReader, name: str, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Read the bytes of the next tensor."""
    stored = np.empty(shape, dtype="<f4")
    got = file.readinto(stored.reshape(-1).view(np.uint8).data)
    if got != stored.nbytes:  # the file shrank while it was read
        raise refused(path, f"tensor {name!r}", f"{stored.nbytes} bytes", got)
    require_finite(path, name, stored)
    return stored.astype(np.float32, copy=False)


def require_finite(path: str | os.PathLike[str], name: str, values: NDArray[Any]) -> None:
    """Refuse a tensor that holds NaN or infinity, and say where.

    Parameters
    ----------
    path : path-like
        The file, for the message.
    name : str
        The tensor, for the message.
    values : ndarray
        The tensor.

    Raises
    ------
    ParameterError
        If a value is not finite.
    """
    finite = np.isfinite(values)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        got = f"{values[where]} at index {where}"
        raise refused(path, f"tensor {name!r}", "finite values", got)


def write_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[np.float32]],
    metadata: Mapping[str, str],
) -> None:
    """Write tensors as a safetensors file, whole or not at all.

    The same tensors and texts give the same bytes.

    Parameters
    ----------
    path : path-like
        The final name.
    tensors : mapping of str to ndarray
        float32 arrays by name.
    metadata : mapping of str to str
        Texts to keep beside them.

    Raises
    ------
    ValueError
        If the header or the tensors are larger than what `read_tensors` accepts.
    OutputError
        If the file cannot be written.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * tensor.size
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)  # the format asks for tensors aligned to 8 bytes
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(
            f"metadata: expected at most {MAX_HEADER_BYTES} bytes of text, got {len(text)}"
        )
    if end > MAX_BYTES:
        raise ValueError(f"parameters: expected at most {MAX_BYTES} bytes, got {end}")
    with atomic_file(path) as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little"))
        file.write(text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
