"""Calls that cost more than their work: many operators on little data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason, modelled
from workbench.registry import reasons

_MATTERS = 0.2


@final
class Calls(Reason):
    """The fixed cost of each operator, which no compression takes away and factorisation adds to."""

    name = "calls"
    title = "Calls, not work"
    summary = "Each operator costs some microseconds before it computes anything; a small network is mostly that."

    def look(self, case: Case) -> Iterator[Finding]:
        now, base = (sum(op.kind != "move" for op in graph.ops) for graph in (case.now_graph, case.base_graph))
        spent = now * case.machine.call_ms
        if spent < _MATTERS * case.now_ms:
            return
        more = f", {now - base} more than the original" if now > base else ""
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"{now} operators{more}, each of which takes {1000 * case.machine.call_ms:.1f} microseconds here "
                f"before it computes anything: {spent:.2g} of {case.now_ms:.2g} ms, and convolutions take longer"
            ),
            advice="use a larger batch, or a runtime with less overhead: onnxruntime fuses operators of exported files",
            ms=modelled(spent, spent, case.now_ms),
        )


reasons.register(Calls())
