"""The one way in: `run(job)` streams rows, each on more images. Panels, notebooks and the command line all call it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

import workbench
from workbench import registry
from workbench.compress import compress
from workbench.context import Cache, Context, Patience, Progress, Report, fingerprint, ignore
from workbench.curves import Curves
from workbench.data import folder
from workbench.errors import Refused
from workbench.export.packed import pack, unpack
from workbench.images import Preprocess, Splits, View
from workbench.layerwise.outputs import IMAGES
from workbench.layerwise.rows import LayerView, layer_rows
from workbench.measuring import Reading, Subject
from workbench.models import _weights, user
from workbench.models._load import build, load
from workbench.network import check, layers
from workbench.recipe import Recipe, Step, digest
from workbench.reconstruction.contest import AUTO, Entry, chosen, variants
from workbench.reconstruction.contest import contest as contest_between
from workbench.resources import cache_home, class_home
from workbench.result import DataRef, Job, ModelRef, Result, Status

if TYPE_CHECKING:
    from workbench.store import Store

_prepared = Cache(limit=4)
_files = Cache(limit=16)
_networks = Cache(limit=2)


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
    known: Cache = field(default_factory=Cache)
    """What measures have found out about the original, such as its answers on the test images."""

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
        raise user.not_run(job.model.name)
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

    digests = (fingerprint(model), code, splits.digest, tested.digest)
    context = Context(
        original=model,
        reference_key=digest([*digests, dataclasses.asdict(preprocess)]),
        folder=cache_home() / "traces",
        shared=class_home() / "traces",
        named=(model, digests[0]),
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
        digests=digests,
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


def run(
    job: Job,
    *,
    report: Report = ignore,
    store: Store | None = None,
    user_code: bool = True,
    quick: bool = False,
    alone: bool = False,
) -> Iterator[Result]:
    """Yield rows about a job until one is final; each stands on at least as many images as the one before.

    `quick`, for sliders, yields provisional rows first where the network takes longer to solve than a slider may: they
    stand on a few images and say what they show instead. What follows them is what the job asked for.

    `alone`, for checks, uses nothing that others in a class have solved before.

    An expected failure is a final row whose message says what to do. `Cancelled`, raised by `report`, passes through.
    A store answers at once for a job that it knows, and is given the final row of one that it does not know.
    """
    key = ""
    try:
        prepared = prepare(job, report=report, user_code=user_code)
        key = prepared.key(job)
        if store is not None and (known := store.get(key)) is not None:
            yield _wanted(known, store)
            return
        if alone:
            prepared = dataclasses.replace(prepared, context=prepared.context.apart())
        yield from _answers(job, key, prepared, report, store, quick)
    except Refused as refusal:
        yield Result(
            job=job, key=key, status=Status.FAILED, message=str(refusal), final=True, environment=environment()
        )


def _answers(
    job: Job, key: str, prepared: Prepared, report: Report, store: Store | None, quick: bool
) -> Iterator[Result]:
    told: list[str] = []
    for patience in Patience if quick else (Patience.FULL,):
        curves = Curves(report)
        subject, ctx = _subject(job, prepared, curves.report, patience)
        if not ctx.provisional:
            _files.get(key, lambda: subject.packed)  # noqa: B023  # called at once
            _networks.get(key, lambda: subject.model)  # noqa: B023  # for those who look closer
            yield from _measure(job, key, subject, ctx, store, curves.details)
            return
        if ctx.provisional != told:
            told = ctx.provisional
            yield next(_measure(job, key, subject, ctx, None, {}))


def _measure(
    job: Job, key: str, subject: Subject, ctx: Context, store: Store | None, curves: Mapping[str, Any]
) -> Iterator[Result]:
    streams = {measure.name: measure.read(subject) for measure in registry.measures}
    readings: dict[str, Reading] = {}
    while streams:
        readings |= {name: next(stream) for name, stream in streams.items()}
        streams = {name: stream for name, stream in streams.items() if not readings[name].final}
        row = Result(
            job=job,
            key=key,
            estimates={name: reading.estimate for name, reading in readings.items()},
            final=not streams and not ctx.provisional,
            provisional=tuple(ctx.provisional),
            notes=(*ctx.notes, *(note for reading in readings.values() for note in reading.notes)),
            details={
                **{name: reading.details for name, reading in readings.items() if reading.details},
                **({"curves": curves} if curves else {}),
            },
            environment=environment(),
        )
        yield kept(row, subject.packed.data, store) if row.final and store is not None else row


def kept(row: Result, packed: bytes, store: Store) -> Result:
    """Put a final row into the store and return it; where there is no room, the row says so and is not lost."""
    return _saved(row, lambda: store.add(row, packed))


def _wanted(row: Result, store: Store) -> Result:
    """Return a row that the store knows, and keep it from now on: it may have been measured only in passing."""
    return _saved(row, lambda: store.keep(row.key))


def _saved(row: Result, save: Callable[[], None]) -> Result:
    try:
        save()
    except Refused as refusal:
        return dataclasses.replace(row, notes=(*row.notes, f"this result was not saved: {refusal}"))
    return row


def _subject(
    job: Job, prepared: Prepared, report: Report, patience: Patience = Patience.FULL
) -> tuple[Subject, Context]:
    ctx = dataclasses.replace(
        prepared.context, report=report, notes=list(prepared.notes), patience=patience, provisional=[]
    )
    model = compress(prepared.model, job.recipe, ctx)
    original = Subject(model=prepared.model, test=prepared.test, seed=job.seed, shared=prepared.known)
    against: dict[str, Any] = {"original": original} if job.recipe.steps else {"shared": prepared.known}
    about = prepared.about
    return Subject(model=model, test=prepared.test, seed=job.seed, report=report, about=about, **against), ctx


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
    return _files.get(key, lambda: _subject(job, prepared, report)[0].packed).data


def made(
    job: Job, *, report: Report = ignore, store: Store | None = None, user_code: bool = True
) -> tuple[nn.Module, Mapping[str, int]]:
    """Return the network that a job makes, not to be changed, and the bytes of each tensor in its packed file.

    A network that was trained comes from the store where that holds its file; otherwise it is trained now. Raises
    `Refused`.
    """
    prepared = prepare(job, report=report, user_code=user_code)
    key = prepared.key(job)

    def make() -> nn.Module:
        if job.recipe.trains and store is not None and (kept := store.packed(key)):
            network = unpack(kept, lambda name: prepared.context.build(name or job.model.name))
            return network.to(job.device).eval()
        return _subject(job, prepared, report)[0].model

    network = _networks.get(key, make)
    return network, (_files.peek(key) or pack(network, prepared.about)).tensors


def layer_view(job: Job, *, report: Report = ignore, store: Store | None = None, user_code: bool = True) -> LayerView:
    """Return what each layer takes and has lost in the network that a job makes. Raises `Refused`.

    Layers are compared with those of the original, after the steps in front that only rewrite it (`Step.rewrites`). A
    network that was trained comes from the store where that holds its file; otherwise it is trained now.
    """
    prepared = prepare(job, report=report, user_code=user_code)
    ctx = dataclasses.replace(prepared.context, report=report, notes=[], provisional=[])
    network, sizes = made(job, report=report, store=store, user_code=user_code)
    rewritten = Recipe(tuple(itertools.takewhile(lambda step: step.rewrites, job.recipe.steps)))
    original = compress(prepared.model, rewritten, ctx)
    before = prepared.known.get(f"bytes/{rewritten.to_json()}", lambda: pack(original).tensors)
    images = ctx.calibration
    rows = layer_rows(original, network, images, original_bytes=before, model_bytes=sizes, report=report)
    return LayerView(job=job, rows=rows, images=min(IMAGES, len(images)))


def pictures(job: Job, indices: Sequence[int], *, user_code: bool = True) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return test images of a job by number as bytes [K, H, W, C], before any preprocessing. Raises `Refused`."""
    test = prepare(job, user_code=user_code).test
    if not all(0 <= index < len(test) for index in indices):
        raise Refused(f"test images are numbered from 0 to {len(test) - 1}, got {list(indices)}")
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = test.pixels(torch.tensor(indices, dtype=torch.long)).numpy()
    return pixels.transpose(0, 2, 3, 1)


def contest(job: Job, number: int, *, report: Report = ignore, user_code: bool = True) -> Iterator[Entry]:
    """Yield how each method of step `number` of a recipe does, at the settings and in the place where it stands.

    They are judged on validation images. Methods are the options of the fields that a contest can decide, one changed
    at a time. Raises `Refused` for a step that has one method only.
    """
    step = _contested(job, number)
    prepared = prepare(job, report=report, user_code=user_code)
    ctx = dataclasses.replace(prepared.context, report=report, notes=[], provisional=[])
    before = compress(prepared.model, Recipe(job.recipe.steps[:number]), ctx)
    yield from contest_between(variants(step), before, ctx)


def settled(job: Job, number: int, *, report: Report = ignore, user_code: bool = True) -> Step:
    """Return step `number` of a recipe with the method that "auto" stands for, by the contest that decides it.

    Raises `Refused` for a step that has one method only.
    """
    step = _contested(job, number)
    prepared = prepare(job, report=report, user_code=user_code)
    ctx = dataclasses.replace(prepared.context, report=report, notes=[], provisional=[])
    return chosen(dataclasses.replace(step, **dict.fromkeys(step.rivals[0], AUTO)), ctx)


def _contested(job: Job, number: int) -> Step:
    steps = job.recipe.steps
    if not 0 <= number < len(steps) or not steps[number].rivals:
        raise Refused("a contest needs a step with several methods, such as magnitude or weight_bits")
    return steps[number]


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
