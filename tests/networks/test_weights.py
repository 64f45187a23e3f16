"""The weights that come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import spotcore as sc

WEIGHTS = sorted((Path(sc.__file__).parent / "networks" / "weights").glob("*.safetensors"))


def test_the_default_comes_with_the_package():
    assert "spotnet" in [path.stem for path in WEIGHTS]


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_they_say_what_they_are(path):
    metadata = sc.networks.load_network(path.stem).parameters.metadata
    assert metadata.name == path.stem
    assert metadata.licence == "BSD-3-Clause"
    assert {"recipe", "step", "torch", "spotcore"} <= set(metadata.training)
    expected = sc.simulate(0, (1, 1)).sigma_limits
    np.testing.assert_array_equal(metadata.sigma_limits, expected)


# The same densities; the published network, converted, has 0.992, 0.977, 0.958 on larger images.
@pytest.mark.parametrize(("n_cells", "floor"), [(62, 0.97), (187, 0.95), (312, 0.94)])
def test_the_papers_architecture_is_well_trained(n_cells, floor):
    net = sc.SpotNet.load("spotnet-isbi2019")
    assert net.parameters.tied and net.parameters.analysis.shape == (4, 30, 5, 5)
    np.testing.assert_allclose(net.parameters.score_weights, 1 / 30)
    sim = sc.simulate(n_cells, (256, 256), preset="isbi2019", bits=6, seed=8)
    assert sc.best_f1(net.score(sim.image), sim.cells, radius=3.0).f1 >= floor


# Densities of 250 and 1250 cells on 512 x 512. One threshold serves both, and any brightness.
@pytest.mark.parametrize(("n_cells", "floor"), [(62, 0.97), (312, 0.93)])
@pytest.mark.parametrize("brightness", [1.0, 0.01])
def test_the_default_finds_cells_with_its_one_threshold(n_cells, floor, brightness):
    net = sc.SpotNet.load("spotnet")
    sim = sc.simulate(n_cells, (256, 256), preset="isbi2019", bits=6, seed=7)
    cells = net.detect(brightness * sim.image)
    assert sc.match(cells, sim.cells, radius=3.0).f1 >= floor
    assert cells.confidence is not None
    assert np.all((cells.confidence > 0) & (cells.confidence <= 1))
