"""Pick a model and the data to try it on; read their cards."""

from __future__ import annotations

from pathlib import Path

import ipywidgets as ipw

from widgets.bridge.bringing import LIMIT_BYTES
from widgets.bridge.offered import Offered
from widgets.panels._opened import Opened
from widgets.panels._panel import Alert, Panel, buttons, line
from widgets.state import AppState
from widgets.text import escape, quantity
from widgets.upload import UploadButton
from workbench.cards import DataCard, ModelCard
from workbench.errors import Refused
from workbench.models.user import not_run
from workbench.registry import data, models
from workbench.result import DataRef, ModelRef

_LONGEST = 200
_OTHER = "A model that the list does not have: torchvision:NAME for any classification model of torchvision"


class ModelPanel(Panel):
    """Two drop-downs and two cards. `extra` names models that are not in the list, such as `user:net.py:build`.

    It also takes the link that the page was opened with, since it knows which models and data there are to pick from.
    """

    title = "Model and data"

    def __init__(self, state: AppState | None = None, extra: tuple[str, ...] = (), extra_data: tuple[str, ...] = ()):
        self._extra, self._extra_data = extra, extra_data
        super().__init__(state)

    def build(self) -> None:
        self._names = tuple(dict.fromkeys((*models.names(), *self._extra, self.state.model.name)))
        self._sets = tuple(dict.fromkeys((*data.names(), *self._extra_data, self.state.data.name)))
        self.model = ipw.Dropdown(options=self._names, value=self.state.model.name, description="Model")
        self.data = ipw.Dropdown(options=self._sets, value=self.state.data.name, description="Data")
        self.other = ipw.Text(
            description="Or by name", placeholder="torchvision:resnet18", continuous_update=False, tooltip=_OTHER
        )
        self.weights = UploadButton(
            "Weights of your own …",
            self._bring,
            LIMIT_BYTES,
            accept=".safetensors,.pt,.pth,.th,.bin",
            hint=f"For this network: safetensors or a torch state dict, {quantity(LIMIT_BYTES, 'bytes')} at most",
        )
        self.shipped = ipw.Button(description="Back to its usual weights")
        self._brought = ipw.HTML()
        self._card = ipw.HTML()
        self._drawing = False
        self._alert, self.mistyped, self.linked = Alert(), Alert(), Alert()
        self._told = ipw.HTML()
        weights = buttons(self.weights, self.shipped)
        picked = (self.linked, self.model, self.data, self.other, self.mistyped)
        self.show(*picked, weights, self._brought, self._alert, self._told, self._card)
        self.model.observe(lambda change: self._pick_model(change.new), "value")
        self.other.observe(lambda change: self._typed(change.new.strip()[:_LONGEST]), "value")
        self.data.observe(lambda change: self._pick_data(change.new), "value")
        self.shipped.on_click(lambda _: self.state.put(model=ModelRef(name=self.state.model.name)))
        self.follow(self._draw, ["model", "data"])
        self.follow(self._tell, ["error", "busy", "baseline"])
        offered = Offered(
            models=(self.state.model, *(ModelRef(name=name) for name in self._extra)),
            data=(self.state.data, *(DataRef(name=name) for name in self._extra_data)),
        )
        Opened(self, offered, self.linked.tell)

    def _bring(self, title: str, content: bytes) -> None:
        self.engine.bringing.bring(title, content, self.weights.say)

    def _pick_model(self, name: str) -> None:
        if self._drawing or name == self.state.model.name:
            return
        values: dict[str, object] = {"model": ModelRef(name=name)}
        suited = self._card_of(name)
        meant_for = suited.data if suited else ()
        opened = self.state.baseline is not None  # keep the data only if they suit and could be read
        if not (opened and self.state.data.name in meant_for):
            first = next((name for name in meant_for if name in data.names()), self.state.data.name)
            values["data"] = DataRef(name=first)
        self.state.put(**values)

    def _typed(self, name: str) -> None:
        """Pick the model that a name means; where it means none, all that the page shows stays."""
        self.mistyped.tell("")
        if not name:
            return
        try:
            if name.startswith("user:") and name not in self._extra:
                raise not_run(name)  # without a look at whether there is such a file
            models.get(name)
        except Refused as refusal:
            self.mistyped.tell(str(refusal))
        else:
            self._pick_model(name)

    def _pick_data(self, name: str) -> None:
        if not self._drawing and name != self.state.data.name:
            self.state.put(data=DataRef(name=name))

    def _draw(self) -> None:
        self._drawing = True  # a drop-down with new options picks the first one for a moment
        try:
            for box, known, name in (
                (self.model, (*self._names, *self.engine.architectures.kept()), self.state.model.name),
                (self.data, self._sets, self.state.data.name),
            ):
                options = tuple(dict.fromkeys((*known, name)))
                if box.options != options:
                    box.options = options
                box.value = name
        finally:
            self._drawing = False
        own = self.state.model.checkpoint
        self.shipped.layout.display = None if own else "none"
        self._brought.value = line(f"The weights are those of {Path(own).name}.") if own else ""
        model, set_ = self._card_of(self.state.model.name), _data_card(self.state.data.name)
        self._card.value = (model_text(model) if model else "") + (data_text(set_) if set_ else "")

    def _tell(self) -> None:
        self._alert.tell(self.state.error)
        loading = self.state.baseline is None and self.state.busy
        words = "Loading and measuring the original …" if loading else ""
        self._told.value = f'<span class="dsw-quiet" role="status">{words}</span>'

    def _card_of(self, name: str) -> ModelCard | None:
        if name.startswith("user:") and name not in self._extra:
            return None  # not even a look at whether such a file exists
        try:
            return models.get(name).card
        except Refused:
            return None  # the engine says why, in the error of the state


def _data_card(name: str) -> DataCard | None:
    try:
        return data.get(name).card
    except Refused:
        return None


def model_text(card: ModelCard) -> str:
    """Return the card of a model as HTML."""
    rows = {
        "Input": "as in the data" if card.input_shape is None else " × ".join(map(str, card.input_shape)),
        "Classes": "as in the data" if card.classes is None else str(card.classes),
        "Parameters": "unknown before loading" if card.parameters is None else quantity(card.parameters),
        "Mean, std": f"{_numbers(card.mean)}; {_numbers(card.std)}",
        "Licence": card.licence,
        "Paper": card.paper,
    }
    return _card(card.title, card.summary, rows)


def data_text(card: DataCard) -> str:
    """Return the card of a data set as HTML."""
    rows = {
        "Images": f"{card.train:,} to train, {card.test:,} to test" if card.train else "counted when opened",
        "Size": " × ".join(map(str, card.shape)),
        "Classes": ", ".join(card.classes[:20]) + (" …" if len(card.classes) > 20 else ""),
        "Licence": card.licence,
        "Source": card.source,
    }
    return _card(card.title, card.summary, rows)


def _card(title: str, summary: str, rows: dict[str, str]) -> str:
    body = "".join(f"<tr><th scope=row>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items() if v)
    return (
        f"<details><summary><b>{escape(title)}</b> {escape(summary)}</summary>"
        f'<div class="dsw-scroll"><table>{body}</table></div></details>'
    )


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{x:.4g}" for x in values) or "as given"
