"""SpotNet in other inference libraries, each in the form that measured fastest with it.

A synthesis, K maps to one, is for most of them a slow kind of convolution: as a depthwise one and a
sum over the maps it takes half the time. Non-linearity ``|x + b|`` of the published weights, with b
in the bias of the convolution before.

A peer is called with the image [H, W] and gives maps [K, H, W].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spotcore.networks.parameters import SpotNetParameters

Peer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def torch_peer(parameters: SpotNetParameters, threads: int) -> Peer:
    """PyTorch, tuned: channels last, inference mode, everything pixelwise in place."""
    import torch
    from torch.nn.functional import conv2d

    from spotcore.train.memory import keep_freed_memory

    keep_freed_memory()

    def of(kernels: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(kernels.copy())[:, None].contiguous(
            memory_format=torch.channels_last
        )

    analysis, synthesis = (
        [of(h) for h in hs] for hs in (parameters.analysis, parameters.synthesis)
    )
    analysis[1:] = [-h for h in analysis[1:]]
    bins, half = parameters.analysis.shape[1], parameters.analysis.shape[2] // 2
    bias = [torch.full((bins,), float(b)) for b in parameters.bias]

    def plane(x: torch.Tensor) -> torch.Tensor:
        # One channel is both layouts; unless told which, PyTorch makes maps of it channels first.
        height, width = x.shape[2:]
        return x.as_strided(x.shape, (height * width, 1, width, 1))

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            s = plane(torch.from_numpy(image)[None, None])
            x = conv2d(s, analysis[0], bias[0], padding=half).abs_()
            z = x * (1 + float(parameters.alpha[0]))
            for layer, h in enumerate(synthesis, start=1):
                u = conv2d(z, h, padding=half, groups=bins).sum(dim=1, keepdim=True)
                u = plane(u.sub_(s))
                new = conv2d(u, analysis[layer], bias[layer], padding=half).add_(z).abs_()
                if layer < len(synthesis):
                    z = torch.lerp(x, new, 1 + float(parameters.alpha[layer]))
                x = new
            return x[0].numpy()  # a view: what follows may want either layout

    return run


def onnx_model(parameters: SpotNetParameters, shape: tuple[int, int], depthwise: bool) -> bytes:
    """Write the network as an ONNX graph [1, 1, H, W] -> [1, K, H, W]."""
    from onnx import TensorProto, checker, helper, numpy_helper

    bins, side = parameters.analysis.shape[1:3]
    nodes, constants = [], []

    def constant(name: str, value: NDArray[np.float32] | NDArray[np.int64]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"n{len(nodes)}"], **attributes))
        return f"n{len(nodes) - 1}"

    def conv(x: str, kernels: str, *bias: str, group: int = 1) -> str:
        return node("Conv", x, kernels, *bias, pads=[side // 2] * 4, group=group)

    axis = constant("axis", np.array([1], np.int64))
    x = z = ""
    for layer, analysis in enumerate(parameters.analysis):
        taps = constant(f"a{layer}", (analysis if layer == 0 else -analysis)[:, None])
        bias = constant(f"b{layer}", np.full(bins, parameters.bias[layer], np.float32))
        if layer == 0:
            new = node("Abs", conv("s", taps, bias))
        else:
            h = parameters.synthesis[layer - 1]
            if depthwise:
                maps = conv(z, constant(f"h{layer}", h[:, None]), group=bins)
                summed = node("ReduceSum", maps, axis, keepdims=1)
            else:
                summed = conv(z, constant(f"h{layer}", h[None]))
            u = node("Sub", summed, "s")
            new = node("Abs", node("Add", z, conv(u, taps, bias)))
        if layer < len(parameters.alpha):
            alpha = parameters.alpha[layer]
            z = node("Mul", new, constant(f"k{layer}", np.array(1 + alpha, np.float32)))
            if layer > 0:
                back = constant(f"p{layer}", np.array(alpha, np.float32))
                z = node("Sub", z, node("Mul", x, back))
        x = new
    graph = helper.make_graph(
        nodes,
        "spotnet",
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, 1, *shape])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, bins, *shape])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def onnxruntime_peer(model: bytes, threads: int) -> Peer:
    """ONNX Runtime with all its graph optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(None, {"s": image[None, None]})[0][0]
        return found

    return run


def openvino_peer(model: bytes, threads: int) -> Peer:
    """OpenVINO, asked for float32: its default on processors that have it is bfloat16."""
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )
    request = compiled.create_infer_request()

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        # The library's own memory: no copy is timed.
        found = request.infer({0: image[None, None]}, share_inputs=True, share_outputs=True)
        maps: NDArray[np.float32] = found[compiled.output(0)][0]
        return maps

    return run
