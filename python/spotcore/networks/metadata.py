"""What a learned network is besides its weights, checked when it is made, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore._arrays import as_choice, as_number, as_sigma_limits, as_vector
from spotcore.networks.safetensors_file import strict_json

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FORMAT_VERSION",
    "IMAGE_SCALINGS",
    "THRESHOLDS",
    "Metadata",
    "ThresholdRule",
    "score_confidence",
    "typical_peak",
]

FORMAT_VERSION = 1
IMAGE_SCALINGS = ("none", "max255")
THRESHOLDS = ("absolute", "relative")
_MAX_TEXT = 1000


@dataclass(frozen=True)
class ThresholdRule:
    """Smallest score of a cell, without any truth.

    Parameters
    ----------
    kind : str
        ``"absolute"``: `value` itself. ``"relative"``: `value` times the weighted median of the
        scores of the image's local maxima, each one weighted by its own score.
    value : float
        Above 0.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        """Check both."""
        object.__setattr__(self, "kind", as_choice(self.kind, "threshold kind", THRESHOLDS))
        value = as_number(self.value, "threshold value", minimum=0.0, strict=True)
        object.__setattr__(self, "value", value)

    def of_peaks(self, scores: NDArray[np.float32]) -> float:
        """Return the threshold of an image.

        Parameters
        ----------
        scores : ndarray, shape [n]
            Scores of all local maxima of its score map.

        Returns
        -------
        float
            `value` where there are none.
        """
        if self.kind == "absolute" or len(scores) == 0:
            return self.value
        return self.value * typical_peak(scores)


def typical_peak(scores: NDArray[np.float32]) -> float:
    """Return the median of scores, each weighted by itself: what `ThresholdRule` refers to.

    Parameters
    ----------
    scores : ndarray, shape [n]
        Above 0.

    Returns
    -------
    float
        0 where there are none.
    """
    if len(scores) == 0:
        return 0.0
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    mass = np.cumsum(ordered)
    return float(ordered[np.searchsorted(mass, mass[-1] / 2.0)])


def score_confidence(
    score: ArrayLike, threshold: float, calibration: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the probability that a peak is a cell, as `Metadata` defines it.

    Parameters
    ----------
    score : array_like, shape [n]
        Of the peaks.
    threshold : float
        The network's own one for their image.
    calibration : tuple of two floats
        ``(a, b)``.

    Returns
    -------
    ndarray, shape [n]
        In [0, 1].
    """
    a, b = calibration
    smallest = np.finfo(np.float64).tiny
    x = np.log(np.maximum(np.asarray(score, dtype=np.float64), smallest) / max(threshold, smallest))
    result: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * (a * x + b)))  # never overflows
    return result


@dataclass(frozen=True, eq=False, kw_only=True)
class Metadata:
    """What belongs to a network besides its weights.

    Parameters
    ----------
    name : str
        What to call it.
    sigma_limits : array_like, shape [K + 1]
        Limits of the sigma bins that its outputs estimate, in pixels, increasing, from 0 or more.
    threshold : ThresholdRule
        The default of detection.
    image_scaling : str
        ``"none"``, or ``"max255"``: the image is multiplied by 255 / its maximum.
    calibration : tuple of two floats, optional
        ``(a, b)`` of ``confidence = 1 / (1 + exp(-(a log(score / threshold) + b)))``, a > 0.
    training : mapping
        The record that reproduces the weights, anything that JSON can hold.
    licence, source : str
        Of the weights.
    version : int
        Of the format: 1.
    """

    name: str
    sigma_limits: NDArray[np.float64]
    threshold: ThresholdRule
    image_scaling: str = "none"
    calibration: tuple[float, float] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    source: str = ""
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Check everything, and keep copies that nobody else can change."""
        for name in ("name", "licence", "source"):
            text = getattr(self, name)
            if not isinstance(text, str):
                raise TypeError(f"{name}: expected a text, got {type(text).__name__}")
            if not text.isprintable() or len(text) > _MAX_TEXT:
                raise ValueError(
                    f"{name}: expected up to {_MAX_TEXT} printable characters, "
                    f"got {len(text)}: {text[:80]!r}"
                )
        if not isinstance(self.threshold, ThresholdRule):
            raise TypeError(f"threshold: expected a ThresholdRule, got {self.threshold!r}")
        scaling = as_choice(self.image_scaling, "image_scaling", IMAGE_SCALINGS)
        object.__setattr__(self, "image_scaling", scaling)
        if type(self.version) is not int or self.version != FORMAT_VERSION:
            raise ValueError(f"version: expected {FORMAT_VERSION}, got {self.version!r}")
        limits = as_sigma_limits(self.sigma_limits).copy()
        limits.setflags(write=False)
        object.__setattr__(self, "sigma_limits", limits)
        if self.calibration is not None:
            a, b = as_vector(self.calibration, "calibration", 2, np.float64).tolist()
            as_number(a, "calibration slope", minimum=0.0, strict=True)
            object.__setattr__(self, "calibration", (a, b))
        object.__setattr__(self, "training", _record(self.training))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON can hold it.

        Returns
        -------
        dict
            What `from_json` takes.
        """
        document = {f.name: getattr(self, f.name) for f in fields(self)}
        document["sigma_limits"] = self.sigma_limits.tolist()
        document["threshold"] = {"kind": self.threshold.kind, "value": self.threshold.value}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Metadata:
        """Make metadata of what a JSON document says.

        Parameters
        ----------
        document : mapping
            As from `to_json`: all of it, and nothing else.

        Returns
        -------
        Metadata
            The same, checked.

        Raises
        ------
        ValueError, TypeError
            If a name is missing or unknown, or a value is not what it should be.
        """
        require_names(document, {f.name for f in fields(cls)}, "metadata")
        threshold, limits, pair = (
            document[n] for n in ("threshold", "sigma_limits", "calibration")
        )
        require_names(threshold, {"kind", "value"}, "threshold")
        for name, numbers in (
            ("sigma_limits", limits),
            ("calibration", [0.0] if pair is None else pair),
            ("threshold value", [threshold["value"]]),
        ):
            if not isinstance(numbers, list) or not all(type(x) in (int, float) for x in numbers):
                raise TypeError(f"{name}: expected numbers, got {repr(numbers)[:80]}")
        return cls(**{**document, "threshold": ThresholdRule(**threshold)})


def require_names(document: Any, expected: set[str], what: str) -> None:
    """Refuse a JSON object that lacks a name, or has one that nobody knows.

    Parameters
    ----------
    document : object
        What came.
    expected : set of str
        The names that it has to have.
    what : str
        Of what it is a part, for the message.

    Raises
    ------
    ValueError, TypeError
        If it is no object, or has other names.
    """
    if not isinstance(document, Mapping):
        raise TypeError(f"{what}: expected an object, got {type(document).__name__}")
    for names, verb in ((expected - set(document), "lacks"), (set(document) - expected, "has")):
        if names:
            got = ", ".join(sorted(repr(name)[:80] for name in names)[:5])
            raise ValueError(f"{what}: expected {', '.join(sorted(expected))}; it {verb} {got}")


def _record(training: Mapping[str, Any]) -> dict[str, Any]:
    """Take a training record through JSON: what comes out is what a file would give back."""
    if not isinstance(training, Mapping):
        raise TypeError(f"training: expected a mapping, got {type(training).__name__}")
    try:
        record: dict[str, Any] = strict_json(json.dumps(dict(training), allow_nan=False))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"training: expected what JSON can hold, got {error}") from error
    return record
