"""One parcel made and done: what all executors share."""

from __future__ import annotations

import itertools
import logging
import platform

from workbench.context import Report, fingerprint
from workbench.errors import Cancelled, Refused
from workbench.executing import Answer, Parcel
from workbench.recipe import ModelName
from workbench.result import Job, Result, Status
from workbench.run import Prepared, environment, packed_file, prepare, run

_PARTS = ("the weights", "the code of the model", "the images", "the test images")
_log = logging.getLogger(__name__)


def parcelled(job: Job, prepared: Prepared) -> Parcel:
    """Return a job ready to travel."""
    return Parcel(job=job, key=prepared.key(job), digests=_digests(job, prepared))


def answered(parcel: Parcel, job: Job, report: Report) -> Answer:
    """Do a job and return its answer, a failure included; `Cancelled` passes through.

    `job` is that of the parcel as it is here: its files may lie elsewhere. A fault of the workbench is a row too, or
    one job would take a sweep of thousands with it.
    """
    try:
        prepared = prepare(job, report=report)
        found = _digests(job, prepared)
        if prepared.key(job) != parcel.key or found != parcel.digests:
            raise Refused(_different(job, parcel.digests, found))
        *_, row = run(job, report=report)
        packed = packed_file(job, report=report) if row.status is Status.OK else b""
        return Answer(key=parcel.key, row=row, packed=packed)
    except Refused as refusal:
        return failed(parcel, str(refusal))
    except Cancelled:
        raise
    except Exception as error:
        _log.exception("the job %s failed", parcel.key)
        return failed(parcel, f"this is a fault of the workbench ({type(error).__name__}: {error})")


def failed(parcel: Parcel, sentence: str) -> Answer:
    """Return the answer of a job that has come to nothing."""
    status, where = Status.FAILED, environment()
    row = Result(job=parcel.job, key=parcel.key, status=status, message=sentence, final=True, environment=where)
    return Answer(key=parcel.key, row=row)


def _digests(job: Job, prepared: Prepared) -> tuple[str, ...]:
    """Return the hashes of what a job reads: those of `Prepared`, then one of each network that its recipe names."""
    return (*prepared.digests, *(_weights(name, prepared) for name in _named_networks(job)))


def _named_networks(job: Job) -> list[str]:
    """Return the networks of the zoo that a recipe asks for, such as teachers."""
    settings = ((getattr(step, field.name), field.spec) for step in job.recipe.steps for field in step.fields())
    return sorted({name for name, spec in settings if isinstance(spec, ModelName) and name not in spec.special})


def _weights(name: str, prepared: Prepared) -> str:
    try:
        return str(prepared.known.get(f"network/{name}", lambda: fingerprint(prepared.context.load(name))))
    except Refused:
        return ""  # a student needs no trained weights


def _different(job: Job, wanted: tuple[str, ...], found: tuple[str, ...]) -> str:
    names = (*_PARTS, *(f"the weights of {name}" for name in _named_networks(job)))
    pairs = itertools.zip_longest(names, wanted, found, fillvalue="")
    other = " and ".join(name for name, asked, there in pairs if asked != there) or "what the job reads"
    return (
        f"on {platform.node()}, {other} differ from those that the sweep was begun with: "
        "put the same files there, or begin the sweep again where they were changed"
    )
