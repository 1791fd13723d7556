"""A map of provenance: what was made from what by which step, as a tree from the original to every result.

A node is a network, by the steps that made it: coloured by accuracy, sized by the bytes of its file. Two recipes that
begin alike share a path. What lies on a path and was never measured itself is a small hollow node.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from plotly.colors import sample_colorscale

from widgets.figures._tree_layout import Place, layout
from widgets.figures.tradeoff import mark, pareto
from widgets.text import capitalised, change_text, estimate_text, interval, percent
from workbench.recipe import Recipe
from workbench.result import Result

MOST = 300
"""Results that are shown: more would be a page to scroll through rather than a picture."""
_SCALE = "Cividis"
"""Nuñez, Anderton and Renslow (2018): the same order of lightness for any kind of colour vision."""
_LEAST_RANGE = 0.05
"""How much accuracy the colours span at least: differences within the intervals should not look like day and night."""
_LARGEST, _SMALLEST = 28.0, 6.0
"""Diameters in pixels: that of the largest file, and the least that a hand can hit."""
_BETWEEN = 6.0

Kind = Literal["original", "plain", "trained", "control", "between"]
SHAPES: Mapping[Kind, tuple[str, str]] = {
    "original": ("◆", "original"),
    "plain": ("●", "without training"),
    "trained": ("■", "trained"),
    "control": ("▲", "control"),
    "between": ("○", "not measured"),
}
"""What stands for each kind of node, and what that is called."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One network on the map; `x` in steps from the original, `y` in leaves from the top."""

    x: int
    y: float
    parent: int
    """The place of the node that it was made from, -1 for the original."""
    kind: Kind
    words: str
    """The last step."""
    text: str
    """All that is known, in lines."""
    key: str = ""
    """That of its row, nothing where it was not measured."""
    label: str = ""
    color: str = ""
    diameter: float = _BETWEEN
    now: bool = False


@dataclass(frozen=True, kw_only=True)
class ProvenanceInfo:
    """What the map shows; every node stands after the one that it was made from."""

    nodes: tuple[Node, ...] = ()
    accuracies: tuple[float, float] = (0.0, 1.0)
    """The ends of the scale of colours."""
    largest_bytes: float = 0.0
    left_out: int = 0

    @property
    def depth(self) -> int:
        """The most steps of any node."""
        return max((node.x for node in self.nodes), default=0)


def provenance_info(
    baseline: Result | None,
    current: Result | None,
    trail: Iterable[Result] = (),
    saved: Iterable[Result] = (),
    starred: Collection[str] = (),
    most: int = MOST,
) -> ProvenanceInfo:
    """Return the map of rows of one model on one data set; `starred` are keys of rows that stay in any case."""
    rows = known(baseline, current, trail, saved)
    shown = chosen(rows, {*starred, *(row.key for row in (baseline, current) if row)}, most)
    if not shown:
        return ProvenanceInfo()
    accuracies = [row.estimates["accuracy"].value for row in shown]
    high = max(accuracies)
    low = max(0.0, min(*accuracies, high - _LEAST_RANGE))
    largest = max(row.estimates["size_bytes"].value for row in shown)
    made = {row.job.recipe.steps: row for row in shown}
    nodes = []
    for place in layout(made):
        row = made.get(place.path)
        node = _between(place) if row is None else _measured(place, row, (low, high), largest)
        nodes.append(replace(node, now=row is not None and current is not None and row.key == current.key))
    return ProvenanceInfo(
        nodes=tuple(nodes), accuracies=(low, high), largest_bytes=largest, left_out=len(rows) - len(shown)
    )


def known(
    baseline: Result | None, current: Result | None, trail: Iterable[Result] = (), saved: Iterable[Result] = ()
) -> tuple[Result, ...]:
    """Return each finished row once, those that were saved first, then from old to new."""
    found: dict[str, Result] = {}
    for row in (*saved, baseline, *trail, current):
        if row is not None and row.final and not row.provisional and mark(row, "size_bytes"):
            found.setdefault(row.key, row)
    return tuple(found.values())


def chosen(rows: Sequence[Result], keep: Collection[str], most: int) -> tuple[Result, ...]:
    """Return up to `most` rows: those to keep, then those that none beats, then the newest; in their own order."""
    marks = [m for row in rows if not row.job.recipe.is_control and (m := mark(row, "size_bytes"))]
    front = {m.key for m in pareto(marks)}
    ranked = sorted(
        range(len(rows)), key=lambda place: (rows[place].key not in keep, rows[place].key not in front, -place)
    )
    return tuple(rows[place] for place in sorted(ranked[:most]))


def _between(place: Place) -> Node:
    words = capitalised(str(place.path[-1])) if place.path else "Original"
    text = f"{capitalised(str(Recipe(place.path)))}\nnot measured itself"
    return Node(x=place.x, y=place.y, parent=place.parent, kind="between", words=words, text=text)


def _measured(place: Place, row: Result, ends: tuple[float, float], largest: float) -> Node:
    recipe, accuracy, size = row.job.recipe, row.estimates["accuracy"], row.estimates["size_bytes"]
    kind: Kind = "plain"
    if not recipe.steps:
        kind = "original"
    elif recipe.is_control:
        kind = "control"
    elif recipe.trains:
        kind = "trained"
    return replace(
        _between(place),
        kind=kind,
        text="\n".join(facts(row).values()),
        key=row.key,
        label=percent(accuracy.value),
        color=color(accuracy.value, ends),
        diameter=diameter(size.value, largest),
    )


def facts(row: Result) -> dict[str, str]:
    """Return what is told of a row by what it is called: how it was made, and what that gave and cost."""
    accuracy, size, change = (row.estimates.get(name) for name in ("accuracy", "size_bytes", "change"))
    told = {"Recipe": capitalised(str(row.job.recipe)) + (" (control)" if row.job.recipe.is_control else "")}
    if accuracy:
        on = f" on {accuracy.n:,} images" if accuracy.n else ""
        told["Accuracy"] = f"{percent(accuracy.value)} (95 %: {interval(accuracy)}), {accuracy.how}{on}"
    if change and row.job.recipe.steps:
        told["Change"] = f"{change_text(change)} against the original"
    if size:
        told["File"] = f"{estimate_text(size)}, {size.how}"
    return told


def color(accuracy: float, ends: tuple[float, float]) -> str:
    """Return the colour of an accuracy as CSS; where all are the same, that of the best."""
    low, high = ends
    share = (accuracy - low) / (high - low) if high > low else 1.0
    return str(sample_colorscale(_SCALE, [min(1.0, max(0.0, share))])[0])


def scale(stops: int = 9) -> list[str]:
    """Return the colours from the lowest to the highest accuracy."""
    return [str(each) for each in sample_colorscale(_SCALE, stops)]


def diameter(size_bytes: float, largest: float) -> float:
    """Return how wide a node is, in pixels: its area is in proportion to the bytes, except for very small ones."""
    share = size_bytes / largest if largest > 0 else 1.0
    return max(_SMALLEST, _LARGEST * math.sqrt(share))


def summary(info: ProvenanceInfo) -> str:
    """Return what the map shows in a sentence or two."""
    measured = sum(1 for node in info.nodes if node.key)
    if not measured:
        return "No network measured yet."
    between = len(info.nodes) - measured
    words = f"{measured} result{'s' if measured > 1 else ''}, up to {info.depth} steps from the original"
    if info.depth == 0:
        words = "The original alone: what you make from it will branch off here"
    if between:
        words += f"; {between} network{'s' if between > 1 else ''} on the way not measured"
    left = info.left_out
    out = (
        f" {left} older result{'s are' if left > 1 else ' is'} left out: those stay that are starred, that nothing "
        "beats or that are newest."
        if left
        else ""
    )
    return f"{words}.{out}"


def drawn(info: ProvenanceInfo) -> list[dict[str, Any]]:
    """Return the nodes as the page draws them."""
    return [
        {
            "x": node.x,
            "y": node.y,
            "parent": node.parent,
            "shape": node.kind,
            "key": node.key,
            "label": node.label,
            "words": node.words if node.x else "",
            "text": node.text,
            "color": node.color,
            "radius": round(node.diameter / 2, 2),
            "now": node.now,
        }
        for node in info.nodes
    ]
