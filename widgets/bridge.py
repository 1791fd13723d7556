"""The one place where engine work runs off the UI thread: the latest request wins, long work reports and can stop.

Sliders ask for more than can be measured. A request that comes while another is being worked on replaces any that
waits, and stops the running one at its next batch; nothing stale is ever shown and nothing queues up. Threads, not
subshells or asyncio, because they work alike in JupyterLab and in Voila; torch releases the interpreter lock while it
computes.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from widgets.state import AppState
from workbench.context import Progress, Report
from workbench.errors import Cancelled, Refused
from workbench.recipe import Recipe, Step
from workbench.result import Job, Result, Status
from workbench.run import packed_file, prepare, run
from workbench.store import Store

Work = Callable[[Report], None]

_ROW_SECONDS = 0.08
"""How long a page may wait for news of a tightening row: drawing each one would cost more than measuring it."""
_TRAIL = 30


class Background:
    """One thread that does the latest of the works it is given."""

    def __init__(self, name: str, failed: Callable[[str], None]) -> None:
        self._wake = threading.Condition()
        self._waiting: tuple[Work, Callable[[Progress], None]] | None = None
        self._stop = threading.Event()
        self._failed = failed
        self.running = False
        self.started = 0
        """How many works were begun: a burst of requests begins few of them."""
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    def submit(self, work: Work, progress: Callable[[Progress], None] = lambda _: None) -> None:
        """Do this next, in place of whatever runs or waits."""
        with self._wake:
            self._waiting = (work, progress)
            self._stop.set()
            self._wake.notify()

    def cancel(self) -> None:
        """Stop the running work at its next report, and forget the one that waits."""
        with self._wake:
            self._waiting = None
            self._stop.set()

    def _loop(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting is not None)
                if self._waiting is None:
                    continue
                (work, progress), self._waiting = self._waiting, None
                self._stop.clear()
                self.running = True
                self.started += 1
            try:
                work(self._reporter(progress))
            except Cancelled:
                pass
            except Refused as refusal:
                self._failed(str(refusal))
            except Exception as error:  # a bug must reach the page: a thread's traceback does not
                self._failed(f"this is a fault of the workbench ({type(error).__name__}: {error})")
            finally:
                self.running = False

    def _reporter(self, progress: Callable[[Progress], None]) -> Report:
        def report(news: Progress) -> None:
            if self._stop.is_set():
                raise Cancelled
            progress(news)

        return report


class Engine:
    """Answers changes of an `AppState` with rows."""

    def __init__(self, state: AppState, store: Store | None = None, user_models: tuple[str, ...] = ()) -> None:
        self.state = state
        self._store = store
        self._user_models = user_models
        self._live = Background("live", self._show_error)
        self._training = Background("training", self._show_error)
        state.observe(lambda _: self.refresh(), ["model", "data", "recipe", "seed"])
        # a page may open long after its kernel ran the notebook, because servers keep kernels warm
        state.page.on_msg(lambda *_: self.reload())
        self.refresh()

    @property
    def store(self) -> Store:
        """The store, opened when it is first needed. Raises `Refused`."""
        if self._store is None:
            self._store = Store()
        return self._store

    @property
    def evaluations(self) -> int:
        """How many live evaluations were begun."""
        return self._live.started

    def refresh(self) -> None:
        """Measure the present choices."""
        job = self.state.job
        self.state.put(busy=True, error="")
        self._live.submit(lambda report: self._follow(job, report))

    def _follow(self, job: Job, report: Report) -> None:
        plain = dataclasses.replace(job, recipe=Recipe())
        try:
            known = self.state.baseline
            if known is None or not known.final or known.job != plain:
                self._begin(plain, report)
                for row in self._rows(plain, report):
                    self.state.put(baseline=row)
            if job == plain:
                self.state.put(current=self.state.baseline, busy=False)
            elif job.recipe.trains:
                self.state.put(current=self._trained(job, report), busy=False)
            else:
                for row in self._rows(job, report):
                    trail = self.state.trail
                    self.state.put(
                        current=row, trail=(*trail, row)[-_TRAIL:] if row.final else trail, busy=not row.final
                    )
        except Cancelled:
            return  # a newer request is already on its way, and keeps the page busy

    def _begin(self, job: Job, report: Report) -> None:
        self.state.put(baseline=None, current=None, trail=(), saved=())
        prepared = prepare(job, report=report, user_code=self._may_run(job))
        self.state.put(layers=prepared.layers)
        self.reload()

    def _rows(self, job: Job, report: Report) -> Iterator[Result]:
        """Yield the rows that are worth drawing: the final one, and before it one every `_ROW_SECONDS`."""
        shown = time.monotonic()
        for row in run(job, report=report, user_code=self._may_run(job)):
            report(Progress(0.0, ""))  # stops here if there is a newer request: a stale row is never shown
            if row.status is not Status.OK:
                raise Refused(row.message)
            if row.final or time.monotonic() - shown >= _ROW_SECONDS:
                yield row
                shown = time.monotonic()

    def _trained(self, job: Job, report: Report) -> Result:
        """Return the row of a recipe that trains: a slider never starts a training, so it must be known already."""
        prepared = prepare(job, report=report, user_code=self._may_run(job))
        row = self.store.get(prepared.key(job))
        if row is None:
            raise Refused("this recipe trains and was not measured yet: press Train to measure it")
        return row

    def _may_run(self, job: Job) -> bool:
        return job.model.name in self._user_models

    def _show_error(self, sentence: str) -> None:
        self.state.put(error=sentence, busy=False)

    # saved results

    def reload(self) -> None:
        """Read the saved rows of the present model and data."""
        job = self.state.job
        try:
            rows = self.store.query(model=job.model.name, data=job.data.name)
        except Refused as refusal:
            self._show_error(str(refusal))
            return
        self.state.put(saved=tuple(row for row in rows if row.job.model == job.model and row.job.recipe.steps))

    def save(self, row: Result) -> None:
        """Keep a final row and its file."""
        try:
            self.store.add(row, packed_file(row.job, user_code=self._may_run(row.job)))
            self.reload()
        except Refused as refusal:
            self._show_error(str(refusal))

    def remove(self, key: str) -> None:
        """Forget a saved row."""
        try:
            self.store.remove(key)
            self.reload()
        except Refused as refusal:
            self._show_error(str(refusal))

    def file(self, row: Result) -> bytes:
        """Return the packed file of a row: from the store where it is there, made again otherwise. Raises `Refused`."""
        kept = self.store.packed(row.key)
        return kept if kept else packed_file(row.job, user_code=self._may_run(row.job))

    # training

    @property
    def training(self) -> bool:
        """Whether a training is running."""
        return self._training.running

    def train(self, step: Step, control: bool, listener: TrainingListener) -> None:
        """Train the present recipe with one more step, and its control arm where asked; finished rows are saved."""
        job = self.state.job
        recipe = Recipe((*(s for s in job.recipe.steps if not s.trains), step))
        arms = [("", recipe)]
        if control and (other := recipe.control()) is not None:
            arms.append(other)

        def work(report: Report) -> None:
            try:
                for number, (title, arm) in enumerate(arms):
                    listener.begun(number, len(arms), title)
                    listener.measured(title, self._train_one(dataclasses.replace(job, recipe=arm), report))
            except Cancelled:
                listener.ended("cancelled; what was finished is kept")
                raise
            except Exception:
                listener.ended("failed")
                raise
            listener.ended("done")

        self._training.submit(work, listener.progress)

    def _train_one(self, job: Job, report: Report) -> Result:
        *_, row = run(job, report=report, store=self.store, user_code=self._may_run(job))
        if row.status is not Status.OK:
            raise Refused(row.message)
        self.reload()
        return row

    def cancel_training(self) -> None:
        """Stop the training within a batch."""
        self._training.cancel()


@dataclass(frozen=True, kw_only=True)
class TrainingListener:
    """What a training tells its panel."""

    begun: Callable[[int, int, str], None]
    """Number of the arm, how many there are, its title ("" for the recipe itself)."""
    progress: Callable[[Progress], None]
    measured: Callable[[str, Result], None]
    """Title of the arm and its final row."""
    ended: Callable[[str], None]


def connect(state: AppState, **options: Any) -> Engine:
    """Return the engine of a state, made at the first call."""
    with state.lock:
        if state.engine is None:
            state.engine = Engine(state, **options)
        engine: Engine = state.engine
    return engine
