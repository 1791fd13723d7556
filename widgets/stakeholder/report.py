"""The answers as one file that opens anywhere: no script, nothing from a network, the same numbers and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from widgets.stakeholder.answers import Answer, Wishes
from widgets.stakeholder.wording import per_thousand
from widgets.standalone import standalone
from widgets.text import escape
from workbench.briefing.versions import Family, Version
from workbench.tabular import moment


def report(family: Family, wishes: Wishes, answers: Iterable[Answer], now: datetime | None = None) -> bytes:
    """Return the file as UTF-8."""
    sections = "".join(answer.section for answer in answers)
    title = f"A smaller network: {family.title}"
    return standalone(title, sections, _footer(family, wishes, now))


def _footer(family: Family, wishes: Wishes, now: datetime | None) -> str:
    chosen = family.smallest(wishes.accepted)
    written = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M")
    asked = (
        f"Asked for: at most {per_thousand(wishes.accepted)} of 1,000 images lost, {wishes.requests_per_day:,} "
        f"requests a day, electricity at {wishes.usd_per_kwh:g} USD a kWh."
    )
    rows = [("The original", family.original), *([("The smaller network", chosen)] if chosen else [])]
    lines = [asked, *(_source(title, version) for title, version in rows)]
    lines.append(f"Written {written} UTC by the Downsizing Workbench from results that it had stored.")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _source(title: str, version: Version) -> str:
    about = version.environment
    at = moment(version.measured_at)
    when = f" {at} UTC" if at else ""
    machine = ", ".join(filter(None, (about.get("processor"), about.get("machine"))))
    return (
        f"{title}: result {version.key}, measured{when} with version {about.get('workbench', 'unknown')} on {machine}."
    )
