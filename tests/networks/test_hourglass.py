"""The wells' network: the core against a network in NumPy, its symmetry, its file."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

from spotcore import _core, reference
from spotcore.networks.hourglass import CELLS, KINDS, Hourglass
from spotcore.networks.safetensors_file import ParameterError, write_tensors
from spotcore.networks.symmetry import ORIENTATIONS
from spotcore.wells.detector import shipped

FIELDS = (1, 2, 3)
DEEP = (2, 1, 3, 2, 4)
#: Of the size of the answers, in float32: a hundred roundings.
NEAR = 1e-5
TURNS = [(turn, flip) for turn in range(4) for flip in (False, True)]


def tensors(fields=FIELDS, seed=0, hidden=5, exact=False):
    """Random base kernels that keep the size of what they see.

    Exact ones are a few ones and minus ones: with whole numbers as a view, what float32 holds of a
    network of three levels is all that there is.
    """
    rng = np.random.default_rng(seed)
    made = {}

    def draw(shape, summed):
        if not exact:
            return rng.normal(0, 1 / np.sqrt(summed), shape)
        return rng.choice([-1, 1], shape) * (rng.random(shape) < 2 / summed)

    def layer(name, outputs, inputs, depth, size, biased=True):
        summed = inputs * size * size * (1 if name == "lift" else ORIENTATIONS)
        made[f"{name}.weight"] = draw((outputs, inputs, depth, size * size), summed)
        if biased:
            made[f"{name}.bias"] = 1 + draw(outputs, 4)  # more than 0: most ReLUs let pass

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
        layer(f"{name}.hidden", hidden, inputs, 1, 3)
        made[f"{name}.weight"] = draw((outputs, hidden), hidden)
        made[f"{name}.bias"] = draw(outputs, 4)
    return {name: values.astype(np.float32) for name, values in made.items()}


def view(shape, seed=1):
    return np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)


def whole(shape, seed=1):
    return np.random.default_rng(seed).integers(-3, 4, (2, *shape)).astype(np.float32)


def size_of(values):
    return max(1.0, float(np.abs(values).max()))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(4, 4), (12, 40), (64, 20)])
def test_the_core_is_the_reference_to_the_bit_where_nothing_is_rounded(shape, seed):
    network = Hourglass(tensors(seed=seed, exact=True))
    expected = reference.hourglass(whole(shape), network.layers)
    for found, right in zip(network(whole(shape), 2), expected, strict=True):
        assert np.array_equal(found, right)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "fields, shape",
    [
        (FIELDS, (4, 4)),
        (FIELDS, (12, 40)),
        (FIELDS, (64, 20)),
        (DEEP, (16, 16)),
        (DEEP, (48, 32)),
        ((1, 1), (2, 2)),
    ],
)
def test_the_core_is_the_reference(fields, shape):
    network = Hourglass(tensors(fields, hidden=37))
    answers = network(view(shape), threads=1)
    assert answers[0].shape == (len(CELLS), *shape)
    assert answers[1].shape == (len(KINDS), shape[0] // 2, shape[1] // 2)
    for found, right in zip(answers, reference.hourglass(view(shape), network.layers), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, right, rtol=0, atol=NEAR * size_of(right))
    for threads in (2, 3):
        for again, found in zip(network(view(shape), threads), answers, strict=True):
            assert np.array_equal(again, found)


def test_earlier_views_leave_nothing_behind():
    network = Hourglass(tensors())
    first = Hourglass(tensors())(view((20, 36)), 2)
    for shape in ((4, 4), (80, 24), (24, 80), (96, 96)):
        network(100 * view(shape), 2)
        for again, right in zip(network(view((20, 36)), 2), first, strict=True):
            assert np.array_equal(again, right)


def test_several_threads_may_look_at_once():
    network = Hourglass(tensors())
    views = [view((24, 24), seed) for seed in range(4)]
    right = [network(each, 1) for each in views]
    wrong = []

    def look(i):
        for _ in range(20):
            cells, kinds = network(views[i], 1)
            if not (np.array_equal(cells, right[i][0]) and np.array_equal(kinds, right[i][1])):
                wrong.append(i)

    lookers = [threading.Thread(target=look, args=(i,)) for i in range(len(views))]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert wrong == []


def moved(values, turn, flip):
    values = np.rot90(values, turn, axes=(1, 2))
    return np.ascontiguousarray(values[..., ::-1] if flip else values)


@pytest.mark.parametrize("turn, flip", TURNS)
@pytest.mark.parametrize("fields, shape", [(FIELDS, (20, 36)), (DEEP, (32, 48))])
def test_a_turned_view_has_turned_answers(turn, flip, fields, shape):
    seen, network = view(shape), Hourglass(tensors(fields))
    there = network(moved(seen, turn, flip))
    for plain, other in zip(network(seen), there, strict=True):
        # Sums of the same numbers in another order.
        np.testing.assert_allclose(
            other, moved(plain, turn, flip), rtol=0, atol=NEAR * size_of(plain)
        )


@pytest.mark.parametrize("turn, flip", TURNS)
def test_turned_answers_are_the_same_to_the_bit_where_nothing_is_rounded(turn, flip):
    seen, network = whole((20, 36)), Hourglass(tensors(exact=True))
    there = network(moved(seen, turn, flip))
    for plain, other in zip(network(seen), there, strict=True):
        assert np.array_equal(other, moved(plain, turn, flip))


# Trained weights magnify what float32 rounds. Their symmetry shows in float64.
@pytest.mark.parametrize("turn, flip", TURNS)
def test_the_shipped_network_knows_no_direction(turn, flip):
    seen, layers = view((32, 48)), shipped().layers
    there = reference.hourglass(moved(seen, turn, flip), layers)
    for plain, other in zip(reference.hourglass(seen, layers), there, strict=True):
        np.testing.assert_allclose(
            other, moved(plain, turn, flip), rtol=0, atol=1e-10 * size_of(plain)
        )


def test_it_is_what_pytorch_computes():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (make trainer)")
    from spotcore.train.wells.model import WellNet

    seen = view((48, 64))

    def answers_of(module):
        with torch.no_grad():
            of = module(torch.from_numpy(seen)[None].to(module.lift.bias.dtype))
        return [answer[0].numpy() for answer in of]

    # As training begins.
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = WellNet()
    network = Hourglass({k: v.numpy() for k, v in module.state_dict().items()})
    for ours, theirs in zip(network(seen), answers_of(module), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=NEAR * size_of(theirs))
    # As it ends, in float64: trained weights magnify what float32 rounds.
    module.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in shipped().tensors.items()})
    expected = answers_of(module.double())
    ours = reference.hourglass(seen, shipped().layers)
    for right, theirs in zip(ours, expected, strict=True):
        np.testing.assert_allclose(right, theirs, rtol=0, atol=1e-10 * size_of(theirs))


def test_a_file_holds_all_of_it(tmp_path):
    network = Hourglass(tensors(), {"steps": 3})
    network.save(tmp_path / "a.safetensors")
    same = Hourglass.load(tmp_path / "a.safetensors")
    assert same.record == {"steps": 3}
    for other in (same, pickle.loads(pickle.dumps(network))):
        assert np.array_equal(other(view((8, 8)))[0], network(view((8, 8)))[0])
    assert sum(v.nbytes for v in shipped().tensors.values()) < 2**20


def put(name, shape):
    return lambda t: t.update({name: np.zeros(shape, np.float32)})


WRONG = [
    (lambda t: t.pop("lift.bias"), r"lift.bias: expected a tensor \[1\], got none"),
    (lambda t: t.pop("refine.1.weight"), r"refine.1.weight: expected a tensor \[2, 2, 8, S \* S\]"),
    (lambda t: t.pop("down.0.weight"), "down.0.weight: expected a tensor"),
    (lambda t: t.pop("down.1.weight"), "down.1.weight: expected a tensor"),
    (lambda t: [t.pop(f"down.{level}.weight") for level in (0, 1)], "down.0.weight: expected a"),
    (lambda t: t.pop("lift.weight"), "lift.weight: expected a tensor"),
    (put("down.7.weight", 3), "down.2.weight: expected a tensor"),
    (put("down.-1.weight", 3), "down.-1.weight: not a tensor"),
    (put("extra", 3), "extra: not a tensor"),
    (put("deepen.0.bias", 2), "deepen.0.bias: not a tensor"),
    (put("down.0.bias", 3), r"down.0.bias: expected shape \[2\], got \(3,\)"),
    (put("down.0.weight", (2, 1, 1, 9)), "down.0.weight: expected shape"),
    (put("down.1.weight", (3, 2, 8)), "down.1.weight: expected shape"),
    (put("lift.weight", (1, 2, 1, 24)), "lift.weight: expected S"),
    (put("lift.weight", (1, 2, 1, 49)), "lift.weight: expected S"),
    (put("lift.weight", (1, 2, 1, 4)), "lift.weight: expected S"),
    (put("lift.weight", (1, 3, 1, 25)), "lift.weight: expected shape"),
    (put("lift.weight", (1, 2, 8, 25)), "lift.weight: expected shape"),
    (put("lower.0.weight", (1, 3, 8, 1)), "lower.0.weight: expected shape"),
    (put("refine.0.weight", (2, 1, 8, 9)), "refine.0.weight: expected shape"),
    (put("cells.weight", (5, 6)), r"cells.weight: expected shape \[5, 5\], got \(5, 6\)"),
    (put("cells.weight", (4, 5)), "cells.weight: expected shape"),
    (put("kinds.hidden.weight", (5, 2, 8, 9)), "kinds.hidden.weight: expected shape"),
    (put("kinds.bias", 5), "kinds.bias: expected shape"),
]


@pytest.mark.parametrize("spoil, words", WRONG)
def test_tensors_that_do_not_fit_are_refused_by_name(spoil, words, tmp_path):
    wrong = tensors()
    spoil(wrong)
    with pytest.raises(ValueError, match=f"^{words}"):
        Hourglass(wrong)
    write_tensors(tmp_path / "wrong.safetensors", wrong, {"kind": "wells"})
    with pytest.raises(ParameterError, match=rf"wrong\.safetensors: {words}"):
        Hourglass.load(tmp_path / "wrong.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", tensors())
def test_no_tensor_may_hold_what_is_no_number(name, value, tmp_path):
    wrong = tensors()
    wrong[name].flat[-1] = value
    with pytest.raises(ValueError, match=f"^{name}: expected finite"):
        Hourglass(wrong)
    write_tensors(tmp_path / "nan.safetensors", wrong, {"kind": "wells"})
    with pytest.raises(ParameterError, match=name):
        Hourglass.load(tmp_path / "nan.safetensors")


def test_a_tensor_without_numbers_is_refused():
    with pytest.raises(ValueError, match=r"^lift\.weight: expected a non-empty"):
        Hourglass(tensors() | {"lift.weight": np.zeros((0, 2, 1, 25), np.float32)})
    with pytest.raises(TypeError, match=r"^lift\.bias: expected real numbers"):
        Hourglass(tensors() | {"lift.bias": np.array(["1"])})


def test_more_levels_than_the_core_has_are_refused():
    with pytest.raises(ValueError, match="down: expected 1 to 8 levels"):
        Hourglass(tensors((1,) * 10))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="cannot be read"):
        Hourglass.load(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    for texts, words in (
        ({"kind": "spotnet"}, "expected the weights of a wells' network"),
        ({}, "expected the weights of a wells' network"),
        ({"kind": "wells", "record": "[1]"}, "record: expected a JSON object, got list"),
        ({"kind": "wells", "record": "{"}, "other.safetensors: "),
        ({"kind": "wells", "record": '{"loss": NaN}'}, "other.safetensors: NaN"),
        ({"kind": "wells", "record": "[" * 10**5}, "nested"),
    ):
        write_tensors(path, tensors(), texts)
        with pytest.raises(ParameterError, match=words):
            Hourglass.load(path)


def test_a_record_that_is_no_json_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        Hourglass(tensors(), {"loss": np.nan}).save(tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_views_that_do_not_fit_are_refused():
    network = Hourglass(tensors())
    for shape in ((2, 6, 8), (1, 8, 8), (2, 0, 8), (8, 8)):
        with pytest.raises(ValueError, match="view: expected"):
            network(np.zeros(shape, np.float32))
    seen = view((8, 8))
    seen[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"view: expected finite .* \(1, 2, 3\)"):
        network(seen)
    with pytest.raises(TypeError, match="view"):
        network(seen.astype(complex))
    for wrong, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="threads"):
            network(view((8, 8)), wrong)


def test_a_view_of_other_memory_is_converted():
    network, seen = Hourglass(tensors()), view((8, 12))
    right = network(seen)[0]
    for same in (seen.astype(np.float64), np.asfortranarray(seen), seen.astype(">f4")):
        assert np.array_equal(network(same)[0], right)


def test_the_core_refuses_copies_and_layers_that_are_none():
    layers = Hourglass(tensors()).layers
    with pytest.raises(TypeError, match="view"):
        _core.hourglass(**layers).run(view((8, 8)).astype(np.float64))
    for wrong, words in (
        ({"cells": layers["cells"][:1]}, "cells, kinds: expected two layers each"),
        ({"lift": (layers["lift"][0][..., :3], layers["lift"][1])}, "layers"),
        ({"lift": (np.ascontiguousarray(layers["lift"][0][..., :3]), None)}, "square"),
        ({"lift": (layers["lift"][0],)}, r"expected \(kernels, bias\)"),
        ({"lift": (layers["lift"][0], None)}, "lift: expected 8 numbers, got 0"),
        ({"isa": "v9"}, "isa"),
        ({"threads": -1}, "threads"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            _core.hourglass(**{**layers, **wrong})
