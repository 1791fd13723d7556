"""What is looked at before the doctor speaks: both networks timed, traced and searched for subnormal numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from workbench.context import Progress, Report, ignore
from workbench.diagnosing import Case
from workbench.export.packed import pack
from workbench.graph import graph_of
from workbench.network import clone
from workbench.resources import PROCESSORS
from workbench.result import Estimate
from workbench.timing.clock import measured
from workbench.timing.machine import this_machine
from workbench.timing.runtimes import node_times, torch_call, torch_threads
from workbench.timing.speed import compare

_SMALLEST = torch.finfo(torch.float32).tiny
_SHORT_SECONDS = 0.5


def examined(
    base: nn.Module,
    now: nn.Module,
    inputs: Tensor,
    *,
    files: Mapping[str, tuple[bytes, bytes]],
    threads: int = 1,
    seconds: float = 2.0,
    report: Report = ignore,
) -> Case:
    """Measure what the doctor needs of two networks on a batch [N, C, H, W]; `files` are those of `timing.speed`."""
    speed = compare(base, now, inputs, files=files, threads=threads, seconds=seconds, report=report)
    report(Progress(0.9, "looking for what slows it down"))
    subnormals, short = _subnormals(now, inputs), min(_SHORT_SECONDS, seconds)
    return Case(
        base=base,
        now=now,
        inputs=inputs,
        base_graph=graph_of(base, inputs),
        now_graph=graph_of(now, inputs),
        speed=speed,
        nodes={name: node_times(content, inputs, threads=threads) for name, (_, content) in files.items()},
        threads=_by_threads(now, inputs, short, report),
        subnormals=subnormals,
        flushed=_flushed(now, inputs, short, report) if subnormals else None,
        machine=this_machine(),
        base_bytes=pack(base).ledger,
        now_bytes=pack(now).ledger,
    )


def _by_threads(model: nn.Module, inputs: Tensor, seconds: float, report: Report) -> Mapping[int, Estimate]:
    calls: dict[str, Callable[[], object]] = {}
    run = torch_call(model, inputs)
    for threads in sorted({1, PROCESSORS}):

        def call(threads: int = threads) -> object:
            torch.set_num_threads(threads)
            return run()

        calls[str(threads)] = call
    with torch_threads(1):
        times = measured(calls, seconds=seconds, report=report)
    return {int(name): times.estimate(name) for name in calls}


@torch.no_grad()
def _subnormals(model: nn.Module, inputs: Tensor) -> dict[str, float]:
    """Return the share of subnormal numbers by module, of its own parameters or of what it puts out."""
    network, found = clone(model), dict[str, float]()

    def share(tensor: Tensor) -> float:
        if not tensor.is_floating_point() or not tensor.numel():
            return 0.0
        return float(((tensor != 0) & (tensor.abs() < _SMALLEST)).float().mean())

    def look(name: str) -> Callable[[Any, Any, Any], None]:
        def after(module: nn.Module, _inputs: Any, output: Any) -> None:
            shares = [share(tensor) for tensor in module.parameters(recurse=False)]
            shares.append(share(output) if isinstance(output, Tensor) else 0.0)
            if max(shares):
                found[name] = max(shares)

        return after

    for name, module in network.named_modules():
        if not any(module.children()):
            module.register_forward_hook(look(name))
    network(inputs)
    return found


def _flushed(model: nn.Module, inputs: Tensor, seconds: float, report: Report) -> Estimate | None:
    """Return how many times as long a network takes as with subnormal numbers taken for zero."""
    run = torch_call(model, inputs)

    def flushing() -> object:
        with _flush():
            return run()

    with torch_threads(1):  # the setting is that of one thread
        if not torch.set_flush_denormal(False):
            return None
        times = measured({"as it is": run, "flushed": flushing}, seconds=seconds, report=report)
    return times.ratio("as it is", "flushed")


@contextmanager
def _flush() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
