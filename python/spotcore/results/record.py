"""The record of one picture: how it was analysed and what came out, as NAME.run.json holds it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotcore._backends import __version__, machine_record
from spotcore.settings import Settings, well_settings
from spotcore.settings.file import well_settings_hash

if TYPE_CHECKING:
    from spotcore.analysis import WellAnalysis

__all__ = ["Record", "now"]

#: What the record of a picture that could not be analysed does not have.
_OF_ANALYSED = ("solve", "threshold", "seconds")


@dataclass(frozen=True)
class Record:
    """How a picture was analysed and what came out.

    Attributes
    ----------
    spotcore : str
        Version.
    file, page, sha256 : str, int or None, str or None
        The picture: its path, its page from 0 where the file has several, the file's digest; no
        digest where the next run is not to believe that the picture is refused.
    started : str
        ISO 8601, UTC.
    status, reason : str, str or None
        As `spotcore.wells.status.Status` has them.
    count, interval, secretion : int, pair of int, float, or None
        The same.
    artefacts : int
        Number of what was seen and does not count.
    settings, settings_hash : dict, str
        Those that a well depends on, and their digest.
    image : dict or None
        height, width, full_scale, channel, pixel_size_um, colour.
    well : dict or None
        What the front end found: preset, polarity, circle, noise, spot_scale, clipped, lam,
        sigma_limits, confluence, level, width, skewness, focus.
    solve : dict or None
        What found the cells, and how it ended.
    threshold : float or None
        Smallest score of a cell.
    seconds : dict or None
        Time spent by step.
    machine : dict
        What it was computed with and on.
    """

    spotcore: str
    file: str
    page: int | None
    sha256: str | None
    started: str
    status: str
    reason: str | None
    count: int | None
    interval: tuple[int, int] | None
    secretion: float | None
    artefacts: int
    settings: Mapping[str, Any]
    settings_hash: str
    image: Mapping[str, Any] | None
    well: Mapping[str, Any] | None
    solve: Mapping[str, Any] | None
    threshold: float | None
    seconds: Mapping[str, float] | None
    machine: Mapping[str, Any]

    @classmethod
    def of(cls, analysis: WellAnalysis, file: Path, page: int | None, started: str) -> Record:
        """Record an analysis of a file's picture."""
        picture, well, status = analysis.picture, analysis.well, analysis.status
        height, width = picture.pixels.shape
        return cls(
            spotcore=__version__,
            file=str(file),
            page=page,
            sha256=picture.sha256,
            started=started,
            status=status.status,
            reason=status.reason,
            count=status.count,
            interval=status.interval,
            secretion=status.secretion,
            artefacts=len(analysis.artefacts),
            settings=well_settings(analysis.settings),
            settings_hash=well_settings_hash(analysis.settings),
            image={
                "height": height,
                "width": width,
                "full_scale": picture.full_scale,
                "channel": picture.channel,
                "pixel_size_um": analysis.pixel_size,
                "colour": None if analysis.colour is None else asdict(analysis.colour),
            },
            well={
                "preset": well.preset,
                "polarity": well.polarity,
                "circle": None if well.circle is None else asdict(well.circle),
                "noise": well.noise,
                "spot_scale": well.spot_scale,
                "clipped": well.clipped,
                "lam": well.lam,
                "sigma_limits": well.sigma_limits.tolist(),
                "confluence": status.confluence,
                **asdict(status.staining),
                "focus": status.focus,
            },
            solve=asdict(analysis.how),
            threshold=analysis.cells.threshold,
            seconds={step: round(spent, 4) for step, spent in analysis.seconds.items()},
            machine=machine_record(),
        )

    @classmethod
    def refused(
        cls,
        file: Path,
        page: int | None,
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
            sha256=sha256,
            started=now(),
            status="rejected",
            reason=reason,
            count=None,
            interval=None,
            secretion=None,
            artefacts=0,
            settings=well_settings(settings),
            settings_hash=digest,
            image=None,
            well=None,
            solve=None,
            threshold=None,
            seconds=None,
            machine=machine_record(),
        )

    def as_json(self) -> dict[str, Any]:
        """Return what NAME.run.json holds."""
        absent = _OF_ANALYSED if self.image is None else ()
        return {key: value for key, value in vars(self).items() if key not in absent}


def now() -> str:
    """Return the time as records have it: ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
