"""Histograms count every value once, on round axes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spotcore.report.histograms import HEIGHT, WIDTH, Measure, histogram

numbers = st.floats(-1e6, 1e6).map(lambda v: round(v, 3)) | st.just(np.nan)
values = arrays(np.float64, st.integers(0, 60), elements=numbers)


@given(values, st.booleans())
def test_histograms_count_every_value_once(sample, log):
    measure = Measure("density", "Density", "", log=log)
    found = histogram(measure, sample)
    usable = [v for v in sample.tolist() if np.isfinite(v) and (v > 0 or not log)]
    if not usable:
        assert found is None
        return
    assert found.counts.sum() == len(usable)
    assert (np.diff(found.edges) > 0).all()
    half = sample[: len(sample) // 2]
    assert (found.count(half) <= found.counts).all()
    assert all(0 <= at <= WIDTH + 1e-6 for at, _ in found.ticks())
    tops = [float(t) for t in re.findall(r"v-([\d.e+-]+)", found.path(found.counts))]
    assert max(tops) == pytest.approx(HEIGHT)


def test_histogram_ticks_are_round():
    found = histogram(Measure("diameter", "Diameter", "px"), np.array([0.0, 3.0, 97.0]))
    assert [text for _, text in found.ticks()] == ["0", "20", "40", "60", "80", "100"]
    found = histogram(Measure("density", "Density", "", log=True), np.array([0.9, 60.0]))
    assert [text for _, text in found.ticks()] == ["1", "2", "5", "10", "20", "50"]
