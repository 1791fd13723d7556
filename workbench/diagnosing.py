"""What the doctor knows of two networks, and what a reason is: one cause why the smaller one is not as fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from workbench.graph import Graph
from workbench.registry import reasons
from workbench.result import Estimate
from workbench.timing.machine import Machine
from workbench.timing.runtimes import Node
from workbench.timing.speed import TORCH, Speed


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two networks, what their times are, and on what machine."""

    base: nn.Module
    now: nn.Module
    inputs: Tensor
    """The batch [N, C, H, W] that was timed."""
    base_graph: Graph
    now_graph: Graph
    """Of that batch."""
    speed: Speed
    nodes: Mapping[str, tuple[Node, ...]]
    """What onnxruntime runs of the file of `now`, by format."""
    threads: Mapping[int, Estimate]
    """Milliseconds of `now` in torch, by threads."""
    flushed: Estimate | None
    """How many times as long `now` takes as with subnormal numbers taken for zero; None where it has none."""
    subnormals: Mapping[str, float]
    """Share of numbers that are subnormal, of the weights and outputs of the layers that have any."""
    machine: Machine
    base_bytes: Mapping[str, int]
    now_bytes: Mapping[str, int]
    """Ledgers of the packed files."""

    @property
    def now_ms(self) -> float:
        """What the compressed network takes in torch."""
        lane = self.speed.lane(TORCH)
        return lane.now.value if lane is not None else 0.0

    def layer_ms(self, layer: str) -> float:
        """What a layer of the compressed network takes in torch; 0 where that is not known."""
        found = self.speed.layers.get(layer)
        return found.now.value if found is not None and found.now is not None else 0.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One cause, with what it is worth and what to do."""

    reason: str
    title: str
    sentence: str
    """What is so, with its numbers."""
    advice: str
    ms: Estimate | None
    """Of the time of the compressed network, what could go if the cause did; None where that is no time."""
    layers: tuple[str, ...] = ()


class Reason(ABC):
    """One cause that the doctor looks for. A subclass is final; an instance is registered."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def look(self, case: Case) -> Iterator[Finding]:
        """Yield a finding where the cause is there and matters."""


def diagnose(case: Case) -> tuple[Finding, ...]:
    """Return all findings, those first that most time could be gained from, those that are no time last."""
    found = [finding for reason in reasons for finding in reason.look(case)]
    return tuple(sorted(found, key=lambda finding: -finding.ms.value if finding.ms is not None else 1.0))


def modelled(value: float, low: float, high: float) -> Estimate:
    """Return milliseconds that were worked out from measured times and counted work."""
    return Estimate(value=value, low=low, high=high, how="modelled", unit="ms")


def listed(names: tuple[str, ...], most: int = 3) -> str:
    """Return layer names for a sentence: the first ones, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
