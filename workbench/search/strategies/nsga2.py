"""NSGA-II: networks are crossed and mutated, and those that no other beats survive."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from workbench.registry import strategies
from workbench.search.strategies._optuna import Sampled
from workbench.search.strategy import Proposer, Strategy
from workbench.space import Region

if TYPE_CHECKING:
    import optuna


def sampler(trials: int, seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's sampler with a population that leaves room for some generations."""
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(population_size=min(30, max(4, trials // 5)), seed=seed)


@final
class Nsga2(Strategy):
    """Each candidate is trained briefly."""

    name = "nsga2"
    title = "NSGA-II, each trained briefly"
    summary = "Evolves a population towards the front of loss and cost; each candidate is trained briefly."
    paper = "Deb et al. 2002, https://doi.org/10.1109/4235.996017"

    def begin(self, region: Region, trials: int, seed: int) -> Proposer:
        return Sampled(lambda: sampler(trials, seed), region, seed)


strategies.register(Nsga2())
