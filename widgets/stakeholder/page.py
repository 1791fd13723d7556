"""One question at a time, the few things that a visitor sets, and the report."""

from __future__ import annotations

import re
import threading
from typing import Any

import ipywidgets as ipw

from widgets.answer_style import ANSWERS
from widgets.download import DownloadButton
from widgets.page import Page
from widgets.stakeholder.answers import Wishes, answers, questions
from widgets.stakeholder.report import report
from widgets.text import escape
from workbench.briefing.versions import Family, families
from workbench.devices.shelf import devices
from workbench.errors import Refused
from workbench.store import Store

_ACCEPTED = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_EMPTY = (
    "<p class='dsw-say'>There is nothing to show yet: no network has been measured together with a smaller version of "
    "it.</p><p>Open the workbench (<code>workbench</code> in a terminal), choose a network and move a slider: what it "
    "measures is kept. Or measure both in a terminal: <code>workbench run digits-cnn --data digits --save</code>, then "
    "the same with <code>--bits 4</code>. Then load this page again.</p>"
)


class Stakeholder(ipw.VBox):
    """Five answers about the networks in a store.

    `wishes` are what is set when the page opens. Results that are stored later are there when the page is loaded again.
    """

    def __init__(self, store: Store | None = None, wishes: Wishes | None = None) -> None:
        start = wishes or Wishes()
        self._store, self._lock = store, threading.RLock()
        self.families: tuple[Family, ...] = ()
        self.page = Page()
        self.network = ipw.Dropdown(description="Network")
        self.accepted = ipw.SelectionSlider(
            options=[(_in_words(share), share) for share in sorted({*_ACCEPTED, start.accepted})],
            value=start.accepted,
            description="We may lose",
        )
        self.device = ipw.Dropdown(description="Device")
        self._device = start.device
        self.requests = ipw.BoundedIntText(
            value=start.requests_per_day, min=1, max=10**12, description="Requests a day"
        )
        self.price = ipw.BoundedFloatText(value=start.usd_per_kwh, min=0, max=100, step=0.01, description="USD a kWh")
        self.question = ipw.ToggleButtons(options=[(each.text, each.name) for each in questions()])
        self.further = ipw.Button(description="Next question")
        self.save = DownloadButton("Download the report", self._save)
        self.answer, self.problem = ipw.HTML(), ipw.HTML()
        self._for_device = _box("dsw-controls", self.device, self.requests, self.price)
        self._shown = ipw.VBox(
            [
                _box("dsw-questions", self.question),
                _box("dsw-controls", self.network, self.accepted),
                self._for_device,
                self.answer,
                _box("dsw-buttons", self.further, self.save),
            ]
        )
        self._shown.add_class("dsw-inside")
        super().__init__([ipw.HTML(f"<style>{ANSWERS}</style>"), self.problem, self._shown, self.page])
        for name in ("dsw", "dsw-panel", "dsw-stakeholder"):
            self.add_class(name)
        for control in (self.network, self.accepted, self.device, self.requests, self.price, self.question):
            control.observe(lambda _: self._draw(), "value")
        self.further.on_click(lambda _: self._go_on())
        self.page.on_msg(self._hear)
        self.look()

    @property
    def wishes(self) -> Wishes:
        """What is set at present."""
        return Wishes(
            accepted=self.accepted.value,
            requests_per_day=self.requests.value,
            device=self.device.value or "",
            usd_per_kwh=self.price.value,
        )

    @property
    def family(self) -> Family | None:
        """The network that is looked at; None where there is none."""
        number = self.network.value
        return self.families[number] if number is not None and number < len(self.families) else None

    def look(self) -> None:
        """Read the store, and what devices there are; what was chosen stays chosen where it is still there."""
        with self._lock:
            try:
                if self._store is None:
                    self._store = Store()
                found, known = families(self._store), devices()
            except Refused as refusal:
                self._tell(f'<div class="dsw-error" role="alert">{escape(refusal)}</div>')
                return
            before = self.network.label
            self.families = found
            names = [(title, number) for number, title in enumerate(_titles(found))]
            self.network.options = names
            self.network.value = next((number for title, number in names if title == before), 0 if names else None)
            options = [(profile.title, profile.name) for profile in known]
            wanted = self.device.value or self._device
            self.device.options = options
            self.device.value = next((name for _, name in options if name == wanted), options[0][1])
            self._tell("" if found else f'<section class="dsw-answer">{_EMPTY}</section>')
            self._draw()

    def _tell(self, html: str) -> None:
        self.problem.value = html
        self._shown.layout.display = "none" if html else None

    def _draw(self) -> None:
        with self._lock:
            family = self.family
            if family is None:
                return
            name = self.question.value
            shown = next(each for each in answers(family, self.wishes) if each.name == name)
            self._for_device.layout.display = None if shown.question.on_device else "none"
            self.answer.value = shown.section
            self.further.disabled = name == questions()[-1].name

    def _go_on(self) -> None:
        names = [each.name for each in questions()]
        self.question.value = names[min(names.index(self.question.value) + 1, len(names) - 1)]

    def _save(self) -> None:
        with self._lock:
            family, wishes = self.family, self.wishes
            if family is not None:
                name = re.sub(r"[^\w.-]+", "-", family.title).strip("-.")
                self.save.deliver(f"{name}-report.html", report(family, wishes, answers(family, wishes)))

    def _hear(self, page: object, content: dict[str, Any], buffers: object) -> None:
        if content.get("shown"):  # the notebook may have run long before anybody came
            self.look()


def _titles(found: tuple[Family, ...]) -> list[str]:
    """Return a title for each family; those that would be called alike have the beginning of a key behind."""
    titles = [family.title for family in found]
    return [
        title if titles.count(title) == 1 else f"{title} ({family.original.key[:8]})"
        for title, family in zip(titles, found, strict=True)
    ]


def _in_words(share: float) -> str:
    """Return a share as `5 of 1,000 images` or `2 of 100 images`."""
    return f"{1000 * share:g} of 1,000 images" if share < 0.01 else f"{100 * share:g} of 100 images"


def _box(name: str, *children: ipw.Widget) -> ipw.Box:
    box = ipw.Box(children)
    box.add_class(name)
    return box
