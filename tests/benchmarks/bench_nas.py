"""Architecture search on the digits: does it beat random search, and do its judges rank networks as full training does?

The rank correlation (Spearman) is with the accuracy on the test images after a training of their own, of networks drawn
at random. The searches are compared at equally many candidates, by the mean over budgets of file size of the best
validation accuracy within the budget; the gap is that to the control arm, with its 95 % interval over the images.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from scipy.stats import spearmanr

from workbench.context import ignore
from workbench.models._train import lesson
from workbench.registry import spaces
from workbench.result import DataRef, Job, ModelRef
from workbench.run import prepare
from workbench.search.judging import Brief, Judge, Shared, verdict
from workbench.search.nas import search_architectures
from workbench.search.nas_plan import Plan
from workbench.search.outcome import outcome
from workbench.search.supernet import Sandwich, trained_supernet
from workbench.space import Region, Space

DIGITS = DataRef(name="digits")
SPACE = spaces.get("digits-space")
NETWORKS, LONG, SHORT = 12, 15, (2, 4, 8)
TRIALS, SEEDS = 12, (0, 1)


def ranks() -> Iterator[tuple[str, str]]:
    """Yield how well each judge ranks networks."""
    course = lesson(SPACE().spelled, DIGITS)
    points = list(Region.of(SPACE).shuffled(11))[:NETWORKS]
    test = prepare(Job(model=ModelRef(name="digits-cnn"), data=DIGITS)).test
    start = time.process_time()
    alone = Brief(course, LONG, 10)
    reached = []
    for point in points:
        network = alone.trained(point, ignore)
        reached.append(verdict(network, test).accuracy.value)
    took = (time.process_time() - start) / NETWORKS
    spread = f"{100 * min(reached):.1f} to {100 * max(reached):.1f} %"
    yield f"{NETWORKS} networks of {SPACE.name}, {LONG} epochs each", f"test accuracy {spread}, {took:.1f} s each"
    sizes = [sum(p.numel() for p in point.build(10).parameters()) for point in points]
    yield "rank correlation: number of parameters", f"{spearmanr(sizes, reached).statistic:.2f}"
    for epochs in SHORT:
        yield judged(f"{epochs} epochs", Brief(course, epochs, 10), points, reached)
    start = time.process_time()
    net = trained_supernet(SPACE, course, DIGITS, Sandwich())
    yield "training the supernet", f"{time.process_time() - start:.0f} s of one core (0 where it was kept)"
    yield judged("supernet, no training", Shared(course, net), points, reached)


def judged(title: str, judge: Judge, points: list[Space], reached: list[float]) -> tuple[str, str]:
    start = time.process_time()
    found = [judge(point, ignore) for point in points]
    took = (time.process_time() - start) / len(points)
    accuracy = spearmanr([v.accuracy.value for v in found], reached).statistic
    entropy = spearmanr([-v.cross_entropy.value for v in found], reached).statistic
    mean = sum(v.accuracy.value for v in found) / len(found)
    return (
        f"rank correlation: {title}",
        f"by validation accuracy {accuracy:.2f}, by cross-entropy {entropy:.2f}; mean accuracy {100 * mean:.1f} %, "
        f"{took:.2f} s each",
    )


def searches() -> Iterator[tuple[str, str]]:
    """Yield each strategy against its control arm."""
    for strategy, trials in (("nsga2", TRIALS), ("tpe", TRIALS), ("supernet", 100)):
        for seed in SEEDS:
            plan = Plan(space=SPACE.name, data=DIGITS, strategy=strategy, trials=trials, seed=seed)
            start = time.process_time()
            found = outcome(plan, list(search_architectures(plan)))
            gap = found.ahead
            best = {arm: 100 * c.estimates["accuracy"].value for arm, c in found.best.items()}
            yield (
                f"{strategy} against random, {trials} candidates each, seed {seed}",
                f"{100 * gap.value:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f}): "
                f"{100 * found.covered['search']:.1f} and {100 * found.covered['control']:.1f}; best "
                f"{best['search']:.1f} and {best['control']:.1f} %; {time.process_time() - start:.0f} s for both",
            )


def measure() -> Iterator[tuple[str, str]]:
    torch.set_num_threads(1)
    yield from ranks()
    yield from searches()
