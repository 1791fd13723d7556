"""Other devices: what the newest row would take there, and the calibration that makes this machine one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from widgets.background import Background, Task
from widgets.bridge.desk import Desk
from widgets.bridge.listener import Listener
from widgets.bridge.quiet import Quiet
from workbench.context import Report
from workbench.devices.calibration import calibrate
from workbench.devices.outlook import outlook
from workbench.errors import Refused
from workbench.result import Result


class Devices:
    """Forecasts each row while somebody looks; any move of a slider stops a calibration."""

    def __init__(self, desk: Desk, quiet: Quiet) -> None:
        self._desk, self._state, self._quiet = desk, desk.state, quiet
        self._shown = False
        self._thread = Background("devices")

    def show(self, wanted: bool) -> None:
        """Say whether anybody looks: if so, each row is published with what it takes there."""
        with self._state.lock:
            self._shown = wanted
            if wanted:
                self._thread.submit(Task(work=self._look_out))

    def outlook(self, row: Result | None) -> dict[str, Any]:
        """Return what is to be published with a row."""
        if row is None or not self._shown:
            return {"outlook": None, "outlook_error": ""}
        try:
            return {"outlook": outlook(row), "outlook_error": ""}
        except Refused as refusal:
            return {"outlook": None, "outlook_error": str(refusal)}

    def calibrate(self, calibrated: Callable[[str], None], listener: Listener) -> None:
        """Time this machine and say in a sentence what was found; nothing is prepared ahead meanwhile."""

        def work(report: Report) -> None:
            found = calibrate(report=report)
            busy = " The machine was busy meanwhile: calibrate again when it is not." if found.noisy else ""
            calibrated(f"{found.profile.summary}{busy}")
            self._look_out(report)

        self._thread.submit(self._quiet.task(work, listener))

    def cancel(self) -> None:
        """Stop between two runs."""
        self._thread.cancel()

    def _look_out(self, report: Report) -> None:
        """Forecast the present row on all devices."""
        row = self._state.current
        found = self.outlook(row)
        with self._state.lock:
            if self._state.current is row:  # a newer one has brought its own
                self._desk.publish(report, **found)
