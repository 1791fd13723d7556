"""The search for an architecture: networks of a space beside random ones, and a button that makes one of them yours."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.background import Outcome
from widgets.figures.architectures import (
    ARMS,
    ArchitecturesInfo,
    architectures_figure,
    architectures_info,
    draw_,
    dress_,
)
from widgets.panels._allowed import AllowedForm
from widgets.panels._panel import Panel, buttons, line
from widgets.panels._work import Work
from widgets.text import escape, estimate_text, percent
from workbench.devices.shelf import devices
from workbench.errors import Refused
from workbench.registry import spaces, strategies
from workbench.result import DataRef
from workbench.search.candidate import Candidate
from workbench.search.counting import costs
from workbench.search.nas_plan import Plan

_READING = (
    "<details><summary>How this works</summary>Each candidate is built, counted, and judged on validation images: "
    "after a short training, or with the weights of a supernet, whose parts all candidates are. Random search gets as "
    "many candidates and is judged alike; a search that does not beat it has found nothing. What is beyond a limit is "
    "never trained. Bars are 95 % intervals for new images. The best of many tries looks better than it is: what "
    "counts is the test accuracy after the full training, which the button starts.</details>"
)
_ENDS = {
    "search": {
        Outcome.DONE: "done",
        Outcome.CANCELLED: "cancelled; what was tried is shown",
        Outcome.FAILED: "failed",
    },
    "use": {
        Outcome.DONE: "done: the sliders now work on this network",
        Outcome.CANCELLED: "cancelled; nothing was kept of this training",
        Outcome.FAILED: "failed",
    },
}


class ArchitecturesPanel(Panel):
    """Searches on the present data where the space is meant for them, otherwise on the first data of the space."""

    title = "Search for a smaller architecture"
    folded = "the search"

    def build(self) -> None:
        self.space = ipw.Dropdown(options=[(space.title, space.name) for space in spaces], description="Networks")
        self.forms = {space.name: AllowedForm(space) for space in spaces}
        self.strategy = ipw.Dropdown(options=[(s.title, s.name) for s in strategies], value="nsga2", description="How")
        self.objective = ipw.Dropdown(options=[(title, name) for name, title in costs().items()], description="Cost")
        self.most = ipw.Text(
            description="At most", placeholder="no limit", tooltip="The most of this cost that is allowed, a number"
        )
        known = [("any", ""), *((profile.title, profile.name) for profile in _devices())]
        self.device = ipw.Dropdown(options=known, value="", description="Must run on")
        self.trials = ipw.IntSlider(min=4, max=64, step=4, value=12, description="Candidates")
        self.go = ipw.Button(
            description="Search", button_style="primary", tooltip="Search, and random search beside it"
        )
        self.work = Work(
            self, self.engine.architectures.cancel, "Stop within a batch; what was tried stays", self._ends
        )
        self._about, self._told = ipw.HTML(), ipw.HTML()
        self.figure = architectures_figure(self.state.page.dark)
        self.pick = ipw.Dropdown(options=(), description="Network")
        self.use = ipw.Button(
            description="Train fully and use this network", tooltip="Its weights are kept, and all sliders work on it"
        )
        self._shown = ipw.VBox([self.figure, self._told, self.pick, buttons(self.use)])
        self._shown.layout.display = "none"
        self.show(
            self.space,
            self._about,
            *self.forms.values(),
            self.strategy,
            self.objective,
            self.most,
            self.device,
            self.trials,
            buttons(self.go, self.work.stop),
            *self.work.shown,
            self._shown,
            ipw.HTML(_READING),
        )
        self._plan: Plan | None = None
        self._candidates: list[Candidate] = []
        self._info, self._doing = ArchitecturesInfo(), "search"
        self.go.on_click(lambda _: self._start())
        self.use.on_click(lambda _: self._use())
        for trace in self.figure.data:
            trace.on_click(self._clicked)
        self.follow(self._describe, ["value"], of=self.space)
        self.follow(self._describe, ["data"])
        self.follow(self._ready, ["running"], of=self.work)
        self.follow(self._mark, ["value"], of=self.pick)
        self.follow(self._dress, ["dark"], of=self.state.page)

    def _data(self) -> DataRef:
        meant_for = spaces.get(self.space.value).data
        return self.state.data if self.state.data.name in meant_for else DataRef(name=meant_for[0])

    def _describe(self) -> None:
        for name, form in self.forms.items():
            form.layout.display = None if name == self.space.value else "none"
        summary = spaces.get(self.space.value).summary
        self._about.value = f'<p class="dsw-quiet">{escape(summary)} Searched on {escape(self._data().name)}.</p>'

    def _ready(self) -> None:
        self.go.disabled = self.work.running
        self.use.disabled = self.work.running or not self.pick.options
        if not self.work.running and self._candidates:
            self._draw()

    def _start(self) -> None:
        with self.state.lock:
            try:
                plan = self._asked()
            except Refused as refusal:
                self.work.alert.tell(str(refusal))
                return
            self._plan, self._candidates, self._doing = plan, [], "search"
            self.pick.options = ()
            self._draw()
            listener = self.work.begin()
            self._shown.layout.display = None
            self.engine.architectures.search(plan, self.work.latest(self._tried), listener)

    def _asked(self) -> Plan:
        text = self.most.value.strip().replace(",", "")
        try:
            limits = ((self.objective.value, float(text)),) if text else ()
        except ValueError:
            raise Refused(f"the limit must be a number such as 20000, or nothing, got {text[:40]!r}") from None
        return Plan(
            space=self.space.value,
            data=self._data(),
            strategy=self.strategy.value,
            trials=self.trials.value,
            objective=self.objective.value,
            limits=limits,
            device=self.device.value,
            only=self.forms[self.space.value].value,
            seed=self.state.seed,
        )

    def _tried(self, candidate: Candidate) -> None:
        self._candidates.append(candidate)
        if candidate.judged:
            self._draw()
        elif self._info.points == ():
            self._tell()

    def _draw(self) -> None:
        if self._plan is None:
            return
        self._info = architectures_info(self._plan, self._candidates)
        before, options = self.pick.value, _options(self._info, self._candidates, self._plan.objective)
        if tuple(options) != tuple(self.pick.options):
            self.pick.options = options
            names = [name for _, name in options]
            self.pick.value = before if before in names else next(iter(names), None)
        draw_(self.figure, self._info, self.pick.value or "")
        self._tell()

    def _tell(self) -> None:
        beyond = sum(not candidate.judged for candidate in self._candidates)
        counts = f"{len(self._info.points)} networks judged" + (f", {beyond} beyond a limit" if beyond else "")
        self._told.value = line(f"{counts}. {self._info.sentence}" if self._candidates else "")

    def _mark(self) -> None:
        draw_(self.figure, self._info, self.pick.value or "")

    def _clicked(self, trace: object, points: object, _: object) -> None:
        names = trace.customdata
        if names is not None and points.point_inds and points.point_inds[0] < len(names):
            name = str(names[points.point_inds[0]])
            if name in [known for _, known in self.pick.options]:
                self.pick.value = name

    def _use(self) -> None:
        with self.state.lock:
            if self.pick.value and self._plan is not None and not self.work.running:
                self._doing = "use"
                self.engine.architectures.use(self.pick.value, self._plan.data, self.work.begin())

    def _ends(self, outcome: Outcome) -> str:
        return _ENDS[self._doing][outcome]

    def _dress(self) -> None:
        dress_(self.figure, self.state.page.dark)


def _options(info: ArchitecturesInfo, candidates: list[Candidate], objective: str) -> list[tuple[str, str]]:
    """Return labels and names of the networks to pick from: the front from the most accurate on, then the others."""
    front = [point.name for point in reversed(info.front)]
    judged = {candidate.name: candidate for candidate in candidates if candidate.judged}
    rest = sorted((name for name in judged if name not in front), key=lambda n: -judged[n].estimates["accuracy"].value)
    options = []
    for name in (*front, *rest):
        estimates = judged[name].estimates
        numbers = f"{percent(estimates['accuracy'].value)}, {estimate_text(estimates[objective])}"
        kind = "not beaten" if name in front else ARMS[judged[name].arm]
        options.append((f"{numbers} ({kind}): {name.partition(':')[2].replace(',', ' ')}", name))
    return options


def _devices() -> tuple:
    try:
        return devices()
    except Refused:
        return ()  # a device file of the user's is wrong: the panel of devices says which
