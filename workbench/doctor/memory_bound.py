"""Layers that wait for memory: fewer multiply-adds do not make them faster."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason, listed, modelled
from workbench.registry import reasons

_MATTERS = 0.25


@final
class MemoryBound(Reason):
    """Operators with fewer multiply-adds for each byte than the machine does in the time it takes to move one.

    The roofline model (Williams, Waterman and Patterson 2009, https://doi.org/10.1145/1498765.1498785).
    """

    name = "memory_bound"
    title = "Memory, not arithmetic"
    summary = "Layers that do little with each byte take as long as the bytes take, however few multiply-adds are left."

    def look(self, case: Case) -> Iterator[Finding]:
        ridge = case.machine.macs_per_ms / case.machine.bytes_per_ms
        macs: dict[str, int] = defaultdict(int)
        moved: dict[str, float] = defaultdict(float)
        state = case.now.state_dict()
        values = case.now_graph.values
        for op in case.now_graph.ops:
            if op.kind != "move":
                macs[op.layer] += op.macs
                moved[op.layer] += 4 * sum(math.prod(values[number].shape) for number in (*op.inputs, *op.outputs))
                moved[op.layer] += sum(state[name].nbytes for name in op.weights if name in state)
        bound = [name for name in moved if macs[name] < ridge * moved[name]]
        names = tuple(sorted(bound, key=lambda name: -case.layer_ms(name)))
        taken = sum(case.layer_ms(name) for name in names)
        if taken < _MATTERS * case.now_ms:
            return
        fewest = sum(moved[name] for name in names) / case.machine.bytes_per_ms
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"{len(names)} layers take {taken:.2g} of {case.now_ms:.2g} ms and do less than the {ridge:.2g} "
                f"multiply-adds for each byte at which this machine would be busy computing ({listed(names)})"
            ),
            advice=(
                "fewer or narrower activations help here, fewer multiply-adds do not: prune channels, fold batch norms "
                "(exported files do), and read weights once for several images with a larger batch"
            ),
            ms=modelled(max(0.0, taken - fewest), 0.0, taken),
            layers=names,
        )


reasons.register(MemoryBound())
