"""The engine of a page: it measures the present choices, and joins all else that may be asked."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from widgets.background import Background, Outcome, Task
from widgets.bridge.architectures import Architectures
from widgets.bridge.bringing import Bringing
from widgets.bridge.contest import Contest
from widgets.bridge.desk import Desk
from widgets.bridge.devices import Devices
from widgets.bridge.exporting import Exporting
from widgets.bridge.files import Files
from widgets.bridge.graph import Graph
from widgets.bridge.history import History
from widgets.bridge.leaderboard import Leaderboard
from widgets.bridge.meanwhile import Meanwhile
from widgets.bridge.pictures import Looking
from widgets.bridge.quiet import Quiet
from widgets.bridge.saved import Saved
from widgets.bridge.searching import Searching
from widgets.bridge.sensing import Sensing
from widgets.bridge.speed import Speed
from widgets.bridge.sweep import Sweeping
from widgets.bridge.training import Training
from widgets.state import AppState
from workbench.context import Progress, Report
from workbench.courtesy import InLine, Urgency
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import Job, Result, Status
from workbench.run import prepare, run
from workbench.store import Store

_ROW_SECONDS = 0.08
"""How long a page may wait for news of a tightening row: drawing each one would cost more than measuring it."""
_NEWS_SECONDS = 0.25
_TRAIL = 30


class Engine:
    """Answers changes of an `AppState` with rows."""

    def __init__(
        self, state: AppState, store: Store | None = None, user_models: tuple[str, ...] = (), scheduler: str = ""
    ) -> None:
        self.state = state
        self._desk = desk = Desk(state, store, user_models)
        self.files = files = Files()
        self.bringing = Bringing(desk)
        self.saved = Saved(desk, files)
        self.history = History(desk, self.saved, files)
        self.export = Exporting(desk, files)
        self.leaderboard = Leaderboard(desk)
        self.contest = Contest(desk)
        self.meanwhile = Meanwhile(desk)
        self.sensing = Sensing(desk)
        quiet = Quiet(self.meanwhile, self.contest, self.sensing)
        self.speed = Speed(desk, quiet)
        self.devices = Devices(desk, quiet)
        self.graph = Graph(desk)
        self.searching = Searching(desk, self.saved)
        self.pictures = Looking(desk)
        self.training = Training(desk, self.saved, self.refresh)
        self.sweep = Sweeping(desk, self.saved, scheduler)
        self.architectures = Architectures(desk)
        self._live = Background("live")
        self._told = 0.0
        state.observe(lambda _: self.refresh(), ["model", "data", "recipe", "seed"])
        # a page may open long after its kernel ran the notebook, because servers keep kernels warm
        state.page.on_msg(lambda *_: (self.saved.reload(), self.history.refresh(), self.meanwhile.open()))
        self.refresh()

    @property
    def evaluations(self) -> int:
        """How many live evaluations were begun."""
        return self._live.started

    def refresh(self) -> None:
        """Measure the present choices."""
        with self.state.lock:  # so that no row of an older request can be published after this
            job = self.state.job
            self._told = time.monotonic()  # what is done before the first news of it is due needs no words
            for stopped in (self.meanwhile, self.speed, self.devices, self.graph):
                stopped.cancel()
            self.sensing.pause()
            self.state.put(busy=True, error="", doing="", ahead=None, layer_times=None)
            self._live.submit(
                Task(
                    work=lambda report: self._follow(job, report),
                    progress=lambda news: self._tell(job, news),
                    ended=lambda outcome, sentence: self._followed(job, outcome, sentence),
                )
            )

    def _follow(self, job: Job, report: Report) -> None:
        with InLine(report, Urgency.ANSWER) as place:
            self._answer(job, report, place)

    def _answer(self, job: Job, report: Report, place: InLine) -> None:
        plain = dataclasses.replace(job, recipe=Recipe())
        known = self.state.baseline
        if known is None or not known.final or known.job != plain:
            self._begin(plain, report)
            for row in self._rows(plain, place.report):
                self._publish(report, baseline=row)
        if job == plain:
            self._publish(report, current=self.state.baseline, busy=False)
        elif job.recipe.trains:
            self._publish(report, current=self._trained(job, report), busy=False)
        else:
            for number, row in enumerate(self._rows(job, place.report)):
                trail = self.state.trail
                trail = (*trail, row)[-_TRAIL:] if row.final else trail
                doing = "" if row.final else self.state.doing
                self._publish(report, current=row, trail=trail, busy=not row.final, doing=doing)
                if number == 0:
                    place.take(Urgency.REST)

    def _tell(self, job: Job, news: Progress) -> None:
        """Say what is being solved, a few times a second: measuring shows itself."""
        if time.monotonic() - self._told < _NEWS_SECONDS or not news.message:
            return
        self._told = time.monotonic()
        with self.state.lock:
            if self.state.job == job and self.state.busy:
                self.state.put(doing=news.message)

    def _followed(self, job: Job, outcome: Outcome, sentence: str) -> None:
        with self.state.lock:
            if self.state.job != job or outcome is Outcome.CANCELLED:
                return
            self.state.put(doing="")
            if outcome is Outcome.FAILED:
                self.state.put(error=sentence, current=None, busy=False)
                self.sensing.resume()
                return
            self.sensing.resume()
            self.meanwhile.begin(job)  # under the lock: a move that comes now stops it
            self.graph.draw(job)

    def _publish(self, report: Report, **values: Any) -> None:
        if "current" in values:  # never one without the other: the table of devices follows each row
            values |= self.devices.outlook(values["current"])
        self._desk.publish(report, **values)

    def _begin(self, job: Job, report: Report) -> None:
        self._publish(report, baseline=None, current=None, trail=(), saved=(), layers=(), layer_view=None, drawing=None)
        prepared = prepare(job, **self._desk.asked(job, report))
        with self.state.lock:
            self._publish(report, layers=prepared.layers)
            self.saved.follow(prepared)

    def _rows(self, job: Job, report: Report) -> Iterator[Result]:
        """Yield the rows that are worth drawing: the final one, and before it one every `_ROW_SECONDS`."""
        shown = time.monotonic()
        for row in run(job, quick=True, **self._desk.asked(job, report)):
            if row.status is not Status.OK:
                raise Refused(row.message)
            if row.final or row.provisional or time.monotonic() - shown >= _ROW_SECONDS:
                yield row
                if row.final:  # after it was shown: the disk is slower than a slider
                    self.history.remember(row)
                shown = time.monotonic()

    def _trained(self, job: Job, report: Report) -> Result:
        """Return the row of a recipe that trains: a slider never starts a training, so it must be known already."""
        prepared = prepare(job, **self._desk.asked(job, report))
        row = self._desk.store.get(prepared.key(job))
        if row is None:
            raise Refused("this recipe trains and was not measured yet: press Train to measure it")
        return dataclasses.replace(row, job=job)


def connect(state: AppState, **options: Any) -> Engine:
    """Return the engine of a state, made at the first call."""
    with state.lock:
        if state.engine is None:
            state.engine = Engine(state, **options)
        engine: Engine = state.engine
    return engine
