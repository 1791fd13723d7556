"""The format of activations: what a layer reads is rounded to a uniform grid, as an integer runtime would round it.

So is what some modules put out: the operands of an addition, which integer runtimes add as whole numbers.

A grid has the codes 0 ... 2^b - 1, one scale in float32 and one whole zero point for the whole tensor, so that 0.0 (the
padding, and what a ReLU cuts off) is always on it. With rounding half to even, this is `QuantizeLinear` followed by
`DequantizeLinear` of ONNX (https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html):

    code = clamp(round(x / scale) + zero, 0, 2^b - 1)        x = (code - zero) * scale

Sixteen bits mean half precision, which has neither scale nor zero point. Gradients go straight through inside of the
range and are zero outside of it (https://arxiv.org/abs/1308.3432), so training is aware of the rounding.

The format stands beside the module, as a `WeightFormat` does, and a forward hook of the module honours it: copies,
training, surgery and measures need not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_INPUT, _OUTPUT = "_activation_format", "_output_format"
_exact: ContextVar[bool] = ContextVar("exact_activations", default=False)


@dataclass(frozen=True, kw_only=True)
class ActivationFormat:
    """A grid for activations: 2 to 8 bits with a scale and a zero point, or 16 for half precision."""

    bits: int
    scale: float = 1.0
    """A positive float32."""
    zero: int = 0
    """The code of 0.0, in 0 ... 2^bits - 1."""

    @classmethod
    def spanning(cls, low: float, high: float, bits: int) -> ActivationFormat:
        """Return the grid that spans the range, widened to hold 0.0; the scale is 1 where the range is a point."""
        if bits == 16:
            return cls(bits=bits)
        low, high, top = min(low, 0.0), max(high, 0.0), (1 << bits) - 1
        scale = torch.tensor((high - low) / top, dtype=torch.float32).item()
        if scale < torch.finfo(torch.float32).tiny:
            return cls(bits=bits)
        return cls(bits=bits, scale=scale, zero=min(round(-low / scale), top))

    @property
    def lowest(self) -> int:
        """The smallest multiple of the scale on the grid."""
        return -self.zero

    @property
    def highest(self) -> int:
        """The largest multiple of the scale on the grid."""
        return (1 << self.bits) - 1 - self.zero

    def rounded(self, x: Tensor) -> Tensor:
        """Return the nearest activations on the grid; NaN stays NaN."""
        return _Rounded.apply(x, self)  # type: ignore[no-any-return]


class _Rounded(torch.autograd.Function):
    """Rounding forward; backward the gradient of a clamp to the range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, form: ActivationFormat) -> Tensor:
        if form.bits == 16:
            largest = torch.finfo(torch.float16).max  # beyond it halves are infinite
            if ctx.needs_input_grad[0]:
                ctx.save_for_backward(x.abs() <= largest)
            return x.clamp(-largest, largest).half().to(x.dtype)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward((x >= form.lowest * form.scale) & (x <= form.highest * form.scale))
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        scale = wide.new_full((), form.scale)  # a plain number would be inverted first on a GPU, for other bits
        return (wide / scale).round_().clamp_(form.lowest, form.highest).mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside, None


def activation_format(layer: nn.Module) -> ActivationFormat | None:
    """Return what the inputs of a layer are rounded to; None where they are free."""
    form: ActivationFormat | None = layer.__dict__.get(_INPUT)
    return form


def output_format(module: nn.Module) -> ActivationFormat | None:
    """Return what the outputs of a module are rounded to; None where they are free."""
    form: ActivationFormat | None = module.__dict__.get(_OUTPUT)
    return form


def activation_formats(model: nn.Module) -> dict[str, ActivationFormat]:
    """Return the formats of a network by the name of the layer whose input they round."""
    found = ((name, activation_format(module)) for name, module in model.named_modules())
    return {name: form for name, form in found if form is not None}


def output_formats(model: nn.Module) -> dict[str, ActivationFormat]:
    """Return the formats of a network by the name of the module whose output they round."""
    found = ((name, output_format(module)) for name, module in model.named_modules())
    return {name: form for name, form in found if form is not None}


def round_inputs_(layer: nn.Module, form: ActivationFormat | None) -> None:
    """Round what a layer reads from now on, in place; None sets it free."""
    if _INPUT not in layer.__dict__:
        layer.register_forward_pre_hook(_round_input)
    layer.__dict__[_INPUT] = form


def round_outputs_(module: nn.Module, form: ActivationFormat | None) -> None:
    """Round what a module puts out from now on, in place; None sets it free."""
    if _OUTPUT not in module.__dict__:
        module.register_forward_hook(_round_output)
    module.__dict__[_OUTPUT] = form


@contextmanager
def exact_activations() -> Iterator[None]:
    """Let no module round what it reads or puts out, in this thread, for the time being."""
    token = _exact.set(True)
    try:
        yield
    finally:
        _exact.reset(token)


def _round_input(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The hook: a function of the module, so that copies of the layer share it and its format stays their own."""
    form = activation_format(layer)
    if form is None or _exact.get() or not inputs:
        return None
    x, *rest = inputs
    return (form.rounded(x), *rest) if isinstance(x, Tensor) and x.is_floating_point() else None


def _round_output(module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Tensor | None:
    """The hook behind a module, see `_round_input`."""
    form = output_format(module)
    if form is None or _exact.get() or not isinstance(output, Tensor) or not output.is_floating_point():
        return None
    return form.rounded(output)
