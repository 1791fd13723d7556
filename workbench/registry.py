"""Registries: the lists of things that grow by adding one file.

A registry knows the package in which its entries live. The first look-up imports every public module of that package,
and each module registers what it defines. Nothing else has to be edited, which is the point.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from workbench.errors import Refused

if TYPE_CHECKING:
    from workbench.cards import Data, Model
    from workbench.diagnosing import Reason
    from workbench.executing import Executor
    from workbench.exporting import Format
    from workbench.measuring import Measure
    from workbench.recipe import Step
    from workbench.reconstruction.rounding import Rounding
    from workbench.reconstruction.supports import Score
    from workbench.search.strategy import Strategy
    from workbench.space import Space


class Named(Protocol):
    """Anything with a name can be registered."""

    @property
    def name(self) -> str: ...


T = TypeVar("T")


class Registry(Generic[T]):
    """Entries of one kind by name, in the order of their files.

    An entry under a taken name is an error, unless the place that registered the name before runs again (a module that
    is reloaded, a notebook cell): then it replaces the older one.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, T] = {}
        self._homes: dict[str, tuple[str, str]] = {}
        self._runs: dict[str, object] = {}
        self._families: dict[str, Callable[[str], T]] = {}
        self._loaded = False
        self._lock = threading.RLock()

    def register(self, entry: T) -> T:
        """Add an entry; usable as a class decorator. Raises `Refused` where another entry has the name."""
        name: str = entry.name  # type: ignore[attr-defined]
        caller = sys._getframe(1).f_globals
        home = (str(caller.get("__name__")), getattr(entry, "__qualname__", ""))
        run = caller.get("__spec__")  # each import and reload has one of its own; notebooks and scripts have none
        with self._lock:
            twice = run is not None and self._runs.get(name) is run
            if twice or self._homes.get(name, home) != home:
                raise Refused(f"the {self.kind} name {name!r} is taken by {'.'.join(filter(None, self._homes[name]))}")
            self._entries[name] = entry
            self._homes[name] = home
            self._runs[name] = run
        return entry

    def register_family(self, prefix: str, member: Callable[[str], T]) -> None:
        """Add entries that are too many or too open to list: `prefix:REST` is looked up as `member(REST)`."""
        with self._lock:
            self._families[prefix] = member

    def get(self, name: str) -> T:
        """Return the entry called `name`; raises `Refused` with the known names otherwise."""
        self._load()
        if name in self._entries:
            return self._entries[name]
        prefix, colon, rest = name.partition(":")
        if colon and prefix in self._families:
            return self._families[prefix](rest)
        near = difflib.get_close_matches(name, self._entries, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise Refused(
            f"there is no {self.kind} called {name!r}: {hint}known are {', '.join((*self.names(), *self.families()))}"
        )

    def names(self) -> tuple[str, ...]:
        """Return the names of all entries."""
        self._load()
        return tuple(self._entries)

    def families(self) -> tuple[str, ...]:
        """Return the open families as `prefix:...`."""
        self._load()
        return tuple(f"{prefix}:..." for prefix in self._families)

    def __iter__(self) -> Iterator[T]:
        self._load()
        return iter(tuple(self._entries.values()))

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.package}.{module.name}")
            # a module that was imported on its own, before this look-up, registered out of turn
            self._entries = dict(sorted(self._entries.items(), key=lambda entry: self._homes[entry[0]][0]))
            self._families = dict(sorted(self._families.items()))
            self._loaded = True  # after the loop: a broken file fails at every look-up, not only at the first


techniques: Registry[type[Step]] = Registry("technique", "workbench.techniques")
models: Registry[Model] = Registry("model", "workbench.models")
data: Registry[Data] = Registry("data set", "workbench.data")
measures: Registry[Measure] = Registry("measure", "workbench.measure")
exports: Registry[Format] = Registry("export format", "workbench.export")
reasons: Registry[Reason] = Registry("reason", "workbench.doctor")
executors: Registry[type[Executor]] = Registry("executor", "workbench.executors")
roundings: Registry[type[Rounding]] = Registry("rounding method", "workbench.reconstruction.roundings")
scores: Registry[type[Score]] = Registry("score", "workbench.reconstruction.scores")
spaces: Registry[type[Space]] = Registry("architecture space", "workbench.models")
strategies: Registry[Strategy] = Registry("search strategy", "workbench.search.strategies")
