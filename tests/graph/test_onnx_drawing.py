"""The drawing of a network as ONNX: every operator once, by ONNX's name, with shapes and without weights."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.activations import ActivationFormat, round_inputs_
from workbench.errors import Refused
from workbench.graph import graph_of
from workbench.graph import onnx_drawing as module
from workbench.graph.onnx_drawing import onnx_drawing
from workbench.grid import Grid, GridSpec
from workbench.network import hold_

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")


def drawing(model, shape, **options):
    return onnx.load_from_string(onnx_drawing(model, graph_of(model, torch.zeros(shape)), **options)).graph


def attributes(node):
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


class Block(nn.Module):
    """A convolution whose output comes back to its input, one activation for all, and operators without a module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, stride=1, groups=2)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x + self.conv(x))
        x = self.relu(F.max_pool2d(x, 2))
        return self.fc(x.mean((2, 3)))


def test_operators_have_the_names_of_onnx_and_of_their_layers():
    graph = drawing(Block().eval(), (1, 4, 8, 8))
    assert [(node.op_type, node.name, node.domain) for node in graph.node] == [
        ("Conv", "conv", ""),
        ("Add", "/add", ""),
        ("Relu", "relu/relu", ""),
        ("MaxPool", "/max_pool2d_with_indices", ""),
        ("Relu", "relu/relu_2", ""),
        ("GlobalAveragePool", "/mean", ""),
        ("Gemm", "fc", ""),
    ]


def test_nodes_read_what_others_write_and_the_ends_have_names():
    nodes = drawing(Block().eval(), (1, 4, 8, 8)).node
    conv, add = nodes[:2]
    assert list(conv.input) == ["image", "conv.weight", "conv.bias"]
    assert list(add.input) == ["image", conv.output[0]]
    assert list(nodes[-1].input)[1:] == ["fc.weight", "fc.bias"]
    assert list(nodes[-1].output) == ["scores"]
    written = {"image"}
    for node in nodes:
        assert {name for name in node.input if "." not in name} <= written
        written |= {*node.output}


def test_settings_are_those_of_onnx():
    conv, *_, pool, _, _, _ = drawing(Block().eval(), (1, 4, 8, 8)).node
    assert attributes(conv) == {
        "kernel_shape": [3, 3],
        "strides": [1, 1],
        "pads": [1, 1, 1, 1],
        "dilations": [1, 1],
        "group": 2,
    }
    assert attributes(pool) == {"kernel_shape": [2, 2], "strides": [2, 2]}


def test_shapes_are_drawn_and_weights_are_not():
    graph = drawing(Block().eval(), (1, 4, 8, 8))
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.value_info}
    assert shapes[graph.node[3].output[0]] == [1, 4, 4, 4]
    assert {t.name: list(t.dims) for t in graph.initializer} == {
        "conv.weight": [4, 2, 3, 3],
        "conv.bias": [4],
        "fc.weight": [2, 4],
        "fc.bias": [2],
    }
    assert not any(t.raw_data or t.float_data for t in graph.initializer)


def test_what_has_no_name_in_onnx_keeps_that_of_aten():
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.lgamma(x).flatten(1)

    node = drawing(Odd(), (1, 1, 2, 2)).node[0]
    assert (node.op_type, node.domain) == ("lgamma", "aten")


def test_bits_show_in_the_types():
    net = Block().eval()
    hold_(net.conv, grid=Grid.fit(net.conv.weight, GridSpec(bits=4)))
    hold_(net.fc, grid=Grid.fit(net.fc.weight, GridSpec(bits=6)))
    round_inputs_(net.fc, ActivationFormat.spanning(0.0, 1.0, 8))
    graph = drawing(net, (1, 4, 8, 8))
    weights = {t.name: t.data_type for t in graph.initializer}
    assert weights["conv.weight"] == onnx.TensorProto.INT4
    assert weights["fc.weight"] == onnx.TensorProto.INT8, "the smallest that holds 6 bits"
    assert weights["conv.bias"] == onnx.TensorProto.FLOAT
    types = {v.name: v.type.tensor_type.elem_type for v in graph.value_info}
    assert types[graph.node[-1].input[0]] == onnx.TensorProto.UINT8


def test_notes_stand_on_the_operator_that_reads_the_weights():
    conv, add, *_ = drawing(Block().eval(), (1, 4, 8, 8), notes={"conv": {"MACs": 7, "zero_weights": "50.0 %"}}).node
    assert attributes(conv)["MACs"] == 7
    assert attributes(conv)["zero_weights"] == "50.0 %"
    assert "MACs" not in attributes(add)


def test_too_large_a_network_and_a_missing_package_are_refused(monkeypatch):
    net = Block().eval()
    graph = graph_of(net, torch.zeros(1, 4, 8, 8))
    monkeypatch.setattr(module, "LARGEST", 6)
    with pytest.raises(Refused, match="runs 7 operators, more than the 6 that a browser"):
        onnx_drawing(net, graph)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(Refused, match="needs the package onnx"):
        onnx_drawing(net, graph)
