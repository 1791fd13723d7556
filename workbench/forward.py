"""The quickest way that this machine has to ask a network, found by trying: the answers stay those of the network.

Tried is a twin with channels last in memory and each batch norm folded into the convolution before it. Its scores
differ by rounding alone. What also changes answers near the decision boundary (bfloat16, int8) is not tried: the
numbers shown must be those of the file. What must be compiled for each network (torch.compile, onnxruntime) takes
longer than it saves. `make bench` shows them all.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workbench.activations import activation_formats, output_formats
from workbench.context import Cache
from workbench.network import clone

Forward = Callable[[Tensor], Tensor]
Pair = tuple[str, str]
"""Names of a convolution and of the batch norm that reads it."""

_GAIN = 0.85
"""The share of the time at which a twin is worth having."""
_IMAGES, _TURNS = 16, 3
_chosen = Cache(limit=64)
_log = logging.getLogger(__name__)


def quickest(model: nn.Module, inputs: Tensor) -> Forward:
    """Return the network itself, or a twin of it that was faster on some of these inputs [B, C, H, W].

    Networks of one structure are tried once. Widths do not count: a slider would have each of its positions tried.
    """
    if inputs.device.type != "cpu" or not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        return model
    if activation_formats(model) or output_formats(
        model
    ):  # the last bits of a twin's sums would fall on other codes, and change answers
        return model
    named = [(name, type(module)) for name, module in model.named_modules()]
    # the same classes, not only their names: a notebook may define one anew, with another forward
    key = repr(([(name, id(kind)) for name, kind in named], tuple(inputs.shape[1:])))
    pairs, _ = _chosen.get(key, lambda: (_tried(model, inputs[:_IMAGES]), named))  # kept, so that no id is used again
    return model if pairs is None else _twin(model, pairs)


def _tried(model: nn.Module, inputs: Tensor) -> tuple[Pair, ...] | None:
    """Return the pairs to fold where the twin is faster and answers alike; None where the network itself is best."""
    try:
        with torch.inference_mode():
            scores = model(inputs)
            folds = (pairs for pairs in (_pairs(model, inputs), ()) if _alike(scores, _twin(model, pairs)(inputs)))
            pairs = next(folds, None)
            if pairs is None:
                return None
            twin = _twin(model, pairs)
            times = [(_time(model, inputs), _time(twin, inputs)) for _ in range(_TURNS)]
    except Exception as error:  # a network of the user's may mind in any way; nothing is lost but speed
        _log.info("a network is asked as it is: %s", error)
        return None
    ours, theirs = map(min, zip(*times, strict=True))
    return pairs if theirs < _GAIN * ours else None


def _alike(scores: Tensor, others: Tensor) -> bool:
    return torch.equal(scores.argmax(1), others.argmax(1)) and torch.allclose(scores, others, 1e-3, 1e-3)


def _time(forward: Forward, inputs: Tensor) -> float:
    start = time.perf_counter()
    forward(inputs)
    return time.perf_counter() - start


def _twin(model: nn.Module, pairs: tuple[Pair, ...]) -> Forward:
    twin = _folded(model, pairs)
    return lambda inputs: twin(inputs.contiguous(memory_format=torch.channels_last))


def _folded(model: nn.Module, pairs: tuple[Pair, ...]) -> nn.Module:
    """Return a copy with channels last in memory, where each batch norm of the pairs is part of its convolution."""
    twin = clone(model)
    for conv, norm in pairs:
        first, second = twin.get_submodule(conv), twin.get_submodule(norm)
        if _foldable(first, second):
            _put_(twin, conv, fuse_conv_bn_eval(first, second))  # type: ignore[type-var, arg-type]
            _put_(twin, norm, nn.Identity())
    return twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _put_(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def _foldable(conv: nn.Module, norm: nn.Module) -> bool:
    """Return whether nothing stands between the two; what is done to the input of the convolution does not matter."""
    plain = type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.running_var is not None
    return plain and not any((norm.training, conv._forward_hooks, norm._forward_pre_hooks, norm._forward_hooks))


def _pairs(model: nn.Module, inputs: Tensor) -> tuple[Pair, ...]:
    """Return each convolution with a batch norm that reads what it puts out, both called once.

    Whether anything else reads it, the scores of the twin will tell. (torch.fx would say so at once, but tracing with
    it patches the calls of all modules of the process, those of other threads too.)
    """
    watched = clone(model)
    written: list[tuple[str, Tensor]] = []
    calls: Counter[str] = Counter()
    found: list[Pair] = []

    def wrote(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def after(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] += 1
            written.append((name, output))

        return after

    def reads(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def before(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            calls[name] += 1
            found.extend((source, name) for source, output in written if output is inputs[0])

        return before

    for name, module in watched.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(wrote(name))
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(reads(name))
    with torch.inference_mode():
        watched(inputs[:2])
    return tuple(
        (conv, norm)
        for conv, norm in found
        if calls[conv] == calls[norm] == 1 and _foldable(model.get_submodule(conv), model.get_submodule(norm))
    )
