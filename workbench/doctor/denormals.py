"""Subnormal numbers: so close to zero that processors handle them a hundred times as slowly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason, listed
from workbench.registry import reasons
from workbench.result import Estimate


@final
class Denormals(Reason):
    """Weights or activations below 1.2e-38, which training towards zero leaves behind."""

    name = "denormals"
    title = "Subnormal numbers"
    summary = "Numbers below 1.2e-38 leave the fast path of the processor; long training towards zero makes them."

    def look(self, case: Case) -> Iterator[Finding]:
        if not case.subnormals or case.flushed is None or case.flushed.low <= 1.05:
            return
        names = tuple(sorted(case.subnormals, key=lambda name: -case.subnormals[name]))
        worst, now = case.subnormals[names[0]], case.now_ms
        times = case.flushed
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"up to {100 * worst:.2g} % of the numbers of {listed(names)} are subnormal, below 1.2e-38; taken for "
                f"zero, the network runs {times.value:.2f} times as fast ({times.low:.2f} to {times.high:.2f})"
            ),
            advice="call torch.set_flush_denormal(True), or set numbers below 1e-30 to zero before exporting",
            ms=Estimate(
                value=now * (1 - 1 / times.value),
                low=now * (1 - 1 / times.low),
                high=now * (1 - 1 / times.high),
                how="measured",
                unit="ms",
                n=times.n,
            ),
            layers=names,
        )


reasons.register(Denormals())
