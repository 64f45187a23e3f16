"""How the pictures of a plate are named, found from the names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from spotcore.plates.patterns import NamePattern, Place
from spotcore.plates.wells import FORMATS, PlateFormat

__all__ = ["SCHEMES", "Naming", "guess_naming", "smallest_plate", "without_derived"]

#: How instruments name the pictures of wells; the first that reads the names is taken, so that
#: one which says more goes first.
SCHEMES = {
    "Operetta or Opera Phenix": (
        "r{row}c{column}f{site}p{z}-ch{wave}sk{t}fk*",
        "r{row}c{column}f{site}p{z}-ch{wave}t{t}.*",
        "r{row}c{column}f{site}p{z}-ch{wave}.*",
    ),
    "IN Cell Analyzer": (
        "{row} - {column}(fld {site} wv {channel} z {z} time {t}).*",
        "{row} - {column}(fld {site} wv {channel} time {t}).*",
        "{row} - {column}(fld {site} wv {channel} z {z}).*",
        "{row} - {column}(fld {site} wv {channel}).*",
        "{row} - {column}(wv {channel}).*",
        "{row} - {column}(fld {site}).*",
    ),
    "CellVoyager": (
        "*_{well}_T{t}F{site}L*A*Z{z}C{wave}.*",
        "{well}_T{t}F{site}L*A*Z{z}C{wave}.*",
    ),
    "MetaXpress": tuple(
        f"{start}{{well}}{what}{end}"
        for what in ("_s{site}_w{wave}", "_w{wave}", "_s{site}")
        for end in ("{guid}.*", ".*")
        for start in ("", "*_")
    ),
    "Cytation (Gen5)": ("{well}_0*_*_{site}_{channel}_{t}.*",),
    "row, column, field and channel": (
        "{row}_{column}_f{site}_c{wave}.*",
        "*_{row}_{column}_f{site}_c{wave}.*",
    ),
}
#: How words begin that tell a picture made from those of the wells, or of more than one well.
_DERIVED = ("merge", "mosaic", "overlay", "composite", "overview", "thumb")
#: What a plate may be that is not said to be another: smaller ones cannot be told from 96 wells.
_PLATES = tuple(FORMATS[wells] for wells in (96, 384, 1536))
#: A guess never takes as channels what has more values than this.
MOST_CHANNELS = 6
_ROW = r"(?:[Aa][A-Fa-f]|[A-Za-z])"
_WELL = re.compile(rf"(?:(?<=[Ww]ell)|(?<![A-Za-z0-9])){_ROW}[0-9]{{1,3}}(?![A-Za-z0-9])")
_ROW_COLUMN = re.compile(
    rf"(?<![A-Za-z0-9])(?:Row|R)[ _-]?(?P<row>{_ROW}|[0-9]{{1,2}})"
    r"[ _-]*(?:Column|Col|C)[ _-]?(?P<column>[0-9]{1,2})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_APART = re.compile(
    rf"(?<![A-Za-z0-9])(?P<row>{_ROW})[ _.-]{{1,3}}(?P<column>[0-9]{{1,2}})(?![A-Za-z0-9])"
)
#: A letter that may be a row, right before the number of a reading: alone, or a capital that ends
#: a word of small letters.
_LETTERED = re.compile(
    r"(?:(?<![A-Za-z])(?:[Aa][A-Fa-f]|[A-Pa-p])|(?<=[a-z])[A-P])[^A-Za-z0-9]{0,3}\{index\}"
)


@dataclass(frozen=True)
class Naming:
    """How names are read.

    Attributes
    ----------
    pattern : NamePattern
        What they follow.
    plate : PlateFormat
        Shape of the plate.
    places : dict
        The names by well and channel.
    scheme : str or None
        Whose names they are, if known.
    """

    pattern: NamePattern
    plate: PlateFormat
    places: dict[Place, str]
    scheme: str | None = None


def guess_naming(names: Sequence[str], plate: PlateFormat | None = None) -> Naming:
    """Find how pictures are named, each standing for a well and channel of its own.

    The `SCHEMES` go first, then readings of the names: a well's name before a row and a column
    apart, these before a number, and one channel before several. Names of pictures of more than
    a well ("overview", "merge") are left out, and those that hold neither well nor number, as
    long as they are fewer than the wells.

    Parameters
    ----------
    names : sequence of str
        File names, at least one.
    plate : PlateFormat, optional
        Shape of the plate. By default 96 wells, or as many more as the names speak of.

    Returns
    -------
    Naming
        The only reading of the names.

    Raises
    ------
    ValueError
        If there is none, if there are several that differ, if the letters of the names
        contradict it, or if a well has several sites, planes or times.
    """
    pictures = [name for name in names if not _derived(name)] or list(names)
    plates = [plate] if plate else _PLATES
    known = _known(pictures, plates)
    if known is not None:
        return known
    lettered = None
    for number, candidate in enumerate(plates):
        readings: dict[tuple[int, bool], list[Naming]] = {}
        for pattern in _readings(pictures):
            places = _explained(pattern, pictures, candidate)
            if places is None or (number and not _larger(pattern, places, plates[number - 1])):
                continue
            if _LETTERED.search(pattern.text) and len(places) <= _PLATES[-1].columns:
                lettered = pattern
                continue
            rank = _rank(pattern), "channel" in pattern.fields
            readings.setdefault(rank, []).append(Naming(pattern, candidate, places))
        if readings:
            return _only(readings[min(readings)])
    first, last = pictures[0], pictures[-1]
    if lettered is not None:
        raise ValueError(
            f"the names ({first} ... {last}) could be read as {lettered.text!r}, but the letter "
            "before the number may be a row: say which with a pattern of {row} and {column}, "
            "{well} or {index}, or give the plate's format"
        )
    raise ValueError(
        f"no naming fits all {len(pictures)} images ({first} ... {last}); say what it is with a "
        "pattern of {well}, {row} and {column} or {index}, {channel} and *, such as "
        "'scan_*_{well}.tif'"
    )


def _derived(name: str) -> bool:
    """Tell whether a name says that the picture was made from others."""
    words = re.findall(r"[a-z]+", PurePosixPath(name).stem.lower())
    return any(word.startswith(_DERIVED) for word in words)


def _known(names: Sequence[str], plates: Sequence[PlateFormat]) -> Naming | None:
    """Read names by the first scheme that they follow.

    Raises
    ------
    ValueError
        If they follow one, and a well lies beyond the plate or has several pictures.
    """
    for scheme, texts in SCHEMES.items():
        for pattern in map(NamePattern, texts):
            read = [name for name in names if pattern.reads(name)]
            if not read or not _strays_are_few(pattern, set(names) - set(read), len(read)):
                continue
            plate = smallest_plate(pattern, read, plates)
            try:
                return Naming(pattern, plate, pattern.places(read, plate), scheme)
            except ValueError as error:
                raise ValueError(f"read as names of {scheme}: {error}") from None
    return None


def smallest_plate(
    pattern: NamePattern, names: Sequence[str], plates: Sequence[PlateFormat] = _PLATES
) -> PlateFormat:
    """Return the first plate that has the wells of all names, the first of all if none has.

    A number beyond a plate may be a camera's counter: it takes more names than wells to tell.
    """
    if "index" in pattern.fields:
        return next((plate for plate in plates if len(names) <= plate.wells), plates[0])
    return next((plate for plate in plates if _holds(plate, pattern, names)), plates[0])


def _holds(plate: PlateFormat, pattern: NamePattern, names: Sequence[str]) -> bool:
    """Tell whether a plate has the wells of all names."""
    try:
        for name in names:
            pattern.place(name, plate)
    except ValueError:
        return False
    return True


def _explained(
    pattern: NamePattern, names: Sequence[str], plate: PlateFormat
) -> dict[Place, str] | None:
    """Return the places of the names by a pattern, None where it is no reading of them."""
    read = [name for name in names if pattern.reads(name)]
    strays = set(names) - set(read)
    if not _strays_are_few(pattern, strays, len(read)):
        return None
    try:
        places = pattern.places(read, plate)
    except ValueError:
        return None
    channels = {channel for _, channel in places}
    wells = {position for position, _ in places}
    if "channel" in pattern.fields and (
        len(channels) > min(MOST_CHANNELS, len(wells))
        or len(places) == len(wells)  # what differs from well to well is no channel
        or any(re.fullmatch(_ROW, channel) for channel in channels)
    ):
        return None
    return places


def without_derived(pattern: NamePattern, names: Sequence[str]) -> list[str]:
    """Leave out what a pattern does not read and says that it was made from other pictures."""
    return [name for name in names if pattern.reads(name) or not _derived(name)] or list(names)


def _strays_are_few(pattern: NamePattern, strays: set[str], read: int) -> bool:
    """Tell whether names that a pattern does not read may be left out."""
    held = [re.compile("[0-9]")] if "index" in pattern.fields else [_WELL, _ROW_COLUMN, _APART]
    return len(strays) <= read and not any(
        kind.search(PurePosixPath(name).stem) for name in strays for kind in held
    )


def _larger(pattern: NamePattern, places: dict[Place, str], smaller: PlateFormat) -> bool:
    """Tell whether names bear a plate larger than another.

    A number beyond the smaller one may be a camera's counter, a letter beyond it the word for a
    well ("p1"): only a plate of more wells, or of several rows, is told from these.
    """
    positions = {position for position, _ in places}
    if "index" in pattern.fields:
        return len(positions) > smaller.wells
    rows = {position.row for position in positions}
    return len(rows) > 1 or min(rows) < _PLATES[0].rows


def _rank(pattern: NamePattern) -> int:
    return next(k for k, field in enumerate(("well", "row", "index")) if field in pattern.fields)


def _only(readings: Sequence[Naming]) -> Naming:
    """Return the reading that all are.

    Raises
    ------
    ValueError
        If two differ.
    """
    best = readings[0]
    for other in readings[1:]:
        if other.places != best.places:
            raise ValueError(
                f"the names ({next(iter(best.places.values()))} ...) can be read as "
                f"{best.pattern.text!r} and as {other.pattern.text!r}: say which with a pattern"
            )
    return best


def _readings(names: Sequence[str]) -> Iterator[NamePattern]:
    """Yield the patterns that names could be of, by the first, the middle and the last."""
    suffixes = {PurePosixPath(name).suffix.lower() for name in names}
    seen: set[str] = set()
    for name in dict.fromkeys((names[0], names[len(names) // 2], names[-1])):
        path = PurePosixPath(name)
        end = path.suffix if len(suffixes) == 1 else ".*"
        for text in _texts(path.stem, end):
            if text not in seen:
                seen.add(text)
                yield NamePattern(text)


def _texts(stem: str, end: str) -> Iterator[str]:
    """Yield a name's patterns, where a part of it is a well or a number."""
    if re.search(r"[{}*]", stem):
        return
    wheres = [[(found.span(), "{well}")] for found in _WELL.finditer(stem)]
    wheres += [
        [(found.span("row"), "{row}"), (found.span("column"), "{column}")]
        for kind in (_ROW_COLUMN, _APART)
        for found in kind.finditer(stem)
    ]
    wheres += [[(found.span(), "{index}")] for found in re.finditer(r"[0-9]+", stem)]
    words = [found.span() for found in re.finditer(r"[^\W_]+", stem)]
    for where in wheres:
        yield _replaced(stem, where) + end
        for word in words:
            if all(word[1] <= start or word[0] >= stop for (start, stop), _ in where):
                yield _replaced(stem, sorted([*where, (word, "{channel}")])) + end


def _replaced(stem: str, chosen: Sequence[tuple[tuple[int, int], str]]) -> str:
    """Put fields in the place of parts of a name."""
    pieces, at = [], 0
    for (start, stop), field in chosen:
        pieces += [stem[at:start], field]
        at = stop
    return "".join(pieces) + stem[at:]
