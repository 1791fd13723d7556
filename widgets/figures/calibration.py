"""How sure a network is beside how often it is right: dots that should lie on the diagonal, and a table behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from widgets.text import escape, percent
from workbench.forgetting.calibration import Bin

_SIZE, _LEFT, _TOP = 260, 58, 12
_LARGEST, _SMALLEST = 12.0, 3.0


def calibration_html(bins: Sequence[Bin], title: str, kind: str) -> str:
    """Return the diagram of one network with its table as HTML; `kind` is `was` or `is`, which colours it."""
    return (
        f'<figure class="dsw-sure"><figcaption>{escape(title)}</figcaption>{_svg(bins, title, kind)}'
        f"<details><summary>The numbers as a table</summary>{_table(bins, title)}</details></figure>"
    )


def _svg(bins: Sequence[Bin], title: str, kind: str) -> str:
    total = sum(each.images for each in bins)
    ticks = "".join(
        f'<path d="M{_x(t)} {_y(0)}v-{_SIZE}M{_x(0)} {_y(t)}h{_SIZE}"/>'
        f'<text x="{_x(t)}" y="{_y(0) + 16}" text-anchor="middle">{percent(t, 0)}</text>'
        f'<text x="{_x(0) - 6}" y="{_y(t) + 4}" text-anchor="end">{percent(t, 0)}</text>'
        for t in (0, 0.5, 1)
    )
    dots = "".join(
        f"<g><title>{escape(_told(each))}</title>"
        f'<path d="M{_x(each.confidence)} {_y(each.right.low)}V{_y(each.right.high)}"/>'
        f'<circle cx="{_x(each.confidence)}" cy="{_y(each.right.value)}" '
        f'r="{max(_SMALLEST, _LARGEST * math.sqrt(each.images / total)):.1f}"/></g>'
        for each in bins
    )
    said = f"{title}: " + "; ".join(map(_told, bins))
    return (
        f'<svg viewBox="0 0 {_LEFT + _SIZE + 16} {_TOP + _SIZE + 40}" role="img" aria-label="{escape(said)}">'
        f'<g class="dsw-grid">{ticks}<path class="dsw-ideal" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/></g>'
        f'<text x="{_x(0.5)}" y="{_y(0) + 34}" text-anchor="middle">how sure it is</text>'
        f'<text transform="translate(12 {_y(0.5)}) rotate(-90)" text-anchor="middle">how often it is right</text>'
        f'<g class="dsw-dot-{kind}">{dots}</g></svg>'
    )


def _x(share: float) -> float:
    return round(_LEFT + _SIZE * share, 1)


def _y(share: float) -> float:
    return round(_TOP + _SIZE * (1 - share), 1)


def _told(each: Bin) -> str:
    return (
        f"{percent(each.confidence, 0)} sure of {each.images:,} images, {percent(each.right.value, 0)} right "
        f"({percent(each.right.low, 0)} to {percent(each.right.high, 0)})"
    )


def _table(bins: Sequence[Bin], title: str) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("How sure", "Images", "In the mean", "Right (95 %)"))
    rows = "".join(
        f'<tr><th scope="row">{100 * each.low:.0f} to {100 * each.high:.0f} %</th><td>{each.images:,}</td>'
        f"<td>{percent(each.confidence)}</td><td>{percent(each.right.value)} ({percent(each.right.low)} to "
        f"{percent(each.right.high)})</td></tr>"
        for each in bins
    )
    return (
        f'<table class="dsw-bars"><caption>{escape(title)}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
