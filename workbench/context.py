"""The context: everything that a technique may use besides the network it is given. Test images are not in it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from workbench.images import View

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


@contextmanager
def lent_generator(seed: int) -> Iterator[None]:
    """Lend torch's global generator of the CPU a seed of ours, then give its state back.

    New layers and dropout draw from it and from nowhere else. There is one for all threads: they take turns.
    """
    with _lending, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: torch.manual_seed would reach those of GPUs too
        yield


class Cache:
    """Costly intermediate values by key: the oldest are dropped beyond `limit` entries. Safe between threads."""

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._values: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: WeakValueDictionary[str, Any] = WeakValueDictionary()  # a lock lasts while somebody holds it

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
                while len(self._values) > self._limit:
                    self._values.popitem(last=False)
            return value


@dataclass(frozen=True, kw_only=True)
class Context:
    """What `Step.apply` may look at. `original` is the network before the recipe; it must not be changed."""

    original: nn.Module
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
    notes: list[str] = field(default_factory=list)

    @property
    def example(self) -> Tensor:
        """Two calibration images [2, C, H, W] to trace a network with."""
        return self.calibration.inputs(torch.arange(2))

    def generator(self, *salt: str) -> torch.Generator:
        """Return a random generator that depends on the seed and on what it is for, never on what ran before."""
        text = "/".join((str(self.seed), *salt))
        value = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        return torch.Generator().manual_seed(value)

    def note(self, sentence: str) -> None:
        """Leave a sentence for the reader of the numbers."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def fingerprint(model: nn.Module) -> str:
    """Return a hash of all parameters and buffers of a network, for cache keys and provenance."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        found.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
