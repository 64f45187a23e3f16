"""The papers' evaluation and the default threshold, with networks that are plain functions."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from spotcore import best_f1, f1_at, local_maxima, match
from spotcore.networks.metadata import ThresholdRule, score_confidence, typical_peak
from spotcore.train import evaluate as module
from spotcore.train.calibrate import (
    Peaks,
    calibrate,
    fit_confidence,
    fit_rule,
    labelled_peaks,
    reliability,
)
from spotcore.train.evaluate import Case, Network, cases, evaluate, load_truth, summary

SMALL = [Case(20, 7, size=96), Case(40, 8, size=96)]


def image_as_score(image):
    return np.repeat(image[None], 30, axis=0), image


def score_map(seed, n_cells=30, size=80, scale=1.0):
    """Peaks of cells and fainter ones of nothing, on a grid wide enough to match without doubt."""
    rng = np.random.default_rng(seed)
    places = np.array([(y, x) for y in range(4, size, 8) for x in range(4, size, 8)])
    places = places[rng.permutation(len(places))]
    score = np.zeros((size, size), np.float32)
    strength = np.exp(rng.normal(0, 0.5, len(places)))
    strength[n_cells:] *= 0.1
    score[places[:, 0], places[:, 1]] = scale * strength
    return score, places[:n_cells]


def test_cases_are_the_papers():
    assert [(c.n_cells, c.seed) for c in cases(2)] == [
        (250, 250),
        (750, 750),
        (1250, 1250),
        (250, 251),
        (750, 751),
        (1250, 1251),
    ]
    assert len(cases()) == 150 and {c.bits for c in cases(1, bits=4)} == {4}


def test_lines_are_those_of_the_metrics_and_are_computed_once(tmp_path):
    calls = []

    def maps(image):
        calls.append(image)
        return image_as_score(image)

    table, kept = tmp_path / "out" / "images.csv", tmp_path / "simulated"
    networks = [Network("one", maps, ThresholdRule("absolute", 50.0)), Network("two", maps)]

    def run(*todo):
        truths = [Case(c.n_cells, c.seed, size=96) for c in todo]
        return list(evaluate(networks, truths, table, kept, radius=3.0))

    first = run(SMALL[0])
    assert len(calls) == 2
    rows = run(*SMALL)
    assert len(calls) == 4 and rows[:2] == [pytest.approx(row, nan_ok=True) for row in first]
    truth = load_truth(SMALL[0])
    best = best_f1(truth.image, truth.cells)
    assert rows[0]["f1"] == best.f1 and rows[0]["threshold"] == pytest.approx(best.threshold)
    assert rows[0]["f1_default"] == f1_at(truth.image, truth.cells, 50.0).f1
    assert np.isnan(rows[1]["f1_default"])
    assert rows[0]["mse_zero"] > 0
    with table.open() as file:
        assert len(list(csv.DictReader(file))) == 4


def test_a_line_cut_off_by_a_kill_is_computed_again(tmp_path):
    table = tmp_path / "images.csv"
    network = Network("one", lambda image: (np.zeros((30, *image.shape), np.float32), image))
    whole = list(evaluate([network], SMALL, table))
    text = table.read_text()
    table.write_text(text[: text.rstrip("\n").rfind("\n") + 20])
    again = list(evaluate([network], SMALL, table))
    for ours, theirs in zip(again, whole, strict=True):
        assert ours == pytest.approx(theirs, nan_ok=True)
    assert len(module._read(table)) == 2


def test_kept_images_are_those_simulated(tmp_path):
    fresh, kept, again = (load_truth(SMALL[0], folder) for folder in (None, tmp_path, tmp_path))
    for truth in (kept, again):
        np.testing.assert_array_equal(truth.image, fresh.image)
        np.testing.assert_array_equal(truth.cells, fresh.cells)
        np.testing.assert_array_equal(truth.psdr, fresh.psdr)


def test_summary_is_per_network_and_density():
    common = {"preset": "isbi2019", "bits": 6, "radius": 3.0, "mse": 1.0, "mse_zero": 2.0}
    rows = [
        {"network": "a", "n_cells": 250, "f1": f1, "f1_default": f1 - 0.1, **common}
        for f1 in (0.9, 0.95, 1.0)
    ]
    rows.append({"network": "a", "n_cells": 750, "f1": 0.5, "f1_default": 0.5, **common})
    table = summary(rows)
    assert [line["images"] for line in table] == [3, 1]
    assert table[0]["f1_mean"] == pytest.approx(0.95)
    assert table[0]["f1_default_mean"] == pytest.approx(0.85)


def test_peaks_give_the_f1_of_the_metrics():
    rng = np.random.default_rng(0)
    score = rng.uniform(size=(40, 40)).astype(np.float32)
    cells = rng.integers(0, 40, (25, 2))
    peaks = labelled_peaks(score, cells)
    assert peaks.best_f1() == best_f1(score, cells).f1
    yx, value = local_maxima(score)
    for threshold in (0.0, 0.5, float(value[3]), 2.0):
        keep = value >= threshold
        assert peaks.f1(threshold) == match(yx[keep], cells, score=value[keep]).f1


def test_typical_peak_is_half_of_the_mass():
    assert typical_peak(np.float32([5, 1, 1, 1])) == 5.0
    assert typical_peak(np.float32([2, 1, 3])) == 3.0
    assert typical_peak(np.float32([])) == 0.0


def test_relative_rule_travels_over_brightness_and_absolute_does_not():
    images = [labelled_peaks(*score_map(seed, scale=10.0 ** (seed % 3 - 1))) for seed in range(9)]
    relative, absolute = fit_rule("relative", images), fit_rule("absolute", images)
    assert relative[1] < 0.02 and absolute[1] > 0.2
    chosen = calibrate(images)
    assert chosen.rule.kind == "relative" and chosen.cost["absolute"] == absolute[1]
    score, _ = score_map(3)
    rule = chosen.rule
    brighter, as_it_is = (rule.of_peaks(local_maxima(x)[1]) for x in (10 * score, score))
    assert brighter == pytest.approx(10 * as_it_is, rel=1e-5)


def test_confidence_means_what_it_says():
    """Peaks whose chance to be a cell is a known logistic function of log score."""
    a, b = 3.0, 0.5

    def drawn(seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(0.5, 1.0, 4000)
        hit = rng.uniform(size=len(x)) < 1 / (1 + np.exp(-(a * x + b)))
        order = np.argsort(-x)
        return Peaks(np.exp(x[order]).astype(np.float32), hit[order], int(hit.sum()))

    images, rule = [drawn(seed) for seed in range(5)], ThresholdRule("absolute", 1.0)
    fitted = fit_confidence(images, rule)
    # 20 000 draws: the standard errors of a and b are about 0.05.
    assert fitted == pytest.approx((a, b), abs=0.25)
    for row in reliability([drawn(seed) for seed in range(5, 10)], rule, fitted):
        error = np.sqrt(0.25 / row["detections"])
        assert abs(row["stated"] - row["found"]) < 4 * error + 0.02
    assert score_confidence([1.0], 1.0, (a, b))[0] == pytest.approx(1 / (1 + np.exp(-b)))


def test_confidence_of_peaks_that_do_not_mix_is_finite():
    score = np.float32([4, 3, 2, 1])
    fitted = fit_confidence([Peaks(score, score > 2.5, 2)], ThresholdRule("absolute", 1.0))
    assert np.isfinite(fitted).all() and fitted[0] > 0
