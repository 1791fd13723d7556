"""Bias correction: what a compressed network lost on average is given back by its biases.

Errors of rounding and clipping have a mean, and the next nonlinearity makes more of it. Each layer and each batch norm
that has a bias gets it shifted so that the channels it puts out have the mean that they have in the reference network,
one after the other, in a single forward pass (Nagel et al. 2019, https://arxiv.org/abs/1906.04721, section 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.context import Context, Progress
from workbench.network import Layer, clone

Biased: TypeAlias = Layer | _BatchNorm
"""Modules that may have a bias for each channel that they put out."""
_IMAGES = 256
_INPUTS = 1 << 22
"""How many numbers all images together may have: they pass at once, and activations are many times as large."""


def mean_corrected(model: nn.Module, ctx: Context) -> nn.Module:
    """Return a copy, in evaluation mode, whose biases keep the means of the reference's outputs on calibration images.

    Modules that the reference does not have with as many channels are left as they are.
    """
    images = _images(ctx)
    wanted = ctx.cache.get(f"means/{ctx.reference_key}/{len(images)}", lambda: _means(ctx.reference, images, ctx))
    result = clone(model).eval()
    shifted: set[str] = set()

    def shift_(name: str, module: Biased, output: Tensor) -> Tensor | None:
        target, bias = wanted.get(name), module.bias
        if name in shifted or target is None or bias is None or target.shape != bias.shape:
            return None
        shifted.add(name)
        ctx.report(Progress(len(shifted) / len(wanted), "correcting biases"))
        excess = _mean(module, output) - target
        bias.sub_(excess)
        return output - _wide(module, excess, output).to(output.dtype)

    _run(result, images, shift_)
    return result


def _means(model: nn.Module, images: Tensor, ctx: Context) -> Mapping[str, Tensor]:
    found: dict[str, Tensor] = {}

    def keep(name: str, module: Biased, output: Tensor) -> None:
        found.setdefault(name, _mean(module, output))
        ctx.report(Progress(0.0, f"looking at {name}"))

    _run(clone(model).eval(), images, keep)
    return found


def _images(ctx: Context) -> Tensor:
    affordable = max(1, _INPUTS // max(1, ctx.example[0].numel()))
    return ctx.calibration.inputs(torch.arange(min(_IMAGES, len(ctx.calibration), affordable)))


def _run(model: nn.Module, images: Tensor, visit: Callable[[str, Biased, Tensor], Tensor | None]) -> None:
    """Run the network, and let `visit` see, and replace, what each module with a bias puts out; hooks are removed."""

    def hook(name: str) -> Callable[[Biased, Any, Any], Tensor | None]:
        return lambda module, _, output: visit(name, module, output) if isinstance(output, Tensor) else None

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in model.named_modules()
        if isinstance(module, Biased) and module.bias is not None
    ]
    with torch.no_grad():
        model(images)
    for handle in handles:
        handle.remove()


def _mean(module: Biased, output: Tensor) -> Tensor:
    """Return the mean of each channel [C]."""
    channels = output.float().movedim(-1 if isinstance(module, nn.Linear) else 1, 0)
    return channels.flatten(1).mean(1)


def _wide(module: Biased, values: Tensor, output: Tensor) -> Tensor:
    return values if isinstance(module, nn.Linear) else values.view(-1, *[1] * (output.ndim - 2))
