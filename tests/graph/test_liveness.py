"""Liveness, by hand and against the high-water mark of tensors that really lay in memory."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from workbench.activations import ActivationFormat, round_inputs_
from workbench.graph import graph_of
from workbench.graph.liveness import liveness
from workbench.models._load import build


class Memory(TorchDispatchMode):
    """Counts the bytes of storages while a tensor is alive that looks at them; those of weights aside."""

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._weights = {tensor.untyped_storage()._cdata for tensor in model.state_dict().values()}
        self._tensors: Counter[int] = Counter()
        self._add(inputs)

    def _add(self, tensor: Tensor) -> None:
        key, size = tensor.untyped_storage()._cdata, tensor.untyped_storage().nbytes()
        if key in self._weights or not tensor.is_floating_point():
            return
        self.now += 0 if self._tensors[key] else size
        self._tensors[key] += 1
        weakref.finalize(tensor, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._tensors[key] -= 1
        self.now -= 0 if self._tensors[key] else size

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self._add(tensor)
        self.peak = max(self.peak, self.now)
        return result


def measured(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Run without Python's frames, which would hold tensors for longer than anybody reads them."""
    interpreter = torch.fx.Interpreter(torch.fx.symbolic_trace(model))  # drops each value after its last reader
    start = next(iter(interpreter.graph.nodes))
    given = {start: torch.ones(1, *shape)}
    memory = Memory(model, given[start])
    with torch.no_grad(), memory:
        interpreter.run(initial_env=given)
    return memory.peak


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("digits-mlp", (1, 8, 8)),
        ("digits-cnn", (1, 8, 8)),
        ("digits-resnet", (1, 8, 8)),
        ("lenet5", (1, 28, 28)),
        ("resnet20", (3, 32, 32)),
    ],
)
def test_it_is_the_high_water_mark_of_what_really_lay_in_memory(name: str, shape: tuple[int, ...]) -> None:
    model = build(name, 10, 0).eval()
    found = liveness(graph_of(model, torch.ones(1, *shape)), reuse=False)
    assert found.peak_bytes == measured(model, shape)


def test_a_chain_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)).eval()
    graph = graph_of(net, torch.ones(1, 1, 4, 4))
    image, wide, pooled, scores = 4 * 16, 4 * 64, 4 * 16, 4 * 3
    found = liveness(graph)
    assert found.live_bytes == (image + wide, wide, wide + pooled, pooled, pooled + scores)
    assert (found.peak_bytes, found.peak) == (image + wide, 0)
    assert liveness(graph, reuse=False).live_bytes[1] == 2 * wide


def test_a_shortcut_lives_until_it_is_added() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 6, 1), nn.Conv2d(6, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.b(torch.relu(self.a(x))) + x)

    graph = graph_of(Block(), torch.ones(1, 2, 2, 2))
    x, wide = 4 * 8, 4 * 24
    assert liveness(graph).live_bytes == (x + wide, x + wide, x + wide + x, 2 * x, x)


def test_views_take_nothing_and_what_is_put_out_lives_to_the_end() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            early = x.sum(1)
            return early, x.view(2, 4).t().cumsum(0)

    graph = graph_of(Two(), torch.ones(1, 8))
    assert liveness(graph).live_bytes == (32 + 4, 36, 36, 36 + 32)


def test_a_number_takes_whole_bytes() -> None:
    net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    for bits, width in ((2, 1), (4, 1), (8, 1), (16, 2)):
        round_inputs_(net[0], ActivationFormat(bits=bits))
        round_inputs_(net[2], ActivationFormat(bits=bits))
        assert liveness(graph_of(net, torch.ones(1, 16))).live_bytes == (24 * width, 8 * width, 8 * width + 16)


def test_an_input_that_is_read_again_is_not_written_over() -> None:
    class Swish(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(x)

    assert liveness(graph_of(Swish(), torch.ones(1, 4))).live_bytes == (32, 32)


def test_nothing_that_runs_needs_its_input_alone() -> None:
    found = liveness(graph_of(nn.Identity(), torch.ones(1, 5)))
    assert (found.live_bytes, found.peak_bytes, found.peak) == ((), 20, None)
