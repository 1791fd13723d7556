"""The supernet: one network with the weights of all, so that candidates are judged without training any."""

from __future__ import annotations

from typing import final

from workbench.registry import strategies
from workbench.search.strategies._optuna import Sampled
from workbench.search.strategies.nsga2 import sampler
from workbench.search.strategy import Proposer, Strategy
from workbench.space import Region


@final
class Supernet(Strategy):
    """NSGA-II over the parts of a supernet (`workbench.search.supernet`)."""

    name = "supernet"
    title = "NSGA-II in a supernet"
    summary = "Trains one network whose parts are all candidates, then evolves among them without training any."
    paper = "Cai et al. 2020, https://arxiv.org/abs/1908.09791; Yu & Huang 2019, https://arxiv.org/abs/1903.05134"
    shares = True

    def begin(self, region: Region, trials: int, seed: int) -> Proposer:
        return Sampled(lambda: sampler(trials, seed), region, seed)


strategies.register(Supernet())
