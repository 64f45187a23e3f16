"""Whether a folder of results may be written to: never over those of other pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from spotcore._files import remove_files
from spotcore.results.names import PlateFiles, WellFiles, records_in
from spotcore.results.plate import read_plate
from spotcore.results.read import file_digest
from spotcore.results.record import read_record

__all__ = ["check_detect_folder", "check_plate_folder", "remove_parts"]

_ADVICE = "take another folder"
_PART = re.compile(r"\..*[0-9a-f]{12}\.part")


def check_detect_folder(folder: Path, names: Mapping[Path, str]) -> None:
    """Refuse our own drawings, and a folder of pictures, of a plate, or of others of these names.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    names : mapping of pathlib.Path to str
        What the results of each picture are to be called.

    Raises
    ------
    ValueError
    """
    for path in names:
        if path.name.endswith(WellFiles(Path(), "").overlay.name):
            raise ValueError(f"{path}: expected a picture of a well, got a drawing of a result")
        if path.parent.resolve() == folder.resolve():
            raise ValueError(f"{folder}: expected another folder than that of the images")
    if PlateFiles(folder).record.exists():
        raise ValueError(f"{folder}: expected no folder of a plate: {_ADVICE}")
    for path, name in names.items():
        _check_same(path, WellFiles(folder, name))


def check_plate_folder(folder: Path, sources: Mapping[str, Path], has_layout: bool) -> None:
    """Refuse a folder with the results of another plate, or of single pictures.

    It may hold an earlier run of the same pictures, wherever they are now, or of pictures that have
    been taken again since.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write.
    sources : mapping of str to pathlib.Path
        The picture of each NAME.
    has_layout : bool
        Whether this run knows what lies in the wells. A run that does not would take away what an
        earlier one made of its layout.

    Raises
    ------
    ValueError
    """
    files = PlateFiles(folder)
    if records_in(folder):
        raise ValueError(f"{folder}: holds results of single pictures: {_ADVICE}")
    folders = {path.parent.resolve() for path in sources.values()}
    for well in records_in(files.wells):
        if well.name in sources:
            _check_same(sources[well.name], well)
            continue
        source = _source(well)
        if source is not None and source.parent.resolve() not in folders:
            raise ValueError(
                f"{folder}: holds results of another plate, {source.parent}: {_ADVICE}"
            )
    if not has_layout and files.record.exists():
        try:
            layout = read_plate(files.record).layout
        except (OSError, ValueError):
            return
        if layout is not None:
            raise ValueError(
                f"{folder}: holds responses of a run with a --layout, which this run would remove: "
                f"give --layout too, or {_ADVICE}"
            )


def remove_parts(folder: Path) -> None:
    """Remove what a run that was killed left unfinished; no other may be at work in the folder.

    Raises
    ------
    OutputError
        If a file cannot be removed.
    """
    remove_files(path for path in folder.glob(".*.part") if _PART.fullmatch(path.name))


def _source(files: WellFiles) -> Path | None:
    """Return the picture that results are of, None where they do not say."""
    try:
        return Path(read_record(files.record).file)
    except (OSError, ValueError):
        return None


def _check_same(path: Path, files: WellFiles) -> None:
    """Refuse results of another picture: elsewhere and of other bytes."""
    try:
        record = read_record(files.record)
        elsewhere = bool(record.file) and Path(record.file).resolve() != path.resolve()
        if not elsewhere or record.sha256 in (None, file_digest(path)):
            return
    except (OSError, ValueError):  # no record, or one that says nothing
        return
    raise ValueError(f"{files.record}: is of another picture, {record.file}: {_ADVICE}")
