"""Patterns of file names: which well, and which channel, a name stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from spotcore.plates.wells import PlateFormat, Position, parse_row

__all__ = ["NamePattern", "Place"]

_ROW = r"(?:[A-Za-z]|[Aa][A-Fa-f])"
#: What a pattern may name, and what the names may hold there.
FIELDS = {
    "well": rf"(?P<well>{_ROW}[0-9]{{1,3}})",
    "row": rf"(?P<row>{_ROW}|[0-9]{{1,3}})",
    "column": r"(?P<column>[0-9]{1,3})",
    "index": r"(?P<index>[0-9]+)",
    "channel": r"(?P<channel>[\w+-]+(?: [\w+-]+)*)",
    "wave": r"(?P<wave>[0-9]+)",
    "site": r"(?P<site>[0-9]+)",
    "z": r"(?P<z>[0-9]+)",
    "t": r"(?P<t>[0-9]+)",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
#: Fields of which a well may have several pictures and spotcore takes one, as they are called.
_ONE_OF = {"site": "sites", "z": "planes", "t": "times"}
#: How a pattern may say where the well is.
_WHERE: tuple[set[str], ...] = ({"well"}, {"index"}, {"row", "column"})

#: A well and a channel, "" where there is one.
Place = tuple[Position, str]


class _Read(NamedTuple):
    """What a name holds: its place, and its values of the fields of which a well takes one."""

    place: Place
    one_of: dict[str, str]


class NamePattern:
    """A pattern such as ``image1_Well_{index}.png``.

    Where the well is, say ``{well}`` (A1, A01 or a1), ``{row}`` (letters, or a number) and
    ``{column}``, or ``{index}`` (from 1, row by row); leading zeros do no harm. The channel is
    ``{channel}`` (letters, digits, ``_``, ``+``, ``-``, single spaces) or ``{wave}``, its number:
    1 is the channel "ch1". ``{site}``, ``{z}`` and ``{t}`` are numbers of which each well and
    channel may have one; to choose among several, write the number in the field's stead.
    ``{guid}`` is one (8-4-4-4-12 digits and letters A to F), and ``*`` anything. A ``/`` leads
    into folders. Small letters and capitals are one.

    Parameters
    ----------
    text : str
        The pattern.

    Raises
    ------
    ValueError
        If a field is unknown or there twice, or if it does not say where the well is, once.
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
        if {name for where in _WHERE for name in where if name in names} not in _WHERE:
            raise ValueError(
                f"pattern {text!r}: expected one of {{well}}, {{index}} and {{row}} with {{column}}"
            )
        if {"channel", "wave"} <= set(names):
            raise ValueError(f"pattern {text!r}: expected one of {{channel}} and {{wave}}")
        self.text = text
        self.fields = tuple(names)
        self.depth = text.count("/")
        self._strict = re.compile("".join(_strict(part) for part in parts), re.IGNORECASE)
        self._loose = re.compile(
            "".join("[^/]*" if k % 2 else re.escape(part) for k, part in enumerate(parts)),
            re.IGNORECASE,
        )

    def fits(self, name: str) -> bool:
        """Tell whether a name has the pattern's fixed parts, whatever its fields hold."""
        return self._loose.fullmatch(name) is not None

    def reads(self, name: str) -> bool:
        """Tell whether a name can be read, be the well on the plate or not."""
        return self._strict.fullmatch(name) is not None

    def place(self, name: str, plate: PlateFormat) -> Place:
        """Return the well and channel that a name stands for.

        Raises
        ------
        ValueError
            If the name cannot be read so, or the plate has no such well.
        """
        return self._read(name, plate).place

    def places(self, names: Iterable[str], plate: PlateFormat) -> dict[Place, str]:
        """Return the names by well and channel.

        Raises
        ------
        ValueError
            If a name cannot be read, or two stand for one well and channel; the message lists
            what is wrong, and how to choose one of several sites.
        """
        places: dict[Place, str] = {}
        reads: dict[Place, _Read] = {}
        wrong: list[str] = []
        for name in names:
            try:
                read = self._read(name, plate)
            except ValueError as error:
                wrong.append(str(error))
                continue
            other = places.setdefault(read.place, name)
            if other is not name:
                wrong.append(self._twice(other, name, reads[read.place], read))
            reads.setdefault(read.place, read)
        if wrong:
            more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise ValueError("; ".join(wrong[:3]) + more)
        return places

    def _read(self, name: str, plate: PlateFormat) -> _Read:
        found = self._strict.fullmatch(name)
        if found is None:
            raise ValueError(f"{name}: cannot be read as {self.text!r}")
        held = found.groupdict()
        try:
            if "index" in held:
                position = plate.position(int(held["index"]))
            elif "well" in held:
                position = plate.parse(held["well"])
            else:
                position = Position(parse_row(held["row"]), int(held["column"]) - 1)
                plate.require(position, f"row {held['row']}, column {held['column']}")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        channel = f"ch{int(held['wave'])}" if "wave" in held else held.get("channel", "")
        return _Read((position, channel), {key: held[key] for key in _ONE_OF if key in held})

    def _twice(self, first: str, second: str, one: _Read, two: _Read) -> str:
        """Say that two names stand for one place, and how to choose."""
        position, channel = one.place
        both = f"{first} and {second} are both well {position.name}" + (
            f", channel {channel}" if channel else ""
        )
        several = [key for key in one.one_of if one.one_of[key] != two.one_of[key]]
        if not several:
            return both
        chosen = self.text
        for key in several:
            chosen = chosen.replace(f"{{{key}}}", one.one_of[key])
        what = " and ".join(
            f"{_ONE_OF[key]} {one.one_of[key]}, {two.one_of[key]}" for key in several
        )
        return f"{both}, {what}: choose one with a pattern such as {chosen!r}"


def _strict(part: str) -> str:
    """Turn a piece of a pattern into a regular expression."""
    if part == "*":
        return "[^/]*?"
    if part.startswith("{"):
        return FIELDS[part[1:-1]]
    return re.escape(part)
