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
from workbench.result import DataRef, ModelRef
from workbench.store import Store


class Workbench(ipw.Box):
    """All panels around one state.

    `model` and `data` are names, or references with more: `ModelRef(name="resnet20", checkpoint="resnet20.th")`,
    `DataRef(name="mnist", root="data")`. `models` names further networks to pick from, such as
    `user:net.py:build`: only a name given here, by the person who wrote the notebook, may run code from a file.
    `data_sets` names further data sets to pick from, such as `folder:PATH`.
    """

    def __init__(
        self,
        model: str | ModelRef = "digits-cnn",
        data: str | DataRef = "digits",
        *,
        recipe: Recipe | None = None,
        models: tuple[str, ...] = (),
        data_sets: tuple[str, ...] = (),
        store: Store | None = None,
    ) -> None:
        self.state = AppState(model, data, recipe)
        self.state.page_shown = True
        self.engine = connect(self.state, store=store, user_models=models)
        self.model = ModelPanel(self.state, models, data_sets)
        self.recipe = RecipePanel(self.state)
        self.tradeoff = TradeoffPanel(self.state)
        self.training = TrainingPanel(self.state)
        self.results = ResultsPanel(self.state)
        super().__init__(
            [
                _column(self.model, self.recipe),
                _column(self.tradeoff, self.training, self.results),
                self.state.page,
            ]
        )
        self.add_class("dsw")
        self.add_class("dsw-app")


def _column(*panels: ipw.Widget) -> ipw.Box:
    box = ipw.Box(panels)
    box.add_class("dsw-column")
    return box
