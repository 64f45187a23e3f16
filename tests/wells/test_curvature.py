"""Curvatures of known shapes, and what noise makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from spotcore.wells.curvature import curvature_noise, principal_curvatures
from support.synthetic_well import gaussian


def test_curvatures_of_a_spot_and_of_a_ridge():
    spot = 8.0 * gaussian((61, 61), 30, 30, 3.0, 3.0)
    weaker, stronger = principal_curvatures(spot, 3.0)
    assert weaker[30, 30] == pytest.approx(2.0, rel=0.01)  # A/4
    assert stronger[30, 30] == pytest.approx(2.0, rel=0.01)
    ridge = gaussian((61, 61), 30, 0, 3.0, 1e9)
    weaker, stronger = principal_curvatures(ridge, 3.0)
    # The derivative's kernel ends at 4 sigma: what is missing there is 4e-4 of a constant's height.
    assert abs(weaker[30, 30]) < 1e-3 < stronger[30, 30]
    assert (weaker <= stronger).all()
    turned, _ = principal_curvatures(np.rot90(spot + ridge), 3.0)
    straight, _ = principal_curvatures(spot + ridge, 3.0)
    np.testing.assert_allclose(turned, np.rot90(straight), atol=1e-6)


def test_curvature_noise():
    noise = np.random.default_rng(0).normal(size=(400, 400)).astype(np.float32)
    for scale in (1.0, 2.0):
        second = scale**2 * ndimage.gaussian_filter(noise.astype(float), scale, order=(2, 0))
        # 160000 / (4 pi scale^2) independent values or more
        assert np.std(second) == pytest.approx(curvature_noise(1.0, scale), rel=0.05)
