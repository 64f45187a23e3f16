"""Replicate wells: mean, spread, spot-forming units, and what is left over the background.

A group is the wells of one sample, stimulus and channel. Of these

- ``counted`` and ``empty`` wells enter with their count;
- ``too_numerous`` wells are right-censored: more spots than can be told apart. They have no number
  and so no place in mean or SD, but leaving them out biases the mean downwards. So the group is
  marked: `mean`, SFU and what is over the background are then lower bounds, SD and CV are not
  given, and the median, which asks only how many wells lie above it, counts them as infinite;
- all others (``out_of_focus``, ``no_well``, ``rejected``, no image) say nothing about the cells.
  They are left out, and listed with the reason.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spotcore.plates.layout import LayoutRow

__all__ = [
    "BACKGROUNDS",
    "Replicates",
    "WellCount",
    "find_background",
    "replicate_columns",
    "summarise",
]

#: Names of the negative control that are recognised, in any case, the first one found.
BACKGROUNDS = ("medium", "negative", "unstimulated", "background")

_COUNTED = ("counted", "empty")


@dataclass(frozen=True)
class WellCount:
    """The result of one well in one channel.

    Attributes
    ----------
    well : str
        Its name, A1.
    status : str
        ``counted``, ``empty``, ``too_numerous``, or why there is no count.
    count : int or None
        Spots, where the status is ``counted`` or ``empty``.
    channel : str
        Its name; empty where there is one channel.
    """

    well: str
    status: str
    count: int | None
    channel: str = ""


@dataclass(frozen=True)
class Replicates:
    """What the replicate wells of one sample, stimulus and channel say together.

    Attributes
    ----------
    sample, stimulus, channel : str
        Whose wells these are.
    is_background : bool
        Whether this is the negative control.
    wells, counts : tuple
        The wells that were counted, and their counts.
    cells : tuple
        Cells per well of these, None where not known.
    censored : tuple of str
        Wells with too many spots to count.
    left_out : tuple of str
        The other wells, each with its status: ``A4 (out_of_focus)``.
    mean, sd, cv, median : float or None
        Of the counts: SD with n - 1, CV = SD / mean. With censored wells the mean is a lower bound,
        SD and CV are None, and the median (None where infinite) has them at infinity.
    sfu, sfu_sd : float or None
        Spot-forming units per 10⁶ cells: mean and SD of ``10⁶ count / cells`` over the wells; None
        where the cells per well are not known of each.
    over, sfu_over : float or None
        Mean and SFU minus those of the sample's negative control as they come, possibly negative.
        `over` is None too where the control has other cells per well. None without control, or
        where wells of the control are censored: what is over a lower bound is not known.
    """

    sample: str
    stimulus: str
    channel: str
    is_background: bool
    wells: tuple[str, ...]
    counts: tuple[int, ...]
    cells: tuple[float | None, ...]
    censored: tuple[str, ...]
    left_out: tuple[str, ...]
    mean: float | None
    sd: float | None
    cv: float | None
    median: float | None
    sfu: float | None
    sfu_sd: float | None
    over: float | None
    sfu_over: float | None

    @property
    def n(self) -> int:
        """Number of wells that were counted."""
        return len(self.counts)

    @property
    def subtracted(self) -> float | None:
        """`over`, and 0 where that is negative."""
        return None if self.over is None else max(0.0, self.over)

    @property
    def sfu_subtracted(self) -> float | None:
        """`sfu_over`, and 0 where that is negative."""
        return None if self.sfu_over is None else max(0.0, self.sfu_over)


def find_background(stimuli: Iterable[str], background: str | None = None) -> str | None:
    """Choose the stimulus that is the negative control.

    Parameters
    ----------
    stimuli : iterable of str
        All stimuli of the layout.
    background : str, optional
        Its name, in any case; by default the first of `BACKGROUNDS` that there is.

    Returns
    -------
    str or None
        As the layout spells it; None where none was named and none is recognised.

    Raises
    ------
    ValueError
        If `background` is no stimulus of the layout.
    """
    by_name: dict[str, str] = {}
    for stimulus in stimuli:
        by_name.setdefault(stimulus.casefold(), stimulus)
    if background is not None:
        if background.casefold() not in by_name:
            known = ", ".join(sorted(by_name.values())) or "none"
            raise ValueError(
                f"background: {background!r} is no stimulus of the layout; there are: {known}"
            )
        return by_name[background.casefold()]
    return next((by_name[name] for name in BACKGROUNDS if name in by_name), None)


def summarise(
    counts: Iterable[WellCount],
    layout: Iterable[LayoutRow],
    background: str | None = None,
) -> list[Replicates]:
    """Summarise the replicate wells of each sample, stimulus and channel.

    Parameters
    ----------
    counts : iterable of WellCount
        One per well and channel. Wells that the layout does not name are not used; wells that it
        names and that have no result are left out as ``no image``.
    layout : iterable of LayoutRow
        What lies in the wells.
    background : str, optional
        The stimulus of the negative control wells; see `find_background`.

    Returns
    -------
    list of Replicates
        In the order of the layout; channels in the order of the counts.

    Raises
    ------
    ValueError
        If the background is no stimulus, the layout names a well twice, or a well has two results
        in a channel, or none where its status says that it was counted.
    """
    rows = list(layout)
    control = find_background((row.stimulus for row in rows), background)
    results: dict[tuple[str, str], WellCount] = {}
    for result in counts:
        if result.status in _COUNTED and result.count is None:
            raise ValueError(f"counts: well {result.well} is {result.status} but has no count")
        if results.setdefault((result.channel, result.well), result) is not result:
            raise ValueError(f"counts: well {result.well} is there twice ({result.channel!r})")
    groups: dict[tuple[str, str], list[LayoutRow]] = {}
    seen: set[str] = set()
    for row in rows:
        if row.well in seen:
            raise ValueError(f"layout: well {row.well} is there twice")
        seen.add(row.well)
        if not (row.sample or row.stimulus):
            continue  # a well that is not in use
        groups.setdefault((row.sample, row.stimulus), []).append(row)
    summaries = []
    for channel in dict.fromkeys(channel for channel, _ in results):
        of_channel = {well: result for (c, well), result in results.items() if c == channel}
        raw = {key: _summary(key, channel, wells, of_channel) for key, wells in groups.items()}
        for (sample, stimulus), values in raw.items():
            values |= {"is_background": control is not None and stimulus == control}
            against = raw.get((sample, control)) if control is not None else None
            summaries.append(Replicates(**values, **_over(values, against)))
    return summaries


def _summary(
    key: tuple[str, str],
    channel: str,
    rows: Sequence[LayoutRow],
    results: Mapping[str, WellCount],
) -> dict[str, Any]:
    """All of a group but what needs the negative control."""
    counted: list[tuple[str, int, float | None]] = []
    censored, left_out = [], []
    for row in rows:
        result = results.get(row.well)
        if result is None:
            left_out.append(f"{row.well} (no image)")
        elif result.status == "too_numerous":
            censored.append(row.well)
        elif result.status in _COUNTED and result.count is not None:
            counted.append((row.well, result.count, row.cells_per_well))
        else:
            left_out.append(f"{row.well} ({result.status})")
    counts = [count for _, count, _ in counted]
    cells = [number for _, _, number in counted]
    units = [1e6 * k / number for k, number in zip(counts, cells, strict=True) if number]
    complete = len(units) == len(counts)
    exact = not censored
    mean = statistics.fmean(counts) if counts else None
    sd = statistics.stdev(counts) if len(counts) > 1 and exact else None
    ranked = [*map(float, counts), *(math.inf for _ in censored)]
    median = statistics.median(ranked) if ranked else math.inf
    return {
        "sample": key[0],
        "stimulus": key[1],
        "channel": channel,
        "wells": tuple(well for well, _, _ in counted),
        "counts": tuple(counts),
        "cells": tuple(cells),
        "censored": tuple(censored),
        "left_out": tuple(left_out),
        "mean": mean,
        "sd": sd,
        "cv": sd / mean if sd is not None and mean else None,
        "median": median if math.isfinite(median) else None,
        "sfu": statistics.fmean(units) if units and complete else None,
        "sfu_sd": statistics.stdev(units) if len(units) > 1 and complete and exact else None,
    }


def _over(group: Mapping[str, Any], control: Mapping[str, Any] | None) -> dict[str, Any]:
    """Means of a group minus those of its negative control."""
    if control is None or control["censored"] or control["mean"] is None or group["mean"] is None:
        return {"over": None, "sfu_over": None}
    comparable = len({*group["cells"], *control["cells"]}) == 1
    in_units = group["sfu"] is not None and control["sfu"] is not None
    return {
        "over": group["mean"] - control["mean"] if comparable else None,
        "sfu_over": group["sfu"] - control["sfu"] if in_units else None,
    }


def replicate_columns(groups: Iterable[Replicates]) -> dict[str, list[Any]]:
    """Tabulate groups of replicates as the columns of replicates.csv.

    Parameters
    ----------
    groups : iterable of Replicates
        A row each.

    Returns
    -------
    dict of list
        ``sample,stimulus,channel,n,mean,sd,cv,sfu_per_1e6`` and on: whether mean and SFU are lower
        bounds, the background-subtracted values (floored at 0, and ``_raw`` as they come), and the
        wells. What is not known is empty.
    """
    groups = list(groups)

    def column(name: str) -> list[Any]:
        values = (getattr(group, name) for group in groups)
        return ["" if value is None else value for value in values]

    return {
        "sample": column("sample"),
        "stimulus": column("stimulus"),
        "channel": column("channel"),
        "n": column("n"),
        "mean": column("mean"),
        "sd": column("sd"),
        "cv": column("cv"),
        "sfu_per_1e6": column("sfu"),
        "sfu_sd": column("sfu_sd"),
        "median": column("median"),
        "lower_bound": ["true" if group.censored else "false" for group in groups],
        "background": ["true" if group.is_background else "false" for group in groups],
        "subtracted": column("subtracted"),
        "subtracted_raw": column("over"),
        "sfu_subtracted": column("sfu_subtracted"),
        "sfu_subtracted_raw": column("sfu_over"),
        "wells": [" ".join(group.wells) for group in groups],
        "too_numerous": [" ".join(group.censored) for group in groups],
        "left_out": [", ".join(group.left_out) for group in groups],
    }
