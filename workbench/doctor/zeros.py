"""Zeros that stay in dense tensors: kernels multiply them like any other number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason, modelled
from workbench.network import layers
from workbench.registry import reasons

_SHARE = 0.3
"""From which share of zeros on a layer counts."""


@final
class Zeros(Reason):
    """Pruned weights whose multiply-adds are still done."""

    name = "zeros"
    title = "Zeros are computed"
    summary = "Pruned weights stay in dense tensors, and dense kernels multiply zeros like any other number."

    def look(self, case: Case) -> Iterator[Finding]:
        before = layers(case.base)
        shares = {}
        for name, layer in layers(case.now).items():
            share = float((layer.weight == 0).float().mean())
            old = float((before[name].weight == 0).float().mean()) if name in before else 0.0
            if share >= _SHARE and share > old + 0.1:
                shares[name] = share
        if not shares:
            return
        macs = case.now_graph.macs
        done = sum(macs[name] for name in shares)
        needless = sum(macs[name] * share for name, share in shares.items())
        saved = sum(case.layer_ms(name) * share for name, share in shares.items())
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"{len(shares)} layers hold {100 * needless / max(done, 1):.0f} % zeros in dense tensors; of their "
                f"{done:,} multiply-adds {needless:,.0f} multiply by zero, and take as long as any other"
            ),
            advice=(
                "prune channels, which leaves smaller dense tensors, or run the file where there are sparse kernels; "
                "the file itself is smaller already"
            ),
            ms=modelled(saved, 0.0, saved),
            layers=tuple(sorted(shares, key=lambda name: -case.layer_ms(name))),
        )


reasons.register(Zeros())
