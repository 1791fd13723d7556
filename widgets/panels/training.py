"""Training that a person waits for: fine-tuning and distillation, with progress, a live curve and a way to stop."""

from __future__ import annotations

import time

import ipywidgets as ipw

from widgets import theme
from widgets.background import Outcome
from widgets.figures._live import updating
from widgets.figures.curves import CurvesInfo, curves_figure, draw_
from widgets.form import StepForm
from widgets.panels._panel import Panel, buttons
from widgets.panels._work import Work
from widgets.text import escape, interval, percent
from workbench.context import Progress
from workbench.registry import models, techniques
from workbench.result import Result

_REDRAW_SECONDS = 0.25
_ENDS = {
    Outcome.DONE: "done: what came out is a saved point on the plot",
    Outcome.CANCELLED: "cancelled; what was finished is kept",
    Outcome.FAILED: "failed",
}
_BEFORE = "<p>This was trained before: the curves are those of that training.</p>"
_BEFORE_WITHOUT_CURVES = "<p>This was trained before, and its curves were not kept.</p>"


class TrainingPanel(Panel):
    """Adds one training step to the recipe of the sliders, measures it and, where asked, its control arm.

    The sliders stay usable meanwhile: the training works on the recipe as it was when it began.
    """

    title = "Train the smaller network"

    def build(self) -> None:
        trained = sorted((t for t in techniques if t.trains), key=lambda t: -t.order)
        self.forms = {technique.name: StepForm(technique, optional=False) for technique in trained}
        options = [(technique.title, technique.name) for technique in trained]
        self.choice = ipw.ToggleButtons(options=options, description="How", style={"button_width": "auto"})
        self.control = ipw.Checkbox(value=True, indent=False)
        self.auto = ipw.Checkbox(value=False, indent=False, description="Train again when a setting below changes")
        self.go = ipw.Button(description="Train", button_style="primary", tooltip="Train with the sliders as they are")
        self.work = Work(self, self.engine.training.cancel, "Stop within one batch", _ENDS.__getitem__)
        self.outcome = ipw.HTML()
        self.figure = curves_figure(self.state.page.dark)
        self._plot = ipw.VBox([self.figure])
        self._live = ipw.VBox([*self.work.shown, self._plot, self.outcome])
        self._live.layout.display = "none"
        self.show(
            self.choice, self.auto, *self.forms.values(), self.control, buttons(self.go, self.work.stop), self._live
        )
        for form in self.forms.values():
            form.observe(self._changed, "value")
        self.choice.observe(lambda _: self._pick(), "value")
        self.go.on_click(lambda _: self.engine.training.running or self._start())
        self._curves, self._arm, self._drawn = CurvesInfo({}), "recipe", 0.0
        self._number, self._of, self._title = 0, 1, ""
        self._restoring = False
        self._rows: list[tuple[str, Result]] = []
        self._before = ""
        self._pick()
        self.follow(self._ready, ["running"], of=self.work)
        self.follow(self._offer, ["model", "data"])
        self.follow(self._write, ["recipe"])
        self.follow(self._dress, ["dark"], of=self.state.page)

    @property
    def form(self) -> StepForm:
        """The form of the technique that is picked."""
        return self.forms[self.choice.value]

    def _pick(self) -> None:
        for name, form in self.forms.items():
            form.layout.display = None if name == self.choice.value else "none"
        control = self.form.technique.control
        self.control.layout.display = None if control else "none"
        if control:
            self.control.description = f"Also measure the control: {control.title}"

    def _offer(self) -> None:
        data = self.state.data.name
        for form in self.forms.values():
            form.models = tuple(model.name for model in models if data in model.card.data)

    def _write(self) -> None:
        """Show the settings of a restored recipe."""
        self._restoring = True
        try:
            for step in self.state.recipe.steps:
                if step.name in self.forms:
                    self.choice.value = step.name
                    self.forms[step.name].value = step
        finally:
            self._restoring = False

    def _changed(self, change: dict[str, object]) -> None:
        if self.auto.value and change["owner"] is self.form and not self._restoring:
            self._start()

    def _dress(self) -> None:
        with updating(self.figure):
            self.figure.update_layout(theme.plot_layout(self.state.page.dark))

    def _ready(self) -> None:
        self.go.disabled = self.work.running
        if not self.work.running:
            draw_(self.figure, self._curves)
            # rows of an older workbench have no curves: there is nothing to draw then
            self._plot.layout.display = None if self._curves.points else "none"

    def _start(self) -> None:
        if self.form.value is None:
            return
        with self.state.lock:
            self._live.layout.display, self.outcome.value = None, ""
            with_control = self.control.value and self.form.technique.control is not None
            listener, latest = self.work.begin(self._progress), self.work.latest
            self.engine.training.train(
                self.form.value, with_control, latest(self._begun), latest(self._measured), listener
            )

    def _begun(self, number: int, of: int, title: str) -> None:
        if number == 0:
            self._curves, self._rows, self._before = CurvesInfo({}), [], ""
            self._plot.layout.display = None
        self._number, self._of, self._title = number, of, title
        self._arm = "control" if number else "recipe"

    def _progress(self, news: Progress) -> None:
        if news.curves:
            self._curves = self._curves.grown(self._arm, news.curves)
        words = f"{self._title}: {news.message}" if self._title else news.message
        self.work.tell((self._number + news.fraction) / self._of, words)
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_SECONDS or "validation accuracy" in news.curves:
            self._drawn = now
            draw_(self.figure, self._curves)

    def _measured(self, title: str, row: Result) -> None:
        self._rows.append((title, row))
        if not self._curves.has(self._arm):  # nothing was heard of a training: the store has answered
            self._curves = self._curves.kept(self._arm, row.details.get("curves", {}))
            self._before = _BEFORE if self._curves.has(self._arm) else _BEFORE_WITHOUT_CURVES
            draw_(self.figure, self._curves)
        self.outcome.value = outcome_text(self._rows) + self._before


def outcome_text(rows: list[tuple[str, Result]]) -> str:
    """Return what came out, and whether the step beat its control, as HTML."""
    parts = []
    for title, row in rows:
        accuracy = row.estimates["accuracy"]
        name = title or "this recipe"
        parts.append(f"<li>{escape(name)}: <b>{percent(accuracy.value)}</b> ({interval(accuracy)})</li>")
    verdict = ""
    if len(rows) == 2:
        ours, control = (row.estimates["accuracy"] for _, row in rows)
        if ours.value <= control.value:
            verdict = "The control did as well or better: this step did not help here."
        elif ours.low <= control.high:
            verdict = "It is ahead of its control, but within the uncertainty: the two intervals overlap."
        else:
            verdict = "It beats its control."
    _, first = rows[0]
    about = f"{first.job.model.name}: {first.job.recipe}"
    return f"<p>{escape(about)}</p><ul>{''.join(parts)}</ul><p>{verdict}</p>"
