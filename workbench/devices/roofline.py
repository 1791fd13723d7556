"""The roofline: how long a network would take on a device, and what it would need there.

An operator takes the longer of two times, that of its multiply-adds and that of its bytes (Williams, Waterman and
Patterson 2009, https://doi.org/10.1145/1498765.1498785), and a constant overhead:

    time = overhead + max(work / rate, bytes / bandwidth) / efficiency

The conventions: one image; each number of an activation takes whole bytes; norms and activation functions are folded
into the layer before. Zeros are multiplied like any number: kernels are dense, except for 2:4 patterns where the device
says so. An operator computes in the narrowest type that both its weights and its inputs are held to and that the device
has, or the next wider one; weights on a codebook or on powers of two are unpacked to floats. The interval is that of
the efficiency from high to low: nothing of this is measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from workbench.devices.profile import TYPES, Figure, Profile, Type
from workbench.loads import PRODUCTS, Load, Workload
from workbench.result import Estimate

_BITS: dict[Type, int] = {"int4": 4, "int8": 8, "float16": 16, "float32": 32}
_FIX = "set Activation bits and Weight bits to 8"


@dataclass(frozen=True, kw_only=True)
class OpTime:
    """What one operator takes at the typical efficiency."""

    layer: str
    name: str
    ms: float
    type: Type
    bound: Literal["compute", "memory", "overhead"]
    """Which of the three takes the most of its time."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether something fits where it must."""

    what: str
    needed_bytes: int
    available_bytes: int

    @property
    def ok(self) -> bool:
        """Whether there is room."""
        return self.needed_bytes <= self.available_bytes


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a network would take on a device. Latency and energy are None where it does not run there."""

    profile: Profile
    latency_ms: Estimate | None
    energy_mj: Estimate | None
    flash: Fit | None
    """None where files lie on a disk."""
    ram: Fit
    refused: tuple[str, ...]
    """What does not run there, and why."""
    ops: tuple[OpTime, ...]

    @cached_property
    def runs(self) -> bool:
        """Whether it runs there: every operator does, and it fits."""
        return not self.refused and self.ram.ok and (self.flash is None or self.flash.ok)


def forecast(work: Workload, profile: Profile) -> Forecast:
    """Return what a network would take on a device."""
    loads = [load for load in work.loads if not load.folded or profile.fitted]
    refused = tuple(_refusals(loads, profile))
    weights = sum({load.parameters: _weight_bytes(load, profile) for load in work.loads}.values())
    in_flash = profile.weights == "flash"
    ram = Fit(
        what="activations" if in_flash else "activations and weights",
        needed_bytes=work.peak_bytes + (0 if in_flash else weights),
        available_bytes=int(profile.ram_bytes.value),
    )
    flash = profile.flash_bytes and Fit(
        what="weights as plain arrays", needed_bytes=weights, available_bytes=int(profile.flash_bytes.value)
    )
    made: tuple[OpTime, ...] = ()
    latency = energy = None
    if not refused:
        made = tuple(_op_time(load, profile) for load in loads)
        latency, energy = _totals(loads, profile)
    return Forecast(
        profile=profile, latency_ms=latency, energy_mj=energy, flash=flash or None, ram=ram, refused=refused, ops=made
    )


def arithmetic(load: Load, profile: Profile) -> Type | None:
    """Return the type that an operator computes in on a device; None where the device has none that is wide enough."""
    bits = max(load.activation_bits, load.weight_bits if load.kind in PRODUCTS and load.weights else 0)
    if not load.whole_codes:
        bits = max(bits, 16)
    return next((kind for kind in TYPES if kind in profile.rates and _BITS[kind] >= bits), None)


def _totals(loads: list[Load], profile: Profile) -> tuple[Estimate, Estimate]:
    fast, usual, slow = (
        profile.start_s.value + sum(_seconds(load, profile, efficiency) for load in loads)
        for efficiency in (profile.efficiency.high, profile.efficiency.typical, profile.efficiency.low)
    )
    if profile.fitted:
        spread = profile.fitted.get("spread", {})
        fast, slow = usual * spread.get("low", 1.0), usual * spread.get("high", 1.0)
    work_j = sum(_joules(load, profile) for load in loads)
    typical = profile.efficiency.typical.value
    joules = [
        work_j * typical / efficiency.value + profile.idle_w.value * seconds
        for efficiency, seconds in (
            (profile.efficiency.high, fast),
            (profile.efficiency.typical, usual),
            (profile.efficiency.low, slow),
        )
    ]
    return _modelled((fast, usual, slow), "ms"), _modelled(joules, "mJ")


def _modelled(values: Iterable[float], unit: str) -> Estimate:
    low, value, high = (1000 * value for value in values)
    return Estimate(value=value, low=low, high=high, how="modelled", unit=unit)


def _op_time(load: Load, profile: Profile) -> OpTime:
    seconds = _seconds(load, profile, profile.efficiency.typical)
    compute, memory = _parts(load, profile)
    longest = max(compute, memory) / profile.efficiency.typical.value
    bound: Literal["compute", "memory"] = "compute" if compute >= memory else "memory"
    return OpTime(
        layer=load.layer,
        name=load.name,
        ms=1000 * seconds,
        type=_type(load, profile),
        bound=bound if longest >= profile.overhead_s.value else "overhead",
    )


def _seconds(load: Load, profile: Profile, efficiency: Figure) -> float:
    if profile.fitted:
        near = "linear" if load.macs else "elementwise"  # for kinds that the calibration has not met
        costs = profile.fitted.get(load.kind) or profile.fitted.get(near, {})
        return sum(cost * features(load)[name] for name, cost in costs.items())
    return profile.overhead_s.value + max(_parts(load, profile)) / efficiency.value


def features(load: Load) -> dict[str, float]:
    """Return what the time of an operator may be a sum of, for a machine that was calibrated."""
    return {
        "call_s": 1.0,
        "mac_s": float(load.macs),
        "padded_mac_s": float(load.padded_macs),
        "element_s": float(load.elements),
        "byte_s": float(load.bytes_moved),
        "weight_s": float(load.weights),
    }


def _parts(load: Load, profile: Profile) -> tuple[float, float]:
    """Seconds of the work and of the bytes, both at the peak."""
    work = load.macs if load.kind in PRODUCTS else load.elements if load.kind != "move" else 0
    rate = profile.rates[_type(load, profile)].value
    if load.two_four and profile.two_four is not None:
        rate *= profile.two_four.value
    moved = load.bytes_moved + _weight_bytes(load, profile)
    return work / rate, moved / profile.bandwidth_bytes_s.value


def _type(load: Load, profile: Profile) -> Type:
    widest = next(kind for kind in reversed(TYPES) if kind in profile.rates)
    return arithmetic(load, profile) or widest


def _weight_bytes(load: Load, profile: Profile) -> int:
    """The bytes of weights as arrays: what they are held to, in whole bytes, or halves where there is int4."""
    bits = load.weight_bits
    width = 4.0 if bits > 16 else 2.0 if bits > 8 else 1.0
    if bits <= 4 and "int4" in profile.rates:
        width = 0.5
    return int(load.weights * width) + 4 * load.other_weights


def _joules(load: Load, profile: Profile) -> float:
    moved = load.bytes_moved + _weight_bytes(load, profile)
    return 1e-12 * (load.macs * profile.energy_pj[_type(load, profile)].value + moved * profile.byte_pj.value)


def _refusals(loads: list[Load], profile: Profile) -> Iterable[str]:
    kinds = [load for load in loads if load.kind not in profile.runs]
    for name in dict.fromkeys(load.name for load in kinds):
        where = [load.layer or "the network itself" for load in kinds if load.name == name]
        yield f"{name} does not run there ({_listed(where)})"
    wide = [
        load for load in loads if load.kind in PRODUCTS and load.kind in profile.runs and not arithmetic(load, profile)
    ]
    if wide:
        has = " and ".join(kind for kind in TYPES if kind in profile.rates)
        yield f"it computes in {has} only, and {_listed([load.layer for load in wide])} would not: {_FIX}"


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
