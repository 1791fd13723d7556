"""What is timed: a network called once on a fixed batch, by torch or by onnxruntime, on so many threads."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.activations import exact_activations
from workbench.context import Report, ignore
from workbench.export._onnx_run import session
from workbench.timing.clock import Times, measured


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch compute on so many threads for the time being; the number belongs to the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def torch_call(model: nn.Module, inputs: Tensor) -> Callable[[], object]:
    """Return a call of the module as it is; rounding of activations, which torch only simulates, is left out."""

    def call() -> object:
        with torch.inference_mode(), exact_activations():
            return model(inputs)

    return call


def onnx_call(content: bytes, inputs: Tensor, threads: int) -> Callable[[], object]:
    """Return a call of an ONNX file with a fixed batch."""
    running = session(content, threads)
    fed = {running.get_inputs()[0].name: inputs.numpy()}
    return lambda: running.run(None, fed)


def layer_times(models: Mapping[str, nn.Module], inputs: Tensor, *, seconds: float, report: Report = ignore) -> Times:
    """Return what each module without children takes in torch, timed by hooks while whole networks run in turns.

    Names are `NETWORK/LAYER`. What a network does outside of such modules, sums and views, is in `NETWORK/`; a layer
    that runs more than once counts with the sum of its runs. Hooks cost some microseconds for each layer.
    """
    clocks = {name: _Clock(model) for name, model in models.items()}
    try:
        calls = {name: clock.call(inputs) for name, clock in clocks.items()}
        whole = measured(calls, seconds=seconds, report=report, once=True)
    finally:
        for clock in clocks.values():
            clock.remove()
    samples: dict[str, tuple[float, ...]] = {}
    for name, clock in clocks.items():
        rounds = clock.rounds[-whole.rounds :]
        for layer in clock.names:
            samples[f"{name}/{layer}"] = tuple(found.get(layer, 0.0) for found in rounds)
    return Times(samples=samples, yardstick=whole.yardstick)


class _Clock:
    """Times the modules of one network by hooks."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.rounds: list[dict[str, float]] = []
        self._current: dict[str, float] = {}
        self._started: dict[str, float] = {}
        leaves = [(name, module) for name, module in model.named_modules() if name and not any(module.children())]
        self.names = [name for name, _ in leaves] + [""]
        self._handles = [
            handle
            for name, module in leaves
            for handle in (
                module.register_forward_pre_hook(self._begin(name)),
                module.register_forward_hook(self._end(name)),
            )
        ]

    def _begin(self, name: str) -> Callable[[Any, Any], None]:
        def begin(_module: Any, _inputs: Any) -> None:
            self._started[name] = time.perf_counter()

        return begin

    def _end(self, name: str) -> Callable[[Any, Any, Any], None]:
        def end(_module: Any, _inputs: Any, _output: Any) -> None:
            took = 1000 * (time.perf_counter() - self._started[name])
            self._current[name] = self._current.get(name, 0.0) + took

        return end

    def call(self, inputs: Tensor) -> Callable[[], object]:
        """Return a call that keeps what each layer took."""
        run = torch_call(self._model, inputs)

        def call() -> object:
            self._current = {}
            start = time.perf_counter()
            result = run()
            whole = 1000 * (time.perf_counter() - start)
            self.rounds.append({**self._current, "": whole - sum(self._current.values())})
            return result

        return call

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


@dataclass(frozen=True)
class Node:
    """A node that onnxruntime really runs, after its fusions."""

    name: str
    operator: str
    ms: float
    """The median over the runs."""


def node_times(content: bytes, inputs: Tensor, *, threads: int = 1, runs: int = 30) -> tuple[Node, ...]:
    """Return what onnxruntime's own profile says of each node that it runs."""
    with tempfile.TemporaryDirectory() as folder:
        running = session(content, threads, profile=Path(folder) / "profile")
        fed = {running.get_inputs()[0].name: inputs.numpy()}
        for _ in range(runs + 3):
            running.run(None, fed)
        events = json.loads(Path(running.end_profiling()).read_text())
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            found[name, event["args"]["op_name"]].append(event["dur"] / 1000)
    return tuple(Node(name, operator, statistics.median(times[3:])) for (name, operator), times in found.items())
