"""The whole workbench on one page: `Workbench()` in a notebook cell, the same in JupyterLab and in Voila."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.bridge import connect
from widgets.panels.model import ModelPanel
from widgets.panels.recipe import RecipePanel
from widgets.panels.results import ResultsPanel
from widgets.panels.tradeoff import TradeoffPanel
from widgets.panels.training import TrainingPanel
from widgets.state import AppState
from workbench.recipe import Recipe
from workbench.store import Store


class Workbench(ipw.Box):
    """All panels around one state.

    `models` names networks beyond the zoo, such as `user:net.py:build`: only a name given here, by the person who
    wrote the notebook, may run code from a file. `data` names data sets beyond the list, such as `folder:PATH`.
    """

    def __init__(
        self,
        model: str = "digits-cnn",
        data: str = "digits",
        *,
        recipe: Recipe | None = None,
        models: tuple[str, ...] = (),
        data_sets: tuple[str, ...] = (),
        store: Store | None = None,
    ) -> None:
        self.state = AppState(model, data, recipe)
        self.engine = connect(self.state, store=store, user_models=models)
        self.model = ModelPanel(self.state, models, data_sets)
        self.recipe = RecipePanel(self.state)
        self.tradeoff = TradeoffPanel(self.state)
        self.training = TrainingPanel(self.state)
        self.results = ResultsPanel(self.state)
        super().__init__(
            [_column(self.model, self.recipe), _column(self.tradeoff, self.training, self.results)],
        )
        self.add_class("dsw")
        self.add_class("dsw-app")


def _column(*panels: ipw.Widget) -> ipw.Box:
    box = ipw.Box(panels)
    box.add_class("dsw-column")
    return box
