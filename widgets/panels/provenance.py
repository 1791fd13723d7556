"""Where results come from: a map of what was made from what, and the facts of the result that is picked there."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.copy_link import CopyLink
from widgets.figures import provenance
from widgets.figures.provenance import ProvenanceInfo
from widgets.panels._panel import Panel, buttons, line
from widgets.panels.tradeoff import restore
from widgets.text import escape, percent, quantity
from widgets.tree import Tree
from workbench.errors import Refused
from workbench.link import fragment
from workbench.result import Result

_READING = (
    "<details><summary>How to read this</summary>Each line is a step, and each node the network that the steps up to "
    "there make. Recipes that begin alike share a path. The area of a node is the length of its file; the number "
    "beside it is its accuracy on the test images. A click picks a result, here, in the plot and in the tables. "
    "By keys: Tab to the map, arrows from node to node, Enter to pick.</details>"
)


class ProvenancePanel(Panel):
    """The map, its key, and one result with a way back to it. Nothing is drawn while the panel is folded."""

    title = "Where results come from"
    folded = "the map"

    def build(self) -> None:
        self.tree = Tree("Map of provenance", self._pick)
        self.told, self.key, self.facts = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.back = ipw.Button(description="Restore", tooltip="Put the recipe of the picked result into the sliders")
        self.link = CopyLink(self._fragment)
        self._actions = buttons(self.back, self.link)
        self.info = ProvenanceInfo()
        self._rows: dict[str, Result] = {}
        self.show(self.told, self.key, self.tree, self.facts, self._actions, ipw.HTML(_READING))
        self.back.on_click(lambda _: restore(self.state, self.state.selected))
        self.follow(self._draw, ["value"], of=self.opened)
        self.follow(self._draw, ["baseline", "current", "trail", "saved"])
        self.follow(self._mark, ["selected"])

    def _draw(self) -> None:
        if not self.opened.value:
            return
        state = self.state
        rows = provenance.known(state.baseline, state.current, state.trail, state.saved)
        self._rows = {row.key: row for row in rows}
        info = provenance.provenance_info(state.baseline, state.current, state.trail, state.saved)
        if info != self.info:
            self.info = info
            self.tree.nodes = provenance.drawn(info)
            self.told.value = line(provenance.summary(info))
            self.key.value = key_html(info)
        self._mark()

    def _mark(self) -> None:
        row = self._rows.get(self.state.selected)
        self.tree.selected = self.state.selected
        self.facts.value = facts_html(row) if row else '<p class="dsw-quiet">Pick a node to read what it is.</p>'
        self._actions.layout.display = None if row else "none"

    def _pick(self, key: str) -> None:
        with self.state.lock:
            if key in self._rows:
                self.state.put(selected=key)

    def _fragment(self) -> str:
        row = self._rows.get(self.state.selected)
        if row is None:
            raise Refused("pick a node first: the link is made of its recipe")
        return fragment(row.job)


def key_html(info: ProvenanceInfo) -> str:
    """Return what colours, shapes and sizes mean, as HTML."""
    if not info.nodes:
        return ""
    low, high = info.accuracies
    colors = ", ".join(provenance.scale())
    shapes = "".join(
        f"<span><b aria-hidden=true>{sign}</b> {words}</span>"
        for kind, (sign, words) in provenance.SHAPES.items()
        if any(node.kind == kind for node in info.nodes)
    )
    ends = (
        f"accuracy {percent(low)} <i style='background: linear-gradient(to right, {colors})'></i> {percent(high)}"
        if high > low
        else f"accuracy {percent(high)}"
    )
    size = f"area: bytes of the file, at most {quantity(info.largest_bytes, 'bytes')}"
    return f'<div class="dsw-key dsw-quiet"><span>{ends}</span><span>{size}</span>{shapes}</div>'


def facts_html(row: Result) -> str:
    """Return the facts of a row as an HTML table."""
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(words)}</td></tr>"
        for name, words in provenance.facts(row).items()
    )
    return f'<div class="dsw-picked"><table>{rows}</table></div>'
