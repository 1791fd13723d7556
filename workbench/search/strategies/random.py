"""Random search: the control arm of every other strategy."""

from __future__ import annotations

from typing import final

from workbench.registry import strategies
from workbench.search.strategy import Proposer, Strategy
from workbench.space import Region, Space


@final
class Drawn:
    """Networks drawn without replacement, whatever is learnt of them."""

    def __init__(self, region: Region, seed: int) -> None:
        self._points = region.shuffled(seed)

    def ask(self) -> Space | None:
        return next(self._points, None)

    def tell(self, point: Space, loss: float, cost: float, excess: float) -> None:
        pass


@final
class Random(Strategy):
    """Every network is as likely as any other."""

    name = "random"
    title = "Random"
    summary = "Draws networks at random; a search that does not beat it has found nothing."
    paper = "Li & Talwalkar 2019, https://arxiv.org/abs/1902.07638"

    def begin(self, region: Region, trials: int, seed: int) -> Proposer:
        return Drawn(region, seed)


strategies.register(Random())
