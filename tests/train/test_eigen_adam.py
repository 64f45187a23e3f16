"""The optimiser of strongly coupled kernels, against NumPy, Adam and a problem that needs it."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from spotcore.train.eigen_adam import EigenAdam  # noqa: E402

SHAPE = (2, 3, 2, 2)  # two blocks of twelve


def gradients(n, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, 12, 12)) * np.geomspace(1.0, 0.03, 12)
    return np.einsum("bij,nbj->nbi", mixing, rng.normal(size=(n, 2, 12)))


def stepped(optimiser, parameter, series):
    for gradient in series:
        parameter.grad = torch.from_numpy(gradient).reshape(parameter.shape)
        optimiser.step()
    return parameter.detach().numpy().reshape(series.shape[1:])


def by_definition(series, rate, every, beta=0.9, beta2=0.99):
    """One block in NumPy: the power along the basis is that of the covariance at a renewal."""
    n = series.shape[1]
    x, mean, covariance, basis = np.zeros(n), np.zeros(n), np.zeros((n, n)), None
    for step, g in enumerate(series, start=1):
        mean = beta * mean + (1 - beta) * g
        covariance = beta2 * covariance + (1 - beta2) * np.outer(g, g)
        if step % every == 0:
            if basis is None:
                basis = np.linalg.eigh(covariance)[1][:, ::-1]
            else:
                product = covariance @ basis
                order = np.argsort(-(basis * product).sum(axis=0))
                basis = np.linalg.qr(product[:, order])[0]
            power = np.diag(basis.T @ covariance @ basis)
        elif basis is not None:
            power = beta2 * power + (1 - beta2) * (basis.T @ g) ** 2
        if basis is not None:
            deviation = np.sqrt(power / (1 - beta2**step))
            x = x - rate * basis @ ((basis.T @ mean) / (1 - beta**step) / deviation)
    return x


def test_blocks_against_numpy():
    series = gradients(30)
    parameter = torch.nn.Parameter(torch.zeros(SHAPE, dtype=torch.float64))
    optimiser = EigenAdam([parameter], lr=1e-2, every=12, basis_rate=3.0, eps=0.0)
    assert not stepped(optimiser, parameter, series[:11]).any()  # no basis yet
    found = stepped(optimiser, parameter, series[11:])
    expected = [by_definition(series[:, block], 3e-2, 12) for block in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)


def test_a_layer_can_be_one_tensor():
    series = gradients(30)[:, :1]
    parameter = torch.nn.Parameter(torch.zeros((3, 1, 2, 2), dtype=torch.float64))
    optimiser = EigenAdam([parameter], 1e-2, stacked=False, every=12, basis_rate=3.0, eps=0.0)
    found = stepped(optimiser, parameter, series).reshape(-1)
    np.testing.assert_allclose(found, by_definition(series[:, 0], 3e-2, 12), rtol=1e-6, atol=1e-10)


def test_other_tensors_are_adams():
    series = gradients(20).astype(np.float32)
    found = []
    for kind in (EigenAdam, torch.optim.Adam):
        parameter = torch.nn.Parameter(torch.zeros(2, 12))
        settings = {"betas": (0.9, 0.99)}
        found.append(stepped(kind([parameter], lr=1e-2, **settings), parameter, series))
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_state_goes_on():
    series = gradients(40)
    whole = torch.nn.Parameter(torch.zeros(SHAPE, dtype=torch.float64))
    expected = stepped(EigenAdam([whole], lr=1e-2), whole, series)
    part = torch.nn.Parameter(torch.zeros(SHAPE, dtype=torch.float64))
    first = EigenAdam([part], lr=1e-2)
    stepped(first, part, series[:27])
    state = copy.deepcopy(first.state_dict())
    second = EigenAdam([part], lr=1e-2)
    second.load_state_dict(state)
    np.testing.assert_array_equal(stepped(second, part, series[27:]), expected)


def test_coupled_parameters_converge_sooner():
    """Least squares whose directions of slow descent lie along no axis."""
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    features = torch.from_numpy(np.geomspace(1.0, 0.01, 12)[:, None] * turn.T)
    truth = torch.from_numpy(rng.normal(size=12))

    def error(kind, rate, **settings):
        noise = torch.Generator().manual_seed(0)
        parameter = torch.nn.Parameter(torch.zeros((1, 3, 2, 2), dtype=torch.float64))
        optimiser = kind([parameter], lr=rate, **settings)
        for step in range(600):
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 - step / 600)
            rows = torch.randn((4, 12), generator=noise, dtype=torch.float64) @ features
            residual = rows @ (parameter.detach().reshape(-1) - truth)
            parameter.grad = (rows.T @ residual).reshape(parameter.shape)
            optimiser.step()
        return float(((features @ (parameter.detach().reshape(-1) - truth)) ** 2).sum())

    rates = (0.01, 0.03, 0.1)  # each at its best
    adam = min(error(torch.optim.Adam, rate) for rate in rates)
    assert min(error(EigenAdam, rate, basis_rate=1.0) for rate in rates) < 0.1 * adam


def test_a_closure_is_refused():
    with pytest.raises(NotImplementedError, match="closure"):
        EigenAdam([torch.nn.Parameter(torch.zeros(2))], lr=1.0).step(lambda: 0.0)
