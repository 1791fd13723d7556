"""The comparison as one file that opens anywhere: the same words and pictures."""

from __future__ import annotations

from datetime import UTC, datetime

from widgets.bridge.pictures import Pictures
from widgets.compare.sections import named, sections
from widgets.standalone import standalone
from widgets.text import escape
from workbench.forgetting.compared import Comparison, Network


def report(found: Comparison, shown: Pictures, now: datetime | None = None) -> bytes:
    """Return the file as UTF-8."""
    data = found.right.job.test_data or found.right.job.data
    title = f"What the smaller network forgot: {found.right.job.model.name} on {data.name}"
    written = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M")
    about = found.environment
    lines = [
        _source("Left", found.left),
        _source("Right", found.right),
        f"Written {written} UTC by the Downsizing Workbench, version {about.get('workbench', 'unknown')}, which asked "
        f"both networks about {found.images:,} test images of {data.name} on {about.get('processor', 'unknown')}, "
        f"{about.get('machine', 'unknown')}.",
    ]
    footer = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return standalone(title, sections(found, shown), footer, pictures=True)


def _source(title: str, side: Network) -> str:
    return f"{title}: {named(side.job)}, seed {side.job.seed}; key {side.key}."
