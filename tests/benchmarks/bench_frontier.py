"""What the defaults reach without training: ResNet-20, and networks that nothing was tuned on.

All test images are those of the shared folder (5,000 for CIFAR-10); differences are paired on the same images. Methods
are chosen by the defaults, in contests on validation images. The line of the front takes the least loss among the few
recipes that are printed above it, which flatters it a little.
"""

from __future__ import annotations

from collections.abc import Iterator

import _jobs

from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef

ALLOWED = {4: 0.3, 3: 0.5, 2: 2.2}
ALLOWED_PRUNED = {0.5: 0.3, 0.7: 1.5, 0.8: 4.0, 0.9: 13.5}
FRONT = {225_000: 0.02, 172_000: 0.13, 127_000: 0.61, 64_000: 3.64}
"""Bytes, and points lost from 92.18 %, of the public front made with retraining (Compress and Compare, 2024)."""
COMBINED = ((0, 6), (0, 5), (0.4, 4), (0.5, 4), (0.5, 3), (0.6, 3), (0.7, 3), (0.8, 4))
"""Share pruned and bits of the recipes from which our front is taken, each with biases and norms of eight digits."""


def measure() -> Iterator[tuple[str, str]]:
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    others = {
        "digits-cnn": Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits")),
        "digits-resnet": Job(model=ModelRef(name="digits-resnet"), data=DataRef(name="digits")),
        "digits-mlp": Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits")),
    }
    if not _jobs.SHARED.is_dir():
        yield "ResNet-20, LeNet-5 and others on real images", f"not measured: there are no data in {_jobs.SHARED}"
    else:
        job = _jobs.resnet20()
        base, _ = _jobs.last(job)
        yield "ResNet-20, original", f"{_jobs.points(base.estimates['accuracy'])}, {_bytes(base)}"
        for width, allowed in ALLOWED.items():
            yield _against(job, f"ResNet-20, {width} bits", allowed, bits(bits=width))
            plain = bits(bits=width, method="nearest", correct=False, symmetric=True)
            yield _against(job, f"ResNet-20, {width} bits, round to nearest", None, plain)
        for ratio, allowed in ALLOWED_PRUNED.items():
            yield _against(job, f"ResNet-20, {ratio:.0%} pruned", allowed, prune(ratio=ratio))
            plain = prune(ratio=ratio, method="mask", score="magnitude")
            yield _against(job, f"ResNet-20, {ratio:.0%} pruned, magnitude alone", None, plain)
        yield from _front(job, base, prune, bits)
        others |= {"LeNet-5": _jobs.lenet5(), "small VGG": _jobs.own("vgg"), "small MobileNetV2": _jobs.own("mobile")}
    for title, job in others.items():
        base, _ = _jobs.last(job)
        yield f"{title}, original", f"{_jobs.points(base.estimates['accuracy'])}, {_bytes(base)}"
        for width in ALLOWED:
            yield _against(job, f"{title}, {width} bits", None, bits(bits=width))
        for ratio in ALLOWED_PRUNED:
            yield _against(job, f"{title}, {ratio:.0%} pruned", None, prune(ratio=ratio))
        yield _against(job, f"{title}, 50% pruned, 4 bits", None, prune(ratio=0.5), bits(bits=4))


def _against(job: Job, title: str, allowed: float | None, *steps) -> tuple[str, str]:
    row, took = _jobs.last(job, *steps)
    lost = -100 * row.estimates["change"].value
    verdict = "" if allowed is None else f", {'within' if lost <= allowed else 'BEYOND'} {allowed} points"
    accuracy = _jobs.points(row.estimates["accuracy"])
    return title, f"{accuracy}, change {_jobs.change(row)}{verdict}, {_bytes(row)}, first row after {took:.1f} s"


def _front(job, base, prune, bits) -> Iterator[tuple[str, str]]:
    """Yield what is lost at each size of the public front by the smallest loss among files at most as large."""
    found = []
    for ratio, width in COMBINED:
        steps = [prune(ratio=ratio)] * (ratio > 0) + [bits(bits=width), techniques.get("vector_bits")()]
        row, _ = _jobs.last(job, *steps)
        size, lost = int(row.estimates["size_bytes"].value), -100 * row.estimates["change"].value
        found.append((size, lost))
        yield f"ResNet-20, {ratio:.0%} pruned and {width} bits", f"{size:,} B, change {_jobs.change(row)}"
    for size, theirs in FRONT.items():
        ours = min((lost for at, lost in found if at <= size), default=float("nan"))
        verdict = "on or above" if ours <= theirs else "below"
        yield f"front at {size:,} B: points lost, public (retrained) and here", f"{theirs:.2f}, {ours:.2f}: {verdict}"


def _bytes(row) -> str:
    return f"{int(row.estimates['size_bytes'].value):,} B"
