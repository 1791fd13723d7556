"""Pictures without a script: bars in tables, which a screen reader reads as such, and dots in SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from widgets import theme
from widgets.text import escape

DOTS = 1000
_COLUMNS, _STEP = 50, 10


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One line of a chart: a bar from zero, its interval as a thin line, and what is written beside it."""

    label: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None
    note: str = ""
    kind: str = ""
    """`chosen`, `before`, `bad`, or nothing."""


def bars(caption: str, heads: Sequence[str], rows: Sequence[Bar]) -> str:
    """Return bars on one axis, which has zero on it; `heads` are those of labels, bars and numbers."""
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    left, right = min(0.0, *ends), max(0.0, *ends)
    span = (right - left) or 1.0

    def share(value: float) -> float:
        return 100 * (value - left) / span

    lines = "".join(_line(row, share(0.0), share) for row in rows)
    titles = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return (
        f'<table class="dsw-bars"><caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )


def _line(row: Bar, zero: float, share: Callable[[float], float]) -> str:
    at = share(row.value)
    width = max(abs(at - zero), 0.6) if row.value else 0.0  # what is there is seen, however little
    start = min(zero, at)
    start = min(start, 100 - width)
    spread = ""
    if row.low is not None and row.high is not None:
        low, high = share(row.low), share(row.high)
        spread = f'<i class="dsw-spread" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
    fill = f'<i class="dsw-fill" style="left:{start:.2f}%;width:{width:.2f}%"></i>'
    axis = f'<i class="dsw-zero" style="left:{zero:.2f}%"></i>' if zero > 0 else ""
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return (
        f'<tr class="dsw-{escape(row.kind)}"><th scope="row">{escape(row.label)}</th>'
        f'<td class="dsw-track"><div>{axis}{fill}{spread}</div></td>'
        f'<td class="dsw-said">{escape(row.text)}{note}</td></tr>'
    )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Dots of one kind."""

    title: str
    count: float
    colour: str
    square: bool = False


def thousand(shares: Sequence[float]) -> tuple[int, ...]:
    """Return 1,000 dots shared out: what there is any of has a dot, and the first kind takes up the rest."""
    counts = [max(1, round(DOTS * share)) if share > 0 else 0 for share in shares[1:]]
    return (DOTS - sum(counts), *counts)


def dots(kinds: Sequence[Kind]) -> str:
    """Return 1,000 dots in the order of their kinds, and a legend; squares for what must not be overlooked."""
    said = "; ".join(f"{kind.title}: {kind.count:.0f}" for kind in kinds)
    height = DOTS // _COLUMNS * _STEP
    paths, place = [], 0
    for kind in kinds:
        steps = (divmod(number, _COLUMNS) for number in range(place, place + round(kind.count)))
        path = "".join(f"M{_STEP * x + 5} {_STEP * y + 5}h0" for y, x in steps)
        place += round(kind.count)
        cap, width = ("square", 8) if kind.square else ("round", 7)
        if path:
            paths.append(
                f'<path d="{path}" stroke="{kind.colour}" stroke-width="{width}" stroke-linecap="{cap}" fill="none"/>'
            )
    return (
        f'<svg class="dsw-dots" viewBox="0 0 {_COLUMNS * _STEP} {height}" role="img" aria-label="{escape(said)}">'
        f"{''.join(paths)}</svg>{legend(kinds)}"
    )


def legend(kinds: Iterable[Kind]) -> str:
    """Return what the colours of the dots mean."""
    items = "".join(
        f'<li><i style="background:{kind.colour};border-radius:{0 if kind.square else 50}%"></i>'
        f"{escape(kind.title)}: {kind.count:.0f}</li>"
        for kind in kinds
    )
    return f'<ul class="dsw-legend">{items}</ul>'


BOTH, LOST, GAINED, NEITHER = theme.SKY, theme.RED, theme.GREEN, "#b8b8b8"
