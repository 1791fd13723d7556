"""The leaderboard of a class: read and written on threads of its own, because network folders may be slow."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from widgets.background import Background, Outcome, Task
from widgets.bridge.desk import Desk
from workbench.class_folder import Reader, submit
from workbench.class_folder import submitted as before
from workbench.context import Report
from workbench.errors import Refused
from workbench.leaderboard import Board, Place, board, submission, together
from workbench.ownership import own_names
from workbench.resources import cache_home, class_home
from workbench.result import Job, Result
from workbench.run import prepare

Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The board as it was at one moment."""

    model: str
    data: str
    ground: Board
    places: tuple[Place, ...]
    mine: frozenset[str]
    """The names on it that belong to whoever looks."""
    problems: tuple[str, ...]


class Leaderboard:
    """Looks at the board and submits to it."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._state = desk, desk.state
        self._reader = Reader(class_home())
        self._last: tuple[object, Standing] | None = None
        self._shown: set[str] = set()
        """Keys of the rows that the sliders of this kernel have shown."""
        self._state.observe(lambda _: self._remember(), ["current"])
        self.looking, self.submitting = Background("class-look"), Background("class-submit")

    def look(self, who: str, shown: Callable[[Standing], None], refused: Told) -> None:
        """Read the board about the present model and data, cheap where nothing has changed; the latest look counts.

        `who` tells visitors of one served page apart.
        """
        job, original = self._state.job, self._state.baseline
        _do(self.looking, lambda report: shown(self._standing(job, original, who, report)), refused)

    def submit(self, name: str, who: str, submitted: Told, refused: Told) -> None:
        """Submit the saved rows and the one that the sliders show under a name.

        All visitors of a served page save into one place: of these rows, only those that were shown here are theirs.
        What the same person submitted under the name before stays, as far as nothing beats it.
        """
        job, now = self._state.job, self._state.current
        saved = [row for row in self._state.saved if not who or row.key in self._shown]
        rows = (*saved, *(() if now is None else (now,)))

        hidden = len(self._state.saved) - len(saved)

        def work(_: Report) -> None:
            try:
                wanted = submission(name, rows, job, who)
            except Refused as refusal:
                words = f"; {hidden} saved points were not shown on this page, and others may have saved them"
                raise Refused(f"{refusal}{words if hidden else ''}") from None
            whole, older = together(wanted, before(self._reader.folder, wanted))
            submit(self._reader.folder, whole)
            count = len(whole.points)
            told = f", {older} of them from before" if older else ""
            submitted(
                f"{whole.name} submitted {count} {'point' if count == 1 else 'points'}{told}: those on the front."
            )

        _do(self.submitting, work, refused)

    def _remember(self) -> None:
        if self._state.current is not None and self._state.current.final:
            self._shown.add(self._state.current.key)

    def _standing(self, job: Job, original: Result | None, who: str, report: Report) -> Standing:
        if original is None or not original.final:
            raise Refused("the original is still being measured: the board comes after that")
        classes = prepare(job, **self._desk.options(job, report)).about["classes"]
        ground = Board.of(original, len(classes))
        found = self._reader.read()
        asked = (found, ground, who, job.model.name, job.data.name)
        if self._last is not None and self._last[0] == asked:
            return self._last[1]
        about = [s for s in found.submissions if (s.model, s.data) == (job.model.name, job.data.name)]
        standing = Standing(
            model=job.model.name,
            data=job.data.name,
            ground=ground,
            places=board(about, ground),
            mine=own_names(about, who),
            problems=found.problems,
        )
        self._last = (asked, standing)
        return standing


def _without_paths(sentence: str) -> str:
    """Return a sentence that says in words where files of this computer lie: strangers may read a served page."""
    places = ((class_home(), "the folder of the class"), (cache_home(), "the home folder of this page"))
    for folder, words in places:  # the first may lie in the second
        if folder.is_absolute() and folder != folder.parent:
            below = r"(?:[/\\][^\s,:;]*|(?![^\s,:;]))"  # and not what only begins alike
            sentence = re.sub(rf"(?:the folder )?{re.escape(str(folder))}{below}", words, sentence)
    return sentence


def _do(thread: Background, work: Callable[[Report], None], refused: Told) -> None:
    def ended(outcome: Outcome, sentence: str) -> None:
        if outcome is Outcome.FAILED:
            refused(_without_paths(sentence))

    thread.submit(Task(work=work, ended=ended))
