"""Two jobs on the same test images: both networks are asked once, and all else is counted from their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

import workbench
from workbench import registry
from workbench.context import Cache, Progress, Report, ignore
from workbench.errors import Refused
from workbench.forgetting import alarms
from workbench.forgetting.alarms import Alarm
from workbench.forgetting.calibration import Calibrations, calibrations
from workbench.forgetting.flips import Confusion, Flips, confusions, flips
from workbench.forgetting.parts import Part, changed, parts
from workbench.forgetting.traits import grouped, thirds, traits
from workbench.measure._answers import Answers, answers
from workbench.measure._classes import by_class
from workbench.measure._intervals import quantile
from workbench.measuring import Subject
from workbench.result import Estimate, Job
from workbench.run import Prepared, environment, made, prepare
from workbench.store import Store

MEASURES = ("accuracy", "size_bytes", "macs")
_known = Cache(limit=8)


@dataclass(frozen=True, kw_only=True)
class Network:
    """One of the two."""

    job: Job
    key: str
    estimates: Mapping[str, Estimate]
    """Those of `MEASURES`."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that is known of two networks on the same images."""

    left: Network
    right: Network
    class_names: tuple[str, ...]
    images: int
    change: Estimate
    """The accuracy of the right one less that of the left one, on the same images."""
    flips: Flips
    classes: tuple[Part, ...]
    groups: tuple[Part, ...]
    confusions: tuple[Confusion, ...]
    calibration: Calibrations
    churn: alarms.Churn
    alarms: tuple[Alarm, ...]
    detectable: tuple[str, ...]
    """What there would have been an alarm for."""
    environment: Mapping[str, str]


def compared(
    left: Job, right: Job, *, report: Report = ignore, store: Store | None = None, user_code: bool = True
) -> Comparison:
    """Compare two networks on the test images of their data. Raises `Refused`.

    Nothing is trained: a network that was is read from the store. The last few comparisons are kept.
    """
    if (left.data, left.test_data) != (right.data, right.test_data):
        raise Refused(f"two networks are compared on the same data, got {left.data.name} and {right.data.name}")
    both = [
        prepare(job, report=_share(report, 0.05 * k, 0.05), user_code=user_code) for k, job in enumerate((left, right))
    ]
    if both[0].digests[2:] != both[1].digests[2:]:
        raise Refused("the data have changed between the two networks: please compare them again")
    keys = [prepared.key(job) for prepared, job in zip(both, (left, right), strict=True)]
    for job, key in zip((left, right), keys, strict=True):
        if job.recipe.trains and not (store is not None and store.packed(key)):
            raise Refused("a network of the two is made by training and its file is not stored: train it first")

    def compare() -> Comparison:
        return _compared((left, right), keys, both, report, store, user_code)

    return _known.get("/".join(keys), compare)


def _compared(
    jobs: tuple[Job, Job], keys: list[str], both: list[Prepared], report: Report, store: Store | None, user_code: bool
) -> Comparison:
    networks, answered = [], []
    for k, (job, key, prepared) in enumerate(zip(jobs, keys, both, strict=True)):
        at = 0.1 + 0.35 * k
        network, _ = made(job, report=_share(report, at, 0.15), store=store, user_code=user_code)
        about: dict[str, Any] = {} if job.recipe.steps else {"shared": prepared.known}
        subject = Subject(
            model=network,
            test=prepared.test,
            seed=job.seed,
            report=_share(report, at + 0.15, 0.2),
            about=prepared.about,
            **about,
        )
        estimates = {}
        for name in MEASURES:
            *_, last = registry.measures.get(name).read(subject)
            estimates[name] = last.estimate
        networks.append(Network(job=job, key=key, estimates=estimates))
        answered.append(answers(subject))
    numbers = traits(both[0].test, _share(report, 0.8, 0.1))
    report(Progress(0.9, "counting"))
    left, right = answered
    generator = torch.Generator().manual_seed(jobs[0].seed)
    names = _names(both[0], left)
    changes = calibrations((left.confidence, right.confidence), (left.right, right.right), generator)
    flipped = flips(left, right, generator)
    churn = alarms.churn(left, right, generator)
    classes = parts(by_class(right, left, names))
    groups = _groups({name: thirds(name, values) for name, values in numbers.items()}, left, right)
    lost, gained = (int((one.right & ~other.right).sum()) for one, other in ((left, right), (right, left)))
    change = changed(lost, gained, len(left.labels), quantile(1))
    return Comparison(
        left=networks[0],
        right=networks[1],
        class_names=names,
        images=len(left.labels),
        change=change,
        flips=flipped,
        classes=classes,
        groups=groups,
        confusions=confusions(left, right, names),
        calibration=changes,
        churn=churn,
        alarms=(
            *alarms.broken(right),
            *alarms.never_said(left, right, names),
            *alarms.parts_that_fall(classes, "class"),
            *alarms.parts_that_fall(groups, "group"),
            *alarms.overconfident(changes),
            *alarms.silent(flipped, churn, change),
        ),
        detectable=alarms.detectable(classes, groups, changes, churn),
        environment=environment() | {"workbench": workbench.__version__},
    )


def _names(prepared: Prepared, answered: Answers) -> tuple[str, ...]:
    names = tuple(map(str, prepared.about["classes"]))
    number = max(len(names), int(answered.labels.max()) + 1)
    return (*names, *map(str, range(len(names), number)))


def _groups(by_trait: Mapping[str, Mapping[str, torch.Tensor]], left: Answers, right: Answers) -> tuple[Part, ...]:
    looks = sum(len(groups) for groups in by_trait.values())
    found = [
        part
        for trait, groups in by_trait.items()
        if groups
        for part in parts(grouped(groups, left.right, right.right, trait), looks=looks)
    ]
    return tuple(sorted(found, key=lambda part: part.change.value))


def _share(report: Report, start: float, length: float) -> Report:
    """Return a report whose work is a part of the whole."""
    return lambda news: report(Progress(start + length * news.fraction, news.message))
