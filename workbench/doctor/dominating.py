"""One layer that takes most of the time: what is gained elsewhere hardly shows (Amdahl's law)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason
from workbench.registry import reasons

_SHARE = 0.4
_SHRUNK = 0.8


@final
class Dominating(Reason):
    """A layer with most of the time, which itself has hardly become faster.

    Amdahl 1967, https://doi.org/10.1145/1465482.1465560.
    """

    name = "dominating"
    title = "One layer dominates"
    summary = "A layer that takes half of the time bounds the gain of all others together at a factor of two."

    def look(self, case: Case) -> Iterator[Finding]:
        times = {name: found.now for name, found in case.speed.layers.items() if name and found.now is not None}
        whole = sum(found.now.value for found in case.speed.layers.values() if found.now is not None)
        if len(times) < 2 or not whole:
            return
        name, now = max(times.items(), key=lambda item: item[1].value)
        base = case.speed.layers[name].base
        if now.value < _SHARE * whole or (base is not None and now.value < _SHRUNK * base.value):
            return
        rest = whole - now.value
        before = f", {base.value:.3g} ms before" if base is not None else ""
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"{name} takes {now.value:.3g} of {whole:.3g} ms ({100 * now.value / whole:.0f} %{before}): all other "
                f"layers together could only save {rest:.2g} ms more"
            ),
            advice=f"give {name} a setting of its own: more pruning, a lower rank, or fewer channels in front of it",
            ms=now,
            layers=(name,),
        )


reasons.register(Dominating())
