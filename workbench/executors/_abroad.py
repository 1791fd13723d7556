"""What happens on a worker of a Dask cluster, perhaps on another machine: it has the weights sent, the data its own.

Dask names functions by their module and pickles plain values only: JSON, strings and bytes.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench import keeping
from workbench.context import Progress, Report
from workbench.errors import Cancelled, Refused
from workbench.executing import Parcel, difference, engine
from workbench.resources import cache_home
from workbench.result import Job

_checked: set[str] = set()


def delivered(weights: bytes) -> bytes:
    """Return what it is given: a task of its own, so that Dask carries weights once and again where they are lost."""
    return weights


def work(
    weights: bytes, sha256: str, job: dict[str, Any], key: str, digests: tuple[str, ...], sender: dict[str, str]
) -> dict[str, Any]:
    """Do one job; return `row` and `packed`, or `refused` with a sentence where this worker must do no job at all."""
    if words := difference(sender, engine(), f"the worker on {platform.node()}"):
        return {"refused": words}
    from workbench.executors._answering import answered, failed

    _one_thread()
    parcel = Parcel(job=Job.from_dict(job), key=key, digests=tuple(digests))
    try:
        model = replace(parcel.job.model, checkpoint=str(kept(weights, sha256)))
    except Refused as refusal:
        answer = failed(parcel, f"on {platform.node()}, {refusal}")
    else:
        answer = answered(parcel, replace(parcel.job, model=model), _heed())
    return {"row": answer.row.to_dict(), "packed": answer.packed}


def kept(weights: bytes, sha256: str) -> Path:
    """Return the file of weights that came from elsewhere, written unless it is there. Raises `Refused`."""
    folder = cache_home() / "sent"
    path = keeping.kept_at(folder, sha256)
    if sha256 not in _checked or not path.is_file():
        if hashlib.sha256(weights).hexdigest() != sha256:
            raise Refused("the weights have arrived damaged: begin the sweep again")
        keeping.keep(weights, folder)
        _checked.add(sha256)
    return path


def _one_thread() -> None:
    """Keep to one thread of torch, as local workers do, unless whoever started this worker has said otherwise."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


def _heed() -> Report:
    """Return a report that stops the job once nobody waits for it any more, be it that its sweep was killed."""
    from distributed import get_worker

    worker = get_worker()
    task: Callable[[], Any] = worker.get_current_task
    key = task()

    def heed(_: Progress) -> None:
        state = worker.state.tasks.get(key)
        if state is not None and state.state == "cancelled":
            raise Cancelled

    return heed
