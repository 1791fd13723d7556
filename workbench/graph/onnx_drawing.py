"""The graph of a network as a small ONNX file to look at: operators, shapes and settings, and no weights.

It is made from what ran (`workbench.graph`) in milliseconds, where an export takes seconds. It is a drawing, not a
program: operators that ONNX has carry its names (https://onnx.ai/onnx/operators/), all others those of ATen in a domain
of their own, and no weight has data. Nodes of a layer are called `layer`, or `layer/operator` where it runs several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn

from workbench.errors import Refused
from workbench.graph.trace import Graph, Op
from workbench.network import layers, weight_format

LARGEST = 5_000
"""Operators that a browser lays out in seconds, beside whatever else the page does."""
DOMAIN = "aten"
Notes = Mapping[str, Mapping[str, int | str]]
"""What else to write on the nodes of layers: name and value by layer."""


def onnx_drawing(model: nn.Module, graph: Graph, notes: Notes | None = None, title: str = "network") -> bytes:
    """Return the graph of a network as an ONNX file without weights.

    `notes` stand among the attributes of the operator that reads the weights of a layer. Weights on a grid have the
    integer type that holds them, activations with a format the type of that many bits. Raises `Refused` where there are
    more than `LARGEST` operators.
    """
    try:
        from onnx import helper
    except ImportError:
        raise Refused("the graph needs the package onnx, which is not installed: pip install 'onnx>=1.17'") from None
    if len(graph.ops) > LARGEST:
        raise Refused(
            f"this network runs {len(graph.ops):,} operators, more than the {LARGEST:,} that a browser can lay out: "
            "the table lists its layers"
        )
    weights = _weights(model)
    names = list(_names(graph))
    nodes = [_node(op, name, graph, weights, notes or {}) for op, name in zip(graph.ops, names, strict=True)]
    used = dict.fromkeys(weight for op in graph.ops for weight in op.weights if weight in weights)
    drawn = helper.make_graph(
        nodes,
        title,
        [_value(graph, number) for number in graph.inputs],
        [_value(graph, number) for number in graph.outputs],
        initializer=[_initializer(name, *weights[name]) for name in used],
        value_info=[_value(graph, number) for op in graph.ops for number in op.outputs],
    )
    domains = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
    file: bytes = helper.make_model(
        drawn, opset_imports=domains, producer_name="Downsizing Workbench"
    ).SerializeToString()
    return file


def _names(graph: Graph) -> Iterator[str]:
    """Yield a name of its own for each operator."""
    in_layer = Counter(op.layer for op in graph.ops)
    seen: Counter[str] = Counter()
    for op in graph.ops:
        name = op.layer if op.layer and in_layer[op.layer] == 1 else f"{op.layer}/{op.name}"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


def _node(op: Op, name: str, graph: Graph, weights: Mapping[str, object], notes: Notes) -> Any:
    from onnx import helper

    kind, settings = _as_onnx(op, graph)
    read = [weight for weight in op.weights if weight in weights]
    if op.name in ("addmm", "addmv", "baddbmm"):
        read.reverse()  # ATen has the bias in front
    if f"{op.layer}.weight" in read:
        settings |= notes.get(op.layer, {})
    return helper.make_node(
        kind or op.name.strip("_"),
        [*(_called(graph, number) for number in op.inputs), *read],
        [_called(graph, number) for number in op.outputs],
        name=name,
        domain="" if kind else DOMAIN,
        **settings,
    )


def _weights(model: nn.Module) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return the shape and the bits of each parameter and buffer."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    grids = ((f"{name}.weight", weight_format(layer).grid) for name, layer in layers(model).items())
    bits = {name: grid.spec.bits for name, grid in grids if grid is not None}
    return {name: (tuple(t.shape), bits.get(name, 8 * t.element_size())) for name, t in tensors.items()}


def _initializer(name: str, shape: tuple[int, ...], bits: int) -> Any:
    import onnx

    tensor = onnx.TensorProto(name=name, dims=shape, data_type=_type(bits, signed=True))
    tensor.data_location = onnx.TensorProto.EXTERNAL  # readers then do not look for the numbers here
    tensor.external_data.add(key="location", value="weights are not drawn")
    return tensor


def _value(graph: Graph, number: int) -> Any:
    from onnx import helper

    value = graph.values[number]
    return helper.make_tensor_value_info(_called(graph, number), _type(value.bits, signed=False), value.shape)


def _called(graph: Graph, number: int) -> str:
    """Return the name of a value: those that a reader sees are words."""
    for title, ends in (("image", graph.inputs), ("scores", graph.outputs)):
        if number in ends:
            return title if ends[0] == number else f"{title} {ends.index(number) + 1}"
    return str(number)


def _type(bits: int, *, signed: bool) -> int:
    """Return ONNX's smallest type for so many bits."""
    from onnx import TensorProto

    if bits > 16:
        return TensorProto.FLOAT if bits == 32 else TensorProto.DOUBLE
    if bits > 8:
        return TensorProto.FLOAT16
    if bits > 4:
        return TensorProto.INT8 if signed else TensorProto.UINT8
    return TensorProto.INT4 if signed else TensorProto.UINT4


# operators of ATen as those of ONNX

_WINDOW = {"kernel_size": "kernel_shape", "stride": "strides", "padding": "pads", "ceil_mode": "ceil_mode"}
_CONV = {"kernel": "kernel_shape", "stride": "strides", "padding": "pads", "dilation": "dilations", "groups": "group"}
_TABLE: dict[str, tuple[str, dict[str, str]]] = {
    "convolution": ("Conv", _CONV),
    "addmm": ("Gemm", {}),
    "mm": ("MatMul", {}),
    "bmm": ("MatMul", {}),
    "native_batch_norm": ("BatchNormalization", {"eps": "epsilon"}),
    "_native_batch_norm_legit_no_training": ("BatchNormalization", {"eps": "epsilon"}),
    "native_layer_norm": ("LayerNormalization", {"eps": "epsilon"}),
    "native_group_norm": ("GroupNormalization", {"eps": "epsilon", "group": "num_groups"}),
    "_native_multi_head_attention": ("Attention", {"num_head": "q_num_heads"}),
    "max_pool2d_with_indices": ("MaxPool", _WINDOW),
    "avg_pool2d": ("AveragePool", _WINDOW),
    "mean": ("ReduceMean", {"dim": "axes", "keepdim": "keepdims"}),
    "sum": ("ReduceSum", {"dim": "axes", "keepdim": "keepdims"}),
    "amax": ("ReduceMax", {"dim": "axes", "keepdim": "keepdims"}),
    "_adaptive_avg_pool2d": ("AveragePool", {"output_size": "output_shape"}),
    "hardtanh": ("Clip", {"min_val": "min", "max_val": "max"}),
    "clamp": ("Clip", {"min": "min", "max": "max"}),
    "leaky_relu": ("LeakyRelu", {"negative_slope": "alpha"}),
    "elu": ("Elu", {"alpha": "alpha"}),
    "_softmax": ("Softmax", {"dim": "axis"}),
    "_log_softmax": ("LogSoftmax", {"dim": "axis"}),
    "cat": ("Concat", {"dim": "axis"}),
    "permute": ("Transpose", {"dims": "perm"}),
    "view": ("Reshape", {"size": "shape"}),
    "_unsafe_view": ("Reshape", {"size": "shape"}),
    "constant_pad_nd": ("Pad", {"pad": "pads"}),
    "slice": ("Slice", {"dim": "axes", "start": "starts", "end": "ends", "step": "steps"}),
    "select": ("Gather", {"dim": "axis", "index": "indices"}),
    "pixel_shuffle": ("DepthToSpace", {"upscale_factor": "blocksize"}),
    "upsample_nearest2d": ("Resize", {"output_size": "sizes"}),
    "upsample_bilinear2d": ("Resize", {"output_size": "sizes"}),
}
"""Name in ONNX, and its names of the settings that are shown."""
_SAME = {
    **{"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "gelu": "Gelu", "silu": "Swish", "mish": "Mish"},
    **{"hardswish": "HardSwish", "hardsigmoid": "HardSigmoid", "softplus": "Softplus", "_prelu_kernel": "PRelu"},
    **{
        "add": "Add",
        "sub": "Sub",
        "mul": "Mul",
        "div": "Div",
        "pow": "Pow",
        "sqrt": "Sqrt",
        "exp": "Exp",
        "neg": "Neg",
    },
    **{"abs": "Abs", "maximum": "Max", "minimum": "Min", "where": "Where", "round": "Round", "floor": "Floor"},
    **{"transpose": "Transpose", "t": "Transpose", "squeeze": "Squeeze", "unsqueeze": "Unsqueeze", "expand": "Expand"},
    **{"native_dropout": "Dropout", "clone": "Identity", "detach": "Identity", "alias": "Identity", "split": "Split"},
}


def _as_onnx(op: Op, graph: Graph) -> tuple[str, dict[str, Any]]:
    """Return the operator's name in ONNX, "" where it has none, and its settings."""
    if op.name in _SAME:
        return _SAME[op.name], {}
    if op.name not in _TABLE:
        return "", dict(_plain(op.attributes))
    name, renamed = _TABLE[op.name]
    settings = dict(_plain({new: op.attributes[old] for old, new in renamed.items() if old in op.attributes}))
    if name in ("Conv", "MaxPool", "AveragePool") and "pads" in settings:
        settings["pads"] = 2 * settings["pads"]  # ATen pads both ends alike and says so once
    if name in ("MaxPool", "AveragePool") and "kernel_shape" in settings:
        settings.setdefault("strides", settings["kernel_shape"])  # windows beside each other, unless they say otherwise
    special = _SPECIAL.get(op.name)
    return special(op, graph, name, settings) if special else (name, settings)


def _plain(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield settings as ONNX can hold them: whole numbers, lists of them, and text.

    Fractions are text, which stays as it is: ONNX would make a 32-bit 0.000009999999747378752 of 1e-05.
    """
    for name, value in attributes.items():
        if isinstance(value, (bool, int)):
            yield name, int(value)
        elif isinstance(value, tuple) and value and all(isinstance(part, int) for part in value):
            yield name, [int(part) for part in value]
        elif isinstance(value, (float, str, tuple)) and value != ():
            yield name, f"{value:g}" if isinstance(value, float) else str(value)


_Special = Callable[[Op, Graph, str, dict[str, Any]], tuple[str, dict[str, Any]]]


def _convolution(op: Op, graph: Graph, name: str, settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return ("ConvTranspose" if op.attributes.get("transposed") else name), settings


def _average(op: Op, graph: Graph, name: str, settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A mean over all positions of an image has a name of its own."""
    read = [graph.values[number].shape for number in op.inputs]
    axes = {axis % len(read[0]) for axis in settings.get("axes", ())} if read else set()
    if axes == {2, 3} or settings.get("output_shape") == [1, 1]:
        return "GlobalAveragePool", {}
    return name, settings


def _reshape(op: Op, graph: Graph, name: str, settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    before, after = ([graph.values[number].shape for number in ends] for ends in (op.inputs, op.outputs))
    flat = before and after and len(before[0]) > 2 == len(after[0]) and before[0][0] == after[0][0]
    return ("Flatten", {"axis": 1}) if flat else (name, settings)


_SPECIAL: dict[str, _Special] = {
    "convolution": _convolution,
    "mean": _average,
    "_adaptive_avg_pool2d": _average,
    "view": _reshape,
    "_unsafe_view": _reshape,
}
