"""Jobs and results: one question to the engine, and rows of its answer.

Fractions are in [0, 1], sizes in bytes. An interval is a 95 % interval unless its `Estimate` says otherwise.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from reprlib import repr as brief
from typing import Any, Literal

from workbench.errors import Refused
from workbench.recipe import Recipe, digest


@dataclass(frozen=True, kw_only=True)
class ModelRef:
    """A network by name, perhaps with weights and preprocessing of the user's own."""

    name: str
    checkpoint: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))
        object.__setattr__(self, "std", tuple(map(float, self.std)))
        if not all(map(math.isfinite, (*self.mean, *self.std))):
            raise Refused(f"mean and std must be finite numbers, got {self.mean} and {self.std}")


@dataclass(frozen=True, kw_only=True)
class DataRef:
    """A data set by name, with the folder where its files are kept (empty: the user's cache folder)."""

    name: str
    root: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One question: what this recipe does to this network on this data."""

    model: ModelRef
    data: DataRef
    recipe: Recipe = field(default_factory=Recipe)
    test_data: DataRef | None = None
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise Refused(f"the seed must be a whole number in [0, 2^63), got {brief(self.seed)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**dataclasses.asdict(dataclasses.replace(self, recipe=Recipe())), "recipe": self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Job:
        """Read the JSON form; raises `Refused`."""
        try:
            test = content["test_data"]
            return cls(
                model=ModelRef(**content["model"]),
                data=DataRef(**content["data"]),
                recipe=Recipe.from_dict(content["recipe"]),
                test_data=None if test is None else DataRef(**test),
                device=str(content["device"]),
                seed=int(content["seed"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, Refused):
                raise
            raise Refused(f"a job names model, data, recipe, test_data, device and seed: {error}") from None

    def key(self, *contents: str) -> str:
        """Return the hash that names the run: canonical JSON of the job and hashes of the contents it refers to.

        Where a checkpoint or a data set lies does not count, what it holds does: the same run on another machine has
        the same key.
        """
        job = self.to_dict()
        job["model"] = {key: value for key, value in job["model"].items() if key != "checkpoint"}
        job["data"], job["test_data"] = (ref and ref.name.partition(":")[0] for ref in (self.data, self.test_data))
        return digest([job, *contents])[:32]


How = Literal["measured", "counted", "modelled"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval, how many samples stand behind it, and how it was obtained."""

    value: float
    low: float
    high: float
    how: How
    unit: str = ""
    n: int | None = None

    @classmethod
    def counted(cls, value: float, unit: str = "") -> Estimate:
        """Return an exact number: its interval is a point."""
        return cls(value=value, low=value, high=value, how="counted", unit=unit)


class Status(StrEnum):
    """How a job ended."""

    OK = "ok"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row: what is known so far about a job. Rows of one job stand on more and more images until one is `final`."""

    job: Job
    key: str
    status: Status = Status.OK
    message: str = ""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    final: bool = False
    provisional: tuple[str, ...] = ()
    """What this row shows instead of what was asked, until that is solved; empty where it is what was asked."""
    notes: tuple[str, ...] = ()
    """Sentences that a reader of the numbers should know: layers left whole, operators not counted, ..."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON behind the numbers, by measure: the byte ledger, the MACs of each layer, ...; and
    under "curves" the points [x, y] of each curve of a training, by name, where the recipe trains."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, from which `from_dict` makes an equal row."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain["job"] = self.job.to_dict()
        plain["status"] = str(self.status)
        plain["estimates"] = {name: dataclasses.asdict(e) for name, e in self.estimates.items()}
        plain["notes"], plain["provisional"] = list(self.notes), list(self.provisional)
        return plain | {"details": dict(self.details), "environment": dict(self.environment)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Result:
        """Read the JSON form."""
        return cls(
            **{
                **content,
                "job": Job.from_dict(content["job"]),
                "status": Status(content["status"]),
                "estimates": {name: Estimate(**e) for name, e in content["estimates"].items()},
                "notes": tuple(content["notes"]),
                "provisional": tuple(content.get("provisional", ())),
            }
        )

    def flat(self) -> dict[str, Any]:
        """Return one flat object for tables and the command line: value, low and high of each estimate by name."""
        row: dict[str, Any] = {"status": str(self.status), "message": self.message, "key": self.key}
        row |= {"model": self.job.model.name, "data": self.job.data.name, "recipe": self.job.recipe.to_dict()}
        for name, estimate in self.estimates.items():
            row[name] = estimate.value
            if estimate.how != "counted":
                row |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
            if estimate.n is not None and estimate.unit == "fraction":
                row["images"] = estimate.n
        return row | {"notes": list(self.notes)}
