"""What may be picked on either side: networks of the zoo, stored results, and what a link carries."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from widgets.bridge.offered import Offered
from widgets.text import percent, quantity, recipe_text
from workbench.errors import Refused
from workbench.history import Entry, Query, page
from workbench.recipe import Recipe
from workbench.registry import models
from workbench.result import DataRef, Job, ModelRef
from workbench.store import Store

_NEWEST = 60
_LONGEST = 90


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One network that may be picked."""

    title: str
    job: Job
    stored: bool = False


def zoo(data: DataRef, offered: Offered) -> tuple[Candidate, ...]:
    """Return the networks that are meant for a data set, and those that whoever made the page named."""
    known = [ModelRef(name=model.name) for model in models if data.name in model.card.data]
    refs = dict.fromkeys((*known, *offered.models))
    return tuple(Candidate(title=f"{ref.name}, the original", job=Job(model=ref, data=data)) for ref in refs)


def stored(store: Store, data: str, offered: Offered) -> tuple[Candidate, ...]:
    """Return the newest stored results with a recipe that the page may open. Raises `Refused`."""
    found = []
    for entry in page(store, Query(data=data, limit=_NEWEST)).entries:
        row = store.get(entry.key) if entry.accuracy is not None else None
        if row is None or not row.job.recipe.steps or row.job.test_data is not None:
            continue
        try:
            job = offered.job(row.job)
        except Refused:
            continue  # about a network that this page is not to open
        found.append(Candidate(title=_title(entry, job), job=job, stored=True))
    return tuple(found)


def original(job: Job) -> Job:
    """Return what a job began with."""
    return dataclasses.replace(job, recipe=Recipe())


def linked(job: Job) -> Candidate:
    """Return the network that a link carries."""
    return Candidate(title=_short(f"by link: {job.model.name}, {recipe_text(job.recipe)}"), job=job)


def _title(entry: Entry, job: Job) -> str:
    told = f"{job.model.name}, {recipe_text(job.recipe)}"
    size = f", {quantity(entry.size_bytes, 'bytes')}" if entry.size_bytes is not None else ""
    return _short(f"{'★ ' if entry.star else ''}{percent(entry.accuracy or 0.0)}{size}: {told}")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
