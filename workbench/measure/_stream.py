"""One stream of images that all measures of a subject look at, each image run once.

A compressed network is compared with its original on the same images. Where the original's answers are all known, the
images are chosen so that few of them say much (`_strata`); where they are not, both networks are run on images in a
random order, and the answers of the original are kept for the next one. The last look is the same either way.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Iterator

import torch
from torch import Tensor

from workbench.context import Progress
from workbench.errors import Refused
from workbench.measure._answers import Answers, answers
from workbench.measure._look import Look, counted, guessed
from workbench.measure._strata import Strata
from workbench.measuring import Subject

FIRST = 128
"""How many images stand behind the first look; each further one has twice as many."""
BATCH = 64
"""Images run at a time: larger batches leave the caches of a CPU and take a fifth longer (ResNet-20)."""


class Stream:
    """The looks at a subject, as often as somebody asks for them.

    Whoever asks for a look that was not taken yet takes it, under its own report. If that stops in the middle, the next
    one takes it anew: the answers so far are kept, so that nothing is run twice.
    """

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._lock = threading.RLock()

    def looks(self, subject: Subject) -> Iterator[Look]:
        """Yield the looks from the first one on, for a subject that shares this stream."""
        further: Iterator[Look] | None = None
        number = 0
        while True:
            with self._lock:
                if number == len(self._looks):
                    if self._looks and self._looks[-1].n == self._looks[-1].of:
                        return
                    if further is None:
                        further = itertools.islice(_looks(subject), number, None)
                    self._looks.append(next(further))
                else:
                    further = None  # somebody else has gone on
                look = self._looks[number]
            yield look
            number += 1


def stream(subject: Subject) -> Iterator[Look]:
    """Return the looks at a subject, shared by all who ask. The first one raises `Refused` without images."""
    return subject.shared.get("stream", Stream).looks(subject)


def _looks(subject: Subject) -> Iterator[Look]:
    total = len(subject.test)
    if total == 0:
        raise Refused("accuracy needs at least one test image, got an empty test split")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(subject.seed))
    ours = answers(subject)
    if subject.original is None:
        yield from _in_order(subject, ours, ours, order)
        return
    original = answers(subject.original)
    if original.known.all():
        make = functools.partial(Strata, original.right, original.margin, order)
        strata = subject.original.shared.get(f"strata of seed {subject.seed}", make)
        yield from _where_it_flips(subject, ours, original, order, strata)
    else:
        yield from _in_order(subject, ours, original, order)


def _in_order(subject: Subject, ours: Answers, original: Answers, order: Tensor) -> Iterator[Look]:
    done = 0
    for n in _stages(len(order)):
        _run(subject, order[done:n], done, original, ours)
        done = n
        yield counted(ours, original, order, n)


def _where_it_flips(
    subject: Subject, ours: Answers, original: Answers, order: Tensor, strata: Strata
) -> Iterator[Look]:
    *some, total = _stages(len(order))
    done, seen = 0, torch.zeros(len(strata.members), dtype=torch.float64)
    guesses = strata.guess(seen, seen)
    for n in some:
        _run(subject, strata.between(seen, seen := strata.allot(guesses, seen, n)), done, ours)
        flips = ours.known & (ours.right != original.right)
        guesses = strata.guess(seen, strata.count(flips))
        done = n
        yield guessed(ours, original, order, guesses)
    _run(subject, order[~ours.known[order]], done, ours)
    yield counted(ours, original, order, total)


def _stages(total: int) -> Iterator[int]:
    n = FIRST
    while n < total:
        yield n
        n *= 2
    yield total


def _run(subject: Subject, images: Tensor, done: int, *networks: Answers) -> None:
    for batch in images.split(BATCH):
        for network in networks:
            network.ask(batch)
        done += len(batch)
        subject.report(Progress(done / len(subject.test), f"accuracy: {done} of {len(subject.test)} images"))
