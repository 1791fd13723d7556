"""The graph of a network: every operator that one forward pass runs, in order, and the activations between them.

It is traced by running the network, so it is what really runs, whatever the network's code looks like. Work on weights
alone (transposing them, a parametrization) does not depend on the image: any runtime does it once and for all, so it is
left out, and what comes of it counts as the weights that went into it. Layers that round what they read
(`workbench.activations`) run unrounded here; their formats are the `bits` of values.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from workbench.activations import activation_formats, exact_activations, output_formats
from workbench.graph.operators import kind_of, macs_of, name_of
from workbench.loads import Kind


@dataclass(frozen=True, kw_only=True)
class Value:
    """An activation: what an operator puts out, or an input of the network."""

    id: int
    shape: tuple[int, ...]
    bits: int
    """Of one number: those of the `ActivationFormat` of the layers that read it, directly or through operators that
    keep the format (all but products), the most where they differ; those of its type where a reader has no format; no
    more than those of the module that rounds it as it puts it out."""
    producer: int | None
    """The number of the operator that puts it out; None for inputs and for constants that no parameter holds."""
    storage: int
    """Where it lies in memory: views and what is computed in place share it."""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operator that ran."""

    number: int
    """Its place in the order of execution."""
    name: str
    """The ATen name, without the underscore of in-place operators."""
    kind: Kind
    layer: str
    """The innermost module that called it; "" outside of all but the network itself."""
    inputs: tuple[int, ...]
    """Ids of the values that it reads."""
    outputs: tuple[int, ...]
    """Ids of the values that it puts out; all but the first only where they are used."""
    weights: tuple[str, ...]
    """Names of the parameters and buffers that it reads."""
    macs: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Plain settings by the names of ATen's schema (stride, padding, groups, ...), and `kernel` of a convolution."""
    in_place: bool = False


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What one forward pass runs."""

    ops: tuple[Op, ...]
    values: Mapping[int, Value]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    returned: tuple[tuple[str, int], ...]
    """Modules in the order in which their calls came back, each with the value that it put out. One that only hands on
    what another made, as containers do, has the same value after it."""

    @property
    def macs(self) -> Counter[str]:
        """Multiply-adds by layer, of the layers that have any."""
        found: Counter[str] = Counter()
        for op in self.ops:
            if op.macs:
                found[op.layer] += op.macs
        return found


def graph_of(model: nn.Module, inputs: Tensor) -> Graph:
    """Return the graph of one forward pass of a network in evaluation mode; the network is not touched.

    Shapes and multiply-adds are those of all of `inputs` [N, ...]: pass one image for those of one image.
    """
    tracing = _Tracing(model, inputs)
    # without inference_mode: it would show `linear` whole, not the matrix product that it comes down to
    with torch.no_grad(), exact_activations(), _followed(model, tracing), tracing:
        scores = model(inputs)
    graph = tracing.graph(scores)
    reads = {name: form.bits for name, form in activation_formats(model).items()}
    puts = {name: form.bits for name, form in output_formats(model).items()}
    most = {value: puts[module] for module, value in graph.returned if module in puts}
    return _formatted(graph, tracing.floating, reads, most)


@contextmanager
def _followed(model: nn.Module, tracing: _Tracing) -> Iterator[None]:
    """Tell a tracing which modules are running.

    Global hooks see the calls, since hooks of the modules themselves would change what runs: with one attached,
    transformer layers of torch leave their fused path. They are everybody's: other threads may be running networks too.
    """
    names = {id(module): name for name, module in model.named_modules()}
    thread = threading.get_ident()

    def enter(module: nn.Module, _: Any) -> None:
        if threading.get_ident() == thread and id(module) in names:
            tracing.enter(names[id(module)])

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        if threading.get_ident() == thread and id(module) in names:
            tracing.leave(output)

    handles = [
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave, always_call=True),  # a network may catch what a layer raises
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Tracing(TorchDispatchMode):
    """Notes each operator. All tensors are kept until the end, so that an `id` and a storage stay one tensor's."""

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self._path: list[str] = []  # of the modules that are running, the innermost last
        self._returned: list[tuple[str, int]] = []
        self._ops: list[Op] = []
        self._values: dict[int, Value] = {}
        self._kept: list[Tensor] = []
        self._current: dict[int, int] = {}  # tensor -> its newest value
        self._written: dict[int, int] = {}  # storage -> the value that was last written into it in place
        self._storages: dict[int, int] = {}
        self.floating: set[int] = set()
        named = (*model.named_parameters(), *model.named_buffers())
        self._weights: dict[int, tuple[str, ...]] = {id(tensor): (name,) for name, tensor in named}
        self._shared: dict[int, tuple[str, ...]] = {_storage(tensor): (name,) for name, tensor in reversed(named)}
        self._inputs = (self._value(inputs, None),)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # True would import the whole compiler at the first operator: a second, and eight hundred modules
        return False

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = operator(*args, **kwargs)
        read = list(_tensors((*args, *kwargs.values())))
        weights = tuple(dict.fromkeys(name for tensor in read for name in self._names(tensor)))
        inputs = tuple(dict.fromkeys(value for tensor in read for value in self._read(tensor)))
        if weights and not inputs:
            for tensor in _tensors(result):
                self._weights[id(tensor)] = weights
                self._kept.append(tensor)
            return result
        outputs = [tensor for tensor in _tensors(result) if tensor.numel() and not self._names(tensor)]
        if not inputs and not outputs:  # batch norms make empty tensors
            return result
        number, in_place = len(self._ops), bool(operator._schema.is_mutable)
        made = tuple(self._value(tensor, number) for tensor in outputs)
        if in_place:
            self._written |= {self._values[value].storage: value for value in made}
        self._ops.append(
            Op(
                number=number,
                name=name_of(operator),
                kind=kind_of(operator, args),
                layer=self._path[-1] if self._path else "",
                inputs=inputs,
                outputs=made,
                weights=weights,
                macs=macs_of(operator, args, result),
                attributes=_attributes(operator, args, kwargs),
                in_place=in_place,
            )
        )
        return result

    def enter(self, module: str) -> None:
        """A module begins."""
        self._path.append(module)

    def leave(self, output: Any) -> None:
        """The innermost module comes back."""
        module = self._path.pop()
        if isinstance(output, Tensor) and id(output) in self._current:
            self._returned.append((module, self._current[id(output)]))

    def graph(self, scores: Any) -> Graph:
        """Return what was noted; outputs of operators that nobody uses, such as the indices of a pooling, are gone."""
        outputs = tuple(dict.fromkeys(value for tensor in _tensors(scores) for value in self._read(tensor)))
        used = {value for op in self._ops for value in op.inputs} | {*outputs}
        ops = tuple(
            replace(op, outputs=op.outputs[:1] + tuple(value for value in op.outputs[1:] if value in used))
            for op in self._ops
        )
        kept = used | {*self._inputs} | {value for op in ops for value in op.outputs}
        values = {number: value for number, value in self._values.items() if number in kept}
        returned = tuple((module, value) for module, value in self._returned if value in kept)
        return Graph(ops=ops, values=values, inputs=self._inputs, outputs=outputs, returned=returned)

    def _names(self, tensor: Tensor) -> tuple[str, ...]:
        return self._weights.get(id(tensor)) or self._shared.get(_storage(tensor), ())

    def _read(self, tensor: Tensor) -> tuple[int, ...]:
        """The value of an activation, and with it the one that was since written into the same storage elsewhere."""
        if not tensor.numel() or self._names(tensor):
            return ()
        value = self._current.get(id(tensor))
        if value is None:
            value = self._value(tensor, None)
        written = self._written.get(self._values[value].storage, value)
        return (value, written) if written > value else (value,)

    def _value(self, tensor: Tensor, producer: int | None) -> int:
        number = len(self._values)
        self._kept.append(tensor)
        self._current[id(tensor)] = number
        if tensor.is_floating_point():
            self.floating.add(number)
        self._values[number] = Value(
            id=number,
            shape=tuple(tensor.shape),
            bits=8 * tensor.element_size(),
            producer=producer,
            storage=self._storages.setdefault(_storage(tensor), len(self._storages)),
        )
        return number


def _formatted(graph: Graph, floating: set[int], formats: Mapping[str, int], most: Mapping[int, int]) -> Graph:
    """Return the graph with the bits of each value as its readers want them, found from the last operator backwards.

    `formats` are those of the layers that read, and `most` those of the values that modules round as they put them out.
    """
    if not formats and not most:
        return graph
    bits = {value: most.get(value, graph.values[value].bits) for value in graph.outputs}
    for op in reversed(graph.ops):
        passed = max((bits.get(value, 0) for value in op.outputs), default=0)
        for value in op.inputs:
            own = graph.values[value].bits
            keeps = op.kind in ("norm", "pool", "elementwise", "move")
            wanted = formats.get(op.layer) or (passed if keeps else own)
            wanted = min(wanted, most.get(value, wanted)) if value in floating else own
            bits[value] = max(bits.get(value, 0), wanted)
    values = {
        number: replace(value, bits=bits.get(number) or value.bits) if number in floating else value
        for number, value in graph.values.items()
    }
    return replace(graph, values=values)


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(found: Any) -> Iterator[Tensor]:
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, Mapping):
        for part in found.values():
            yield from _tensors(part)
    elif isinstance(found, (tuple, list)):
        for part in found:
            yield from _tensors(part)


def _attributes(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    names = [argument.name for argument in operator._schema.arguments]
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    found = {name: value for name, value in plain.items() if _plain(value)}
    if name_of(operator) == "convolution":
        found["kernel"] = tuple(given["weight"].shape[2:])
    return found


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(part, (bool, int, float)) for part in value)
    return isinstance(value, (bool, int, float, str))
