"""What the panels share: frozen values that one sets and others observe. Nothing is computed here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import traitlets

from widgets.page import Page
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef, Result


class AppState(traitlets.HasTraits):
    """The choices of a person, and what is known about them so far.

    Panels, the live thread and the training thread all touch it: `changing()` makes a change atomic.
    """

    model = traitlets.Instance(ModelRef)
    data = traitlets.Instance(DataRef)
    recipe = traitlets.Instance(Recipe)
    seed = traitlets.Int(0)

    layers = traitlets.Tuple(help="names of the layers of the model")
    baseline = traitlets.Instance(Result, allow_none=True, help="the newest row of the model as it is")
    current = traitlets.Instance(Result, allow_none=True, help="the newest row of the recipe")
    trail = traitlets.Tuple(help="final rows of the last recipes, the oldest first")
    saved = traitlets.Tuple(help="rows from the store for this model and data")
    busy = traitlets.Bool(False, help="whether a row is on its way")
    doing = traitlets.Unicode("", help="what is being worked on, where that takes longer than a slider may")
    ahead = traitlets.Any(None, help="how far the preparing of slider positions has come, an `Ahead`")
    error = traitlets.Unicode("", help="one sentence, or nothing")
    layer_view = traitlets.Any(None, help="the newest `LayerView` that was asked for; its job says of what")
    layer_error = traitlets.Unicode("", help="why there is no view of the layers, or nothing")
    layer_times = traitlets.Any(None, help="how long each layer takes: an `Estimate` in ms by its name")
    outlook = traitlets.Any(None, help="the `Outlook` of the newest row on other devices, while a panel shows it")
    outlook_error = traitlets.Unicode("", help="why there is no outlook, or nothing")
    layer = traitlets.Unicode("", help="the layer that is looked at, in all panels")
    selected = traitlets.Unicode("", help="the key of the row that is looked at, in all panels, or nothing")
    drawing = traitlets.Any(None, help="the newest `Drawing` that was asked for; its job says of what")
    drawing_error = traitlets.Unicode("", help="why there is no drawing, or nothing")

    engine = traitlets.Any(help="the bridge that answers changes; see `widgets.bridge.connect`")

    def __init__(
        self, model: str | ModelRef = "digits-cnn", data: str | DataRef = "digits", recipe: Recipe | None = None
    ) -> None:
        self.lock = threading.RLock()
        self.page = Page()
        self.page_shown = False
        """Whether something around the panels shows the page; otherwise each panel does."""
        super().__init__(
            model=ModelRef(name=model) if isinstance(model, str) else model,
            data=DataRef(name=data) if isinstance(data, str) else data,
            recipe=recipe or Recipe(),
        )

    @property
    def job(self) -> Job:
        """The question that the present choices ask."""
        return Job(model=self.model, data=self.data, recipe=self.recipe, seed=self.seed)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the state while several traits change; observers are told once, at the end."""
        with self.lock, self.hold_trait_notifications():
            yield

    def put(self, **values: Any) -> None:
        """Set some traits together."""
        with self.changing():
            for name, value in values.items():
                setattr(self, name, value)
