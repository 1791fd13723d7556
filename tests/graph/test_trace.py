"""The trace of a network, against graphs worked by hand."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.activations import ActivationFormat, round_inputs_, round_outputs_
from workbench.graph import Graph, graph_of


def named(graph: Graph) -> list[tuple[str, str, str]]:
    return [(op.name, op.kind, op.layer) for op in graph.ops]


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    ).eval()


def test_a_chain_is_what_runs_in_order() -> None:
    graph = graph_of(chain(), torch.ones(1, 3, 8, 8))
    assert named(graph) == [
        ("convolution", "conv", "0"),
        ("native_batch_norm", "norm", "1"),
        ("relu", "elementwise", "2"),
        ("convolution", "depthwise", "3"),
        ("mean", "pool", "4"),
        ("view", "move", "5"),
        ("addmm", "linear", "6"),
    ]
    assert [graph.values[op.outputs[0]].shape for op in graph.ops] == [
        *[(1, 4, 4, 4)] * 3,
        (1, 4, 2, 2),
        (1, 4, 1, 1),
        (1, 4),
        (1, 10),
    ]
    assert [op.number for op in graph.ops] == list(range(7))
    assert graph.ops[0].inputs == graph.inputs
    assert graph.ops[-1].outputs == graph.outputs
    for before, after in zip(graph.ops, graph.ops[1:], strict=False):
        assert after.inputs == before.outputs
        assert graph.values[before.outputs[0]].producer == before.number


def test_operators_say_what_they_read_and_how() -> None:
    graph = graph_of(chain(), torch.ones(1, 3, 8, 8))
    first, norm, relu, depthwise, *_, last = graph.ops
    assert first.weights == ("0.weight", "0.bias")
    assert set(norm.weights) == {"1.weight", "1.bias", "1.running_mean", "1.running_var"}
    assert last.weights == ("6.bias", "6.weight")  # read through a transposed view
    assert {key: first.attributes[key] for key in ("kernel", "stride", "padding", "groups")} == {
        "kernel": (3, 3),
        "stride": (2, 2),
        "padding": (1, 1),
        "groups": 1,
    }
    assert depthwise.attributes["groups"] == 4
    assert [op.number for op in graph.ops if op.in_place] == [relu.number]
    assert graph.macs == {"0": 4 * 4 * 4 * 27, "3": 4 * 2 * 2 * 9, "6": 40}


def test_views_and_what_is_computed_in_place_share_storage() -> None:
    graph = graph_of(chain(), torch.ones(1, 3, 8, 8))
    conv, norm, relu, depthwise, mean, view, linear = (graph.values[op.outputs[0]].storage for op in graph.ops)
    assert (relu, view) == (norm, mean)
    assert len({conv, norm, depthwise, mean, linear}) == 5


def test_a_write_through_a_view_reaches_the_whole() -> None:
    class Padded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.new_zeros(1, 4)
            y[:, :2] = x
            return y * 2

    graph = graph_of(Padded(), torch.ones(1, 2))
    zeros, *_, copied, product = graph.ops
    assert (zeros.name, copied.name, copied.in_place) == ("new_zeros", "copy", True)
    assert product.inputs == (*zeros.outputs, *copied.outputs)


def test_work_on_weights_alone_is_left_out() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    graph = graph_of(nn.Sequential(layer), torch.ones(1, 3))
    assert named(graph) == [("addmm", "linear", "0")]
    assert set(graph.ops[0].weights) == {
        "0.bias",
        "0.parametrizations.weight.original0",
        "0.parametrizations.weight.original1",
    }


def test_a_tied_weight_has_its_first_name() -> None:
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    assert [op.weights for op in graph_of(net, torch.ones(1, 3)).ops] == [("0.weight",)] * 2


def test_outputs_that_nobody_uses_are_gone() -> None:
    (pool,) = graph_of(nn.MaxPool2d(2), torch.ones(1, 1, 4, 4)).ops
    assert (pool.name, len(pool.outputs)) == ("max_pool2d_with_indices", 1)
    indices = graph_of(nn.MaxPool2d(2, return_indices=True), torch.ones(1, 1, 4, 4))
    assert [indices.values[value].bits for value in indices.outputs] == [32, 64]


def test_a_module_that_runs_twice_has_its_name_and_the_network_none() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.inner(self.inner(x))) + x

    graph = graph_of(Twice(), torch.ones(1, 2))
    assert [op.layer for op in graph.ops] == ["inner", "inner", "", ""]
    assert graph.ops[-1].inputs == (*graph.ops[2].outputs, *graph.inputs)
    assert graph.macs == {"inner": 8}


def test_a_layer_that_fails_inside_does_not_name_what_follows() -> None:
    class Failing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError

    class Catching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Failing()

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.inner(x)
            except ValueError:
                return x.exp()

    assert named(graph_of(Catching(), torch.ones(1))) == [("exp", "elementwise", "")]


def test_bits_are_those_of_the_readers_through_what_keeps_the_format() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.b, self.c = (
                nn.Conv2d(2, 2, 1),
                nn.BatchNorm2d(2),
                nn.Conv2d(2, 2, 1),
                nn.Linear(2, 3),
            )

        def forward(self, x: Tensor) -> Tensor:
            y = F.relu(self.norm(self.a(x)))
            return self.c((self.b(y) + x).mean((2, 3)))

    net = Block().eval()
    round_inputs_(net.a, ActivationFormat(bits=8))
    round_inputs_(net.b, ActivationFormat(bits=4))
    graph = graph_of(net, torch.ones(1, 2, 3, 3))
    bits = {op.name + op.layer: graph.values[op.outputs[0]].bits for op in graph.ops}
    assert bits["convolutiona"] == bits["native_batch_normnorm"] == bits["relu"] == 4
    assert bits["convolutionb"] == bits["add"] == bits["mean"] == 32  # the last layer reads floats
    assert graph.values[graph.inputs[0]].bits == 32  # the sum reads the image too, and the sum is float
    round_inputs_(net.c, ActivationFormat(bits=2))
    graph = graph_of(net, torch.ones(1, 2, 3, 3))
    bits = {op.name + op.layer: graph.values[op.outputs[0]].bits for op in graph.ops}
    assert bits["convolutionb"] == bits["add"] == bits["mean"] == 2
    assert graph.values[graph.inputs[0]].bits == 8  # the most of 8, for the first layer, and 2, for the sum
    assert graph.values[graph.outputs[0]].bits == 32


def test_bits_are_at_most_those_of_who_puts_a_value_out() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.b = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(self.a(x))
            return self.b(y) + y

    net = Block().eval()
    round_inputs_(net.b, ActivationFormat(bits=4))
    round_outputs_(net.norm, ActivationFormat(bits=8))
    graph = graph_of(net, torch.ones(1, 2, 3, 3))
    bits = {op.name + op.layer: graph.values[op.outputs[0]].bits for op in graph.ops}
    assert bits["convolutiona"] == bits["native_batch_normnorm"] == 8  # the sum would take floats, the layer 4 bits
    assert bits["convolutionb"] == bits["add"] == 32
    round_outputs_(net, ActivationFormat(bits=6))
    graph = graph_of(net, torch.ones(1, 2, 3, 3))
    assert [graph.values[value].bits for value in graph.outputs] == [6]
    assert {op.name + op.layer: graph.values[op.outputs[0]].bits for op in graph.ops}["convolutionb"] == 6


def test_the_network_and_its_hooks_are_not_touched() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval()
    before, hooks = copy.deepcopy(net.state_dict()), dict(nn.modules.module._global_forward_hooks)
    with pytest.raises(RuntimeError):
        graph_of(net, torch.ones(1, 3, 4, 4))
    graph_of(net, torch.ones(1, 1, 4, 4))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert dict(nn.modules.module._global_forward_hooks) == hooks
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_threads_that_trace_one_network_at_once_do_not_mix() -> None:
    net = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(20)))
    expected = graph_of(net, torch.ones(1, 8))
    found: list[Graph] = []
    threads = [
        threading.Thread(target=lambda: found.extend(graph_of(net, torch.ones(1, 8)) for _ in range(5))) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 10


def test_modules_put_out_values_and_containers_those_of_their_last() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True)), nn.Identity(), nn.Linear(3, 1)).eval()
    graph = graph_of(model, torch.ones(1, 2))
    product, relu, last = (op.outputs[0] for op in graph.ops)
    assert graph.returned == (("0.0", product), ("0.1", relu), ("0", relu), ("1", relu), ("2", last), ("", last))
