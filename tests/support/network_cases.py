"""Parameters of small networks for the tests of `spotcore.networks.parameters` and of its files."""

from __future__ import annotations

import numpy as np

from spotcore.networks.parameters import (
    ConvLayer,
    ConvNetParameters,
    Metadata,
    SpotNetParameters,
    ThresholdRule,
)

RNG = np.random.default_rng(3)


def metadata(k, **changes):
    values = {
        "name": "a net",
        "sigma_limits": np.linspace(0.0, 7.7, k + 1),
        "threshold": ThresholdRule("relative", 0.3),
        "image_scaling": "max255",
        "calibration": (2.5, -0.125),
        "training": {"steps": 3, "seeds": [1, 2], "loss": 1e-300, "µ": None, "deep": {"a": True}},
        "licence": "BSD-3-Clause",
        "source": "trained by λ",
    }
    return Metadata(**(values | changes))


def spotnet(n_layers=2, k=3, side=3, tied=True, **changes):
    shape = (k, side, side)
    synthesis = RNG.normal(size=(n_layers, *shape))
    analysis = RNG.normal(size=(n_layers + 1, *shape))
    if tied:
        analysis[1:] = synthesis[..., ::-1, ::-1]
    values = {
        "analysis": analysis,
        "synthesis": synthesis,
        "bias": RNG.normal(size=n_layers + 1),
        "alpha": RNG.normal(size=n_layers),
        "nonlinearity": "soft",
        "score_weights": np.full(k, 1 / k),
        "metadata": metadata(k),
    }
    return SpotNetParameters(**(values | changes))


def smoother(metadata):
    """A network that only smooths: its score map has maxima where the image has spots."""
    kernel = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32)[None, None] / 16
    return SpotNetParameters(
        analysis=np.stack([kernel[0], 0 * kernel[0]]),
        synthesis=0 * kernel,
        bias=np.zeros(2, np.float32),
        alpha=np.zeros(1, np.float32),
        nonlinearity="nonneg",
        score_weights=np.ones(1, np.float32),
        metadata=metadata,
    )


def layer(n_out, n_in, side=3, bias=None):
    bias = RNG.normal(size=n_out) if bias is None else bias
    return ConvLayer(RNG.normal(size=(n_out, n_in, side, side)), bias)


def convnet():
    layers = (layer(2, 1), layer(4, 2, bias=0.5), layer(8, 1), layer(8, 1))
    return ConvNetParameters(layers, np.ones(8), metadata(8, calibration=None))


def arrays(parameters):
    if isinstance(parameters, ConvNetParameters):
        layers = {
            f"{n}{i}": getattr(v, n)
            for i, v in enumerate(parameters.layers)
            for n in ("kernels", "bias")
        }
        return layers | {"score_weights": parameters.score_weights}
    names = ("analysis", "synthesis", "bias", "alpha", "score_weights")
    return {name: getattr(parameters, name) for name in names}


def assert_same(a, b):
    assert type(a) is type(b)
    ours, theirs = arrays(a), arrays(b)
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        assert value.dtype == np.float32 and value.flags.c_contiguous
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    assert a.metadata.to_json() == b.metadata.to_json()
    assert getattr(a, "nonlinearity", None) == getattr(b, "nonlinearity", None)


NETWORKS = {
    "tied": spotnet(),
    "untied": spotnet(3, 5, 5, tied=False, nonlinearity="group_nonneg"),
    "one_by_one": spotnet(1, 1, 1),
    "convnet": convnet(),
}
