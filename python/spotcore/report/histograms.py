"""Distributions of the spots' size and density, of a plate and of each of its wells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Histogram", "Measure", "histogram", "measures_of"]

#: Box of a histogram's drawing in SVG units; the axis lies at its bottom.
WIDTH, HEIGHT = 320.0, 110.0


@dataclass(frozen=True)
class Measure:
    """A column whose distribution is shown.

    Attributes
    ----------
    column, title, unit : str
        Of the table of spots; what it is called.
    log : bool
        Whether its axis is logarithmic (as for what differs by factors).
    """

    column: str
    title: str
    unit: str
    log: bool = False


_MEASURES = (
    (Measure("diameter_um", "Diameter", "µm"), Measure("diameter", "Diameter", "px")),
    (Measure("density", "Density", "integrated signal over background", log=True),),
)


@dataclass(frozen=True)
class Histogram:
    """Bins for the spots of a whole plate, in which those of its wells can be counted too.

    Attributes
    ----------
    measure : Measure
        What is shown.
    edges : ndarray, float64, shape [n + 1]
        Limits of the bins, in the column's unit.
    counts : ndarray, int64, shape [n]
        Spots of the plate in each bin.
    """

    measure: Measure
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    def count(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Count values [m] in the bins, [n]."""
        return np.histogram(_usable(values, self.measure.log), self.edges)[0].astype(np.int64)

    def path(self, counts: NDArray[np.int64]) -> str:
        """Bars as the data of an SVG path, the highest as high as the box."""
        top = max(int(counts.max(initial=0)), 1)
        wide = WIDTH / len(counts)
        return "".join(
            f"M{k * wide:.4g} {HEIGHT:g}v-{HEIGHT * n / top:.4g}h{wide:.4g}V{HEIGHT:g}z"
            for k, n in enumerate(counts.tolist())
            if n
        )

    def ticks(self) -> list[tuple[float, str]]:
        """Round values on the axis: place in SVG units, text."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        if self.measure.log:
            values = _decades(low, high)
            span = math.log(high / low)
            return [(WIDTH * math.log(v / low) / span, f"{v:g}") for v in values]
        step = _nice((high - low) / 5)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        values = [k * step for k in range(first, last + 1)]
        return [(WIDTH * (v - low) / (high - low), f"{v:g}") for v in values]

    def context(self, values: NDArray[np.float64] | None = None) -> dict[str, Any]:
        """Return what the page's template needs, of the plate or of a well's values [m]."""
        counts = self.counts if values is None else self.count(values)
        middle = _usable(values, False) if values is not None else None
        return {
            "measure": self.measure,
            "path": self.path(counts),
            "total": int(counts.sum()),
            "top": int(counts.max(initial=0)),
            "ticks": self.ticks(),
            "median": float(np.median(middle)) if middle is not None and len(middle) else None,
            "table": [
                (float(low), float(high), int(n))
                for low, high, n in zip(self.edges, self.edges[1:], counts, strict=False)
            ],
        }


def measures_of(columns: Iterable[Sequence[str]]) -> list[Measure]:
    """Choose what to show: micrometres only where every table has them.

    Parameters
    ----------
    columns : iterable of sequence of str
        Headers of the tables.

    Returns
    -------
    list of Measure
        Without those that no choice of columns gives.
    """
    headers = [set(header) for header in columns]
    found = []
    for choices in _MEASURES:
        fit = [m for m in choices if headers and all(m.column in header for header in headers)]
        found += fit[:1]
    return found


def histogram(measure: Measure, values: NDArray[np.float64], bins: int = 32) -> Histogram | None:
    """Bin the values of a whole plate.

    Parameters
    ----------
    measure : Measure
        What they are.
    values : ndarray, shape [m]
        All of them; those that are not finite (or not positive on a logarithmic axis) are left out.
    bins : int
        Number of bins.

    Returns
    -------
    Histogram or None
        None where no value is left.
    """
    used = _usable(values, measure.log)
    if not len(used):
        return None
    low, high = float(used.min()), float(used.max())
    if measure.log:
        if high < 1.01 * low:
            low, high = low / 2, high * 2
        edges = np.geomspace(low, high, bins + 1)
        edges[0], edges[-1] = low, high  # a rounding must not drop the extremes
    else:
        low = 0.0 if low >= 0 else low
        step = _nice((high - low) / 5) if high > low else 1.0
        edges = np.linspace(low, max(math.ceil(high / step), 1) * step, bins + 1)
    empty = Histogram(measure, edges, np.zeros(bins, np.int64))
    return Histogram(measure, edges, empty.count(used))


def _usable(values: NDArray[np.float64], log: bool) -> NDArray[np.float64]:
    values = np.asarray(values, dtype=np.float64)
    return values[np.isfinite(values) & (values > 0 if log else True)]


def _nice(step: float) -> float:
    """Round a step up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def _decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten in a range; powers alone where those are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 2.5
    values = [m * 10.0**p for p in powers for m in ((1,) if wide else (1, 2, 5))]
    return [v for v in values if low <= v <= high]
