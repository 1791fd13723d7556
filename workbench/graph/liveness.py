"""Liveness: which activations lie in memory at the same time, and how many bytes that takes.

What a runtime for microcontrollers plans before it runs anything. The conventions, in the order of execution:

- A buffer lives from the operator that fills it, or from the start for an input, to the last one that reads it; what
  the network puts out lives to the end. Views share the buffer that they look at. Weights are not activations.
- A number takes whole bytes: 2 to 8 bits one, 16 bits two, floats four.
- Where an operator works number by number (elementwise, and norms, which runtimes fold), its output takes the place of
  an input that nobody reads afterwards and that is at least as large.
- No scratch memory of kernels, no gaps between buffers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from workbench.graph.trace import Graph, Op, Value

_IN_PLACE = ("elementwise", "norm")


@dataclass(frozen=True, kw_only=True)
class Liveness:
    """The bytes of activations that live while each operator runs."""

    live_bytes: tuple[int, ...]
    """By the number of the operator."""
    peak_bytes: int
    peak: int | None
    """The number of the first operator that needs the most; None where nothing runs."""


def liveness(graph: Graph, *, reuse: bool = True) -> Liveness:
    """Return what lives during each operator; `reuse` lets outputs take the place of inputs, as said above."""
    sizes = _sizes(graph)
    starts, ends = _lives(graph)
    changes = [0] * (len(graph.ops) + 1)
    for storage, start in starts.items():
        changes[start] += sizes[storage]
        changes[ends[storage] + 1] -= sizes[storage]
    live, now = [], 0
    for op, change in zip(graph.ops, changes, strict=False):
        now += change
        live.append(now - (_saved(op, graph, sizes, starts, ends) if reuse else 0))
    peak = max(range(len(live)), key=live.__getitem__, default=None)
    resting = sum(sizes[storage] for storage in starts)
    return Liveness(live_bytes=tuple(live), peak_bytes=resting if peak is None else live[peak], peak=peak)


def value_bytes(value: Value) -> int:
    """Return what a value takes in whole bytes for each number."""
    return value.elements * -(-value.bits // 8)


def _sizes(graph: Graph) -> dict[int, int]:
    """The bytes of each storage: as many numbers as the value that came first has, each as wide as the widest."""
    elements: dict[int, int] = {}
    width: defaultdict[int, int] = defaultdict(int)
    for value in graph.values.values():
        elements.setdefault(value.storage, value.elements)
        width[value.storage] = max(width[value.storage], -(-value.bits // 8))
    return {storage: count * width[storage] for storage, count in elements.items()}


def _lives(graph: Graph) -> tuple[dict[int, int], dict[int, int]]:
    """The first and the last operator of each storage. Constants that are no output of an operator lie in the file."""
    storage = {number: value.storage for number, value in graph.values.items()}
    starts = {storage[value]: 0 for value in graph.inputs}
    ends = dict(starts)
    for op in graph.ops:
        for value in op.outputs:
            starts.setdefault(storage[value], op.number)
        for value in (*op.inputs, *op.outputs):
            ends[storage[value]] = op.number
    ends |= {storage[value]: len(graph.ops) - 1 for value in graph.outputs}
    return starts, ends


def _saved(op: Op, graph: Graph, sizes: dict[int, int], starts: dict[int, int], ends: dict[int, int]) -> int:
    """The bytes of an output that takes the place of an input."""
    if op.kind not in _IN_PLACE or len(op.outputs) != 1:
        return 0
    out = graph.values[op.outputs[0]].storage
    read = {graph.values[value].storage for value in op.inputs} - {out}
    fits = any(storage in starts and ends[storage] == op.number and sizes[storage] >= sizes[out] for storage in read)
    return sizes[out] if fits and starts[out] == op.number else 0
