"""Files that are written whole or not at all: tables, records, arrays, pictures, and their text.

Pictures need Pillow (``pip install spotcore[cli]``), imported where it is used.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

__all__ = [
    "OutputError",
    "as_cell",
    "atomic_file",
    "of_cell",
    "one_line",
    "read_columns",
    "readable",
    "remove_files",
    "require_folder",
    "sole_writer",
    "write_csv",
    "write_json",
    "write_npz",
    "write_png",
]

#: What a spreadsheet takes for the beginning of a formula; an apostrophe says that it is none.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_O_BINARY = getattr(os, "O_BINARY", 0)  # Windows would turn \n into \r\n without it


class OutputError(OSError):
    """An output folder or file that cannot be written; the message names it."""


def read_columns(
    path: str | os.PathLike[str], names: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Read named columns of numbers from a CSV file with a header.

    Parameters
    ----------
    path : path-like
        The file.
    names : sequence of str
        Columns to return; others are ignored.

    Returns
    -------
    dict
        float64 ``[n]`` by name.

    Raises
    ------
    ValueError
        If the file is no text, or a column is missing or holds something that is no finite number;
        the message names the file, the line and the column.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            header = reader.fieldnames or []
            missing = [name for name in names if name not in header]
            if missing:
                raise ValueError(f"{path}: expected columns {', '.join(names)}, got {list(header)}")
            columns: dict[str, list[float]] = {name: [] for name in names}
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                for name in names:
                    columns[name].append(_number(row[name], f"{where}, {name}"))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path}: expected a CSV table ({error})") from error
    return {name: np.array(values, dtype=np.float64) for name, values in columns.items()}


def _number(text: str | None, where: str) -> float:
    """Parse one finite number or say where it failed."""
    if text is None or not re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", text):
        raise ValueError(f"{where}: expected a number, got {text!r}")
    return float(text)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file whole or not at all.

    The bytes go to a new file in the same folder, reach the disk, and only then take the name:
    after a failure, a full disk or Ctrl-C the old file (or none) is there, never half of one.

    Parameters
    ----------
    path : path-like
        The final name.

    Yields
    ------
    file
        Open for binary writing.

    Raises
    ------
    OutputError
        If the folder or the file cannot be written; the message names it.
    """
    path = Path(path)
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        # os.open and not tempfile: the file must get the permissions that the user's umask gives.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_BINARY, 0o666)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # a full disk, most of all
            raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
        try:
            os.replace(part, path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be replaced ({error.strerror})") from error
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the lock ends with the process, however that ends.

    A file system that knows no locks (some of networks) keeps nobody out.

    Parameters
    ----------
    folder : Path
        An existing folder.

    Raises
    ------
    OutputError
        If another run is in the folder.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        with contextlib.suppress(NotImplementedError):
            lock.acquire()
    except Timeout:
        raise OutputError(f"{folder}: another run is writing to it") from None
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()


def require_folder(path: str | os.PathLike[str]) -> Path:
    """Make an output folder and prove that a file can be written there, before any work is done.

    Parameters
    ----------
    path : path-like
        The folder; parents are made too.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    OutputError
        If it cannot be made or written; the message names it.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(6)}.part"
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: no folder to write to ({error.strerror})") from error
    return folder


def remove_files(paths: Iterable[Path]) -> None:
    """Remove those of some files that are there.

    Raises
    ------
    OutputError
        If one cannot be removed; the message names it.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed ({error.strerror})") from error


def write_csv(path: str | os.PathLike[str], columns: Mapping[str, Iterable[Any]]) -> None:
    """Write columns of equal length as CSV with a header (floats to 7 significant digits).

    Text that a spreadsheet would take for a formula gets an apostrophe before it, which
    `of_cell` takes away.

    Parameters
    ----------
    path : path-like
        The final name; written atomically.
    columns : mapping of str to iterable
        Values per column.

    Raises
    ------
    ValueError
        If the columns differ in length.
    OutputError
        If the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(map(_field, row))
    with atomic_file(path) as file:
        file.write(text.getvalue().encode())


def _field(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return f"{value:.7g}"
    return as_cell(value) if isinstance(value, str) else value


def write_json(path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
    """Write a record as indented JSON, atomically.

    Parameters
    ----------
    path : path-like
        The final name.
    record : mapping
        Anything that JSON can hold.

    Raises
    ------
    ValueError
        If a number is not finite: JSON has no NaN.
    OutputError
        If the file cannot be written.
    """
    text = json.dumps(record, indent=2, allow_nan=False)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as a compressed NPZ file, atomically; the same arrays give the same bytes.

    Parameters
    ----------
    path : path-like
        The final name.
    arrays : mapping of str to ndarray
        The arrays.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def write_png(path: str | os.PathLike[str], picture: NDArray[Any] | PillowImage) -> None:
    """Write a picture as PNG, atomically.

    Parameters
    ----------
    path : path-like
        The final name.
    picture : numpy.ndarray or PIL.Image.Image
        An array is uint8 ``[H, W]`` or ``[H, W, 3]``, or uint16 ``[H, W]``.

    Raises
    ------
    TypeError
        If the dtype is another one.
    OutputError
        If the file cannot be written.
    """
    from PIL import Image

    if isinstance(picture, np.ndarray):
        if picture.dtype not in (np.uint8, np.uint16):
            raise TypeError(f"picture: expected dtype uint8 or uint16, got {picture.dtype}")
        picture = Image.fromarray(np.ascontiguousarray(picture))
    with atomic_file(path) as file:
        picture.save(file, format="PNG", compress_level=2)


def readable(text: str) -> str:
    """Return text that can be encoded: bytes of a name that are no UTF-8 are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula; numbers stay numbers."""
    text = readable(text)
    with contextlib.suppress(ValueError):
        float(text)
        return text
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def of_cell(text: str) -> str:
    """Return what `as_cell` was given."""
    marked = text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
    return text[1:] if marked else text


def one_line(text: str) -> str:
    """Return readable text without what would break a line or is not seen."""
    return "".join(c if c.isprintable() else " " for c in readable(text))
