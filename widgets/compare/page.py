"""The page: two networks to pick, what is said of them, and the report."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as ipw

from widgets.answer_style import ANSWERS
from widgets.background import Outcome
from widgets.bridge.comparing import Comparing
from widgets.bridge.offered import Offered
from widgets.bridge.pictures import Pictures
from widgets.compare.choices import Candidate, linked, original, stored, zoo
from widgets.compare.report import report
from widgets.compare.sections import sections
from widgets.download import DownloadButton
from widgets.page import Page
from widgets.panels._panel import Alert, buttons
from widgets.panels._work import Work
from widgets.text import capitalised
from workbench import link, registry
from workbench.errors import Refused
from workbench.forgetting.compared import Comparison
from workbench.recipe import Recipe
from workbench.result import DataRef, Job, ModelRef
from workbench.store import Store

_LONGEST = 100_000
_FIRST = "digits"
_ITS_OWN = "the original of the one on the right"
_NOTHING = (
    "No smaller network is stored for these data yet: two networks of the zoo are shown. Open the workbench "
    "(<code>workbench</code> in a terminal) and move a slider, or paste a link from there: what it measures is kept."
)


class Compare(ipw.VBox):
    """Two networks on the test images of one data set.

    `left` and `right` are jobs to begin with; by default the newest stored result and what it began with. `models` and
    `data_sets` name what the page offers besides the zoo, such as `user:net.py:build`: only a name given here, by the
    person who wrote the notebook, may run code from a file.
    """

    def __init__(
        self,
        left: Job | None = None,
        right: Job | None = None,
        *,
        store: Store | None = None,
        models: tuple[str, ...] = (),
        data_sets: tuple[str, ...] = (),
    ) -> None:
        self.lock = threading.RLock()
        self._store = store
        given = [job for job in (left, right) if job is not None]
        self._offered = Offered(
            models=(*dict.fromkeys((*(job.model for job in given), *(ModelRef(name=name) for name in models))),),
            data=(*dict.fromkeys((*(job.data for job in given), *(DataRef(name=name) for name in data_sets))),),
        )
        self._given = (left, right)
        self._links: list[Candidate] = []
        self._choices: tuple[Candidate, ...] = ()
        self._setting = False
        self._touched = False
        self._rows: object = None
        self._unread = ""
        self._address = ""
        self.found: Comparison | None = None
        self._shown: Pictures | None = None
        self.bridge = Comparing(models)
        self.page = Page()
        self.data = ipw.Dropdown(description="Data")
        self.left, self.right = ipw.Dropdown(description="Left"), ipw.Dropdown(description="Right")
        self.link = ipw.Text(
            description="By link", placeholder="paste a link of the workbench", continuous_update=False
        )
        self.swap = ipw.Button(description="Swap sides")
        self.work = Work(self, self.bridge.cancel, "Stop comparing", self._ends)
        self.save = DownloadButton("Download the report", self._save, disabled=True)
        self.problem, self.unread = Alert(), Alert()
        self.empty, self.answer = ipw.HTML(), ipw.HTML()
        controls = ipw.Box([self.data, self.left, self.right, self.link])
        controls.add_class("dsw-controls")
        inside = ipw.VBox(
            [
                controls,
                buttons(self.swap, self.work.stop, self.save),
                *self.work.shown,
                self.problem,
                self.unread,
                self.empty,
                self.answer,
            ]
        )
        inside.add_class("dsw-inside")
        super().__init__([ipw.HTML(f"<style>{ANSWERS}</style>"), inside, self.page])
        for name in ("dsw", "dsw-panel", "dsw-stakeholder", "dsw-compare"):
            self.add_class(name)
        self.data.observe(self.locked(lambda _: self._pick_data()), "value")
        for side in (self.left, self.right):
            side.observe(self.locked(lambda _: self._pick()), "value")
        self.link.observe(self.locked(lambda change: self._open(change.new)), "value")
        self.swap.on_click(self.locked(lambda _: self._swap()))
        self.page.on_msg(self.locked(lambda page, content, buffers: self._hear(content)))
        with self.lock:
            self.look()

    def locked(self, act: Callable[..., None]) -> Callable[..., None]:
        """Return `act` so that it runs while nobody else changes the page."""

        def alone(*arguments: Any) -> None:
            with self.lock:
                act(*arguments)

        return alone

    def look(self) -> None:
        """Read what there is to pick; what a person has picked stays where it is still there."""
        self._unread = ""
        try:
            if self._store is None:
                self._store = Store()
        except Refused as refusal:
            self._unread = str(refusal)
        sets = dict.fromkeys((*(ref.name for ref in self._offered.data), *registry.data.names()))
        self._rows = self._counted()
        first = next((job.data.name for job in self._given if job is not None), None)
        newest = self._newest(sets) if first is None else first
        with self._quietly():
            before = self.data.value if self._touched else None
            self.data.options = [*sets]
            self.data.value = before or newest
        self._list(again=self._touched)

    def _newest(self, known: Iterable[str]) -> str:
        """Return the data set with the newest smaller network."""
        of = "SELECT data FROM results WHERE recipe <> ? GROUP BY data ORDER BY max(number) DESC"
        try:
            found = [] if self._store is None else self._store.select(of, str(Recipe()))
        except Refused:
            found = []
        return next((name for (name,) in found if name in known and self._stored(DataRef(name=name))), _FIRST)

    def _stored(self, data: DataRef) -> tuple[Candidate, ...]:
        try:
            return () if self._store is None else stored(self._store, data.name, self._offered)
        except Refused as refusal:
            self._unread = str(refusal)
            return ()

    @property
    def _data(self) -> DataRef:
        name = self.data.value
        return next((ref for ref in self._offered.data if ref.name == name), DataRef(name=name))

    def _list(self, *, again: bool = False) -> None:
        """Fill both lists for the data that are picked, and compare what is set."""
        data = self._data
        rows, originals = self._stored(data), zoo(data, self._offered)
        ours = [each for each in self._links if each.job.data.name == data.name]
        given = [
            Candidate(title=f"given: {job.model.name}, {job.recipe or 'the original'}", job=job)
            for job in self._given
            if job is not None and job.data == data and (job.recipe.steps or job.model not in self._offered.models)
        ]
        before = (self._job(self.left), self._job(self.right)) if again else (None, None)
        choices = {repr(each.job): each for each in (*ours, *given, *rows, *originals)}
        self._choices = tuple(choices.values())
        nothing = "" if rows or given or ours else f'<p class="dsw-quiet">{_NOTHING}</p>'
        self.unread.tell(_sentence(self._unread))
        self.empty.value = "" if self._unread else nothing
        with self._quietly():
            options = [(each.title, number) for number, each in enumerate(self._choices)]
            self.left.options = [(_ITS_OWN, -1), *options]
            self.right.options = options
            left, right = self._first(ours, rows, data) if before[1] is None else before
            self.right.value = self._number(right)
            self.left.value = self._number(left, -1)
        self._ask()

    def _first(
        self, ours: list[Candidate], rows: tuple[Candidate, ...], data: DataRef
    ) -> tuple[Job | None, Job | None]:
        """Return what is set first on either side; None on the left for the original of the right."""
        left, right = (job if job is not None and job.data == data else None for job in self._given)
        if ours:
            return None, ours[-1].job
        if right is not None or left is not None:
            return left, right or self._other(left)
        if rows:
            return None, rows[0].job
        zoo_jobs = [each.job for each in self._choices]
        return (zoo_jobs[-1], zoo_jobs[0]) if len(zoo_jobs) > 1 else (None, zoo_jobs[0] if zoo_jobs else None)

    def _other(self, job: Job | None) -> Job | None:
        return next((each.job for each in self._choices if each.job != job), None)

    def _number(self, job: Job | None, without: int | None = None) -> int | None:
        return next((number for number, each in enumerate(self._choices) if each.job == job), without)

    def _job(self, side: ipw.Dropdown) -> Job | None:
        number = side.value
        return self._choices[number].job if number is not None and 0 <= number < len(self._choices) else None

    @property
    def jobs(self) -> tuple[Job, Job] | None:
        """What is set on both sides; None where there is nothing to set."""
        left, right = self._job(self.left), self._job(self.right)
        return None if right is None else (left or original(right), right)

    def _pick_data(self) -> None:
        if not self._setting:
            self._touched = True
            self._list()

    def _pick(self) -> None:
        if not self._setting:
            self._touched = True
            self._ask()

    def _swap(self) -> None:
        if (jobs := self.jobs) is None or (number := self._number(jobs[0])) is None:
            return
        self._touched = True
        with self._quietly():
            self.left.value, self.right.value = self._number(jobs[1], -1), number
        self._ask()

    def _ask(self) -> None:
        self._tell("")
        self._clear()
        jobs = self.jobs
        if jobs is None:
            self.work.forget()
            self._tell("there is no network for these data: name one in a notebook")
        elif jobs[0] == jobs[1]:
            self.work.forget()
            self._tell("both sides are the same network: pick another one on one of them")
        else:
            listener = self.work.begin()
            self.bridge.compare(*jobs, self._store, self.work.latest(self._show), listener)

    def _show(self, found: Comparison, shown: Pictures) -> None:
        self.found, self._shown = found, shown
        self.answer.value = sections(found, shown)
        self.save.disabled = False

    def _clear(self) -> None:
        self.found = self._shown = None
        self.answer.value = ""
        self.save.disabled = True

    def _ends(self, outcome: Outcome) -> str:
        return {Outcome.DONE: "", Outcome.CANCELLED: "cancelled: pick a network to begin again"}.get(outcome, "")

    def _tell(self, sentence: str) -> None:
        self.problem.tell(_sentence(sentence))

    def _open(self, address: str) -> None:
        """Add what a link carries to the lists, and set it on the right."""
        address = address.strip()[:_LONGEST]
        if not address:
            return
        try:
            job = self._offered.job(link.read(address))
        except Refused as refusal:
            self._tell(f"this link was not opened: {refusal}")
            return
        self._touched = True
        self._links = [each for each in self._links if each.job != job] + [linked(job)]
        with self._quietly():
            self.data.value = job.data.name
            self.link.value = ""
        self._list()

    def _hear(self, content: Any) -> None:
        address = content.get("hash") if isinstance(content, dict) else None
        for each in (self.answer, self.empty, self.unread, self.problem, self.save, self.work.stop, *self.work.shown):
            each.send_state()  # what changed between the page's question for all widgets and the answer was not heard
        if isinstance(address, str) and address != self._address and link.carries(address[:_LONGEST]):
            self._address = address
            self._open(address)
        elif not self._touched and self._counted() != self._rows:
            self.look()  # the notebook may have run long before anybody came

    def _counted(self) -> object:
        """Return what tells whether results were added to the store."""
        try:
            return None if self._store is None else self._store.select("SELECT count(*), max(number) FROM results")
        except Refused:
            return None

    def _save(self) -> None:
        with self.lock:
            if self.found is not None and self._shown is not None:
                job = self.found.right.job
                name = re.sub(r"[^\w.-]+", "-", f"{job.model.name}-on-{job.data.name}").strip("-.")
                self.save.deliver(f"{name}-comparison.html", report(self.found, self._shown))

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """While it is open, lists that change are not taken for a person's choice."""
        before, self._setting = self._setting, True
        try:
            yield
        finally:
            self._setting = before


def _sentence(words: str) -> str:
    return f"{capitalised(words)}." if words else ""
