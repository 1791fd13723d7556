"""How fast a compressed network is beside its original: in torch, layer by layer, and as files in onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from workbench.context import Progress, Report, ignore
from workbench.errors import Refused
from workbench.resources import PROCESSORS
from workbench.result import Estimate
from workbench.timing.clock import Times, measured
from workbench.timing.runtimes import layer_times, onnx_call, torch_call, torch_threads

TORCH = "torch"
_NOW, _BASE = "now", "base"


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One runtime, with both networks in it."""

    name: str
    """`torch`, or the name of the export format."""
    base: Estimate
    now: Estimate
    faster: Estimate
    """How many times as fast as the original: the median ratio of times of the same round."""

    @property
    def differs(self) -> bool:
        """Whether the interval of the ratio leaves out 1."""
        return self.faster.low > 1 or self.faster.high < 1


@dataclass(frozen=True, kw_only=True)
class LayerTime:
    """A layer in torch; a network without it has no time for it."""

    base: Estimate | None
    now: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What was measured, all in the same rounds; times in ms for a whole batch."""

    batch: int
    threads: int
    lanes: tuple[Lane, ...]
    layers: Mapping[str, LayerTime]
    """By name of the module; "" is what the network does outside of modules that have no children."""
    noise: float
    """How far a yardstick of constant work scattered meanwhile (see `Times.noise`)."""
    noisy: bool

    def lane(self, name: str) -> Lane | None:
        """Return the lane of a runtime, where there is one."""
        return next((lane for lane in self.lanes if lane.name == name), None)


def compare(
    base: nn.Module,
    now: nn.Module,
    inputs: Tensor,
    *,
    files: Mapping[str, tuple[bytes, bytes]],
    threads: int = 1,
    seconds: float = 2.0,
    report: Report = ignore,
) -> Speed:
    """Time both networks on a batch [N, C, H, W] in turns: as modules, and as ONNX files (base, now) by format.

    Raises `Refused` unless there are 1 to as many threads as processors.
    """
    if not 1 <= threads <= PROCESSORS:
        raise Refused(f"threads must be in [1, {PROCESSORS}], as many as this machine lends, got {threads}")
    calls = {(TORCH, _BASE): torch_call(base, inputs), (TORCH, _NOW): torch_call(now, inputs)}
    for name, (one, other) in files.items():
        calls[name, _BASE], calls[name, _NOW] = onnx_call(one, inputs, threads), onnx_call(other, inputs, threads)
    with torch_threads(threads):
        times = measured({"/".join(key): call for key, call in calls.items()}, seconds=seconds, report=report)
        report(Progress(0.0, "timing each layer"))
        layers = layer_times({_BASE: base, _NOW: now}, inputs, seconds=seconds, report=report)
    noise = max(times.noise, layers.noise)
    return Speed(
        batch=len(inputs),
        threads=threads,
        lanes=tuple(_lane(times, name) for name in (TORCH, *files)),
        layers=_by_layer(layers),
        noise=noise,
        noisy=times.noisy or layers.noisy,
    )


def _lane(times: Times, name: str) -> Lane:
    base, now = f"{name}/{_BASE}", f"{name}/{_NOW}"
    return Lane(
        name=name,
        base=times.estimate(base),
        now=times.estimate(now),
        faster=times.ratio(base, now),
    )


def _by_layer(times: Times) -> dict[str, LayerTime]:
    names = dict.fromkeys(key.partition("/")[2] for key in times.samples)

    def found(network: str, layer: str) -> Estimate | None:
        key = f"{network}/{layer}"
        return times.estimate(key) if key in times.samples else None

    return {layer: LayerTime(base=found(_BASE, layer), now=found(_NOW, layer)) for layer in names}
