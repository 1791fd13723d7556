"""The context: everything that a technique may use besides the network it is given. Test images are not in it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from workbench.activations import activation_formats, output_formats
from workbench.images import View
from workbench.network import layers, weight_format

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a long piece of work has come: a fraction in [0, 1], a sentence, and the newest points of its curves."""

    fraction: float
    message: str
    curves: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The newest (x, y) of each curve by name; x is in epochs."""


Report = Callable[[Progress], None]
"""Is told of progress after each batch, and raises `Cancelled` to stop the work there."""


def ignore(_: Progress) -> None:
    """A report that nobody reads."""


_lending = threading.RLock()


TRACE_BYTES = 512 * 2**20
"""What the traces of one network may take in memory."""


@contextmanager
def lent_generator(seed: int) -> Iterator[None]:
    """Lend torch's global generator of the CPU a seed of ours, then give its state back.

    New layers and dropout draw from it and from nowhere else. There is one for all threads: they take turns.
    """
    with _lending, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: torch.manual_seed would reach those of GPUs too
        yield


class Cache:
    """Costly intermediate values by key: the oldest are dropped beyond a limit. Safe between threads.

    `limit` bounds the sum of what `weigh` says of each value; without it, values are counted.
    """

    def __init__(self, limit: int = 32, weigh: Callable[[Any], int] = lambda value: 1) -> None:
        self._weigh = weigh
        self._values: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[str, Any] = WeakValueDictionary()  # a lock lasts while somebody holds it
        self.limit = limit
        self.weight = 0
        """What the values weigh together."""
        self.added = 0
        """What all values weigh that were ever kept here, the dropped ones included."""

    def peek(self, key: str) -> Any | None:
        """Return the value under `key` if it is there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the value under `key`, made now if it is not there; a failure while making it keeps nothing.

        Threads that ask for one key make it once: the others wait. Threads that ask for different keys do not.
        """
        with self._lock:
            turn = self._turns.setdefault(key, threading.RLock())
        with turn:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key]  # type: ignore[no-any-return]
            value = make()
            with self._lock:
                self._values[key] = value
                self.weight += self._weigh(value)
                self.added += self._weigh(value)
                while self.weight > self.limit and self._values:
                    _, dropped = self._values.popitem(last=False)
                    self.weight -= self._weigh(dropped)
            return value


def weigh(trace: Any) -> int:
    """Return what a trace takes in memory, for a cache that is bounded by `TRACE_BYTES`."""
    return int(trace.size_bytes)


class Patience(IntEnum):
    """How long a step may take."""

    NOW = 0
    """No longer than a slider may: what is prepared already, or the simple method; a provisional answer says so."""
    SOON = 1
    """Seconds: methods that are chosen by a rule, before a contest on validation images has confirmed them."""
    FULL = 2
    """As long as it takes."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What `Step.apply` may look at. `original` is the network before the recipe; it must not be changed."""

    original: nn.Module
    reference: nn.Module = None  # type: ignore[assignment]
    """Whose outputs approximating steps imitate: the original, or what surgery or training last made of it."""
    reference_key: str = ""
    """Names the reference and the calibration images, for what is kept about them in the cache."""
    train: View
    validation: View
    calibration: View
    seed: int = 0
    device: str = "cpu"
    report: Report = ignore
    build: Callable[[str], nn.Module]
    """Builds a network of the model zoo by name with fresh weights; raises `Refused` where classes do not fit."""
    load: Callable[[str], nn.Module]
    """The same with its trained weights."""
    cache: Cache = field(default_factory=Cache)
    decisions: Cache = field(default_factory=lambda: Cache(limit=1024))
    """What contests decided: small, and dear to decide again."""
    targets: Cache = field(default_factory=lambda: Cache(limit=2))
    """What layers of the last references put out, for walks: too large to keep for every reference that ever was."""
    problems: Cache = field(default_factory=lambda: Cache(limit=2))
    """What the layers read that were last solved alone: several settings of one are asked for in turn."""
    traces: Cache = field(default_factory=lambda: Cache(TRACE_BYTES, weigh))
    """Solved networks by what was asked, bounded in memory (see `reconstruction.traces`)."""
    folder: Path | None = None
    """Where traces are kept between processes; None keeps them in memory alone."""
    shared: Path | None = None
    """Where traces lie that others have made, such as those of a class: they are read and never written."""
    filling: bool = False
    """Whether `folder` is made ready for others: nothing makes room in it, and what cannot be kept is refused."""
    patience: Patience = Patience.FULL
    provisional: list[str] = field(default_factory=list)
    """Sentences of steps that gave a quick answer for want of patience; a better one follows."""
    notes: list[str] = field(default_factory=list)
    original_key: str = ""
    """The `reference_key` of the original."""
    named: tuple[nn.Module, str] | None = None
    """The network that a step is given, with its name for caches: what it was made from and how."""

    def __post_init__(self) -> None:
        if self.reference is None:
            object.__setattr__(self, "reference", self.original)
        if not self.reference_key:
            object.__setattr__(self, "reference_key", fingerprint(self.reference))
        if not self.original_key:
            object.__setattr__(self, "original_key", self.reference_key)

    @property
    def example(self) -> Tensor:
        """Two calibration images [2, C, H, W] to trace a network with; one, where there is only one."""
        return self.calibration.inputs(torch.arange(min(2, len(self.calibration))))

    def generator(self, *salt: str) -> torch.Generator:
        """Return a random generator that depends on the seed and on what it is for, never on what ran before."""
        text = "/".join((str(self.seed), *salt))
        value = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        return torch.Generator().manual_seed(value)

    def key_of(self, model: nn.Module) -> str:
        """Return what names a network in caches: equal keys mean equal weights, held to equal formats."""
        if self.named is not None and self.named[0] is model:
            return self.named[1]
        return fingerprint(model)

    def apart(self, folder: Path | None = None) -> Context:
        """Return a context that knows nothing of what others have solved, nor what this process has of theirs.

        `folder` is one that is made ready for others: everything that is solved has to be written there.
        """
        return replace(
            self,
            folder=folder or self.folder,
            filling=folder is not None,
            shared=None,
            traces=Cache(TRACE_BYTES, weigh),
            decisions=Cache(self.decisions.limit),
            cache=Cache(self.cache.limit),  # what networks put out that were made of theirs
            targets=Cache(self.targets.limit),
            problems=Cache(self.problems.limit),
        )

    def note(self, sentence: str) -> None:
        """Leave a sentence for the reader of the numbers."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def fingerprint(model: nn.Module) -> str:
    """Return a hash of all parameters, buffers and formats of a network, for cache keys and provenance."""
    found = hashlib.sha256()

    def add(name: str, tensor: Tensor) -> None:
        found.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)

    for name, tensor in model.state_dict().items():
        add(name, tensor)
    for name, layer in layers(model).items():
        form = weight_format(layer)
        if form.mask is not None:
            add(f"{name} mask", form.mask)
        if form.grid is not None:
            add(f"{name} {form.grid.spec}", form.grid.scale)
            add("zero", form.grid.zero)
    for name, rounding in activation_formats(model).items():
        found.update(f"{name} {rounding}".encode())
    for name, rounding in output_formats(model).items():
        found.update(f"{name} out {rounding}".encode())
    return found.hexdigest()
