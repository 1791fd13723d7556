"""The one place where engine work runs off the UI thread: the latest request wins, long work reports and can stop.

Sliders ask for more than can be measured. A request that comes while another is being worked on replaces any that
waits, and stops the running one at its next batch. A row is published only while its request is the latest, which is
decided under the lock of the state: nothing stale is shown and nothing queues up.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from widgets.background import Background, Outcome, Task
from widgets.state import AppState
from workbench.context import Progress, Report
from workbench.errors import Refused
from workbench.recipe import Recipe, Step
from workbench.result import Job, Result, Status
from workbench.run import Prepared, packed_file, prepare, run
from workbench.store import Store

_ROW_SECONDS = 0.08
"""How long a page may wait for news of a tightening row: drawing each one would cost more than measuring it."""
_TRAIL = 30


@dataclass(frozen=True, kw_only=True)
class TrainingListener:
    """What a training tells its panel, from its own thread."""

    begun: Callable[[int, int, str], None]
    """Number of the arm, how many there are, its title ("" for the recipe itself)."""
    progress: Callable[[Progress], None]
    measured: Callable[[str, Result], None]
    """Title of the arm and its final row."""
    ended: Callable[[Outcome, str], None]


class Engine:
    """Answers changes of an `AppState` with rows."""

    def __init__(self, state: AppState, store: Store | None = None, user_models: tuple[str, ...] = ()) -> None:
        self.state = state
        self._store = store
        self._user_models = user_models
        self._prepared: Prepared | None = None
        self._live = Background("live")
        self._training = Background("training")
        self._filing = Background("files")
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

    # the present choices

    def refresh(self) -> None:
        """Measure the present choices."""
        with self.state.lock:  # so that no row of an older request can be published after this
            job = self.state.job
            self.state.put(busy=True, error="")
            self._live.submit(
                Task(
                    work=lambda report: self._follow(job, report),
                    ended=lambda outcome, sentence: self._followed(job, outcome, sentence),
                )
            )

    def _follow(self, job: Job, report: Report) -> None:
        plain = dataclasses.replace(job, recipe=Recipe())
        known = self.state.baseline
        if known is None or not known.final or known.job != plain:
            self._begin(plain, report)
            for row in self._rows(plain, report):
                self._publish(report, baseline=row)
        if job == plain:
            self._publish(report, current=self.state.baseline, busy=False)
        elif job.recipe.trains:
            self._publish(report, current=self._trained(job, report), busy=False)
        else:
            for row in self._rows(job, report):
                trail = self.state.trail
                trail = (*trail, row)[-_TRAIL:] if row.final else trail
                self._publish(report, current=row, trail=trail, busy=not row.final)

    def _followed(self, job: Job, outcome: Outcome, sentence: str) -> None:
        with self.state.lock:
            if outcome is Outcome.FAILED and self.state.job == job:
                self.state.put(error=sentence, current=None, busy=False)

    def _publish(self, report: Report, **values: Any) -> None:
        with self.state.lock:
            report(Progress(0.0, ""))  # stops here if there is a newer request
            self.state.put(**values)

    def _begin(self, job: Job, report: Report) -> None:
        self._publish(report, baseline=None, current=None, trail=(), saved=(), layers=())
        prepared = prepare(job, report=report, user_code=self._may_run(job))
        with self.state.lock:
            self._publish(report, layers=prepared.layers)
            self._prepared = prepared
            self.reload()

    def _rows(self, job: Job, report: Report) -> Iterator[Result]:
        """Yield the rows that are worth drawing: the final one, and before it one every `_ROW_SECONDS`."""
        shown = time.monotonic()
        for row in run(job, report=report, user_code=self._may_run(job)):
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
        return dataclasses.replace(row, job=job)

    def _may_run(self, job: Job) -> bool:
        return job.model.name in self._user_models

    # saved results

    def reload(self) -> None:
        """Read the saved rows that compare with the present original: same weights, images, seed and engine."""
        with self.state.lock:
            prepared, plain = self._prepared, dataclasses.replace(self.state.job, recipe=Recipe())
            if prepared is None or not self.state.layers:
                return  # the model is still being loaded, and reads them itself when it is there
            try:
                rows = self.store.query(model=plain.model.name, data=plain.data.name)
            except Refused as refusal:
                self.state.put(error=str(refusal))
                return
            mine = (dataclasses.replace(row, job=dataclasses.replace(plain, recipe=row.job.recipe)) for row in rows)
            self.state.put(saved=tuple(r for r in mine if r.job.recipe.steps and prepared.key(r.job) == r.key))

    def save(self, row: Result, refused: Callable[[str], None]) -> None:
        """Keep a final row and its file; a refusal is told as a sentence."""

        def keep(content: bytes) -> None:
            if not self.store.has(row.key):
                self.store.add(row, content)
            self.reload()

        self.file(row, keep, refused)

    def remove(self, key: str) -> None:
        """Forget a saved row, one of those that are shown."""
        try:
            if any(row.key == key for row in self.state.saved):
                self.store.remove(key)
        except Refused as refusal:
            self.state.put(error=str(refusal))
        self.reload()

    def file(self, row: Result, ready: Callable[[bytes], None], refused: Callable[[str], None]) -> None:
        """Hand over the packed file of a row: the stored one, or one made again where that needs no training."""

        def work(report: Report) -> None:
            content = self.store.packed(row.key)
            if not content and row.job.recipe.trains:
                raise Refused("the file of this training was removed: press Train to make it again")
            ready(content or packed_file(row.job, report=report, user_code=self._may_run(row.job)))

        def ended(outcome: Outcome, sentence: str) -> None:
            if outcome is Outcome.FAILED:
                refused(sentence)

        self._filing.submit(Task(work=work, ended=ended))

    # training

    @property
    def training(self) -> bool:
        """Whether a training is running."""
        return self._training.running

    def train(self, step: Step, control: bool, listener: TrainingListener) -> None:
        """Train the present recipe with one more step, and its control arm where asked; finished rows are saved.

        A recipe that was pasted or restored and has this very step already is trained as it is.
        """
        job = self.state.job
        live = tuple(s for s in job.recipe.steps if not s.trains)
        recipe = job.recipe if step in job.recipe.steps else Recipe((*live, step))
        arms = [("", recipe)]
        if control and (other := recipe.control()) is not None:
            arms.append(other)

        def work(report: Report) -> None:
            for number, (title, arm) in enumerate(arms):
                listener.begun(number, len(arms), title)
                listener.measured(title, self._train_one(dataclasses.replace(job, recipe=arm), report))
                if self.state.job.recipe == arm:  # it was pasted or restored, and waited for this
                    self.refresh()

        self._training.submit(Task(work=work, progress=listener.progress, ended=listener.ended))

    def _train_one(self, job: Job, report: Report) -> Result:
        *_, row = run(job, report=report, store=self.store, user_code=self._may_run(job))
        if row.status is not Status.OK:
            raise Refused(row.message)
        self.reload()
        return row

    def cancel_training(self) -> None:
        """Stop the training within a batch."""
        self._training.cancel()


def connect(state: AppState, **options: Any) -> Engine:
    """Return the engine of a state, made at the first call."""
    with state.lock:
        if state.engine is None:
            state.engine = Engine(state, **options)
        engine: Engine = state.engine
    return engine
