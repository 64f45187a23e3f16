"""Bad input to the networks: which error, and what its message says (as in test_bad_input.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import spotcore as sc
from spotcore import _core
from spotcore.networks.parameters import (
    ConvLayer,
    ConvNetParameters,
    Metadata,
    SpotNetParameters,
    ThresholdRule,
)
from support.bad_values import IMAGE, IMAGE_LIKE, LIMITS, NAN, ONES, STACK, case, holding

KERNELS = np.ones((2, 2, 3, 3), np.float32)
ABOUT_NET = Metadata(
    name="ones", sigma_limits=np.array(LIMITS), threshold=ThresholdRule("absolute", 1.0)
)
NET = sc.SpotNet(
    SpotNetParameters(
        KERNELS,
        KERNELS[:1],
        np.ones(2, np.float32),
        np.ones(1, np.float32),
        "soft",
        np.ones(2, np.float32),
        ABOUT_NET,
    )
)
LAYERS = (ConvLayer(KERNELS[:, :1], np.ones(2, np.float32)),)
CONV_NET = sc.ConvNet(ConvNetParameters(LAYERS, np.ones(2, np.float32), ABOUT_NET))


CASES = [
    *[
        case(f"network_{name}", lambda v=value: NET.detect(v), error, "image:", *words)
        for name, value, error, words in IMAGE_LIKE
    ],
    case("net_vector", lambda: NET(np.ones(5)), ValueError, "image:", "(5,)", "[B, H, W]"),
    case("net_colour", lambda: NET(np.ones((2, 2, 2, 3))), ValueError, "image:", "(2, 2, 2, 3)"),
    case("net_no_image", lambda: NET(np.ones((0, 5, 5))), ValueError, "image:", "(0, 5, 5)"),
    case("net_nan", lambda: CONV_NET.score(holding(NAN)), ValueError, "image:", "nan", "(0, 7)"),
    case("net_text", lambda: NET([["1"]]), TypeError, "image:", "<U1", "real"),
    case("net_bright", lambda: NET(holding(3e38)), OverflowError, "image:", "float32"),
    case("net_stack", lambda: NET.detect(STACK), ValueError, "image:", "(2, 12, 10)", "[H, W]"),
    case("net_threads", lambda: NET(IMAGE, threads=0), ValueError, "threads:", "0", ">= 1"),
    case("net_limit", lambda: NET.detect(IMAGE, NAN), ValueError, "threshold:", "nan"),
    case("net_mask", lambda: NET.detect(IMAGE, mask=IMAGE.T), ValueError, "mask:", "(10, 12)"),
    case(
        "net_kind",
        lambda: sc.SpotNet(CONV_NET.parameters),
        TypeError,
        "parameters:",
        "ConvNetParameters",
        "SpotNetParameters",
    ),
]


def core_spotnet(**changes: Any) -> _core.Network:
    arguments: dict[str, Any] = {
        "analysis": KERNELS,
        "synthesis": KERNELS[:1],
        "bias": ONES,
        "alpha": ONES[:1],
        "nonlinearity": "soft",
        "score_weights": ONES,
    }
    return _core.spotnet(**(arguments | changes))


def core_convnet(*layers: Any, score_weights: Any = ONES) -> _core.Network:
    return _core.convnet(list(layers), score_weights)


CORE_CASES = [
    case("net_dtype", lambda: core_spotnet(bias=[1.0, 1.0]), TypeError, "bias:", "list"),
    case("net_axes", lambda: core_spotnet(analysis=STACK), ValueError, "analysis:", "(2, 12, 10)"),
    case(
        "net_layers", lambda: core_spotnet(synthesis=KERNELS), ValueError, "analysis:", "54", "36"
    ),
    case("net_none", lambda: core_spotnet(synthesis=KERNELS[:0]), ValueError, "synthesis:", "one"),
    case("net_alpha", lambda: core_spotnet(alpha=ONES), ValueError, "alpha:", "1", "2"),
    case("net_score", lambda: core_spotnet(score_weights=ONES[:1]), ValueError, "score_weights:"),
    case("net_phi", lambda: core_spotnet(nonlinearity="relu"), ValueError, "'relu'", "'soft'"),
    case("net_isa", lambda: core_spotnet(isa="mmx"), ValueError, "isa:", "mmx"),
    case("net_even", lambda: core_convnet((KERNELS[..., :2, :2].copy(), ONES)), ValueError, "odd"),
    case("net_long", lambda: core_convnet((KERNELS[..., :2].copy(), ONES)), ValueError, "square"),
    case("net_no_layer", core_convnet, ValueError, "layers:", "at least one"),
    case("net_inputs", lambda: core_convnet((KERNELS, ONES)), ValueError, "1 channels", "[2, 2, S"),
    case(
        "net_huge",
        lambda: core_convnet(
            *[(np.ones((200, 1, 31, 31), np.float32), np.ones(200, np.float32))] * 60,
            score_weights=np.ones(200, np.float32),
        ),
        ValueError,
        "1 GiB",
    ),
    case(
        "net_image_axes", lambda: core_spotnet().run(IMAGE, True, True), ValueError, "images:", "3"
    ),
    case("net_empty", lambda: core_spotnet().run(STACK[:0], True, True), ValueError, "images:"),
]


@pytest.mark.parametrize(("call", "error", "words"), CASES + CORE_CASES)
def test_the_error_names_what_came_and_what_was_expected(
    call: Callable[[], Any], error: type[Exception], words: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    for word in words:
        assert word in str(caught.value)
