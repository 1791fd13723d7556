"""What an executor is: a place where jobs are done, this process or others, here or on other machines.

Jobs travel as plain JSON and come back as plain JSON with the bytes of a packed file: nothing that a person wrote is
pickled. What names a job on its way is its key, so an answer cannot be taken for that to another question.
"""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, final

import workbench
from workbench.context import Report, ignore
from workbench.errors import Refused
from workbench.resources import PROCESSORS
from workbench.result import Job, Result

TRIES = 3
"""How often a job is begun that ends its worker instead of ending itself."""
POLL_S = 0.1
"""How long somebody who presses Cancel may go unheard while nothing is finished."""

_HOME = "workbench.techniques."


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A job on its way to whoever does it, and what its answer has to be about."""

    job: Job
    key: str
    digests: tuple[str, ...] = ()
    """Hashes of the weights, the code, the images and the test images behind the key, to say which of them differs."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The final row about a job, and its packed file; empty where there is none."""

    key: str
    row: Result
    packed: bytes = b""


class Crew(Protocol):
    """Those who do the jobs: gives answers as they are finished, each key once, in any order.

    Parcels are taken one by one as somebody is free. `report` is called every `POLL_S` or oftener and may raise
    `Cancelled`; then, or when the caller stops asking, what is under way is given up, and the crew with it.
    """

    def __call__(self, parcels: Iterable[Parcel], report: Report = ignore) -> Iterator[Answer]: ...


@dataclass(frozen=True, kw_only=True)
class Executor(ABC):
    """Where jobs are done. A subclass is final; the class is registered, an instance is what a person chose."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    has_workers: ClassVar[bool] = True
    """Whether jobs are done by processes beside this one."""
    has_scheduler: ClassVar[bool] = False
    """Whether these may be those of a scheduler, on any machine."""

    workers: int = 0
    """How many jobs are done at once; 0 leaves it to the executor."""
    scheduler: str = ""
    """Address of a scheduler that is running already, such as tcp://192.168.0.7:8786."""

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise Refused(f"workers must be 0 or more, got {self.workers}")
        if self.workers > 1 and not self.has_workers:
            raise Refused(f"{self.name} does one job at a time, got {self.workers} workers: choose processes or dask")
        if self.scheduler and not self.has_scheduler:
            raise Refused(f"{self.name} needs no scheduler, got {self.scheduler}: choose dask or leave it out")
        if self.scheduler and self.workers:
            raise Refused(f"the scheduler {self.scheduler} has workers of its own: leave their number out")

    @abstractmethod
    def open(self, report: Report = ignore) -> AbstractContextManager[Crew]:
        """Return a crew that is ready to work until the context ends. Raises `Refused`, also when it is entered."""

    @property
    def count(self) -> int:
        """How many workers to start: one for each processor unless a number is given."""
        return self.workers or PROCESSORS

    @final
    def check(self, job: Job) -> None:
        """Raise `Refused` for a job that cannot travel to this executor's workers."""
        if self.has_workers:
            for step in job.recipe.steps:
                if not type(step).__module__.startswith(_HOME):
                    raise Refused(
                        f"the step {step.name!r} is defined in {type(step).__module__}, where a worker cannot find it: "
                        "put its class into a file of its own in workbench/techniques, or use the executor inline"
                    )
        if self.scheduler and job.model.name.startswith("user:"):
            raise Refused(
                f"{job.model.name} is code from a file, which is not sent to other machines: use the executor inline "
                "or processes"
            )


@functools.cache
def engine() -> dict[str, str]:
    """Return what two processes must share so that they give the same answers: the version and a hash of the source."""
    home = Path(workbench.__file__).parent
    found = hashlib.sha256()
    for path in sorted(home.rglob("*.py"), key=lambda path: path.relative_to(home).as_posix()):
        found.update(path.relative_to(home).as_posix().encode())
        found.update(path.read_bytes().replace(b"\r\n", b"\n"))  # git may have changed the ends of lines
    return {"version": workbench.__version__, "sources": found.hexdigest()[:16]}


def difference(here: dict[str, Any], there: dict[str, Any], where: str) -> str:
    """Return in a sentence how the workbench at a worker differs from the one here; empty where it does not."""
    if here == there:
        return ""
    if here["version"] != there["version"]:
        return (
            f"{where} has workbench {there['version']}, here is {here['version']}: "
            "install the same version on both, then start the worker again"
        )
    return (
        f"{where} has workbench {there['version']} as well as here, but with other source files ({there['sources']} "
        f"there, {here['sources']} here): install the same one on both, then start the worker again"
    )
