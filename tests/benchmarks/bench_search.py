"""Searches: budgets beside uniform settings, a front from prepared traces beside peers, and the solver alone.

The front has `RECIPES` settings of pruning and bits for ResNet-20, each measured on 1,000 validation images; solving
them is timed apart, since sliders prepare them in the background. Peers do the same with Torch-Pruning, onnxruntime's
static quantizer and onnxruntime, on some of as many settings, alternating with ours.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import time
from collections.abc import Iterator, Sequence

import _jobs
import numpy as np
import torch
from _peer_case import Case, NotRun
from _peer_onnxruntime import STATIC
from bench_channels import torch_pruned

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import prepare
from workbench.search.budget import contend, ground
from workbench.search.contender import Contender, best_of
from workbench.search.knapsack import Item, solve
from workbench.search.limits import Limits
from workbench.search.trial import Trials

RATIOS = tuple(round(0.04 * number, 2) for number in range(25))
WIDTHS = (8, 7, 6, 5, 4, 3, 2, 1)
RECIPES = int(os.environ.get("WORKBENCH_BENCH_RECIPES", "0")) or len(RATIOS) * len(WIDTHS)
PEERS = 4
SIZES = {"digits-cnn": (16e3, 10e3, 7e3, 5e3, 3.5e3), "LeNet-5": (100e3, 60e3, 40e3, 25e3, 18e3)}
RESNET_SIZES = (130e3, 100e3, 75e3, 60e3, 45e3)


def measure() -> Iterator[tuple[str, str]]:
    yield from _solver()
    jobs = {"digits-cnn": Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))}
    if _jobs.SHARED.is_dir():
        jobs |= {"LeNet-5": _jobs.lenet5(), "ResNet-20": _jobs.resnet20()}
    for title, job in jobs.items():
        yield from _budgets(title, job, SIZES.get(title, RESNET_SIZES))
    if _jobs.SHARED.is_dir():
        yield from _front(_jobs.resnet20())


def _solver() -> Iterator[tuple[str, str]]:
    for layers, choices in ((20, 60), (60, 200)):
        took = []
        for seed in range(5):
            classes, limit = _instance(layers, choices, seed)
            start = time.perf_counter()
            found = solve(classes, [limit])
            took.append(time.perf_counter() - start)
            if found.gap > 1e-9:
                yield f"knapsack, {layers} layers x {choices} choices", f"NOT PROVED: gap {found.gap:.2g}"
        words = f"median {1000 * float(np.median(took)):.0f} ms, at most {1000 * max(took):.0f} ms, all proved the best"
        yield f"knapsack, {layers} layers x {choices} choices", words


def _instance(layers: int, choices: int, seed: int) -> tuple[list[list[Item]], float]:
    draw = np.random.default_rng(seed)
    classes = []
    for _ in range(layers):
        size, care = draw.integers(500, 40_000), math.exp(draw.normal())
        bits, keep = draw.choice([1, 2, 3, 4, 5, 6, 8], choices), draw.uniform(0.05, 1, choices)
        losses = care * (4.0**-bits + 0.1 * (1 - keep) ** 3) * draw.uniform(0.8, 1.2, choices)
        costs = np.floor(size * bits * keep / 8 * draw.uniform(0.9, 1.1, choices))
        classes.append([Item(loss=float(a), costs=(float(b),)) for a, b in zip(losses, costs, strict=True)])
    return classes, 0.7 * sum(float(np.median([item.costs[0] for item in items])) for items in classes)


def _budgets(title: str, job: Job, sizes: Sequence[float]) -> Iterator[tuple[str, str]]:
    start = time.perf_counter()
    found = ground(job, Limits(size_bytes=max(sizes)))
    yield f"{title}: layers measured, tables counted", f"{time.perf_counter() - start:.0f} s"
    won = 0
    for size in sizes:
        start = time.perf_counter()
        tried = list(contend(found, Limits(size_bytes=size)))
        took = time.perf_counter() - start
        plan = best_of([each for each in tried if not each.uniform])
        uniform = best_of([each for each in tried if each.uniform])
        best = best_of(tried)
        if best is None:
            yield f"{title} in {size:,.0f} B", "nothing fits"
            continue
        won += best is plan
        row, _ = _jobs.last(job, *best.recipe.steps)
        words = f"plan {_judged(plan)}; uniform {_judged(uniform)}; {'plan' if best is plan else 'UNIFORM'} taken"
        tested = f"test images: change {_jobs.change(row)}, {row.estimates['size_bytes'].value:,.0f} B"
        yield f"{title} in {size:,.0f} B", f"{words}; {tested}; {took:.0f} s"
    yield f"{title}: the plan won", f"{won} of {len(sizes)}"


def _judged(each: Contender | None) -> str:
    if each is None:
        return "none"
    nats, drop = each.trial.judgement.divergence, each.trial.judgement.drop
    return f"{nats.value:.3g} nats [{nats.low:.2g}, {nats.high:.2g}], {100 * drop.value:+.2f} points lost"


def _front(job: Job) -> Iterator[tuple[str, str]]:
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    pairs = list(itertools.product(RATIOS, WIDTHS))[:: max(1, len(RATIOS) * len(WIDTHS) // RECIPES)][:RECIPES]
    recipes = [Recipe(((prune(ratio=r),) if r else ()) + (bits(bits=b),)) for r, b in pairs]
    prepared = prepare(job)
    start = time.perf_counter()
    solving = Trials(prepared, images=1)
    for recipe in recipes:
        solving.network(recipe)
    solved = time.perf_counter() - start
    yield f"ResNet-20: {len(recipes)} recipes solved (what sliders do in the background)", f"{solved:.0f} s"
    trials = Trials(prepared, images=1000)
    trials.of(Recipe())
    peers = _Peers(job)
    every, ours, theirs = len(recipes) // PEERS, 0.0, 0.0
    for number, recipe in enumerate(recipes):
        start = time.perf_counter()
        trials.of(recipe)
        ours += time.perf_counter() - start
        if number % every == 0 and number // every < PEERS:
            theirs += peers.seconds(0.2 + 0.1 * (number // every))
    yield f"front of {len(recipes)} measured recipes, 1,000 images each, from traces", f"{ours:.0f} s"
    rate, whole = 60 * len(recipes) / ours, 60 * len(recipes) / (ours + solved)
    if peers.why:
        yield "the same with Torch-Pruning and onnxruntime", f"not run: {peers.why}; ours {rate:.0f} settings a minute"
        return
    other = 60 * PEERS / theirs
    yield (
        "settings a minute: ours; Torch-Pruning and onnxruntime's static quantizer",
        f"{rate:.0f}; {other:.1f}: {rate / other:.1f} times as many",
    )
    yield "the same, solving included", f"{whole:.1f}; {other:.1f}: {whole / other:.1f} times as many"


def _seconds(start: float) -> str:
    return f"{time.perf_counter() - start:.0f} s"


class _Peers:
    """One setting of the peers: prune channels, export, quantize, run 1,000 images."""

    def __init__(self, job: Job) -> None:
        self._case, self.why = Case.of("ResNet-20", job), ""

    def seconds(self, ratio: float) -> float:
        """Return what one setting takes, in seconds by the wall clock."""
        start = time.perf_counter()
        try:
            pruned = torch_pruned(self._case.model, self._case.calibration[0][:2], ratio)
            narrow = dataclasses.replace(self._case.prepared, model=pruned)
            made = STATIC.make(Case(title="ResNet-20", prepared=narrow))
        except (NotRun, ImportError) as refusal:
            self.why = str(refusal)
            return 0.0
        validation = self._case.prepared.context.validation
        for indices in torch.arange(min(1000, len(validation))).split(64):
            made.forward(validation.inputs(indices))
        return time.perf_counter() - start
