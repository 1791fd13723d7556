"""What each layer of ResNet-20 bears: how long the measuring takes, and whether the cheap score ranks as it does.

Seconds are those of the processor, all threads together, so that others on the machine count little.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import _jobs

from workbench.run import prepare
from workbench.search.sensitivity import IMAGES, agreement, agreement_words, sensitivity

VALUES = {"weight_bits": (2, 3, 4), "magnitude": (0.5, 0.7, 0.9)}
TELLING = 3


def measure() -> Iterator[tuple[str, str]]:
    if not _jobs.SHARED.is_dir():
        yield "sensitivity of ResNet-20", f"not measured: there are no data in {_jobs.SHARED}"
        return
    prepared = prepare(_jobs.resnet20())
    start, first, items = time.process_time(), 0.0, []
    for item in sensitivity(prepared, techniques=VALUES, values=VALUES):
        items.append(item)
        if item.rough:
            first = time.process_time() - start
    took = time.process_time() - start
    again = time.process_time()
    assert len(list(sensitivity(prepared, techniques=VALUES, values=VALUES))) == len(items)
    again = time.process_time() - again
    yield "ResNet-20, first look at all layers, bits and ratios", f"{first:.1f} s"
    yield f"ResNet-20, {items[-1].of} settings of layers on {IMAGES} validation images", f"{took:.1f} s"
    yield "the same again", f"{again:.2f} s"
    for name in VALUES:
        found = [item for item in items if item.technique == name and not item.rough]
        yield f"{name}, score beside measurement", agreement_words(agreement(found))
        for item in sorted(found, key=lambda item: -item.judgement.divergence.value)[:TELLING]:
            drop, far = item.judgement.drop, item.judgement.divergence
            told = f"drop {100 * drop.value:.1f} points [{100 * drop.low:.1f}, {100 * drop.high:.1f}]"
            yield f"{name}, {item.layer} at {item.value}", f"{told}, divergence {far.value:.3f} nats"
