from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from spotcore._files import write_png
from spotcore.commands.app import app
from spotcore.plates import dfr
from spotcore.plates.compare import well_counts, write_responses
from spotcore.plates.dfr import dfr_2x, dfr_eq
from spotcore.plates.layout import LayoutRow
from spotcore.plates.replicates import WellCount, summarise
from spotcore.plates.responses import (
    Response,
    Rules,
    fold_threshold,
    judge,
)
from spotcore.results.plate import read_plate
from spotcore.settings import Settings
from spotcore.simulation.demo import plate_like
from support.plate_counts import LAYOUT, place, plate
from support.plate_folder import times, write_plate
from support.result_folder import write_result


def joint_eq(stimuli: list[list[int]], control: list[int]) -> list[float]:
    """DFR(eq) by walking through every combination of deals of all stimuli: the definition."""
    deals = []
    for a in stimuli:
        pooled = [*a, *control]
        everyone = range(len(pooled))
        deals.append(
            [
                np.mean([pooled[i] for i in chosen])
                - np.mean([pooled[i] for i in everyone if i not in chosen])
                for chosen in itertools.combinations(everyone, len(a))
            ]
        )
    return walk(deals, [np.mean(a) - np.mean(control) for a in stimuli])


def joint_2x(stimuli: list[list[int]], control: list[int]) -> list[float]:
    """DFR(2x) by walking through every draw with replacement."""
    plus = 1 if 0 in [*control, *itertools.chain(*stimuli)] else 0
    c = np.log10(np.array(control) + plus)
    draws, observed = [], []
    for counts in stimuli:
        a = np.log10(np.array(counts) + plus)
        draws.append(
            [
                (np.mean(a_star) - a.mean()) - (np.mean(c_star) - c.mean())
                for a_star in itertools.product(a, repeat=len(a))
                for c_star in itertools.product(c, repeat=len(c))
            ]
        )
        observed.append(a.mean() - c.mean() - np.log10(2))
    return walk(draws, observed)


def walk(null: list[list[float]], observed: list[float]) -> list[float]:
    order = sorted(range(len(observed)), key=lambda i: -observed[i])
    adjusted = [0.0] * len(observed)
    largest = 0.0
    for rank, i in enumerate(order):
        rest = [null[k] for k in order[rank:]]
        hits = sum(max(drawn) >= observed[i] - 1e-9 for drawn in itertools.product(*rest))
        largest = max(largest, hits / np.prod([len(values) for values in rest]))
        adjusted[i] = largest
    return adjusted


def test_by_hand() -> None:
    # 20 deals of 3 + 3; only the one as it is has all the high wells in the stimulus.
    assert dfr_eq([[10, 11, 12]], [1, 2, 3]) == [0.05]
    # 4 of 20 deals reach the sum of 3 + 3 + 1: the two 3 with any of the four 1.
    assert dfr_eq([[3, 3, 1]], [1, 1, 1])[0] == pytest.approx(4 / 20)
    # Less than the control: every deal but those lower still. Sum 6 is the smallest of all.
    assert dfr_eq([[1, 2, 3]], [4, 5, 6])[0] == 1.0
    # Without scatter, above and below twice the control.
    assert dfr_2x([[9, 9, 9], [7, 7, 7]], [4, 4, 4]).tolist() == [0.0, 1.0]
    # C(8, 3) = 56 deals; more control wells give smaller p.
    assert dfr_eq([[9, 9, 9]], [1, 2, 1, 2, 1])[0] == pytest.approx(1 / 56)


def test_the_larger_response_goes_first_and_does_not_hide_the_smaller() -> None:
    p = dfr_eq([[10, 12, 14], [300, 310, 320], [1, 2, 2]], [1, 2, 3, 1])
    single = [dfr_eq([a], [1, 2, 3, 1])[0] for a in ([10, 12, 14], [300, 310, 320])]
    assert p[1] == pytest.approx(single[1]) == pytest.approx(1 / 35)
    assert p[0] == pytest.approx(single[0])  # the third one's deals never reach 10
    assert p[2] >= p[0] >= p[1]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=3),
    st.lists(st.integers(0, 6), min_size=3, max_size=4),
)
def test_eq_is_the_definition(stimuli: list[list[int]], control: list[int]) -> None:
    joint = joint_eq(stimuli[:2], control)  # two: 20² or 35² joint deals
    assert dfr_eq(stimuli[:2], control) == pytest.approx(joint, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=1),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
)
def test_2x_is_the_definition(stimuli: list[list[int]], control: list[int]) -> None:
    assert dfr_2x(stimuli, control) == pytest.approx(joint_2x(stimuli, control), abs=1e-9)


def test_sampling_agrees_with_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    stimuli, control = [[7, 9, 4, 6], [3, 8, 5, 5]], [2, 5, 3, 4, 6]
    exact = dfr_eq(stimuli, control), dfr_2x(stimuli, control)
    monkeypatch.setattr(dfr, "ENUMERATED", 1)
    sampled = dfr_eq(stimuli, control), dfr_2x(stimuli, control)
    for p, q in zip(exact, sampled, strict=True):
        # Five standard errors of a binomial with 20 000 draws, for two stimuli.
        assert np.abs(p - q) == pytest.approx(0, abs=2 * 5 * np.sqrt(0.25 / 20_000))
        assert not np.array_equal(p, q)
    assert np.array_equal(dfr_eq(stimuli, control), sampled[0])  # the seed is fixed


def test_many_wells_are_sampled_without_a_zero() -> None:
    p = dfr_eq([np.arange(100, 114)], np.arange(14))
    assert 0 < p[0] < 1e-3


@pytest.mark.parametrize("scatter", ["poisson", "negative binomial"])
def test_false_positives_and_power_of_eq(scatter: str) -> None:
    rng = np.random.default_rng(5)

    def draw(mean: float, size: int) -> np.ndarray:
        if scatter == "poisson":
            return rng.poisson(mean, size)
        return rng.negative_binomial(4, 4 / (4 + mean), size)

    runs = 800
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    one = [dfr_eq([draw(8, 4)], draw(8, 4))[0] <= 0.05 for _ in range(runs)]
    assert np.mean(one) <= 0.05 + error  # exact: one stimulus
    five = np.array(
        [dfr_eq([draw(8, 3) for _ in range(5)], draw(8, 3)) <= 0.05 for _ in range(runs // 2)]
    )
    assert five.mean() <= 0.05  # of the stimuli
    assert five.any(axis=1).mean() <= 0.09 + 3 * np.sqrt(0.09 * 0.91 / len(five))  # as documented
    strong = [dfr_eq([draw(80, 4)], draw(8, 4))[0] <= 0.05 for _ in range(200)]
    assert np.mean(strong) >= 0.95


def test_false_positives_and_power_of_2x() -> None:
    rng = np.random.default_rng(6)
    none = [dfr_2x([rng.poisson(8, 3)], rng.poisson(8, 6))[0] <= 0.05 for _ in range(400)]
    assert np.mean(none) <= 0.01
    strong = [dfr_2x([rng.poisson(60, 3)], rng.poisson(8, 6))[0] <= 0.05 for _ in range(200)]
    assert np.mean(strong) >= 0.95
    slight = [dfr_2x([rng.poisson(60, 3)], rng.poisson(45, 6))[0] <= 0.05 for _ in range(200)]
    assert np.mean(slight) <= 0.01  # more than the control, but not twice as many


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="control: expected at least 3 wells, got 2"):
        dfr_eq([[1, 2, 3]], [1, 2])
    with pytest.raises(ValueError, match=r"stimuli\[1\]: expected at least 3 wells, got 1"):
        dfr_2x([[1, 2, 3], [4]], [1, 2, 3])
    with pytest.raises(ValueError, match=r"stimuli\[0\]: expected counts >= 0, got -1"):
        dfr_eq([[1, -1, 3]], [1, 2, 3])
    with pytest.raises(ValueError, match=r"alpha: expected a number between 0 and 1, got 5"):
        Rules(alpha=5)
    with pytest.raises(ValueError, match="fold: expected a number >= 0, got nan"):
        Rules(fold=float("nan"))


def test_fold_threshold_is_inclusive() -> None:
    assert fold_threshold(55, 13.75)
    assert not fold_threshold(54.9, 0)
    assert not fold_threshold(100, 25.1)
    assert fold_threshold(100, 33, fold=3)
    assert fold_threshold(20, 0, threshold=20)


def verdicts(counts: list[WellCount], layout: list[LayoutRow] = LAYOUT, **limits: float) -> dict:
    return {r.rule: r for r in judge(summarise(counts, layout), Rules(**limits))}


def test_verdicts_of_a_plate() -> None:
    by_rule = verdicts(plate(A1=1, A2=2, A3=3, B1=10, B2=14, B3=18))
    assert by_rule["DFR(eq)"] == Response("donor", "CEF", "", "DFR(eq)", 0.05, True)
    assert by_rule["DFR(2x)"].positive is True
    assert by_rule["fold-threshold"].positive is True and by_rule["fold-threshold"].p is None
    assert (
        verdicts(plate(A1=1, A2=2, A3=3, B1=10, B2=14, B3=18), threshold=71)[
            "fold-threshold"
        ].positive
        is False
    )
    assert (
        verdicts(plate(A1=1, A2=2, A3=3, B1=10, B2=14, B3=18), alpha=0.04)["DFR(eq)"].positive
        is False
    )


def test_too_numerous_to_count() -> None:
    high, much = (
        "too_numerous",
        plate(A1=1, A2=2, A3=3, B1=900, B2="too_numerous", B3="too_numerous"),
    )
    for response in verdicts(much).values():
        assert (response.p, response.positive) == (None, True)
        assert response.note == "too numerous to count: positive by definition"
    one = verdicts(plate(A1=1, A2=2, A3=3, B1=70, B2=80, B3=high))
    assert one["DFR(eq)"].positive is None and "3 counted wells" in one["DFR(eq)"].note
    assert one["fold-threshold"].positive is True
    assert one["fold-threshold"].note == "B3 too numerous: a lower bound"
    low = verdicts(plate(A1=30, A2=30, A3=30, B1=30, B2=30, B3=high))["fold-threshold"]
    assert low.positive is None and low.note == "B3 too numerous: not decided"
    for response in verdicts(plate(A1=1, A2=2, A3=high, B1=50, B2=60, B3=70)).values():
        assert response.positive is None
        assert response.note == "negative control too numerous to count"


def test_what_cannot_be_judged_says_why() -> None:
    few = verdicts(plate(A1=1, A2=2, A3="rejected", B1=10, B2=14, B3=18))
    assert few["DFR(eq)"].note == "3 counted wells each are needed, there are 3 and 2 (control)"
    assert few["fold-threshold"].positive is True
    unknown = [replace(lying, cells_per_well=None) for lying in LAYOUT]
    no_cells = verdicts(plate(A1=1, A2=2, A3=3, B1=10, B2=14, B3=18), unknown)
    assert no_cells["DFR(eq)"].positive is True
    assert no_cells["fold-threshold"].note == "cells per well not known"
    no_control = [lying for lying in LAYOUT if lying.stimulus == "CEF"]
    assert verdicts(plate(B1=1, B2=2, B3=3), no_control)["DFR(eq)"].note == "no negative control"
    nothing = verdicts(plate(A1=1, A2=2, A3=3))
    assert {r.positive for r in nothing.values()} == {None}
    assert nothing["fold-threshold"].note == "no well was counted"


def test_wells_with_other_numbers_of_cells_are_scaled() -> None:
    layout = [*LAYOUT[:3], *(place(f"B{i}", "donor", "CEF", 400_000) for i in (1, 2, 3))]
    response = verdicts(plate(A1=5, A2=6, A3=7, B1=10, B2=12, B3=14), layout)["DFR(eq)"]
    assert response.note == "counts scaled to 200000 cells per well"
    assert response.p == dfr_eq([[5, 6, 7]], [5, 6, 7])[0] and response.positive is False
    layout[3] = place("B1", "donor", "CEF", None)
    response = verdicts(plate(A1=5, A2=6, A3=7, B1=10, B2=12, B3=14), layout)["DFR(eq)"]
    assert (response.positive, response.note) == (None, "cells per well known of some wells only")


def test_a_plate_s_folder(tmp_path: Path) -> None:
    write_result(tmp_path / "out", size=48)
    layout = [
        place(c.well, f"donor {c.well[0]}", "negative" if int(c.well[1:]) < 4 else "CEF")
        for c in well_counts(read_plate(tmp_path / "out" / "plate.json"))
    ]
    path = write_responses(tmp_path / "out", layout, rules=Rules(fold=3))
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert path.name == "responses.csv" and len(rows) == 4 * 3
    assert list(rows[0])[:6] == ["sample", "stimulus", "channel", "rule", "p", "response"]
    assert {row["response"] for row in rows} <= {"true", "false", ""}
    assert {row["source"] for row in rows} == {"Moodie 2010", "Dubey 2007"}
    assert rows[2]["limit"] == ">= 3 x control and >= 55 per 1e6 cells"
    assert rows[3]["note"] == "negative control too numerous to count"  # B3


def test_the_settings_have_the_sources_limits_and_change_the_verdict(tmp_path: Path) -> None:
    chosen = Settings()
    assert Rules() == Rules(chosen.response_alpha, chosen.response_fold, chosen.response_threshold)
    folder, layout = tmp_path / "images", tmp_path / "layout.csv"
    write_plate(folder, 3, size=128)
    lines = ["well,stimulus,cells_per_well"]
    for k in (1, 2, 3):
        write_png(folder / f"B{k}.png", plate_like(14, 128, seed=10 + k)[0])
        lines += [f"A{k},medium,200000", f"B{k},CEF,200000"]
    layout.write_text("\n".join(lines))
    command = [
        "plate",
        str(folder),
        "-o",
        str(tmp_path / "out"),
        "--format",
        "6",
        "--no-report",
        "--max-iter",
        "20",
        "--layout",
        str(layout),
    ]

    def positive(*options: str) -> list[str]:
        result = CliRunner().invoke(app, [*command, *options])
        assert result.exit_code == 0, result.output
        with open(tmp_path / "out" / "responses.csv", newline="", encoding="utf-8") as file:
            return [row["response"] for row in csv.DictReader(file)]

    assert positive() == ["true", "false", "false"]
    records = times(tmp_path / "out")
    study = tmp_path / "study.toml"
    study.write_text("response_fold = 1.5\n")
    assert positive("--settings", str(study)) == ["true", "false", "true"]
    assert positive("--settings", str(study), "--response-threshold", "1000")[2] == "false"
    assert positive("--response-alpha", "0.04") == ["false", "false", "false"]
    assert times(tmp_path / "out") == records


def test_a_misspelt_control_is_refused_before_the_work(tmp_path: Path) -> None:
    write_png(tmp_path / "A1.png", np.zeros((40, 40), dtype=np.uint8))
    layout = tmp_path / "layout.csv"
    layout.write_text("well,stimulus\nA1,DMSO\n")
    command = ["plate", str(tmp_path), "-o", str(tmp_path / "out"), "--layout", str(layout)]
    refused = CliRunner().invoke(app, [*command, "--background", "water"])
    assert refused.exit_code == 2
    assert "background: 'water' is no stimulus of the layout; there are: DMSO" in refused.output
    assert not (tmp_path / "out").exists()
