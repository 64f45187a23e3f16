"""The wells' network: the core against a network in NumPy, its symmetry, its file."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from spotcore import reference
from spotcore.networks.hourglass import CELLS, KINDS, Hourglass
from spotcore.networks.safetensors_file import ParameterError, read_tensors, write_tensors
from spotcore.wells.detector import shipped

FIELDS = (1, 2, 3)
SHAPES = [(4, 4), (12, 40), (64, 20)]
TURNS = [(turn, flip) for turn in range(4) for flip in (False, True)]


def tensors(seed=0, fields=FIELDS):
    """Random base kernels of a small network."""
    rng = np.random.default_rng(seed)
    made = {}

    def layer(name, outputs, inputs, depth, size, biased=True):
        spread = 1 / np.sqrt(inputs * depth * size * size)
        made[f"{name}.weight"] = rng.normal(0, spread, (outputs, inputs, depth, size * size))
        if biased:
            made[f"{name}.bias"] = rng.normal(0, 0.3, outputs)

    layer("lift", fields[0], 2, 1, 5)
    for level in range(len(fields) - 1):
        before, after = fields[level : level + 2]
        layer(f"down.{level}", after, before, 8, 3)
        layer(f"deepen.{level}", after, after, 8, 3, biased=False)
        layer(f"lower.{level}", before, after, 8, 1)
        layer(f"refine.{level}", before, before, 8, 3, biased=False)
    for name, inputs, outputs in (
        ("cells", fields[0], len(CELLS)),
        ("kinds", fields[1], len(KINDS)),
    ):
        layer(f"{name}.hidden", 5, inputs, 1, 3)
        made[f"{name}.weight"] = rng.normal(0, 0.4, (outputs, 5))
        made[f"{name}.bias"] = rng.normal(0, 0.3, outputs)
    return {name: values.astype(np.float32) for name, values in made.items()}


def view(shape, seed=1):
    return np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_core_is_the_reference(shape):
    network = Hourglass(tensors())
    cells, kinds = network(view(shape), threads=1)
    expected = reference.hourglass(view(shape), network.layers)
    assert cells.shape == (len(CELLS), *shape)
    assert kinds.shape == (len(KINDS), shape[0] // 2, shape[1] // 2)
    # Sums of up to 216 products of order 1, ten layers deep.
    np.testing.assert_allclose(cells, expected[0], atol=2e-5)
    np.testing.assert_allclose(kinds, expected[1], atol=2e-5)
    for threads in (2, 3):
        again = network(view(shape), threads=threads)
        assert np.array_equal(again[0], cells) and np.array_equal(again[1], kinds)


@pytest.mark.parametrize("turn, flip", TURNS)
@pytest.mark.parametrize("made", [lambda: Hourglass(tensors()), shipped], ids=["random", "shipped"])
def test_a_turned_view_has_turned_answers(turn, flip, made):
    def moved(values):
        values = np.rot90(values, turn, axes=(1, 2))
        return np.ascontiguousarray(values[..., ::-1] if flip else values)

    seen, network = view((48, 80)), made()
    for plain, other in zip(network(seen), network(moved(seen)), strict=True):
        # Sums of the same numbers in another order.
        size = max(1.0, float(np.abs(plain).max()))
        np.testing.assert_allclose(other, moved(plain), atol=2e-5 * size)


def test_it_is_what_pytorch_computes():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (make trainer)")
    from spotcore.train.wells.model import WellNet

    module = WellNet()
    module.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in shipped().tensors.items()})
    seen = view((96, 128))
    with torch.no_grad():
        expected = module(torch.from_numpy(seen)[None])
    for ours, theirs in zip(shipped()(seen), expected, strict=True):
        size = max(1.0, float(np.abs(ours).max()))
        np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-5 * size)


def test_a_file_holds_all_of_it(tmp_path):
    network = Hourglass(tensors(), {"steps": 3})
    network.save(tmp_path / "a.safetensors")
    same = Hourglass.load(tmp_path / "a.safetensors")
    assert same.record == {"steps": 3}
    for other in (same, pickle.loads(pickle.dumps(network))):
        assert np.array_equal(other(view((8, 8)))[0], network(view((8, 8)))[0])
    assert sum(v.nbytes for v in shipped().tensors.values()) < 2**20


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda t: t.pop("lift.bias"), "lift.bias: expected a tensor"),
        (lambda t: t.pop("refine.1.weight"), "refine.1.weight: expected a tensor"),
        (lambda t: t.update(extra=np.zeros(3, np.float32)), "extra: not a tensor"),
        (lambda t: t.update({"down.0.bias": np.zeros(3, np.float32)}), "down.0.bias: expected 2"),
        (lambda t: t.update({"lift.weight": np.zeros((1, 2, 1, 24), np.float32)}), "lift.weight"),
        (lambda t: t.update({"cells.weight": np.zeros((4, 6), np.float32)}), "read: expected"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(spoil, words, tmp_path):
    wrong = tensors()
    spoil(wrong)
    with pytest.raises(ValueError, match=words):
        Hourglass(wrong)
    write_tensors(tmp_path / "wrong.safetensors", wrong, {"kind": "wells"})
    with pytest.raises(ParameterError, match=f"wrong.safetensors: {words}"):
        Hourglass.load(tmp_path / "wrong.safetensors")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="cannot be read"):
        Hourglass.load(tmp_path / "none.safetensors")
    write_tensors(tmp_path / "other.safetensors", tensors(), {"kind": "spotnet"})
    with pytest.raises(ParameterError, match="expected the weights of a wells' network"):
        Hourglass.load(tmp_path / "other.safetensors")
    bad = tensors()
    bad["lift.bias"][0] = np.nan
    write_tensors(tmp_path / "nan.safetensors", bad, {"kind": "wells"})
    with pytest.raises(ParameterError, match=r"lift\.bias"):
        Hourglass.load(tmp_path / "nan.safetensors")
    assert read_tensors(tmp_path / "other.safetensors")[1] == {"kind": "spotnet"}


def test_views_that_do_not_fit_are_refused():
    network = Hourglass(tensors())
    for shape in ((2, 6, 8), (1, 8, 8), (2, 0, 8)):
        with pytest.raises(ValueError, match="view"):
            network(np.zeros(shape, np.float32))
