"""Channel counts that do not fill vectors: the last vector of each row works for a few numbers only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import final

from workbench.diagnosing import Case, Finding, Reason, listed, modelled
from workbench.network import layers
from workbench.registry import reasons

_MATTERS = 0.05


@final
class Alignment(Reason):
    """Output channels that are no multiple of what one vector instruction takes."""

    name = "alignment"
    title = "Channels do not fill vectors"
    summary = "Kernels compute channels in blocks; a count off the block is padded up to the next one."

    def look(self, case: Case) -> Iterator[Finding]:
        block, before = case.machine.lanes, layers(case.base)
        wasted: dict[str, float] = {}
        for name, layer in layers(case.now).items():
            channels = layer.weight.shape[0]
            changed = name not in before or before[name].weight.shape[0] != channels
            share = 1 - channels / (math.ceil(channels / block) * block)
            if changed and share > 0:
                wasted[name] = case.layer_ms(name) * share
        total = sum(wasted.values())
        if total < _MATTERS * case.now_ms:
            return
        names = tuple(sorted(wasted, key=lambda name: -wasted[name]))
        counts = {name: layers(case.now)[name].weight.shape[0] for name in names}
        yield Finding(
            reason=self.name,
            title=self.title,
            sentence=(
                f"{len(names)} layers have channel counts that are no multiple of {block}, which one vector "
                f"instruction takes here: {listed(tuple(f'{name} has {counts[name]}' for name in names))}"
            ),
            advice=f"keep channels in multiples of {block} (`multiple` of channel pruning)",
            ms=modelled(total, 0.0, total),
            layers=names,
        )


reasons.register(Alignment())
