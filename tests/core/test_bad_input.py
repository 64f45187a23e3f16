"""Bad input to the array-level API: which error, and what its message says.

Every message names the argument, what came and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import spotcore as sc
from spotcore import _core
from support.bad_values import (
    IMAGE,
    IMAGE_LIKE,
    INF,
    LIMITS,
    NAN,
    ONES,
    SHAPE,
    STACK,
    case,
    holding,
)

MODEL = sc.ObservationModel.gaussian(LIMITS)


def solve(**changes: Any) -> sc.Result:
    arguments: dict[str, Any] = {"image": IMAGE, "model": MODEL, "max_iter": 2}
    return sc.solve(**(arguments | changes))


CASES = [
    *[
        case(f"image_{name}", lambda v=value: solve(image=v), error, "image", *words)
        for name, value, error, words in IMAGE_LIKE
    ],
    *[
        case(f"adjoint_{name}", lambda v=value: MODEL.adjoint(v), error, "d:", *words)
        for name, value, error, words in IMAGE_LIKE
    ],
    *[
        case(f"score_{name}", lambda v=value: sc.detect(v), error, "score", *words)
        for name, value, error, words in IMAGE_LIKE
    ],
    case(
        "image_bright", lambda: solve(image=holding(1e15)), ValueError, "image:", "1e+15", "1e+12"
    ),
    case("image_ragged", lambda: solve(image=[[1, 2], [3]]), ValueError, "inhomogeneous"),
    # pixel weights and mask
    case("w_nan", lambda: solve(w=holding(NAN)), ValueError, "w:", "nan", "finite"),
    case("w_negative", lambda: solve(w=holding(-2)), ValueError, "w:", "-2", ">= 0"),
    case("w_all_zero", lambda: solve(w=0 * IMAGE), ValueError, "w:", "all 0"),
    case("w_shape", lambda: solve(w=IMAGE.T), ValueError, "w:", "(10, 12)", "(12, 10)"),
    case("w_complex", lambda: solve(w=IMAGE * 1j), TypeError, "w:", "complex", "real"),
    case("w_scalar", lambda: solve(w=1.0), ValueError, "w:", "()", "[H, W]"),
    case(
        "mask_half", lambda: solve(mask=np.full(SHAPE, 0.5)), ValueError, "mask:", "0.5", "0 and 1"
    ),
    case("mask_nan", lambda: solve(mask=holding(NAN)), ValueError, "mask:", "nan"),
    case("mask_shape", lambda: solve(mask=STACK), ValueError, "mask:", "(2, 12, 10)", "[H, W]"),
    case("mask_text", lambda: solve(mask=np.full(SHAPE, "x")), TypeError, "mask:", "<U1"),
    # bins
    case("xi_length", lambda: solve(xi=[1, 1, 1]), ValueError, "xi:", "3", "2"),
    case("xi_negative", lambda: solve(xi=[1, -0.5]), ValueError, "xi:", "-0.5", ">= 0"),
    case("xi_nan", lambda: solve(xi=[1, NAN]), ValueError, "xi:", "nan"),
    case("xi_scalar", lambda: solve(xi=1.0), ValueError, "xi:", "()"),
    case("xi_matrix", lambda: solve(xi=np.ones((2, 1))), ValueError, "xi:", "(2, 1)"),
    # warm start
    case(
        "initial_bins", lambda: solve(initial=STACK[:1]), ValueError, "initial:", "(1, 12, 10)", "2"
    ),
    case(
        "initial_size",
        lambda: solve(initial=STACK[:, :5]),
        ValueError,
        "initial:",
        "(2, 5, 10)",
        "(2, 12, 10)",
    ),
    case("initial_nan", lambda: solve(initial=holding(NAN, STACK)), ValueError, "initial:", "nan"),
    case("initial_image", lambda: solve(initial=IMAGE), ValueError, "initial:", "(12, 10)"),
    # numbers
    case("lam_negative", lambda: solve(lam=-0.5), ValueError, "lam:", "-0.5", ">= 0"),
    case("lam_nan", lambda: solve(lam=NAN), ValueError, "lam:", "nan", "finite"),
    case("lam_inf", lambda: solve(lam=INF), ValueError, "lam:", "inf", "finite"),
    case("lam_huge", lambda: solve(lam=1e300), ValueError, "lam:", "1e+300"),
    case("lam_text", lambda: solve(lam="0.5"), TypeError, "lam:", "'0.5'", "number"),
    case("lam_none", lambda: solve(lam=None), TypeError, "lam:", "None", "number"),
    case("lam_vector", lambda: solve(lam=[0.5, 0.5]), TypeError, "lam:", "[0.5, 0.5]", "number"),
    case("step_zero", lambda: solve(method="fista", step=0), ValueError, "step:", "0", "> 0"),
    case(
        "step_negative",
        lambda: solve(method="fista", step=-1e-3),
        ValueError,
        "step:",
        "-0.001",
        "> 0",
    ),
    case("step_nan", lambda: solve(method="fista", step=NAN), ValueError, "step:", "nan"),
    case("step_primal_dual", lambda: solve(step=0.1), ValueError, "step:", "None", "fista", "0.1"),
    case("scale_zero", lambda: solve(method="fista", step_scale=0), ValueError, "step_scale:", "0"),
    case("scale_primal_dual", lambda: solve(step_scale=1.2), ValueError, "step_scale:", "1.2"),
    case("tol_negative", lambda: solve(tol=-1e-3), ValueError, "tol:", "-0.001", ">= 0"),
    case("tol_text", lambda: solve(tol="small"), TypeError, "tol:", "'small'"),
    case("gap_tol_negative", lambda: solve(gap_tol=-1.0), ValueError, "gap_tol:", "-1", ">= 0"),
    case("max_iter_negative", lambda: solve(max_iter=-1), ValueError, "max_iter:", "-1", ">= 0"),
    case("max_iter_float", lambda: solve(max_iter=2.5), TypeError, "max_iter:", "2.5", "integer"),
    case("max_iter_huge", lambda: solve(max_iter=2**70), ValueError, "max_iter:", str(2**70)),
    case("threads_zero", lambda: solve(threads=0), ValueError, "threads:", "0", ">= 1"),
    case("threads_float", lambda: solve(threads=1.5), TypeError, "threads:", "1.5", "integer"),
    case("threads_huge", lambda: solve(threads=2**40), ValueError, "threads:", str(2**40)),
    case(
        "momentum", lambda: solve(momentum="nesterov"), ValueError, "momentum:", "nesterov", "beck"
    ),
    case("momentum_a", lambda: solve(momentum_a=2.0), ValueError, "momentum_a:", "2.0", "> 2"),
    case("method", lambda: solve(method="newton"), ValueError, "method:", "newton", "primal-dual"),
    case("device", lambda: solve(device="tpu"), ValueError, "device:", "tpu", "cpu"),
    case("model", lambda: solve(model=LIMITS), TypeError, "model:", "tuple", "ObservationModel"),
    case("callback", lambda: solve(callback=3), TypeError, "callback:", "int", "callable"),
    # the model
    case("limits_one", lambda: gaussian([2.3]), ValueError, "sigma_limits:", "[2.3]", "two"),
    case("limits_equal", lambda: gaussian([2.0, 2.0]), ValueError, "sigma_limits:", "increasing"),
    case("limits_falling", lambda: gaussian([3.0, 2.0]), ValueError, "sigma_limits:", "[3.0, 2.0]"),
    case("limits_negative", lambda: gaussian([-1.0, 2.0]), ValueError, "sigma_limits:", "-1.0"),
    case("limits_nan", lambda: gaussian([1.0, NAN]), ValueError, "sigma_limits:", "nan"),
    case("limits_text", lambda: gaussian("2.3"), TypeError, "sigma_limits:", "real"),
    case("rank_zero", lambda: gaussian(LIMITS, rank=0), ValueError, "rank:", "0"),
    case("rank_float", lambda: gaussian(LIMITS, rank=1.5), TypeError, "rank:", "1.5", "integer"),
    case("zero_kernel", lambda: model_of(np.zeros((1, 3))), ValueError, "factors[0]", "zero"),
    case("even_kernel", lambda: model_of(np.ones((1, 4))), ValueError, "factors", "odd", "4"),
    case("no_factor", lambda: model_of(np.ones((0, 3))), ValueError, "factors", "(0, 3)"),
    case("empty_kernel", lambda: model_of(np.ones((1, 0))), ValueError, "factors", "(1, 0)"),
    case("lopsided_kernel", lambda: model_of([[1, 2, 3]]), ValueError, "factors", "symmetric"),
    case("nan_kernel", lambda: model_of([[NAN]]), ValueError, "factors", "nan"),
    case("flat_kernel", lambda: model_of([1, 2, 1]), ValueError, "factors", "(3,)", "[R, L]"),
    case(
        "too_few_kernels",
        lambda: sc.ObservationModel([1, 2, 3], [[[1.0]]]),
        ValueError,
        "factors:",
        "2",
        "1",
    ),
    case("a_bins", lambda: MODEL.forward(STACK[:1]), ValueError, "a:", "(1, 12, 10)", "2"),
    case("a_image", lambda: MODEL.forward(IMAGE), ValueError, "a:", "(12, 10)", "[K, H, W]"),
    case("a_empty", lambda: MODEL.forward(STACK[:, :0]), ValueError, "a:", "(2, 0, 10)"),
    case("a_nan", lambda: MODEL.forward(holding(NAN, STACK)), ValueError, "a:", "nan"),
    case("norm_no_pixels", lambda: MODEL.norm_squared((0, 5)), ValueError, "shape:", "0"),
    case("norm_float", lambda: MODEL.norm_squared((2.5, 5)), TypeError, "shape:", "2.5"),
    case(
        "norm_one_number", lambda: MODEL.norm_squared((5,)), ValueError, "shape:", "(5,)", "(H, W)"
    ),
    # detections and metrics
    case("threshold_nan", lambda: sc.detect(IMAGE, NAN), ValueError, "threshold:", "nan"),
    case("threshold_text", lambda: sc.detect(IMAGE, "1"), TypeError, "threshold:", "'1'"),
    case(
        "truth_shape", lambda: sc.best_f1(IMAGE, np.ones((4, 3))), ValueError, "truth_yx:", "(4, 3)"
    ),
    case("truth_nan", lambda: sc.best_f1(IMAGE, [[1, NAN]]), ValueError, "truth_yx:", "nan"),
    case("radius", lambda: sc.best_f1(IMAGE, [[1, 1]], radius=-1), ValueError, "radius:", "-1"),
]


def gaussian(limits: Any, rank: Any = None) -> sc.ObservationModel:
    return sc.ObservationModel.gaussian(limits, rank)


def model_of(factors: Any) -> sc.ObservationModel:
    return sc.ObservationModel([1, 2], [factors])


@pytest.mark.parametrize(("call", "error", "words"), CASES)
def test_the_error_names_what_came_and_what_was_expected(
    call: Callable[[], Any], error: type[Exception], words: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    for word in words:
        assert word in str(caught.value)


# --- what is unusual but right -----------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_tiny_images_are_images(shape: tuple[int, int]) -> None:
    image = np.full(shape, 100.0)
    result = sc.solve(image, MODEL, max_iter=200)
    assert result.a.shape == (2, *shape)
    assert np.isfinite(result.a).all()
    assert 0 < result.objective < float(np.sum(image**2))
    assert len(sc.detect(result)) >= 1
    assert MODEL.norm_squared(shape) > 0


def test_an_empty_well_has_no_cells() -> None:
    result = sc.solve(np.zeros(SHAPE), MODEL)
    assert not result.a.any()
    assert result.objective == 0
    assert result.gap == 0
    assert len(sc.detect(result)) == 0


def test_a_negative_image_has_no_cells() -> None:
    result = sc.solve(-IMAGE, MODEL, max_iter=50)
    assert not result.a.any()
    assert len(sc.detect(result)) == 0


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "f2", "f4", ">f4", "f8", ">f8", "g", "?"])
def test_any_real_dtype_gives_the_float32_answer(dtype: str) -> None:
    image = (IMAGE > 128).astype(np.float32) * 3
    given = image.astype(dtype)
    expected = sc.solve(given.astype(np.float32), MODEL, max_iter=5)
    assert np.array_equal(sc.solve(given, MODEL, max_iter=5).a, expected.a)


def test_any_layout_gives_the_same_answer_and_is_left_alone() -> None:
    expected = sc.solve(IMAGE, MODEL, max_iter=5).a
    spread = np.zeros((SHAPE[0] * 2, SHAPE[1] * 3), np.float32)
    spread[::2, ::3] = IMAGE
    views = [
        np.asfortranarray(IMAGE),
        spread[::2, ::3],
        IMAGE[::-1].copy()[::-1],
        IMAGE.tolist(),
    ]
    locked = IMAGE.copy()
    locked.flags.writeable = False
    for view in [*views, locked]:
        assert np.array_equal(sc.solve(view, MODEL, max_iter=5).a, expected)
    start, before = STACK.copy(), IMAGE.copy()
    sc.solve(IMAGE, MODEL, max_iter=5, initial=start)
    assert np.array_equal(start, STACK)
    assert np.array_equal(IMAGE, before)


# --- the compiled core: no hidden copies -------------------------------------------------------

TAPS = [np.ones((1, 3), np.float32), np.ones((2, 5), np.float32)]
PLAN = _core.Operations(TAPS, *SHAPE)

# Of the operations of a plan, all of them right.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "fista_step": {
        **{"residual": IMAGE, "a": STACK, "a_prev": STACK, "mask": IMAGE},
        **{"step": 0.1, "alpha": 0.5, "gamma": 1.0, "xi": ONES},
    },
    "primal_dual_step": {
        **{"nu": IMAGE, "e": STACK, "mask": IMAGE},
        **{"step": 0.1, "relaxation": 1.5, "gamma": 1.0, "xi": ONES},
    },
    "dual_residual": {
        **{"nu": IMAGE, "Az": IMAGE, "d": IMAGE, "w": IMAGE},
        **{"step_y": 0.1, "relaxation": 1.5, "e_y": IMAGE, "Ae": IMAGE},
    },
    "residual": {"Aa": IMAGE, "Aa_prev": IMAGE, "alpha": 0.5, "d": IMAGE, "w": IMAGE},
    "background_ratio": {"v": STACK, "q": STACK, "mask": IMAGE, "xi": ONES},
    "dual_norm": {"v": STACK, "q": STACK, "rho": 0.5, "mask": IMAGE, "xi": ONES},
}


def operation(name: str, **changes: Any) -> Any:
    return getattr(PLAN, name)(**(ARGUMENTS[name] | changes))


def wrong_values(right: Any) -> list[tuple[str, Any, type[Exception], tuple[str, ...]]]:
    """(what, value, error, what the message has to say) for one argument of an operation."""
    if isinstance(right, float):
        return [("nan", NAN, ValueError, ("nan", "number"))]
    cut = right[..., :-1].copy()
    return [
        ("size", cut, ValueError, (str(cut.shape).strip("(,)"),)),
        ("axes", right[None], ValueError, ("axes", str((1, *right.shape)))),
        ("float64", right.astype(np.float64), TypeError, ("float64", "float32")),
        ("strided", np.repeat(right, 2, axis=-1)[..., ::2], TypeError, ("C-contiguous",)),
        ("list", right.tolist(), TypeError, ("list", "NumPy array")),
    ]


CORE_CASES = [
    case("float64", lambda: PLAN.forward(STACK.astype(np.float64)), TypeError, "a:", "float64"),
    case("swapped", lambda: PLAN.forward(STACK.astype(">f4")), TypeError, "a:", ">f4", "float32"),
    case("strided", lambda: PLAN.forward(STACK[:, ::2]), TypeError, "a:", "C-contiguous"),
    case(
        "fortran", lambda: PLAN.adjoint(np.asfortranarray(IMAGE)), TypeError, "d:", "C-contiguous"
    ),
    case("list", lambda: PLAN.adjoint(IMAGE.tolist()), TypeError, "d:", "list", "NumPy array"),
    case("axes", lambda: PLAN.forward(IMAGE), ValueError, "a:", "(12, 10)", "3"),
    case(
        "size",
        lambda: PLAN.adjoint(np.ones((3, 4), np.float32)),
        ValueError,
        "d:",
        "3, 4",
        "12, 10",
    ),
    case("bins", lambda: PLAN.forward(STACK[:1]), ValueError, "a:", "1, 12, 10", "2, 12, 10"),
    case("no_pixels", lambda: _core.Operations(TAPS, 0, 5), ValueError, "0x5", "1x1"),
    case("no_kernels", lambda: _core.Operations([], 5, 5), ValueError, "at least one"),
    case("kernels", lambda: _core.separable_conv(STACK, TAPS[:1]), ValueError, "2, 12, 10"),
    case("taps", lambda: _core.separable_conv(STACK, [np.ones((1, 3))] * 2), TypeError, "factors"),
    case(
        "isa",
        lambda: _core.Operations(TAPS, 5, 5, isa="mmx"),
        ValueError,
        "isa:",
        "mmx",
        "baseline",
    ),
    case("threads", lambda: _core.Operations(TAPS, 5, 5, threads=-1), ValueError, "threads:", "-1"),
    case("xi", lambda: _core.group_shrink(STACK, 1.0, ONES[:1]), ValueError, "xi:", "1", "2"),
    case("xi_sign", lambda: _core.group_shrink(STACK, 1.0, -ONES), ValueError, "xi:", "-1", ">= 0"),
    case(
        "gamma", lambda: _core.group_shrink(STACK, -1.0, ONES), ValueError, "gamma:", "-1", ">= 0"
    ),
    case("gamma_nan", lambda: _core.group_shrink(STACK, NAN, ONES), ValueError, "gamma:", "nan"),
    case("no_maxima", lambda: _core.local_maxima(IMAGE[:0]), ValueError, "score", "[H, W]"),
    *[
        case(
            f"{name}_{argument}_{what}",
            lambda n=name, a=argument, w=wrong: operation(n, **{a: w}),
            error,
            f"{argument}:",
            *words,
        )
        for name, arguments in ARGUMENTS.items()
        for argument, right in arguments.items()
        for what, wrong, error, words in wrong_values(right)
    ],
]


@pytest.mark.parametrize(("call", "error", "words"), CORE_CASES)
def test_the_core_refuses_what_it_would_have_to_copy(
    call: Callable[[], Any], error: type[Exception], words: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_core_takes_the_right_arguments(name: str) -> None:
    operation(name)
