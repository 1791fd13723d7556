"""What is timed: layers by hooks, nodes by onnxruntime's own profile."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from workbench.activations import ActivationFormat, round_inputs_
from workbench.errors import Refused
from workbench.timing.runtimes import layer_times, node_times, onnx_call, torch_call, torch_threads
from workbench.timing.speed import compare


class Slow(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.003)
        return x


class Twice(nn.Module):
    """A slow layer that runs twice, a quick one, and work of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.quick = Slow(), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.002)
        return self.quick(self.slow(self.slow(x)))


def test_each_layer_has_the_time_of_all_its_runs() -> None:
    model, x = Twice(), torch.ones(1, 4)
    times = layer_times({"now": model}, x, seconds=0.1)
    assert set(times.samples) == {"now/slow", "now/quick", "now/"}
    assert times.estimate("now/slow").value >= 6
    assert times.estimate("now/").value >= 2
    assert times.estimate("now/quick").value < 2
    assert all(len(samples) == times.rounds for samples in times.samples.values())
    assert not model.slow._forward_hooks, "nothing stays behind"


def test_a_call_gives_what_the_module_gives_without_its_rounding() -> None:
    layer = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    expected = layer(x)
    round_inputs_(layer, ActivationFormat(bits=2, scale=1.0, zero=1))
    found = torch_call(layer, x)()
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found, expected)
    assert not torch.equal(layer(x), expected)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    seen = []

    def fail() -> None:
        with torch_threads(before + 1):
            seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (seen, torch.get_num_threads()) == ([before + 1], before)


def onnx_of(width: int) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], name="/fc/Gemm")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(2 * torch.eye(width).numpy(), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_a_file_is_called_and_its_nodes_are_timed_by_name() -> None:
    x = torch.randn(3, 8)
    (scores,) = onnx_call(onnx_of(8), x, threads=1)()  # type: ignore[misc]
    torch.testing.assert_close(torch.from_numpy(scores), 2 * x)
    (node,) = node_times(onnx_of(8), x, runs=3)
    assert (node.name, node.operator) == ("/fc/Gemm", "Gemm")
    assert node.ms > 0


def test_a_larger_network_is_slower_in_every_lane() -> None:
    small, large = nn.Linear(64, 64), nn.Sequential(*(nn.Linear(64, 64) for _ in range(40)))
    files = {"onnx": (onnx_of(64), onnx_of(64))}
    speed = compare(large, small, torch.randn(32, 64), files=files, seconds=0.2)
    lane = speed.lane("torch")
    assert lane is not None
    assert lane.faster.low > 2
    assert lane.differs
    assert speed.layers["39"].now is None
    assert speed.layers["39"].base is not None
    assert speed.lane("onnx") is not None
    assert speed.lane("onnx-int8") is None


def test_more_threads_than_processors_are_refused() -> None:
    with pytest.raises(Refused, match=r"threads must be in \[1, "):
        compare(nn.Identity(), nn.Identity(), torch.ones(1, 1), files={}, threads=10_000)
