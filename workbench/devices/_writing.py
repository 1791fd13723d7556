"""The file of a machine that was calibrated."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import torch

from workbench.loads import KINDS
from workbench.result import Estimate

_NO_WATTS = "a processor with one busy core; its own counters could not be read"


def written(
    *,
    name: str,
    fitted: Mapping[str, Mapping[str, float]],
    error: Estimate,
    rate: float,
    bandwidth: float,
    reached: Sequence[float],
    overhead: float,
    ram: float,
    watts: float | None,
) -> str:
    """Return the TOML text."""

    def figure(value: float, source: str, note: str) -> str:
        return f'{{ value = {value:.6g}, source = "{source}", note = "{note}" }}'

    low, typical, high = reached
    power = (watts, "measured", "by the counters of the processor") if watts else (15.0, "assumption", _NO_WATTS)
    lines = [
        f'name = "{name}"',
        'title = "This machine (torch, one thread)"',
        'kind = "computer"',
        f'summary = "Calibrated on {datetime.now(UTC):%Y-%m-%d}: off by {100 * error.value:.1f} % '
        f"({100 * error.low:.1f} to {100 * error.high:.1f} %) in the median of {error.n} networks not seen before; "
        f'torch {torch.__version__}, {platform.machine()}."',
        'weights = "ram"',
        f"runs = [{', '.join(f'{chr(34)}{kind}{chr(34)}' for kind in KINDS)}]",
        f"ram_bytes = {figure(ram, 'measured', 'what the system says')}",
        f"bandwidth_bytes_s = {figure(bandwidth, 'measured', 'a copy of 32 MB, read and written')}",
        f"overhead_s = {figure(overhead, 'measured', 'an operator that has nothing to do')}",
        f"start_s = {figure(0.0, 'measured', 'part of the costs below')}",
        "",
        "[rates]",
        f"float32 = {figure(rate, 'measured', 'a matrix product that fits the caches')}",
        "",
        "[efficiency]",
        *(
            f"{key} = {figure(value, 'measured', 'on the networks of the check')}"
            for key, value in (("low", low), ("typical", typical), ("high", high))
        ),
        "",
        "[energy]",
        f"float32_pj = {figure(0.0, 'derived', 'part of idle_w')}",
        f"byte_pj = {figure(0.0, 'derived', 'part of idle_w')}",
        f"idle_w = {figure(*power)}",
    ]
    for kind, costs in fitted.items():
        lines += ["", f"[fitted.{kind}]", *(f"{cost} = {value:.6g}" for cost, value in costs.items())]
    return "\n".join(lines) + "\n"
