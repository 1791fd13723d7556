"""Handing over a network: write a file, run it again in its own runtime on all test images, and only then keep it.

A file that answers as the preview does on fewer than 99.9 % of the test images is handed over with a note that says so;
below 90 % it is refused, because it is another network than the one that was shown. So is a file of an exact format
(`Format.exact`) with any other score.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import workbench
from workbench import registry
from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.export.packed import unpack
from workbench.exporting import Format, Runner, Source
from workbench.files import plain, umask
from workbench.images import View
from workbench.measure._intervals import wilson
from workbench.result import Estimate, Job
from workbench.run import Prepared, packed_file, prepare
from workbench.store import Store
from workbench.timing.turn import turn

FAITHFUL, GARBAGE = 0.999, 0.9
"""The share of test images with the same answer from which a file counts as the network that was shown, and that below
which it is refused."""
BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A file that was written, and how it did against the preview on the same test images."""

    job: Job
    format: str
    runtime: str
    path: Path
    size_bytes: int
    agreement: Estimate
    """The share of test images with the same highest score, with its 95 % interval."""
    difference: float
    """The largest difference of any score."""
    accuracy: Estimate
    """Of the file, in its own runtime."""
    preview_accuracy: float
    """Of the network that was shown, on the same images."""
    seconds: float
    """To write the file."""
    notes: tuple[str, ...] = ()

    @property
    def faithful(self) -> bool:
        """Whether the file computes what was shown."""
        return self.agreement.value >= FAITHFUL


def deliver(
    job: Job,
    format: Format | str,
    path: Path,
    *,
    report: Report = ignore,
    store: Store | None = None,
    user_code: bool = True,
) -> Delivered:
    """Write the network of a job as a file that was run on all test images before it is there.

    The network is that of the packed file, which a store may hold: what a training made is not trained again. Nothing
    half-written stays, whatever happens. Raises `Refused`; `Cancelled`, raised by `report`, passes through.
    """
    format = registry.exports.get(format) if isinstance(format, str) else format
    # in turn with measurements, which it would disturb, and with other exports: torch traces one network at a time
    with _place(path, format.suffix) as draft, turn(report):
        report(Progress(0.0, "making the network"))
        prepared = prepare(job, report=report, user_code=user_code)
        network = _network(job, prepared, report, store, user_code)
        source = _source(job, prepared, network, report)
        report(Progress(0.2, f"writing {format.title}"))
        began = time.perf_counter()
        with _writing(path):
            format.write(source, draft)
            size = draft.stat().st_size
        seconds = time.perf_counter() - began
        report(Progress(0.5, f"loading the file in {format.runtime}"))
        told = _compared(network, format.load(draft, source), prepared.test, report, exact=format.exact)
        with _writing(path):
            draft.chmod(0o666 & ~umask())
            draft.replace(path.resolve())
    return Delivered(
        job=job, format=format.name, runtime=format.runtime, path=path, size_bytes=size, seconds=seconds, **told
    )


def warm(report: Report = ignore) -> None:
    """Load what networks are traced and written as ONNX with, by writing a tiny one: seconds, once in a process."""
    tiny = Source(model=nn.Linear(1, 1).eval(), example=torch.ones(2, 1), build=lambda name: nn.Linear(1, 1))
    with tempfile.TemporaryDirectory() as folder, turn(report):
        registry.exports.get("onnx").write(tiny, Path(folder) / "tiny.onnx")


def replay(recorded: Mapping[str, Any], job: Job, *, report: Report = ignore) -> bytes:
    """Return the packed file of a recorded job (see `export.recipe.read`), the same bytes as when it was recorded.

    `job` is the recorded one, perhaps with other folders. Raises `Refused` where weights, data or result differ.
    """
    check_recorded(recorded, job, report=report)
    packed = packed_file(job, report=report)
    if hashlib.sha256(packed).hexdigest() != recorded["packed"]:
        ours, theirs = _versions(), recorded.get("versions", {})
        changed = [name for name in ours if ours[name] != theirs.get(name)]
        other = ", ".join(f"{name} {ours[name]} instead of {theirs.get(name)}" for name in changed)
        raise Refused(
            "the same job on the same weights and data gives another packed file here"
            f" ({other or 'the versions are the same, so the processor or the number of threads may differ'}): "
            "run it without the recorded result, by its steps alone, if the last bits do not matter"
        )
    return packed


def check_recorded(recorded: Mapping[str, Any], job: Job, *, report: Report = ignore) -> None:
    """Raise `Refused` where weights or data are not those with which a job was recorded."""
    found = _hashes(prepare(job, report=report))
    where = {
        "weights": f"the weights of {job.model.name}",
        "code": f"the code of {job.model.name}",
        "data": f"the images of {job.data.name}",
        "test_data": f"the test images of {(job.test_data or job.data).name}",
    }
    for name, ours in found.items():
        if recorded["hashes"].get(name) != ours:
            raise Refused(
                f"{where[name]} are not those of the recorded job: expected SHA-256 "
                f"{str(recorded['hashes'].get(name))[:12]}…, got {ours[:12]}…"
            )


def _network(job: Job, prepared: Prepared, report: Report, store: Store | None, user_code: bool) -> nn.Module:
    content = packed_file(job, report=report, store=store, user_code=user_code)
    return unpack(content, lambda name: prepared.context.build(name or job.model.name)).cpu().eval()


def _source(job: Job, prepared: Prepared, network: nn.Module, report: Report) -> Source:
    return Source(
        model=network,
        example=prepared.context.example.cpu(),
        build=lambda name: prepared.context.build(name or job.model.name).cpu(),
        about=prepared.about,
        recipe={"job": job.to_dict(), "hashes": _hashes(prepared), "versions": _versions()},
        report=report,
    )


def _hashes(prepared: Prepared) -> dict[str, str]:
    return dict(zip(("weights", "code", "data", "test_data"), prepared.digests, strict=True))


def _versions() -> dict[str, str]:
    return {"workbench": workbench.__version__, "torch": torch.__version__}


def _compared(network: nn.Module, run: Runner, test: View, report: Report, *, exact: bool) -> dict[str, Any]:
    """Return agreement, difference, accuracy and notes of a file against the network, on all test images."""
    agreed = right = shown = done = 0
    difference = 0.0
    for _, inputs, labels in test.batches(BATCH):
        report(Progress(0.5 + 0.5 * done / len(test), f"checking the file: {done:,} of {len(test):,} images"))
        inputs, labels = inputs.cpu(), labels.cpu()
        with torch.inference_mode():
            ours = network(inputs.clone()).float()  # it may change what it is given
        theirs = _scores(run, inputs, ours)
        agreed += int((ours.argmax(1) == theirs.argmax(1)).sum())
        right += int((theirs.argmax(1) == labels).sum())
        shown += int((ours.argmax(1) == labels).sum())
        difference = max(difference, float((ours - theirs).abs().nan_to_num().max()))
        done += len(labels)
    if agreed < GARBAGE * done or (exact and difference > 0):
        if _changes_its_mind(network, inputs):
            raise Refused(
                "this network answers differently each time it is asked (dropout, or another random choice in its "
                "forward), so no file can be shown to be the same: make its forward deterministic in eval()"
            )
        raise Refused(
            f"the file does not predict what the network in memory does (the same answer on {agreed:,} of {done:,} "
            f"test images, scores up to {difference:.3g} apart), so it is not kept: please report this with the recipe"
        )
    notes: tuple[str, ...] = ()
    if agreed < FAITHFUL * done:
        share = f"{done - agreed:,} of {done:,} test images"
        notes = (
            f"this file answers otherwise than the preview on {share}, more than the 0.1 % that rounding explains",
        )
    return {
        "agreement": _share(agreed, done),
        "accuracy": _share(right, done),
        "preview_accuracy": shown / done,
        "difference": difference,
        "notes": notes,
    }


def _changes_its_mind(network: nn.Module, inputs: Tensor) -> bool:
    with torch.inference_mode():
        return not torch.equal(network(inputs.clone()), network(inputs.clone()))


def _scores(run: Runner, inputs: Tensor, ours: Tensor) -> Tensor:
    theirs = run(inputs).float()
    if theirs.shape != ours.shape:
        raise Refused(f"the file gives scores {list(theirs.shape)}, expected {list(ours.shape)}: choose another format")
    if bool((theirs.isnan() & ~ours.isnan()).any()):
        raise Refused("the file gives scores that are NaN where the preview does not: choose another format")
    return theirs


def _share(hits: int, n: int) -> Estimate:
    low, high = wilson(hits, n)
    return Estimate(value=hits / n, low=low, high=high, n=n, how="measured", unit="fraction")


@contextlib.contextmanager
def _place(path: Path, suffix: str) -> Iterator[Path]:
    """Give a path to write to, in a folder of its own beside `path` that is gone in the end."""
    if path.is_dir():
        raise Refused(f"{path} is a folder, expected the name of a file such as {path / f'net{suffix}'}")
    plain(path)
    with _writing(path):
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield folder / f"{path.stem}{suffix}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror or error}") from None
