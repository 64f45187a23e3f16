"""Files of several pictures on a plate: which of them is which channel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from spotcore.images.picture import Contents, check_names, plain_channels
from spotcore.images.read import contents
from spotcore.images.refusal import ImageError

__all__ = ["Part", "parts_of"]


class Part(NamedTuple):
    """One picture of a file.

    Attributes
    ----------
    channel : str
        Which channel of the plate it is; "" where the file has one picture.
    page, file_channel : int or None
        Its page and its channel in the file, from 0; None where there is one.
    """

    channel: str = ""
    page: int | None = None
    file_channel: int | None = None


def parts_of(
    folder: Path,
    names: Iterable[str],
    projection: str = "none",
    channel: str | int | None = None,
    pattern: str | None = None,
) -> dict[str, list[Part]]:
    """Return the pictures of a plate's files: their channels, or else their pages.

    A file that cannot be read counts as one picture, of the first channel: a bad one must not stop
    a plate.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files are.
    names : iterable of str
        Their names.
    projection, channel
        As `spotcore.read_image` has them: what is chosen by them is not apart.
    pattern : str, optional
        The pattern of the names, where it says the channel.

    Raises
    ------
    ValueError
        If files have channels where their names have, or only some files do, or channels and pages;
        the message names them.
    ImportError
        If the package that reads a format is not there.
    """
    whole = {name: _contents(folder / name) for name in names}
    try:
        check_names({name: each.channels for name, each in whole.items() if each}, channel)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    found = {
        name: None
        if each is None
        else Contents(
            each.planes if projection == "none" else 1, each.channels if channel is None else ()
        )
        for name, each in whole.items()
    }
    held = {name: each for name, each in found.items() if each is not None}
    several = sorted(name for name, each in held.items() if each.planes > 1 or each.channels)
    if not several:
        return {name: [Part()] for name in found}
    if pattern is not None:
        raise ValueError(
            f"{folder}: {several[0]} has {_words(held[several[0]])}; they cannot be channels, "
            f"because the pattern {pattern!r} names the channel"
        )
    paged = [name for name in several if held[name].planes > 1]
    channelled = [name for name in several if held[name].channels]
    if not channelled:
        return {
            name: [Part(f"page{page + 1}", page) for page in range(each.planes if each else 1)]
            for name, each in found.items()
        }
    has = f"{folder}: {channelled[0]} has {_words(held[channelled[0]])}, and"
    if paged:
        raise ValueError(
            f"{has} {paged[0]} {held[paged[0]].planes} pages: choose one channel (--channel), or "
            "the brightest of all pages (--projection max)"
        )
    alone = [name for name in held if name not in channelled]
    if alone:
        raise ValueError(f"{has} {alone[0]} one picture, whose channel is not known")
    first = held[channelled[0]].channels[:1]
    return {
        name: [Part(its, None, number) for its, number in plain_channels(each.channels or first)]
        for name, each in ((name, each or Contents()) for name, each in found.items())
    }


def _contents(path: Path) -> Contents | None:
    """Return what a file holds; None where it cannot be read."""
    try:
        return contents(path)
    except (ImageError, OSError):
        return None


def _words(held: Contents) -> str:
    return f"{len(held.channels)} channels" if held.channels else f"{held.planes} pages"
