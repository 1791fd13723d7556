"""One walk through a network, layer after layer: each is solved for what it really reads after those before it.

The walk is a single forward pass of all calibration images. Just before a layer runs, its moments are taken from the
inputs that have arrived there, its new weight is solved for, and the pass goes on with that weight. So a layer makes up
for what the layers before it lost, at the price of one pass, and whatever the graph of the network looks like.

Targets are the outputs of the reference at sampled positions. Where a layer has a bias, or a batch norm that reads
nothing else, means are met exactly by shifting it, and the weight is solved for centred inputs and outputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.context import Context, Progress
from workbench.errors import Refused
from workbench.network import Layer, clone, layers
from workbench.reconstruction import patches
from workbench.reconstruction.problem import DAMPING, Moments, Problem

CHUNK = 16
"""Images that share their sampled positions."""
_BYTES = 2**30
"""What the images of a walk may take in memory at its widest point."""

Solve = Callable[[str, Layer, Problem], Tensor]
"""From the name of a layer, the layer itself and its problem to the layer's new weight, of the old one's shape."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How much a walk looks at: calibration images, positions of each layer's output per image, damping."""

    images: int = 256
    positions: int = 48
    damping: float = DAMPING


@dataclass(frozen=True)
class Target:
    """What one layer of the reference puts out."""

    chosen: tuple[Tensor, ...]
    """Flat output positions [P], for each chunk of images."""
    outputs: Tensor
    """[G, N, O] float32, chunk after chunk."""
    weight: Tensor
    """The layer's weight in the reference [G, O, D]."""
    norm: str = ""
    """Name of the batch norm that reads the output, "" where there is none."""
    running_mean: Tensor | None = None
    """What that batch norm takes off in the reference. A shift is counted from it, not from where an earlier walk has
    left it: otherwise two walks would shift twice."""


def walk(
    model: nn.Module,
    ctx: Context,
    solve: Solve,
    calibration: Calibration = Calibration(),
    only: Collection[str] | None = None,
) -> nn.Module:
    """Return a copy of the model in which `solve` has set the weight of each layer, in the order in which they run.

    `only` names the layers to visit: all others keep weights and biases, to the bit, and the pass ends with the last.

    Layers that the reference does not have in the same shape, or that do not run, are left as they are and named in a
    note. A layer that is called more than once is solved at its first call.

    Raises `Refused` where there are fewer than two calibration images, or activations are NaN or infinite.
    """
    result = clone(model).eval()
    images = _images(result, ctx, calibration)
    targets = _targets(ctx, images, calibration)
    solvable = {
        name: layer
        for name, layer in layers(result).items()
        if (only is None or name in only)
        and patches.readable(layer)
        and name in targets
        and patches.as_rows(layer, layer.weight).shape == targets[name].weight.shape
    }
    visit = _Walk(solvable, targets, dict(result.named_modules()), solve, calibration, ctx)
    if only is not None and len(solvable) == 1:  # what it reads depends on none of its settings
        visit.kept_as = f"{ctx.key_of(model)}/{ctx.reference_key}/{next(iter(solvable))}/{calibration}"
    with torch.no_grad():
        if known := ctx.problems.peek(visit.kept_as):
            visit.solve_(next(iter(solvable)), known)
        elif solvable or only is None:
            visit.ends = only is not None
            handles = [layer.register_forward_pre_hook(visit.hook(name)) for name, layer in solvable.items()]
            with suppress(_Finished):
                result(images)
            for handle in handles:
                handle.remove()
    if left := [name for name in (layers(result) if only is None else only) if name not in visit.done]:
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        ctx.note(
            "left as they are, because what they read cannot be followed on calibration images: "
            f"{', '.join(left[:5])}{more}"
        )
    return result


class _Finished(Exception):
    """The pass has come to the last layer that was to be visited."""


class _Walk:
    def __init__(
        self,
        found: dict[str, Layer],
        targets: dict[str, Target],
        modules: dict[str, nn.Module],
        solve: Solve,
        calibration: Calibration,
        ctx: Context,
    ) -> None:
        self._layers, self._targets, self._modules = found, targets, modules
        self._solve, self._calibration, self._ctx = solve, calibration, ctx
        self.done: set[str] = set()
        self.ends = False
        """Whether the pass ends with the last layer."""
        self.kept_as = ""
        """The name under which the problem of the only layer is kept, or nothing."""

    def hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def before(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if name not in self.done:
                problem = self._problem(name, inputs[0])
                if self.kept_as:
                    self._ctx.problems.get(self.kept_as, lambda: problem)
                self.solve_(name, problem)
                if self.ends and len(self.done) == len(self._layers):
                    raise _Finished

        return before

    def solve_(self, name: str, problem: Problem) -> None:
        """Set the weight of a layer, and its bias or the mean that stands for it."""
        self.done.add(name)
        layer, (mean, target) = self._layers[name], self._shift(name)
        layer.weight.copy_(self._solve(name, layer, problem))
        bias = problem.bias(patches.as_rows(layer, layer.weight.float())).flatten()
        if layer.bias is not None:
            layer.bias.copy_(bias)
        elif mean is not None and target.running_mean is not None:
            mean.copy_(target.running_mean - bias)
        self._ctx.report(Progress(len(self.done) / len(self._layers), f"solving {name}"))

    def _problem(self, name: str, x: Tensor) -> Problem:
        layer, (mean, target) = self._layers[name], self._shift(name)
        shiftable = layer.bias is not None or (mean is not None and target.running_mean is not None)
        moments = Moments(centred=shiftable)
        at = 0
        for part, chosen in zip(x.split(CHUNK), target.chosen, strict=True):
            rows = patches.inputs_at(layer, part, chosen)
            moments.add(rows, target.outputs[:, at : at + rows.shape[1]])
            at += rows.shape[1]
        return _finite(name, moments.problem(target.weight, self._calibration.damping))

    def _shift(self, name: str) -> tuple[Tensor | None, Target]:
        """Return the running mean that may be shifted for a layer, and what the reference puts out there."""
        target = self._targets[name]
        return _running_mean(self._modules.get(target.norm)), target


def _running_mean(module: nn.Module | None) -> Tensor | None:
    return module.running_mean if isinstance(module, _BatchNorm) else None


def _images(model: nn.Module, ctx: Context, calibration: Calibration) -> Tensor:
    """Return the calibration images, fewer where all of them would not fit into memory."""
    if len(ctx.calibration) < 2:
        raise Refused(f"reconstruction needs at least 2 calibration images, got {len(ctx.calibration)}")
    widest = 0

    def widen(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal widest
        widest = max(widest, sum(x.numel() for x in (*inputs, output) if isinstance(x, Tensor)))

    probe = clone(model).eval()
    for module in layers(probe).values():
        module.register_forward_hook(widen)
    with torch.no_grad():
        probe(ctx.calibration.inputs(torch.arange(1)))
    affordable = max(2, _BYTES // max(1, 8 * widest))  # a skip connection keeps as much again
    count = min(calibration.images, len(ctx.calibration), affordable)
    if count < min(calibration.images, len(ctx.calibration)):
        ctx.note(f"calibrated on {count} images: more of this size do not fit into {_BYTES >> 20} MB")
    return ctx.calibration.inputs(torch.arange(count))


def _targets(ctx: Context, images: Tensor, calibration: Calibration) -> dict[str, Target]:
    key = f"targets/{ctx.reference_key}/{len(images)}/{calibration.positions}"
    return ctx.targets.get(key, lambda: _record(ctx, images, calibration.positions))


@torch.no_grad()
def _record(ctx: Context, images: Tensor, positions: int) -> dict[str, Target]:
    """Return the targets by layer name, in the order in which the layers first run."""
    network = clone(ctx.reference).eval()
    found: dict[str, Target] = {}
    written: deque[tuple[str, Tensor]] = deque(maxlen=4)
    read_by: dict[str, str] = {}

    def layer_hook(name: str) -> Callable[[Layer, tuple[Tensor, ...], Tensor], None]:
        def after(layer: Layer, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if name in found:
                return
            written.append((name, output))
            generator = ctx.generator("positions", name)
            chosen = [patches.positions(layer, part, positions, generator) for part in output.split(CHUNK)]
            rows = [patches.outputs_at(layer, y, at) for y, at in zip(output.split(CHUNK), chosen, strict=True)]
            weight = patches.as_rows(layer, layer.weight.float()).clone()
            found[name] = Target(tuple(chosen), torch.cat(rows, 1), weight)
            ctx.report(Progress(0.0, f"looking at {name}"))

        return after

    def norm_hook(norm: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            source = next((name for name, output in written if output is inputs[0]), "")
            if norm in read_by:  # it reads several layers: a shift for one would be wrong for the others
                found[read_by[norm]] = replace(found[read_by[norm]], norm="", running_mean=None)
            elif source:
                read_by[norm] = source
                found[source] = replace(found[source], norm=norm, running_mean=_running_mean(module))

        return before

    for name, layer in layers(network).items():
        if patches.readable(layer):
            layer.register_forward_hook(layer_hook(name))
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(norm_hook(name))
    network(images)
    return found


def _finite(name: str, problem: Problem) -> Problem:
    if not all(torch.isfinite(x).all() for x in (problem.hessian, problem.right)):
        raise Refused(f"{name} reads or writes values that are NaN or infinite on calibration images")
    return problem
