"""Optuna's samplers as proposers: kept in memory, silent, and never the same network twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, final

from workbench.space import Region, Space

if TYPE_CHECKING:
    import optuna

_REPEATS = 20
"""So many proposals in a row that are known already, and the next one is drawn at random."""
_BEYOND = 1e6
"""More than any loss or cost."""


@final
class Sampled:
    """A study with two directions, both down: loss and cost. Numbers are searched by their place among the values.

    A proposal that is known already is answered at once with what was learnt, and does not count. Whatever is beyond
    the limits is worse in both than whatever is not, and the worse the further: Deb's constrained dominance, written
    as values, because Optuna changes how it is told of constraints from version to version.
    """

    def __init__(self, make: Callable[[], optuna.samplers.BaseSampler], region: Region, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(directions=["minimize", "minimize"], sampler=make())
        self._region = region
        self._ranges: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.IntDistribution(0, len(there) - 1)
            if all(isinstance(value, (int, float)) for value in there)
            else optuna.distributions.CategoricalDistribution(tuple(range(len(there))))
            for name, there in zip(region.names, region.values, strict=True)
        }
        self._drawn = region.shuffled(seed)
        self._open: dict[Space, optuna.Trial] = {}
        self._known: dict[Space, tuple[float, float, float]] = {}

    def ask(self) -> Space | None:
        for _ in range(_REPEATS):
            trial, point = self._asked()
            if point not in self._known:
                self._open[point] = trial
                return point
            self._tell(trial, *self._known[point])
        fresh = next((point for point in self._drawn if point not in self._known), None)
        if fresh is None:
            return None
        places = {
            name: there.index(getattr(fresh, name))
            for name, there in zip(self._region.names, self._region.values, strict=True)
        }
        self._study.enqueue_trial(places)
        self._open[fresh], _ = self._asked()
        return fresh

    def tell(self, point: Space, loss: float, cost: float, excess: float) -> None:
        self._known[point] = loss, cost, excess
        self._tell(self._open.pop(point), loss, cost, excess)

    def _asked(self) -> tuple[optuna.Trial, Space]:
        trial = self._study.ask(self._ranges)
        return trial, self._region.point([trial.params[name] for name in self._region.names])

    def _tell(self, trial: optuna.Trial, loss: float, cost: float, excess: float) -> None:
        beyond = _BEYOND * (1 + excess)
        self._study.tell(trial, (beyond, beyond) if excess > 0 else (loss, cost))
