"""Threads that cost more than they give: small layers are over before all threads have begun."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason
from workbench.registry import reasons
from workbench.result import Estimate

_GAIN = 1.2
"""What a second thread should bring at the least."""


@final
class ThreadOverhead(Reason):
    """More threads hardly help, or hurt."""

    name = "thread_overhead"
    title = "More threads do not help"
    summary = "Handing a small layer to several threads takes as long as computing it."

    def look(self, case: Case) -> Iterator[Finding]:
        if len(case.threads) < 2:
            return
        few, many = min(case.threads), max(case.threads)
        one, all_ = case.threads[few], case.threads[many]
        if one.low >= _GAIN * all_.high:
            return
        timed = case.threads.get(case.speed.threads)
        lost = max(0.0, all_.value - one.value)
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"a batch of {case.speed.batch} takes {one.value:.3g} ms on {few} thread and {all_.value:.3g} ms on "
                f"{many}: handing out the work takes what computing it together would save"
            ),
            advice="run it on one thread, several images side by side where there are more; or use a larger batch",
            ms=Estimate(value=lost, low=0.0, high=max(lost, all_.high - one.low), how="measured", unit="ms")
            if timed is all_
            else None,
        )


reasons.register(ThreadOverhead())
