"""Is it a response? The two usual rules, each by the name of its source.

**DFR(eq) and DFR(2x)**, distribution-free resampling (Moodie et al. 2010): `spotcore.plates.dfr`.
The stimuli of a sample are tested together, their p-values adjusted for it.

**Fold and threshold** (Dubey et al. 2007): at least 4 times the control and at least 55 spots per
10⁶ cells. Both limits are that assay's, chosen for 1 % of false positives there: yours are for you
to validate.

Wells that are too numerous to count: where they are at least half of a stimulus' wells, so that its
median is beyond counting, and none of the control's, the response is positive by definition,
without a p. Where they are fewer, the counted wells are judged: a positive stands, as the wells
that were left out are higher still; a negative is not decided. Against a control with wells that
are too numerous nothing is decided.

References
----------
Moodie et al. Response definition criteria for ELISPOT assays revisited. Cancer Immunol Immunother
59:1489 (2010).
Dubey et al. Detection of HIV vaccine-induced cell-mediated immunity in HIV-seronegative clinical
trial participants using an optimized and validated enzyme-linked immunospot assay. J Acquir Immune
Defic Syndr 45:20 (2007).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spotcore.plates.dfr import MIN_REPLICATES, dfr_2x, dfr_eq
from spotcore.plates.replicates import Replicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Response",
    "Rules",
    "fold_threshold",
    "judge",
    "response_columns",
]

DFR_EQ, DFR_2X, FOLD = "DFR(eq)", "DFR(2x)", "fold-threshold"
SOURCES = {DFR_EQ: "Moodie 2010", DFR_2X: "Moodie 2010", FOLD: "Dubey 2007"}


@dataclass(frozen=True)
class Rules:
    """What counts as a response.

    Attributes
    ----------
    alpha : float
        DFR: largest adjusted p-value of a response.
    fold : float
        Smallest ratio to the negative control.
    threshold : float
        Fewest spots per 10⁶ cells of the stimulus, the control not subtracted.
    """

    alpha: float = 0.05
    fold: float = 4.0
    threshold: float = 55.0

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha: expected a number between 0 and 1, got {self.alpha}")
        for name in ("fold", "threshold"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name}: expected a number >= 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class Response:
    """The verdict of one rule on one stimulus of a sample.

    Attributes
    ----------
    sample, stimulus, channel, rule : str
        What was judged by what.
    p : float or None
        Adjusted p-value; None of a rule without, or where nothing was tested.
    positive : bool or None
        The verdict; None where there is none, and `note` says why.
    note : str
        What else there is to know.
    """

    sample: str
    stimulus: str
    channel: str
    rule: str
    p: float | None
    positive: bool | None
    note: str = ""


def fold_threshold(
    sfu: float, control_sfu: float, fold: float = Rules.fold, threshold: float = Rules.threshold
) -> bool:
    """Compare with `fold` times the control and with `threshold`, in spots per 10⁶ cells.

    References
    ----------
    Dubey et al., J Acquir Immune Defic Syndr 45:20 (2007).
    """
    return sfu >= threshold and sfu >= fold * control_sfu


def judge(groups: Iterable[Replicates], rules: Rules | None = None) -> list[Response]:
    """Judge every stimulus of every sample against its negative control, by all rules.

    Parameters
    ----------
    groups : iterable of Replicates
        As `spotcore.plates.replicates.summarise` gives them, the control among them.
    rules : Rules, optional
        Limits; the sources' own by default.

    Returns
    -------
    list of Response
        Three per stimulus, in the order of the groups; none of the controls.

    Notes
    -----
    DFR compares the counts where all wells of the sample have the same number of cells, or it is
    not known; else the counts scaled to the control's mean number of cells, and says so.
    """
    rules = rules or Rules()
    samples: dict[tuple[str, str], list[Replicates]] = {}
    for group in groups:
        samples.setdefault((group.sample, group.channel), []).append(group)
    responses = []
    for members in samples.values():
        control = next((group for group in members if group.is_background), None)
        stimuli = [group for group in members if not group.is_background]
        p_values = _dfr(stimuli, control)
        for group in stimuli:
            for rule in (DFR_EQ, DFR_2X, FOLD):
                verdict = _verdict(rule, group, control, p_values, rules)
                key = (group.sample, group.stimulus, group.channel, rule)
                responses.append(Response(*key, *verdict))
    return responses


def _dfr(
    stimuli: Sequence[Replicates], control: Replicates | None
) -> dict[tuple[str, str], tuple[float, str]]:
    """p-value and note by rule and stimulus, of those that can be tested together."""
    if control is None or control.censored or control.n < MIN_REPLICATES:
        return {}
    tested = [g for g in stimuli if g.n >= MIN_REPLICATES and g.median is not None]
    cells = {number for group in (control, *tested) for number in group.cells}
    scaled = len(cells) > 1
    if scaled and None in cells:
        # Some known, some not: those without may have any number of cells.
        tested = [g for g in tested if {*g.cells} == {*control.cells} and len({*g.cells}) == 1]
        scaled = False
    if not tested:
        return {}
    to = float(np.mean(control.cells)) if scaled else 0.0  # type: ignore[arg-type]

    def counts(group: Replicates) -> NDArray[np.float64]:
        values = np.array(group.counts, dtype=np.float64)
        return values * to / np.array(group.cells, dtype=np.float64) if scaled else values

    note = f"counts scaled to {to:g} cells per well" if scaled else ""
    tests = {DFR_EQ: dfr_eq, DFR_2X: dfr_2x}
    return {
        (rule, group.stimulus): (float(p), note)
        for rule, test in tests.items()
        for group, p in zip(
            tested, test([counts(group) for group in tested], counts(control)), strict=True
        )
    }


def _verdict(
    rule: str,
    group: Replicates,
    control: Replicates | None,
    p_values: dict[tuple[str, str], tuple[float, str]],
    rules: Rules,
) -> tuple[float | None, bool | None, str]:
    """p-value, verdict and note."""
    if control is None:
        return None, None, "no negative control"
    if control.censored:
        return None, None, "negative control too numerous to count"
    if control.n == 0:
        return None, None, "no negative control well was counted"
    if group.censored and group.median is None:
        return None, True, "too numerous to count: positive by definition"
    p, note = None, ""
    if rule == FOLD:
        if group.sfu is None or control.sfu is None:
            missing = "no well was counted" if not group.n else "cells per well not known"
            return None, None, missing
        positive = fold_threshold(group.sfu, control.sfu, rules.fold, rules.threshold)
    else:
        if min(group.n, control.n) < MIN_REPLICATES:
            have = f"{group.n} and {control.n} (control)"
            return None, None, f"{MIN_REPLICATES} counted wells each are needed, there are {have}"
        if (rule, group.stimulus) not in p_values:
            return None, None, "cells per well known of some wells only"
        p, note = p_values[rule, group.stimulus]
        positive = p <= rules.alpha
    if group.censored:
        kept = "a lower bound" if positive else "not decided"
        note = "; ".join(filter(None, (note, f"{' '.join(group.censored)} too numerous: {kept}")))
        return p, True if positive else None, note
    return p, positive, note


def response_columns(
    responses: Iterable[Response], rules: Rules | None = None
) -> dict[str, list[Any]]:
    """Tabulate verdicts as the columns of responses.csv.

    Parameters
    ----------
    responses : iterable of Response
        A row each.
    rules : Rules, optional
        The limits that were used.

    Returns
    -------
    dict of list
        ``sample,stimulus,channel,rule,p,response`` (true, false or empty), then the note, the
        rule's source and its limits.
    """
    rules = rules or Rules()
    rows = list(responses)
    dfr = f"p <= {rules.alpha:g}"
    fold = f">= {rules.fold:g} x control and >= {rules.threshold:g} per 1e6 cells"
    return {
        "sample": [r.sample for r in rows],
        "stimulus": [r.stimulus for r in rows],
        "channel": [r.channel for r in rows],
        "rule": [r.rule for r in rows],
        "p": ["" if r.p is None else r.p for r in rows],
        "response": ["" if r.positive is None else str(r.positive).lower() for r in rows],
        "note": [r.note for r in rows],
        "source": [SOURCES[r.rule] for r in rows],
        "limit": [fold if r.rule == FOLD else dfr for r in rows],
    }
