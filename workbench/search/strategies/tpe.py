"""TPE: a model of where good candidates lie, and where the others do."""

from __future__ import annotations

from typing import final

from workbench.registry import strategies
from workbench.search.strategies._optuna import Sampled
from workbench.search.strategy import Proposer, Strategy
from workbench.space import Region


@final
class Tpe(Strategy):
    """Each candidate is trained briefly; the first third of them is drawn at random."""

    name = "tpe"
    title = "TPE, each trained briefly"
    summary = "Models where good candidates lie and tries there; each candidate is trained briefly."
    paper = "Ozaki et al. 2022, https://doi.org/10.1613/jair.1.13188"

    def begin(self, region: Region, trials: int, seed: int) -> Proposer:
        from optuna.samplers import TPESampler

        return Sampled(lambda: TPESampler(n_startup_trials=max(4, trials // 3), seed=seed), region, seed)


strategies.register(Tpe())
