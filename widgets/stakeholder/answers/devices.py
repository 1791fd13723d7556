"""On which devices each of the two networks runs, and why not on the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from widgets.answer import figure, figures, say
from widgets.stakeholder.answers._question import Asked, Question, asking
from widgets.stakeholder.wording import origin, ranged, term
from widgets.text import escape, milliseconds, quantity
from workbench.devices.outlook import forecasts
from workbench.devices.profile import DeviceKind
from workbench.devices.roofline import Fit, Forecast

_NO = "–"
_KINDS: Mapping[DeviceKind, str] = {
    "microcontroller": "a chip as in a thermostat",
    "accelerator": "a chip for networks alone",
    "fpga": "a chip whose wiring can be changed",
    "computer": "a computer",
    "phone": "a phone",
    "gpu": "a graphics processor",
}


def where_it_runs(asked: Asked) -> str:
    """Return the devices on which each of the two runs, and why not on the others. Raises `Refused`."""
    before, after = forecasts(asked.original.details), forecasts(asked.chosen.details)
    pairs = list(zip(before, after, strict=True))
    was, now = (sum(each.runs for each in side) for side in (before, after))
    new = [b.profile.title for a, b in pairs if b.runs and not a.runs]
    no_more = [b.profile.title for a, b in pairs if a.runs and not b.runs]
    sentence = f"On {now} of {len(pairs)} devices; the original runs on {was}."
    sentence += f" New: {', '.join(new)}." if new else ""
    sentence += f" No more: {', '.join(no_more)}." if no_more else ""
    running = [each for each in after if each.runs and each.latency_ms is not None]
    cards = [figure(f"{now} of {len(pairs)}", "devices run it", f"{was} run the original; {term('modelled')}")]
    if running:
        quickest = min(running, key=lambda each: each.latency_ms.value if each.latency_ms else math.inf)
        smallest = min(running, key=lambda each: each.profile.ram_bytes.value)
        cards += [
            figure(
                smallest.profile.title,
                f"is the smallest: {quantity(smallest.profile.ram_bytes.value, 'bytes')} of memory",
                f"published figure of the device; that it runs there is {term('modelled')}",
            ),
            figure(
                _time(quickest),
                f"for one image on {quickest.profile.title}, the quickest",
                origin(quickest.latency_ms, ranged(quickest.latency_ms, milliseconds)),
            ),
        ]
    return "".join((say(sentence), figures(*cards), _devices(pairs)))


def _devices(pairs: Sequence[tuple[Forecast, Forecast]]) -> str:
    lines = "".join(
        f'<tr class="{"" if now.runs else "dsw-bad"}"><th scope="row">{escape(now.profile.title)}'
        f"<small>{_KINDS[now.profile.kind]}</small></th>"
        f'<td>{_runs(was)}</td><td>{_runs(now)}</td><td class="dsw-said">{_time(now)}'
        f"<small>{_times(now)}</small></td><td>{_room(now)}</td></tr>"
        for was, now in pairs
    )
    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("Device", "Before", "Now", "One image", f"Room needed ({term('memory')})")
    )
    return (
        '<div class="dsw-scroll" tabindex="0" role="region" aria-label="Devices"><table class="dsw-bars">'
        f"<caption>All devices, small ones first; modelled</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>{_why_not(pairs)}"
    )


def _why_not(pairs: Sequence[tuple[Forecast, Forecast]]) -> str:
    lines = "".join(
        f"<p>{escape(now.profile.title)}: {escape('; '.join((*now.refused, *_missing(now))))}.</p>"
        for _, now in pairs
        if not now.runs
    )
    return f"<details><summary>Why not, for whoever builds it</summary>{lines}</details>" if lines else ""


def _missing(found: Forecast) -> list[str]:
    return [f"{fit.what} do not fit" for fit in (found.flash, found.ram) if fit is not None and not fit.ok]


def _runs(found: Forecast) -> str:
    if found.runs:
        return '<span class="dsw-yes">✓ runs</span>'
    why = "cannot compute it" if found.refused else "too large"
    return f'<span class="dsw-no">✗ {why}</span>'


def _time(found: Forecast) -> str:
    return _NO if found.latency_ms is None or not found.runs else milliseconds(found.latency_ms.value)


def _times(found: Forecast) -> str:
    return "" if found.latency_ms is None or not found.runs else ranged(found.latency_ms, milliseconds)


def _room(found: Forecast) -> str:
    fits = [fit for fit in (found.ram, found.flash) if fit is not None]
    tightest = max(fits, key=_share)
    share = _share(tightest)
    return (
        f'<div class="dsw-room"><i style="width:{min(100.0, 100 * share):.1f}%"></i></div>'
        f"<small>{quantity(tightest.needed_bytes, 'bytes')} of {quantity(tightest.available_bytes, 'bytes')}</small>"
    )


def _share(fit: Fit) -> float:
    return fit.needed_bytes / fit.available_bytes


asking.register(Question(name="devices", text="On which device does it run?", place=50, tell=where_it_runs))
