"""The curves of a training, as they are kept with its result: few points, and enough for a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping

from workbench.context import Progress, Report

MOST = 60
"""Points of one curve that are kept."""


class Curves:
    """Listens to a report on its way, and remembers what it says of curves."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._points: dict[str, list[tuple[float, float]]] = {}

    def report(self, progress: Progress) -> None:
        """Take the newest points, and pass everything on."""
        for name, point in progress.curves.items():
            if all(map(math.isfinite, point)):  # JSON has no word for others
                self._points.setdefault(name, []).append(point)
        self._report(progress)

    @property
    def details(self) -> Mapping[str, list[list[float]]]:
        """The points [x, y] of each curve by name, as plain JSON: all, or `MOST` of them, evenly spaced."""
        return {name: [[_short(x), _short(y)] for x, y in _thinned(points)] for name, points in self._points.items()}


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= MOST:
        return points
    return [points[round(number * (len(points) - 1) / (MOST - 1))] for number in range(MOST)]


def _short(value: float) -> float:
    return float(f"{value:.5g}")
