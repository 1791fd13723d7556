"""What a job makes and its original, drawn side by side."""

from __future__ import annotations

import pytest

from workbench.drawing import drawn
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import layer_view

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")


def job(*steps):
    return Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"), recipe=Recipe(steps))


def nodes(sheet):
    graph = onnx.load_from_string(sheet.content).graph
    return {node.name: node for node in graph.node}


def shapes(sheet):
    return {t.name: tuple(t.dims) for t in onnx.load_from_string(sheet.content).graph.initializer}


def notes(node):
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def test_the_original_alone_is_drawn_once():
    drawing = drawn(job())
    assert drawing.base is drawing.compressed
    assert drawing.base.operators == len(nodes(drawing.base)) == 13
    assert drawn(job(techniques.get("weight_bits")())).base is drawing.base


def test_nodes_say_what_the_layers_say():
    asked = job(techniques.get("magnitude")(ratio=0.5), techniques.get("weight_bits")(bits=4))
    found = nodes(drawn(asked).compressed)
    for row in layer_view(asked).rows:
        told = notes(found[row.name])
        assert told["bytes_in_file"] == row.now.size_bytes
        assert told["MACs"] == row.now.macs
        assert told["weight_bits"] == row.now.bits == 4
        assert told["zero_weights"] == f"{100 * row.now.sparsity:.1f} %"


def test_rounded_activations_are_told():
    told = notes(nodes(drawn(job(techniques.get("activation_bits")(bits=6))).compressed)["conv2"])
    assert told["input_bits"] == 6


def test_factors_are_two_nodes():
    drawing = drawn(job(techniques.get("low_rank")()))
    assert {"conv2.0", "conv2.1"} <= {*nodes(drawing.compressed)}
    assert "conv2" not in nodes(drawing.compressed)
    assert "conv2" in nodes(drawing.base)


def test_pruned_channels_are_gone():
    drawing = drawn(job(techniques.get("channels")(ratio=0.5)))
    before, after = shapes(drawing.base), shapes(drawing.compressed)
    assert after["conv2.weight"][0] < before["conv2.weight"][0] == 48
    assert after["conv3.weight"][1] == after["conv2.weight"][0]
