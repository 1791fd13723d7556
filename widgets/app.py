"""The whole workbench on one page: `Workbench()` in a notebook cell, the same in JupyterLab and in Voila."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.bridge import connect
from widgets.panels.architectures import ArchitecturesPanel
from widgets.panels.budget import BudgetPanel
from widgets.panels.classes import ClassesPanel
from widgets.panels.contest import ContestPanel
from widgets.panels.devices import DevicesPanel
from widgets.panels.export import ExportPanel
from widgets.panels.flips import FlipsPanel
from widgets.panels.graph import GraphPanel
from widgets.panels.history import HistoryPanel
from widgets.panels.layers import LayersPanel
from widgets.panels.leaderboard import LeaderboardPanel
from widgets.panels.model import ModelPanel
from widgets.panels.provenance import ProvenancePanel
from widgets.panels.recipe import RecipePanel
from widgets.panels.sensitivity import SensitivityPanel
from widgets.panels.speed import SpeedPanel
from widgets.panels.sweep import SweepPanel
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
    `data_sets` names further data sets to pick from, such as `folder:PATH`. `scheduler` is the address of a Dask
    scheduler on whose workers sweeps may run.
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
        scheduler: str = "",
    ) -> None:
        self.state = AppState(model, data, recipe)
        self.state.page_shown = True
        self.engine = connect(self.state, store=store, user_models=models, scheduler=scheduler)
        self.model = ModelPanel(self.state, models, data_sets)
        self.recipe = RecipePanel(self.state)
        self.tradeoff = TradeoffPanel(self.state)
        self.budget = BudgetPanel(self.state)
        self.flips = FlipsPanel(self.state)
        self.classes = ClassesPanel(self.state)
        self.layers = LayersPanel(self.state)
        self.sensitivity = SensitivityPanel(self.state)
        self.graph = GraphPanel(self.state)
        self.speed = SpeedPanel(self.state)
        self.devices = DevicesPanel(self.state)
        self.contest = ContestPanel(self.state)
        self.training = TrainingPanel(self.state)
        self.sweep = SweepPanel(self.state)
        self.architectures = ArchitecturesPanel(self.state)
        self.export = ExportPanel(self.state)
        self.history = HistoryPanel(self.state, models, data_sets)
        self.provenance = ProvenancePanel(self.state)
        self.leaderboard = LeaderboardPanel(self.state)
        super().__init__(
            [
                _column(self.model, self.recipe),
                _column(
                    self.tradeoff,
                    self.budget,
                    self.flips,
                    self.classes,
                    self.layers,
                    self.sensitivity,
                    self.graph,
                    self.speed,
                    self.devices,
                    self.contest,
                    self.training,
                    self.sweep,
                    self.architectures,
                    self.export,
                    self.history,
                    self.provenance,
                    self.leaderboard,
                ),
                self.state.page,
            ]
        )
        self.add_class("dsw")
        self.add_class("dsw-app")


def _column(*panels: ipw.Widget) -> ipw.Box:
    box = ipw.Box(panels)
    box.add_class("dsw-column")
    return box
