"""The record of one picture: how it was analysed and what came out, as NAME.run.json holds it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spotcore._backends import __version__, machine_record
from spotcore.analysis import Network, Solved, WellAnalysis
from spotcore.results.decode import LATER, decode, encode
from spotcore.results.read import read_json
from spotcore.settings import Settings, well_settings
from spotcore.settings.file import well_settings_hash
from spotcore.wells.confluence import Staining
from spotcore.wells.dye import Colour
from spotcore.wells.membrane import Circle

__all__ = [
    "ImageRecord",
    "Record",
    "SpotsRecord",
    "WellRecord",
    "mark_radius",
    "now",
    "read_record",
]

#: What the record of a picture that could not be analysed does not have.
_OF_ANALYSED = ("solve", "threshold", "seconds")


@dataclass(frozen=True)
class ImageRecord:
    """The picture as it was read.

    Attributes
    ----------
    height, width : int
        In pixels.
    full_scale : float or None
        Largest grey level of the file.
    channel : str or None
        How the grey picture was made.
    pixel_size_um : float or None
        Pixel side in µm, where it is known.
    colour : Colour or None
        How a colour picture became a grey one.
    orientation : int
        How the file's rows and columns were turned, as EXIF numbers it; 1 if not at all.
    notes : tuple of str
        What the file says and was not believed, and what was assumed instead.
    """

    height: int
    width: int
    full_scale: float | None = None
    channel: str | None = None
    pixel_size_um: float | None = None
    colour: Colour | None = None
    orientation: int = field(default=1, metadata=LATER)
    notes: tuple[str, ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True)
class WellRecord:
    """What the front end found; None where an older record does not say.

    Attributes
    ----------
    preset, polarity : str
        "well" or "paper"; "dark" or "bright".
    circle : Circle or None
        The well's edge, None where none was seen.
    noise, spot_scale, clipped, lam, sigma_limits
        As `spotcore.wells.prepare.Well` has them.
    confluence, level, width, skewness, focus
        As `spotcore.wells.status.Status` has them, the middle three in its `staining`.
    """

    preset: str = ""
    polarity: str = ""
    circle: Circle | None = None
    noise: float | None = None
    spot_scale: float | None = None
    clipped: float | None = None
    lam: float | None = None
    sigma_limits: tuple[float, ...] = ()
    confluence: float | None = None
    level: float | None = None
    width: float | None = None
    skewness: float | None = None
    focus: float | None = None

    @property
    def staining(self) -> Staining | None:
        """Of the membrane."""
        if self.level is None or self.width is None or self.skewness is None:
            return None
        return Staining(self.level, self.width, self.skewness)

    @property
    def reach(self) -> float:
        """As `mark_radius` has it."""
        return mark_radius(self.spot_scale or 0.0)


@dataclass(frozen=True)
class SpotsRecord:
    """The spots of a well as a whole; None where there is no spot, or none of that measure.

    Attributes
    ----------
    mean_area, mean_area_mm2 : float or None
        Mean area of a spot, in pixels and, where the pixel size is known, in mm².
    covered : float or None
        Share of the area that was looked at which the spots cover.
    mean_secretion : float or None
        Mean secretion of a spot; the record's `secretion` is the sum.
    """

    mean_area: float | None = None
    mean_area_mm2: float | None = None
    covered: float | None = None
    mean_secretion: float | None = None

    @classmethod
    def of(cls, analysis: WellAnalysis) -> SpotsRecord:
        """Measure the spots that count."""
        area, side = analysis.measures.area, analysis.pixel_size
        looked_at = float(analysis.well.membrane.sum())
        covered = min(float(area.sum()) / looked_at, 1.0) if looked_at else None
        if not len(area):
            return cls(covered=covered)
        mean, secretion = float(area.mean()), analysis.cells.secretion
        known = None if secretion is None else secretion[np.isfinite(secretion)]
        return cls(
            mean_area=mean,
            mean_area_mm2=None if side is None else mean * (side * 1e-3) ** 2,
            covered=covered,
            mean_secretion=float(known.mean()) if known is not None and len(known) else None,
        )


@dataclass(frozen=True)
class Record:
    """How a picture was analysed and what came out. What an older record does not say is left out.

    Attributes
    ----------
    spotcore : str
        Version.
    file, page, sha256 : str, int or None, str or None
        The picture: its path, its page from 0 where the file has several, the file's digest; no
        digest where the next run is not to believe that the picture is refused.
    file_channel : int or None
        Channel of the file, from 0, where each of its channels is one of the plate's; None where
        the settings say which one it is.
    started : str
        ISO 8601, UTC.
    status, reason : str, str or None
        As `spotcore.wells.status.Status` has them.
    count, interval, secretion : int, pair of int, float, or None
        The same.
    spots : SpotsRecord or None
        Of all of them; None where an older record does not say.
    artefacts : int or None
        Number of what was seen and does not count.
    settings, settings_hash : dict, str
        Those that a well depends on, and their digest.
    files : dict or None
        Digests of the files that were written, by name; None where an older record does not say.
    image : ImageRecord or None
        The picture; None where it could not be analysed.
    well : WellRecord or None
        What the front end found; None of the same.
    solve : Solved, Network or None
        What found the cells, and how it ended; None too where an older record says less of it.
    threshold : float or None
        Smallest score of a cell.
    seconds : dict or None
        Time spent by step.
    machine : dict
        What it was computed with and on.
    """

    spotcore: str = ""
    file: str = ""
    page: int | None = None
    file_channel: int | None = field(default=None, metadata=LATER)
    sha256: str | None = None
    started: str = ""
    status: str = ""
    reason: str | None = None
    count: int | None = None
    interval: tuple[int, int] | None = None
    secretion: float | None = None
    spots: SpotsRecord | None = field(default=None, metadata=LATER)
    artefacts: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_hash: str = ""
    files: Mapping[str, str] | None = field(default=None, metadata=LATER)
    image: ImageRecord | None = None
    well: WellRecord | None = None
    solve: Solved | Network | None = None
    threshold: float | None = None
    seconds: Mapping[str, float] | None = None
    machine: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        analysis: WellAnalysis,
        file: Path,
        page: int | None,
        file_channel: int | None,
        started: str,
        files: Mapping[str, str],
    ) -> Record:
        """Record an analysis of a file's picture, and the digests of the files it wrote."""
        picture, well, status = analysis.picture, analysis.well, analysis.status
        height, width = picture.pixels.shape
        return cls(
            spotcore=__version__,
            file=str(file),
            page=page,
            file_channel=file_channel,
            sha256=picture.sha256,
            started=started,
            status=status.status,
            reason=status.reason,
            count=status.count,
            interval=status.interval,
            secretion=status.secretion,
            spots=SpotsRecord.of(analysis),
            artefacts=len(analysis.artefacts),
            settings=well_settings(analysis.settings),
            settings_hash=well_settings_hash(analysis.settings),
            files=files,
            image=ImageRecord(
                height=height,
                width=width,
                full_scale=picture.full_scale,
                channel=picture.channel,
                pixel_size_um=analysis.pixel_size,
                colour=analysis.colour,
                orientation=picture.orientation,
                notes=picture.notes,
            ),
            well=WellRecord(
                preset=well.preset,
                polarity=well.polarity,
                circle=well.circle,
                noise=well.noise,
                spot_scale=well.spot_scale,
                clipped=well.clipped,
                lam=well.lam,
                sigma_limits=tuple(well.sigma_limits.tolist()),
                confluence=status.confluence,
                level=status.staining.level,
                width=status.staining.width,
                skewness=status.staining.skewness,
                focus=status.focus,
            ),
            solve=analysis.how,
            threshold=analysis.cells.threshold,
            seconds={step: round(spent, 4) for step, spent in analysis.seconds.items()},
            machine=machine_record(),
        )

    @classmethod
    def refused(
        cls,
        file: Path,
        page: int | None,
        file_channel: int | None,
        sha256: str | None,
        reason: str,
        settings: Settings,
        digest: str,
    ) -> Record:
        """Record that a file's picture could not be analysed, and why."""
        return cls(
            spotcore=__version__,
            file=str(file),
            page=page,
            file_channel=file_channel,
            sha256=sha256,
            started=now(),
            status="rejected",
            reason=reason,
            artefacts=0,
            settings=well_settings(settings),
            settings_hash=digest,
            machine=machine_record(),
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Read what NAME.run.json holds, of any version since 0.1.0.

        Raises
        ------
        ValueError
            If something in it is of another type than it should be; the message says what.
        """
        known = dict(value)
        try:
            decode(_How, known)
        except ValueError:
            del known["solve"]
        if "status" not in known:  # older than that there is a status: only a count
            known["status"] = "counted" if known.get("count") else "empty"
        return decode(cls, known)

    def as_json(self) -> dict[str, Any]:
        """Return what NAME.run.json holds."""
        absent = _OF_ANALYSED if self.image is None else ()
        held: dict[str, Any] = encode(self)
        return {key: value for key, value in held.items() if key not in absent}


@dataclass(frozen=True)
class _How:
    solve: Solved | Network | None = None


def read_record(path: Path) -> Record:
    """Read NAME.run.json.

    Raises
    ------
    ValueError
        If it is no record; the message names the file.
    OSError
        If it cannot be read.
    """
    value = read_json(path)
    try:
        return Record.from_json(value)
    except ValueError as error:
        raise ValueError(f"{path}: no record of a picture ({error})") from error


def mark_radius(spot_scale: float) -> float:
    """Return the radius of a spot's mark, by the standard deviation of a small spot; in pixels."""
    return max(2.0 * spot_scale, 3.0)


def now() -> str:
    """Return the time as records have it: ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
