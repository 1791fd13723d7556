"""What a network computes, as the calls of torch that its Python code makes: one straight line, without loops.

The network is run once on images. Calls of torch functions are seen by a `TorchFunctionMode`, which is there for this
thread alone; modules of torch.nn count as one call each. Tracing with torch.fx would give the same, but it patches the
modules of all threads, also of those that are measuring meanwhile.

Networks whose path through their code depends on the values of the images have no such line, and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from workbench.activations import (
    ActivationFormat,
    activation_formats,
    output_formats,
    round_inputs_,
    round_outputs_,
)
from workbench.errors import Refused
from workbench.export._calls import Argument, Batch, Call, Constant, Member, Tape, Value
from workbench.export._constructors import constructor
from workbench.network import clone

_DECIDES = {
    *(f"torch.Tensor.{name}" for name in ("__bool__", "__float__", "__int__", "__index__", "__contains__")),
    *("torch.Tensor.item", "torch.Tensor.tolist", "torch.Tensor.numpy", "torch.Tensor.__array__"),
    *("torch.equal", "torch.allclose", "torch.is_nonzero", "torch.Tensor.equal", "torch.Tensor.allclose"),
}
"""What brings a value of a tensor into Python, where it may decide what is done next."""


def record(model: nn.Module, example: Tensor) -> Tape:
    """Return what a network computes, for any number of images; `example` [2, C, H, W] is what it is run on.

    Raises `Refused` where what it does depends on the values of the images, or on how many there are in an odd way.
    """
    two = _record(model, example)
    three = _record(model, torch.cat((example.flip(0), example[:1])))  # other images: values must not matter
    names = [call.name for call in two.calls], [call.name for call in three.calls]
    if names[0] != names[1] or not _same(two.constants, three.constants):
        raise Refused(
            "this network does other things for other images, which one straight line of code cannot say: "
            "export it as a packed file"
        )
    calls = tuple(_merged_call(one, other) for one, other in zip(two.calls, three.calls, strict=True))
    return Tape(calls, two.output, two.constructors, two.constants)


def _record(model: nn.Module, images: Tensor) -> Tape:
    images = images.clone()  # the network may change what it is given
    recorder = _Recorder(model, images)
    with torch.no_grad(), recorder:
        scores = recorder.model(images)
    if not isinstance(scores, Tensor):
        raise Refused(f"the network must return one tensor of scores, got a {type(scores).__name__}")
    return Tape(tuple(recorder.calls), recorder.argument(scores), recorder.constructors, tuple(recorder.constants))


@dataclass
class _Known:
    """Tensors and what they are called. They are kept, so that no later one gets the address of one that is gone."""

    names: dict[int, Argument] = field(default_factory=dict)
    kept: list[Tensor] = field(default_factory=list)

    def put(self, tensor: Tensor, name: Argument) -> None:
        self.names[id(tensor)] = name
        self.kept.append(tensor)


class _Recorder(TorchFunctionMode):
    """Notes each call of torch while a copy of the network runs."""

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.model = clone(model).eval()
        self.calls: list[Call] = []
        self.constructors: dict[str, str] = {}
        self.constants: list[Tensor] = []
        self._inside = False  # of a call that is noted as one
        self._path: list[str] = []
        self._known = _Known()
        self._known.put(images, Value(0))
        for name, tensor in (*self.model.named_parameters(), *self.model.named_buffers()):
            self._known.put(tensor, Member(name))
        modules = dict(self.model.named_modules())
        made = {name: constructor(module) for name, module in modules.items()}
        within = tuple(f"{name}." for name, text in made.items() if text is not None)
        self._blocks = {name for name in modules if made[name] is None and _listed(name, modules)}
        reads, puts = activation_formats(self.model), output_formats(self.model)
        for name, module in modules.items():
            if name.startswith(within):
                continue  # part of a module that is one call
            text = made[name]
            run = self._parent(name, module) if text is None else self._leaf(name, text, module)
            module.forward = self._rounding(name, run, reads.get(name), puts.get(name))
            for free_, formats in ((round_inputs_, reads), (round_outputs_, puts)):
                if name in formats:
                    free_(module, None)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if self._inside:
            return func(*args, **options)
        name = resolve_name(func) or ""
        if name in _DECIDES:
            raise Refused(
                f"{self._where()} decides by the values of a tensor ({name.rpartition('.')[2]}), which one straight "
                "line of code cannot say: export it as a packed file"
            )
        said = self.argument(args), self.argument(options)
        result = func(*args, **options)
        if _tensors(result) or name == "torch.Tensor.__setitem__":
            if not name:
                raise Refused(f"{self._where()} calls {func!r}, which has no name in torch: export it as a packed file")
            in_place = name.endswith("_") and not name.endswith("__")
            changes = in_place or options.get("inplace") is True or name == "torch.Tensor.__setitem__"
            self._note(Call(name, *said, self._block()), args, result, changes)
        return result

    def argument(self, given: Any) -> Argument:
        """Return an argument with names in the place of tensors."""
        match given:
            case Tensor():
                if id(given) not in self._known.names:
                    self._known.put(given, Constant(len(self.constants)))
                    self.constants.append(given.detach().clone())
                return self._known.names[id(given)]
            case tuple():
                return tuple(map(self.argument, given))
            case list():
                return [self.argument(item) for item in given]
            case dict():
                return {key: self.argument(value) for key, value in given.items()}
            case slice():
                return slice(*map(self.argument, (given.start, given.stop, given.step)))
        return given

    def _note(self, call: Call, args: tuple[Any, ...], result: Any, changes: bool) -> None:
        if not changes and any(result is given for given in args):
            return  # nothing was done, as by dropout in evaluation
        self.calls.append(call)
        number = len(self.calls)
        if call.name == "torch.Tensor.__setitem__":
            self._known.put(args[0], Value(number))
        elif isinstance(result, Tensor):
            self._known.put(result, Value(number))
        else:
            for place, item in enumerate(result):
                self._known.put(item, Value(number, place))

    def _leaf(self, name: str, text: str, module: nn.Module) -> Callable[..., Any]:
        """Return a forward that is noted as one call."""
        forward = module.forward
        idle = isinstance(module, nn.Identity | nn.modules.dropout._DropoutNd)

        def call(*args: Any, **options: Any) -> Any:
            said = self.argument(args), self.argument(options)
            with self._quiet():
                result = forward(*args, **options)
            if idle:
                self._known.put(result, said[0][0])
            else:
                self.constructors[name] = text
                self._note(Call(name, *said, self._block(name), of_module=True), args, result, changes=True)
            return result

        return call

    def _parent(self, name: str, module: nn.Module) -> Callable[..., Any]:
        """Return a forward whose calls are noted one by one."""
        forward = module.forward

        def call(*args: Any, **options: Any) -> Any:
            self._path.append(name)
            try:
                return forward(*args, **options)
            finally:
                self._path.pop()

        return call

    def _rounding(
        self,
        name: str,
        forward: Callable[..., Any],
        before: ActivationFormat | None,
        after: ActivationFormat | None,
    ) -> Callable[..., Any]:
        """Return a forward that also notes what the hooks of the network round, which the copy has none of."""

        def rounded(x: Any, form: ActivationFormat | None) -> Any:
            if form is None or not isinstance(x, Tensor) or not x.is_floating_point():
                return x
            said = (self.argument(x),)
            with self._quiet():
                result = form.rounded(x)
            self._note(Call("", said, {}, self._block(name), rounding=form), (), result, changes=True)
            return result

        def call(*args: Any, **options: Any) -> Any:
            if self._inside:
                return forward(*args, **options)
            args = (rounded(args[0], before), *args[1:]) if args else args
            return rounded(forward(*args, **options), after)

        return call

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        self._inside = True
        try:
            yield
        finally:
            self._inside = False

    def _block(self, name: str = "") -> str:
        """Return the outermost listed part of the network that is running."""
        return next((path for path in (*self._path, name) if path in self._blocks), "")

    def _where(self) -> str:
        return f"the layer {self._path[-1]}" if any(self._path) else "this network"


def _listed(name: str, modules: Mapping[str, nn.Module]) -> bool:
    """Return whether a module stands in a sequence or a list, as the blocks of a network do."""
    parent = name.rpartition(".")[0]
    return bool(name) and isinstance(modules.get(parent), nn.Sequential | nn.ModuleList | nn.ModuleDict)


def _tensors(result: Any) -> bool:
    if isinstance(result, tuple | list):
        return len(result) > 0 and all(isinstance(item, Tensor) for item in result)
    return isinstance(result, Tensor)


def _same(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> bool:
    return len(ours) == len(theirs) and all(
        one.shape == other.shape and torch.equal(one, other) for one, other in zip(ours, theirs, strict=True)
    )


def _merged_call(one: Call, other: Call) -> Call:
    arguments = _merged(one.arguments, other.arguments, one)
    return Call(one.name, arguments, _merged(one.options, other.options, one), one.block, one.of_module, one.rounding)


def _merged(one: Argument, other: Argument, call: Call) -> Argument:
    """Return what an argument is for any number of images, from what it is for two and for three."""
    match one, other:
        case (dict(), dict()) if one.keys() == other.keys():
            return {key: _merged(one[key], other[key], call) for key in one}
        case (tuple(), tuple()) | (list(), list()) if len(one) == len(other):
            return type(one)(_merged(mine, theirs, call) for mine, theirs in zip(one, other, strict=True))
        case (slice(), slice()):
            parts = zip((one.start, one.stop, one.step), (other.start, other.stop, other.step), strict=True)
            return slice(*(_merged(a, b, call) for a, b in parts))
        case (int(), int()) if one != other and 3 * one == 2 * other:
            return Batch(one // 2)
    if type(one) is type(other) and one == other:
        return one
    raise Refused(
        f"{call.name or 'rounding'} is called with {one!r} for two images and {other!r} for three, so there is no one "
        "line of code for any number of them: export it as a packed file"
    )
