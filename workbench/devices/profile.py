"""A device in figures, each with its source.

Rates are multiply-adds per second, a multiply-add counting as one, at the peak of the whole device (all cores).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

Type: TypeAlias = Literal["int4", "int8", "float16", "float32"]
TYPES: tuple[Type, ...] = get_args(Type)
"""From the narrowest on: what a device has no arithmetic for, it computes in the next type that it has."""
DeviceKind: TypeAlias = Literal["microcontroller", "computer", "phone", "accelerator", "gpu", "fpga"]
DEVICE_KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)
ASSUMPTION, DERIVED, MEASURED = "assumption", "derived", "measured"
"""Sources that are no page: what somebody supposed, what follows from other figures, and what was measured here; the
note says on what grounds."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number and where it comes from."""

    value: float
    source: str
    """The address of a page, or one of `ASSUMPTION`, `DERIVED` and `MEASURED`."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """The fraction of its peaks that a device reaches on networks: at worst, as a rule, at best."""

    low: Figure
    typical: Figure
    high: Figure


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is known of a device."""

    name: str
    title: str
    kind: DeviceKind
    summary: str
    runs: frozenset[str]
    """Kinds of operators that it runs (`workbench.loads.KINDS`)."""
    weights: Literal["flash", "ram"]
    """Where weights lie while it computes: in flash as plain arrays, or in memory, unpacked from a file."""
    rates: Mapping[Type, Figure]
    """Multiply-adds per second at peak, by the types that it computes in."""
    efficiency: Efficiency
    bandwidth_bytes_s: Figure
    ram_bytes: Figure
    flash_bytes: Figure | None
    """None where files lie on a disk or card that no network fills."""
    overhead_s: Figure
    """What each operator takes besides its work."""
    start_s: Figure
    """What each inference takes besides its operators."""
    energy_pj: Mapping[Type, Figure]
    """Picojoules of one multiply-add at the typical efficiency, besides what the device takes anyway."""
    byte_pj: Figure
    """Picojoules of one byte from or to memory."""
    idle_w: Figure
    """What the device takes while it is on, in watts, whatever it computes."""
    two_four: Figure | None = None
    """How many times as fast layers run whose weights are zero in 2 of each 4 places; None where zeros do not pay."""
    usd_per_hour: Figure | None = None
    """The rent, where it is rented."""
    fitted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of a calibrated machine: seconds per unit of work, by kind of operator (see `calibration`)."""
    origin: str = ""
    """The file that it was read from."""
