"""Classes or groups of images before and after: two dots with their intervals on a line each, worst first.

It is a table, so that a screen reader reads the numbers, and needs no script, so that a report shows the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from widgets.text import change_range, escape, percent, points
from workbench.forgetting.alarms import FALLS_BEYOND
from workbench.forgetting.parts import Part

MOST = 20
"""Lines that are drawn at the most; the others lost less."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A share with its interval, in percent of the width of the line."""

    at: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """One class or group."""

    name: str
    before: Mark
    after: Mark
    shares: str
    change: str
    interval: str
    images: str
    whole: bool
    """Whether it is all images."""
    falls: bool
    """Whether it has surely lost much more than all other images, as in `alarms`."""


@dataclass(frozen=True, kw_only=True)
class PartsInfo:
    """What is drawn."""

    lines: tuple[Line, ...]
    left: float
    """The share at the left end of the lines; the right end is all."""
    rest: int
    """How many are not drawn."""


def parts_info(parts: Sequence[Part], most: int = MOST, mean: Part | None = None) -> PartsInfo:
    """Return what is drawn of parts that are sorted by loss, below all images as one."""
    shown = [*([] if mean is None else [mean]), *parts[:most]]
    least = min((end for part in shown for end in (part.before.low, part.after.low)), default=0.0)
    left = max(0.0, math.floor(10 * least) / 10)
    left = left if left < 1 else 0.9
    return PartsInfo(lines=tuple(_line(part, left) for part in shown), left=left, rest=max(0, len(parts) - most))


def _line(part: Part, left: float) -> Line:
    before, after = (
        Mark(
            **{
                where: 100 * (value - left) / (1 - left)
                for where, value in zip(("at", "low", "high"), ends, strict=True)
            }
        )
        for ends in ((e.value, e.low, e.high) for e in (part.before, part.after))
    )
    return Line(
        name=part.name,
        before=before,
        after=after,
        shares=f"{percent(part.before.value)} → {percent(part.after.value)}",
        change=f"{points(part.change.value)} points",
        interval=change_range(part.change),
        images=f"{part.images:,} images; {part.lost:,} lost, {part.gained:,} gained",
        whole=part.kind == "whole",
        falls=part.falls(FALLS_BEYOND),
    )


def parts_html(info: PartsInfo, *, caption: str, head: str, before: str, after: str) -> str:
    """Return the picture as HTML; `head` says what each line is about, `before` and `after` call the two networks."""
    middle = f"{50 * (1 + info.left):.0f} %"
    axis = f"<span>{100 * info.left:.0f} %</span><span>{middle}</span><span>100 %</span>"
    titles = "".join(f'<th scope="col">{text}</th>' for text in ("Right", "Change"))
    lines = "".join(map(_row, info.lines))
    rest = f"<p class='dsw-quiet'>{info.rest:,} more lost less than these, or nothing.</p>" if info.rest else ""
    return (
        f'<ul class="dsw-legend dsw-marks"><li><i class="dsw-was"></i>{escape(before)}</li>'
        f'<li><i class="dsw-is"></i>{escape(after)}</li>'
        '<li><i class="dsw-is dsw-worse"></i>surely lost more than all other images, by over 1 point</li></ul>'
        f'<table class="dsw-parts"><caption>{escape(caption)}</caption><thead><tr><th scope="col">{escape(head)}</th>'
        f'<th scope="col" class="dsw-axis"><div>{axis}</div></th>{titles}</tr></thead>'
        f"<tbody>{lines}</tbody></table>{rest}"
    )


def _row(line: Line) -> str:
    mark = "<small><b>▼ surely more than all others</b></small>" if line.falls else ""
    kind = ' class="dsw-worse"' if line.falls else ' class="dsw-whole"' if line.whole else ""
    return (
        f'<tr{kind}><th scope="row">{escape(line.name)}<small>{escape(line.images)}</small></th>'
        f'<td class="dsw-lane" aria-hidden="true"><div>{_mark(line.before, "was")}{_mark(line.after, "is")}</div></td>'
        f"<td>{escape(line.shares)}</td>"
        f"<td><b>{escape(line.change)}</b><small>{escape(line.interval)}</small>{mark}</td></tr>"
    )


def _mark(mark: Mark, kind: str) -> str:
    return (
        f'<i class="dsw-{kind}-range" style="left:{mark.low:.2f}%;width:{mark.high - mark.low:.2f}%"></i>'
        f'<i class="dsw-{kind}" style="left:{mark.at:.2f}%"></i>'
    )
