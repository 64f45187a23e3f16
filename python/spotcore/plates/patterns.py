"""Patterns of file names: which well, and which channel, a name stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from spotcore.plates.wells import PlateFormat, Position

__all__ = ["NamePattern", "Place", "guess_pattern"]

#: What a pattern may name, and what the names may hold there.
FIELDS = {
    "well": r"(?P<well>[A-Za-z][0-9]{1,3})",
    "index": r"(?P<index>[0-9]+)",
    "channel": r"(?P<channel>[\w+-]+)",
}
#: A guess never takes as channels what has more values than this.
MOST_CHANNELS = 6

#: A well and a channel, "" where there is one.
Place = tuple[Position, str]


class NamePattern:
    """A pattern such as ``image1_Well_{index}.png``.

    Fields are ``{well}`` (A1, A01 or a1), ``{index}`` (from 1, row by row; leading zeros do no
    harm) and ``{channel}`` (letters, digits, ``_``, ``+``, ``-``); ``*`` stands for anything. A
    ``/`` leads into folders. Either the well or the index has to be there.

    Parameters
    ----------
    text : str
        The pattern.

    Raises
    ------
    ValueError
        If a field is unknown or there twice, or if there is not one of well and index.
    """

    def __init__(self, text: str) -> None:
        parts = re.split(r"(\{[^{}]*\}|\*)", text)
        names = [part[1:-1] for part in parts[1::2] if part != "*"]
        for name in names:
            if name not in FIELDS:
                known = ", ".join(f"{{{field}}}" for field in FIELDS)
                raise ValueError(f"pattern {text!r}: unknown field {{{name}}}; expected {known}")
            if names.count(name) > 1:
                raise ValueError(f"pattern {text!r}: {{{name}}} is there twice")
        if ("well" in names) == ("index" in names):
            raise ValueError(f"pattern {text!r}: expected one of {{well}} and {{index}}")
        self.text = text
        self.fields = tuple(names)
        self.depth = text.count("/")
        self._strict = re.compile("".join(_strict(part) for part in parts))
        self._loose = re.compile(
            "".join("[^/]*" if k % 2 else re.escape(part) for k, part in enumerate(parts))
        )

    def fits(self, name: str) -> bool:
        """Tell whether a name has the pattern's fixed parts, whatever its fields hold."""
        return self._loose.fullmatch(name) is not None

    def place(self, name: str, plate: PlateFormat) -> Place:
        """Return the well and channel that a name stands for.

        Raises
        ------
        ValueError
            If the name cannot be read so, or the plate has no such well.
        """
        found = self._strict.fullmatch(name)
        if found is None:
            raise ValueError(f"{name}: cannot be read as {self.text!r}")
        held = found.groupdict()
        try:
            index = held.get("index")
            position = plate.parse(held["well"]) if index is None else plate.position(int(index))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return position, held.get("channel", "")

    def places(self, names: Iterable[str], plate: PlateFormat) -> dict[Place, str]:
        """Return the names by well and channel.

        Raises
        ------
        ValueError
            If a name cannot be read, or two stand for one well and channel; the message lists
            what is wrong.
        """
        places: dict[Place, str] = {}
        wrong: list[str] = []
        for name in names:
            try:
                place = self.place(name, plate)
            except ValueError as error:
                wrong.append(str(error))
                continue
            other = places.setdefault(place, name)
            if other is not name:
                channel = f", channel {place[1]}" if place[1] else ""
                wrong.append(f"{other} and {name} are both well {place[0].name}{channel}")
        if wrong:
            more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise ValueError("; ".join(wrong[:3]) + more)
        return places


def _strict(part: str) -> str:
    """Turn a piece of a pattern into a regular expression."""
    if part == "*":
        return "[^/]*?"
    if part.startswith("{"):
        return FIELDS[part[1:-1]]
    return re.escape(part)


def guess_pattern(names: Sequence[str], plate: PlateFormat) -> NamePattern:
    """Find the pattern that all names follow, each standing for a well and channel of its own.

    A well's name goes before a number, and one channel before several. A reading counts only if
    it explains every name.

    Parameters
    ----------
    names : sequence of str
        File names, at least one.
    plate : PlateFormat
        Shape of the plate.

    Returns
    -------
    NamePattern
        The only reading of the names.

    Raises
    ------
    ValueError
        If there is none, or if there are several that differ.
    """
    found: dict[tuple[bool, bool], list[tuple[NamePattern, dict[Place, str]]]] = {}
    for pattern in _readings(names[0]):
        if not all(pattern.fits(name) for name in (names[0], names[-1])):
            continue
        try:
            places = pattern.places(names, plate)
        except ValueError:
            continue
        channels = {channel for _, channel in places}
        wells = {position for position, _ in places}
        if len(channels) > min(MOST_CHANNELS, len(wells)):
            continue
        rank = ("channel" in pattern.fields, "index" in pattern.fields)
        found.setdefault(rank, []).append((pattern, places))
    if not found:
        raise ValueError(
            f"no naming fits all {len(names)} images ({names[0]} ... {names[-1]}); say what it is "
            "with a pattern of {well}, {index}, {channel} and *, such as 'scan_*_{well}.tif'"
        )
    best = found[min(found)]
    pattern, places = best[0]
    for other, others in best[1:]:
        if others != places:
            raise ValueError(
                f"the names ({names[0]} ...) can be read as {pattern.text!r} and as "
                f"{other.text!r}: say which with a pattern"
            )
    return pattern


def _readings(name: str) -> Iterator[NamePattern]:
    """Yield the patterns that a name could be of, where a part of it is a well or a number."""
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        stem, suffix = name, ""
    end = dot + suffix
    wells = re.finditer(r"(?:(?<=[Ww]ell)|(?<![A-Za-z0-9]))[A-Za-z][0-9]{1,3}(?![A-Za-z0-9])", stem)
    numbers = re.finditer(r"[0-9]+", stem)
    words = [found.span() for found in re.finditer(r"[^\W_]+", stem)]
    for place in chain(wells, numbers):
        field = "{index}" if place.group()[0].isdigit() else "{well}"
        spans: list[list[tuple[tuple[int, int], str]]] = [[(place.span(), field)]]
        for word in words:
            if word[1] <= place.start() or word[0] >= place.end():
                spans.append(sorted([(place.span(), field), (word, "{channel}")]))
        for chosen in spans:
            pieces, at = [], 0
            for (start, stop), text in chosen:
                pieces += [stem[at:start], text]
                at = stop
            pieces += [stem[at:], end]
            fixed = "".join(pieces[::2]) + end
            if not re.search(r"[{}*]", fixed):
                yield NamePattern("".join(pieces))
