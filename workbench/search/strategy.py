"""What a search strategy is: it proposes networks, and learns how good those were that it proposed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from workbench.space import Region, Space


class Proposer(Protocol):
    """One run of a strategy."""

    def ask(self) -> Space | None:
        """Return a network that was not proposed before; None once there is none left."""

    def tell(self, point: Space, loss: float, cost: float, excess: float) -> None:
        """Say of a network that was proposed how it did; less is better. `excess` is 0 where it keeps all limits."""


class Strategy(ABC):
    """A way to choose what is tried next. A subclass is final; an instance is registered."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    shares: ClassVar[bool] = False
    """Whether networks are judged with the weights of one supernet, in place of a short training each."""

    @abstractmethod
    def begin(self, region: Region, trials: int, seed: int) -> Proposer:
        """Return a run that proposes from a region; the same proposals for a seed and the same answers."""
