"""All settings in one table, from which everything else about them is made.

A new setting is a new row of `Settings`: the options of the command line, the file of settings and
its template, the checks, the hashes and the documentation follow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple, TypeVar, get_type_hints

from spotcore.images.picture import PIXEL_SIZE_LIMITS
from spotcore.wells.sight import CONTRAST

__all__ = ["COMPARISON", "TABLE", "Range", "Row", "Scope", "Settings", "well_settings"]

#: What depends on a setting: each well's own result, the comparison of wells that have been
#: analysed, or only how the work is done (then it is no part of a hash).
Scope = Literal["well", "comparison", "how"]
_T = TypeVar("_T")


class Range(NamedTuple):
    """What numbers, or lists of them, a setting takes.

    Attributes
    ----------
    says : str
        What follows on "a number" where it is explained.
    sign : str
        The same for a number x, as usage lines have it.
    holds : callable
        Whether a finite number or a tuple of them is in the range.
    """

    says: str
    sign: str
    holds: Callable[[Any], bool]


ABOVE_0 = Range(" above 0", "x>0", lambda x: x > 0)
AT_LEAST_0 = Range(", at least 0", "x>=0", lambda x: x >= 0)
BETWEEN_0_AND_1 = Range(" between 0 and 1", "0<x<1", lambda x: 0 < x < 1)
DIRECTION = Range(", at least 0 and not all 0", "x>=0", lambda v: min(v) >= 0 and max(v) > 0)
INCREASING = Range(
    ", at least two, increasing, at least 0",
    "0<=x<y<...",
    lambda v: len(v) > 1 and v[0] >= 0 and all(a < b for a, b in itertools.pairwise(v)),
)

_LOW, _HIGH = PIXEL_SIZE_LIMITS
PIXEL_SIDE = Range(
    f" from {_LOW:g} to {_HIGH:g}", f"{_LOW:g}<=x<={_HIGH:g}", lambda x: _LOW <= x <= _HIGH
)

LENGTH = "µm where the pixel size is known, else pixels"


class Row(NamedTuple):
    """One setting.

    Attributes
    ----------
    name : str
        Also that of its option, with hyphens for underscores.
    type : type
        As `Settings` has it.
    default : object
        None where it is automatic.
    help : str
        What it is, without a full stop.
    unit : str
        Empty where it has none.
    range : Range or None
        None where every value of the type is taken. Texts among numbers are not checked by it.
    automatic : str
        What None stands for.
    more : str
        What else there is to know, in whole sentences.
    scope : {"well", "comparison", "how"}
        What depends on it.
    names_file : bool
        Whether it can name a file.
    later : bool
        Whether it came after 0.1.0: at its default it is then in no hash, so that studies that were
        locked, and wells that were done, before it came stay so.
    """

    name: str
    type: Any
    default: Any
    help: str
    unit: str
    range: Range | None
    automatic: str
    more: str
    scope: Scope
    names_file: bool
    later: bool


def _row(
    default: _T,
    help: str,
    *,
    unit: str = "",
    range: Range | None = None,
    automatic: str = "",
    more: str = "",
    scope: Scope = "well",
    names_file: bool = False,
    later: bool = False,
) -> _T:
    """Return a field of `Settings` that holds the rest of its row."""
    columns = dict(
        help=help,
        unit=unit,
        range=range,
        automatic=automatic,
        more=more,
        scope=scope,
        names_file=names_file,
        later=later,
    )
    return field(default=default, metadata=columns)


@dataclass(frozen=True)
class Settings:
    """What the user can choose about the analysis of wells and their comparison."""

    preset: Literal["auto", "paper", "well"] = _row(
        "auto",
        "paper: the papers' settings, for simulated images; well, or auto: pictures of wells, or "
        "of parts of them",
    )
    polarity: Literal["auto", "dark", "bright"] = _row(
        "auto", "Spots dark on bright, or bright on dark; auto finds out"
    )
    channel: str | None = _row(
        None,
        "Channel: red, green, blue or a number from 0",
        automatic="luminance",
        more="The number is a text in a file of settings, too.",
    )
    projection: Literal["none", "max"] = _row(
        "none",
        "Of a file of several pictures, none: one page; max: the brightest of all at each pixel",
        later=True,
    )
    full_scale: float | None = _row(
        None,
        "Largest grey level of the camera (4095 for 12 bits)",
        range=ABOVE_0,
        automatic="from the file's bit depth or tags, or the ceiling that its data shows",
        later=True,
    )
    pixel_size: float | None = _row(
        None,
        "Pixel side",
        unit="µm",
        range=PIXEL_SIDE,
        automatic="the image file's",
        more="With it the σ bins are the same in all wells, otherwise they go by the size of the "
        "spots: the shares of a spot's secretion change. Lengths are then in µm.",
    )
    spot_diameter: float | None = _row(
        None,
        "Diameter of a typical spot at half of its height",
        unit=LENGTH,
        range=ABOVE_0,
        automatic="found in the picture",
        more="Where a spot is made of grains, as a focus of infected cells is, it decides what is "
        "counted.",
        later=True,
    )
    contrast: float = _row(
        CONTRAST,
        "Spots count that stand out by so much",
        unit="roughnesses of the membrane: root mean square of what lies on its other side",
        range=ABOVE_0,
        later=True,
    )
    lam: float | None = _row(
        None, "Weight of the group sparsity (λ)", range=AT_LEAST_0, automatic="the preset's own"
    )
    threshold: float | None = _row(
        None,
        "Smallest score of a cell: with the preset well its probability",
        range=AT_LEAST_0,
        automatic="the preset's own",
    )
    max_iter: int | None = _row(
        None, "Iteration limit", range=ABOVE_0, automatic="the preset's own"
    )
    tol: float | None = _row(
        None,
        "Stop when ten iterations change the objective by less than this share",
        range=AT_LEAST_0,
        automatic="the preset's own",
    )
    threads: int | None = _row(
        None,
        "Threads per image",
        range=ABOVE_0,
        automatic="one per processor, and one for the wells of a plate",
        scope="how",
    )
    method: Literal["solve", "spotnet"] = _row(
        "solve", "solve: inverse diffusion; spotnet: a learned network"
    )
    network: str = _row(
        "spotnet",
        "With the method spotnet: name of shipped weights, or a path",
        names_file=True,
    )
    gamma: Literal["none", "srgb"] | float = _row(
        "none",
        "Tone curve of the camera, to be undone: none, srgb or a number",
        range=ABOVE_0,
        more="none: grey levels are proportional to light; a number: stored levels are light to "
        "the power 1/gamma.",
    )
    flat_field: str | None = _row(
        None,
        "Image of the lamp's pattern, to be divided out",
        automatic="none",
        more="It has the size of the wells' images and no well in it.",
        names_file=True,
    )
    dark_frame: str | None = _row(
        None,
        "Image without light, taken off the picture and the flat field",
        automatic="none",
        more="It needs a flat field beside it.",
        names_file=True,
    )
    stain: Literal["auto", "luminance", "aec"] | tuple[float, float, float] = _row(
        "auto",
        "Spots' colour in a colour picture: auto (found), luminance (none), aec, or R,G,B",
        range=DIRECTION,
        more="R,G,B are strengths of optical density (dark spots) or of light; in a file of "
        "settings they are a list of numbers.",
    )
    sigma_limits: tuple[float, ...] | None = _row(
        None,
        "Limits of the σ bins",
        unit=LENGTH,
        range=INCREASING,
        automatic="from the pixel size where it is known, else from the size of the spots",
    )
    membrane: float | None = _row(
        None,
        "Grey level of a bare membrane",
        range=AT_LEAST_0,
        automatic="10 % of full scale for bright spots, half of it for dark ones",
        more="It tells a confluent well from an empty one. On a plate its least stained wells show "
        "it, too.",
    )
    focus_limit: float | None = _row(
        None,
        "A well is out of focus if its sharpest spots have a larger standard deviation",
        unit=LENGTH,
        range=ABOVE_0,
        automatic="from the pixel size where it is known, else from the radius of the well",
    )
    min_diameter: float | None = _row(
        None, "Smallest diameter of a spot", unit=LENGTH, range=ABOVE_0, automatic="no limit"
    )
    max_diameter: float | None = _row(
        None, "Largest diameter of a spot", unit=LENGTH, range=ABOVE_0, automatic="no limit"
    )
    min_density: float | None = _row(
        None,
        "Smallest integrated density of a spot",
        unit="the signal's unit times pixels",
        range=AT_LEAST_0,
        automatic="no limit",
    )
    max_density: float | None = _row(
        None,
        "Largest integrated density of a spot",
        unit="the signal's unit times pixels",
        range=AT_LEAST_0,
        automatic="no limit",
    )
    save_maps: bool = _row(False, "Write signal, score and fit of each well as NAME.maps.npz")
    response_alpha: float = _row(
        0.05,
        "DFR(eq) and DFR(2x): largest adjusted p-value of a response",
        range=BETWEEN_0_AND_1,
        scope="comparison",
    )
    response_fold: float = _row(
        4.0,
        "Fold and threshold: smallest ratio of a response to the negative control",
        range=AT_LEAST_0,
        scope="comparison",
    )
    response_threshold: float = _row(
        55.0,
        "Fold and threshold: fewest spots of a response, the control not subtracted",
        unit="SFU per 10⁶ cells",
        range=AT_LEAST_0,
        scope="comparison",
    )
    colour_tolerance: float = _row(
        3.0,
        "Several channels: largest distance of two spots of one cell",
        unit="pixels",
        range=ABOVE_0,
        scope="comparison",
    )
    colour_reach: float = _row(
        20.0,
        "Largest shift between channels, more than twice the tolerance",
        unit="pixels",
        range=ABOVE_0,
        scope="comparison",
    )
    colour_shuffles: int = _row(
        199,
        "Shuffles per well and channel for the number of cells of several colours by chance",
        range=ABOVE_0,
        more="Their p-value is at least 1 / (shuffles + 1).",
        scope="comparison",
    )


_TYPES = get_type_hints(Settings)
#: The rows by name.
TABLE = {
    field.name: Row(field.name, _TYPES[field.name], field.default, **field.metadata)
    for field in fields(Settings)
}
#: Settings of the comparison of wells that have been analysed: no well depends on them.
COMPARISON = frozenset(row.name for row in TABLE.values() if row.scope == "comparison")


def well_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that a well's own result depends on, by name: all but `COMPARISON`."""
    return {name: value for name, value in asdict(settings).items() if name not in COMPARISON}
