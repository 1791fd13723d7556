"""The one way in: `run(job)` streams rows, each on more images. Panels, notebooks and the command line all call it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

import workbench
from workbench import registry
from workbench.compress import compress
from workbench.context import Cache, Context, Progress, Report, fingerprint, ignore
from workbench.data import folder
from workbench.errors import Refused
from workbench.images import Preprocess, Splits, View
from workbench.measuring import Reading, Subject
from workbench.models import _weights, user
from workbench.models._load import build, load
from workbench.network import check, layers
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef, Result, Status

if TYPE_CHECKING:
    from workbench.store import Store

_prepared = Cache(limit=4)
_files = Cache(limit=16)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Model and data of a job, loaded and checked: what jobs that differ only in their recipe share."""

    model: nn.Module
    context: Context
    test: View
    about: dict[str, Any]
    notes: tuple[str, ...]
    """What a reader of any number about this model on these data should know."""
    digests: tuple[str, ...]

    def key(self, job: Job) -> str:
        """Return the name of a run: what was asked, of which content, and by which version of the engine."""
        return job.key(workbench.__version__, *self.digests)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that can be compressed."""
        return tuple(layers(self.model))


def prepare(job: Job, *, report: Report = ignore, user_code: bool = True) -> Prepared:
    """Load and check the model and the data of a job; the last few are kept. Raises `Refused`.

    `user_code=False` refuses models whose code is a file of the user's: a dashboard must not run it.
    """
    if job.model.name.startswith("user:") and not user_code:
        raise Refused(
            f"{job.model.name} is code from a file, which a dashboard does not run: "
            "use `workbench run` or name it in a notebook of your own"
        )
    key = repr((dataclasses.replace(job, recipe=Recipe()), _written(job)))
    return _prepared.get(key, lambda: _prepare(job, report))


def _prepare(job: Job, report: Report) -> Prepared:
    report(Progress(0.0, f"reading {job.data.name}"))
    splits = _open(job.data)
    tested = splits if job.test_data is None else _open(job.test_data)
    if len(tested.test) == 0:
        raise Refused(f"the test split of {(job.test_data or job.data).name} is empty, expected at least one image")
    report(Progress(0.5, f"loading {job.model.name}"))
    code = _code(job.model)  # before it runs: an edit while it does must not pass for what ran
    model, card = load(job.model, job.data.name, len(splits.classes))
    notes = _compared(splits.classes, tested.classes, job)
    pixels = splits.calibration.pixels(torch.arange(1))
    c, h, w = pixels.shape[1:]
    preprocess = Preprocess(card.input_shape or (c, h, w), job.model.mean or card.mean, job.model.std or card.std)
    model = model.to(_device(job.device)).eval()

    def view(images: Any) -> View:
        return View(images, preprocess, job.device)

    context = Context(
        original=model,
        train=view(splits.train),
        validation=view(splits.validation),
        calibration=view(splits.calibration),
        seed=job.seed,
        device=job.device,
        build=lambda name: build(name, len(splits.classes), job.seed).to(job.device),
        load=lambda name: load(ModelRef(name=name), job.data.name, len(splits.classes))[0].to(job.device).eval(),
    )
    check(model, context.example, len(splits.classes))
    return Prepared(
        model=model,
        context=context,
        test=view(tested.test),
        notes=notes,
        about={"input": dataclasses.asdict(preprocess), "classes": list(splits.classes)},
        digests=(fingerprint(model), code, splits.digest, tested.digest),
    )


def _compared(classes: tuple[str, ...], tested: tuple[str, ...], job: Job) -> tuple[str, ...]:
    """Return a note where the classes of the test data are called otherwise; raises `Refused` where they do not fit."""
    if classes == tested or job.test_data is None:
        return ()
    if len(classes) != len(tested):
        raise Refused(f"test data need the {len(classes)} classes of {job.data.name}, got {len(tested)}")
    number, (ours, theirs) = next(
        (i, pair) for i, pair in enumerate(zip(classes, tested, strict=True)) if len({*pair}) > 1
    )
    different = f"class {number} is {ours!r} in {job.data.name} and {theirs!r} in {job.test_data.name}"
    if set(classes) == set(tested):
        raise Refused(f"test data need the classes of {job.data.name} in the same order: {different}")
    return (f"the test data name their classes differently, and are taken in order: {different}",)


def _written(job: Job) -> list[str]:
    """Return when files of the person's own were last written: what is written anew is read anew."""
    files = [user.source(job.model.name), _weights.trained(job.model.name, job.data.name)]
    if job.model.checkpoint:
        files.append(Path(job.model.checkpoint).expanduser())
    times = [f"{path} {path.stat().st_mtime_ns}" for path in files if path is not None and path.is_file()]
    addresses = [ref.name.partition("folder:") for ref in (job.data, job.test_data) if ref is not None]
    return times + [folder.written(address) for start, prefix, address in addresses if prefix and not start]


def _code(model: ModelRef) -> str:
    """Return the SHA-256 of the file of a `user:` model; "" for any other."""
    path = user.source(model.name)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else ""


def _open(ref: DataRef) -> Splits:
    return registry.data.get(ref.name).open(ref)


def _device(name: str) -> torch.device:
    try:
        if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
            raise ValueError
        device = torch.device(name)
        torch.empty(1, device=device)
    except (ValueError, RuntimeError, AssertionError):
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        found = ", ".join(["cpu", *(kind for kind, is_there in there.items() if is_there)])
        raise Refused(
            f"the device {name!r} cannot be used here (found: {found}), expected cpu, cuda, cuda:NUMBER or mps"
        ) from None
    return device


def run(job: Job, *, report: Report = ignore, store: Store | None = None, user_code: bool = True) -> Iterator[Result]:
    """Yield rows about a job until one is final; each stands on at least as many images as the one before.

    An expected failure is a final row whose message says what to do. `Cancelled`, raised by `report`, passes through.
    A store answers at once for a job that it knows, and is given the final row of one that it does not know.
    """
    key = ""
    try:
        prepared = prepare(job, report=report, user_code=user_code)
        key = prepared.key(job)
        if store is not None and (known := store.get(key)) is not None:
            yield known
            return
        yield from _measure(job, key, prepared, report, store)
    except Refused as refusal:
        yield Result(
            job=job, key=key, status=Status.FAILED, message=str(refusal), final=True, environment=environment()
        )


def _measure(job: Job, key: str, prepared: Prepared, report: Report, store: Store | None) -> Iterator[Result]:
    subject, notes = _subject(job, prepared, report)
    _files.get(key, lambda: subject.packed.data)
    streams = {measure.name: measure.read(subject) for measure in registry.measures}
    readings: dict[str, Reading] = {}
    while streams:
        readings |= {name: next(stream) for name, stream in streams.items()}
        streams = {name: stream for name, stream in streams.items() if not readings[name].final}
        row = Result(
            job=job,
            key=key,
            estimates={name: reading.estimate for name, reading in readings.items()},
            final=not streams,
            notes=(*notes, *(note for reading in readings.values() for note in reading.notes)),
            details={name: reading.details for name, reading in readings.items() if reading.details},
            environment=environment(),
        )
        yield _kept(row, subject, store) if row.final and store is not None else row


def _kept(row: Result, subject: Subject, store: Store) -> Result:
    """Put the final row into the store and return it; where there is no room, the row says so and is not lost."""
    try:
        store.add(row, subject.packed.data)
    except Refused as refusal:
        return dataclasses.replace(row, notes=(*row.notes, f"this result was not saved: {refusal}"))
    return row


def _subject(job: Job, prepared: Prepared, report: Report) -> tuple[Subject, list[str]]:
    notes = list(prepared.notes)
    ctx = dataclasses.replace(prepared.context, report=report, notes=notes)
    model = compress(prepared.model, job.recipe, ctx)
    return Subject(model=model, test=prepared.test, seed=job.seed, report=report, about=prepared.about), notes


def compressed(job: Job, *, report: Report = ignore) -> nn.Module:
    """Return the network that a job's recipe makes. Raises `Refused`."""
    return _subject(job, prepare(job, report=report), report)[0].model


def packed_file(job: Job, *, report: Report = ignore, store: Store | None = None, user_code: bool = True) -> bytes:
    """Return the packed file of a job: the bytes whose number the size of its rows is. Raises `Refused`.

    Where a store holds the file, nothing is computed.
    """
    prepared = prepare(job, report=report, user_code=user_code)
    key = prepared.key(job)
    if store is not None and (kept := store.packed(key)):
        return kept
    data: bytes = _files.get(key, lambda: _subject(job, prepared, report)[0].packed.data)
    return data


@functools.cache
def environment() -> dict[str, str]:
    """Return what the numbers may depend on besides the job."""
    return {
        "workbench": workbench.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as lines:
            return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    except OSError:
        return platform.processor() or "unknown"
