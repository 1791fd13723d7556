"""From the calls of a network to Python that a person reads: names for modules, short names for values, nested calls.

A value that is used once, by the next statement, is nested into it; a layer with weights begins a new statement, so
that lines look like `x = F.relu(self.bn1(self.conv1(x)))`. The order of the calls is kept, so that what changes a
tensor in place does so at the same moment.
"""

from __future__ import annotations

import inspect
import keyword
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from workbench.errors import Refused
from workbench.export._calls import Argument, Batch, Call, Constant, Member, Tape, Value

_WIDEST, _NESTED = 92, 72
_NAMES = ("x", "y", "z", "u", "v", "w", "a", "b", "c", "d")
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "__pow__": "**"}
_SWAPPED = {"__rsub__": "-", "__rdiv__": "/", "__rtruediv__": "/", "__rpow__": "**", "__rmatmul__": "@"}
_TIGHT = {"+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "**": 3}
_ATOM = 9
_COMPARED = {"gt": ">", "lt": "<", "ge": ">=", "le": "<="}


@dataclass(frozen=True)
class Text:
    """An expression, and how tightly it binds."""

    code: str
    binds: int = _ATOM


class Names:
    """The attributes of the network: its modules, and the tensors that are used without one."""

    def __init__(self, tape: Tape) -> None:
        self.modules: dict[str, str] = {}
        self.tensors: dict[str, str] = {}
        self.constants: dict[int, str] = {}
        self._taken: set[str] = {"self"}
        for path, text in tape.constructors.items():
            kind = text.partition("(")[0].removeprefix("nn.").lower()
            self.modules[path] = self._free(path, kind)
        for found in _leaves([(call.arguments, call.options) for call in tape.calls] + [tape.output]):
            if isinstance(found, Member) and self._owner(found.name) is None:
                if found.name not in self.tensors:
                    self.tensors[found.name] = self._free(found.name, "tensor")
            elif isinstance(found, Constant) and found.number not in self.constants:
                self.constants[found.number] = self._free(f"constant{found.number}", "tensor")

    def of(self, member: Member | Constant) -> str:
        """Return the attribute that holds a tensor."""
        if isinstance(member, Constant):
            return self.constants[member.number]
        owner = self._owner(member.name)
        if owner is None:
            return self.tensors[member.name]
        return f"{self.modules[owner]}{member.name[len(owner) :]}"

    def _owner(self, name: str) -> str | None:
        """Return the module that is called and holds the tensor, if there is one."""
        parts = name.split(".")
        paths = (".".join(parts[:end]) for end in range(len(parts) - 1, -1, -1))
        return next((path for path in paths if path in self.modules), None)

    def _free(self, path: str, kind: str) -> str:
        name = re.sub(r"\W", "_", path, flags=re.ASCII).strip("_") or kind
        if name[0].isdigit():
            name = f"{kind}_{name}"
        while name in self._taken or keyword.iskeyword(name) or hasattr(nn.Module, name) or name in _NAMES:
            name += "_"
        self._taken.add(name)
        return name


def forward_lines(tape: Tape, names: Names) -> list[str]:
    """Return the body of `forward(self, x)`, with an empty line and a comment before each block."""
    return _Writer(tape, names).lines()


class _Writer:
    """Writes one call after the other; values that may still be nested into the next one wait, in order."""

    def __init__(self, tape: Tape, names: Names) -> None:
        self._tape, self._names = tape, names
        self._waiting: dict[int, Text] = {}
        self._held = {0: _NAMES[0]}
        self._lines: list[str] = []
        self._block = ""
        used = [_values((call.arguments, call.options)) for call in tape.calls] + [_values(tape.output)]
        self._uses = Counter(value.number for values in used for value in values)
        self._last = {value.number: place for place, values in enumerate(used) for value in values}

    def lines(self) -> list[str]:
        for number, call in enumerate(self._tape.calls, 1):
            self._separate(call)
            text = self._nested(call, (call.arguments, call.options))
            if call.name == "torch.Tensor.__setitem__":
                self._lines.append(text.code)
                self._held[number] = self._text(call.arguments[0]).code
            elif self._uses[number] == 1 and len(text.code) <= _NESTED:
                self._waiting[number] = text
            else:
                self._flush()
                self._assign(number, text)
        self._lines.append(f"return {self._nested(None, self._tape.output).code}")
        if any("batch" in _words(line) for line in self._lines):
            self._lines.insert(0, "batch = len(x)")
        return self._lines[1:] if self._lines[0] == "" else self._lines

    def _separate(self, call: Call) -> None:
        """Say where a block of the network begins."""
        if call.block != self._block:
            self._flush()
            self._block = call.block
            self._lines += ["", f"# {plain(call.block)}"] if call.block else [""]

    def _nested(self, call: Call | None, arguments: Argument) -> Text:
        """Return the expression of a call, or of the output, with as much nested into it as reads well."""
        wanted = [value.number for value in _values(arguments) if value.number in self._waiting]
        newest = list(self._waiting)[len(self._waiting) - len(wanted) :]
        apart = call is not None and self._begins(call, newest)
        if apart or wanted != newest or len(self._of(call, arguments).code) > _WIDEST:
            self._flush()
            return self._of(call, arguments)
        text = self._of(call, arguments)
        for number in newest:
            del self._waiting[number]
        self._flush()
        return text

    def _begins(self, call: Call, operands: list[int]) -> bool:
        """Return whether a statement begins with this call: a layer with weights, with the rounding in front of it."""
        if call.rounding is not None or call.name == "torch.Tensor.__setitem__":
            return True
        heavy = call.of_module and self._tape.constructors[call.name].startswith(("nn.Conv", "nn.Linear"))
        return heavy and any(self._tape.calls[number - 1].rounding is None for number in operands)

    def _flush(self) -> None:
        for number in list(self._waiting):
            self._assign(number, self._waiting.pop(number))

    def _assign(self, number: int, text: Text) -> None:
        """Write `name = expression`, with the name of a value that nobody needs any more."""
        needed = {name for value, name in self._held.items() if self._last.get(value, -1) >= number}
        needed |= {name for other in self._waiting.values() for name in _words(other.code)}
        self._held[number] = next(name for name in _endless() if name not in needed)
        self._lines.append(f"{self._held[number]} = {text.code}")

    # expressions

    def _of(self, call: Call | None, arguments: Argument) -> Text:
        if call is None:
            return self._text(arguments)
        arguments = call.arguments
        if call.rounding is not None:
            form, x = call.rounding, self._text(arguments[0]).code
            if form.bits == 16:
                return Text(f"rounded_to_half({x})")
            return Text(f"rounded({x}, {np.float32(form.scale)!s}, {form.zero}, bits={form.bits})")
        written = [self._text(argument) for argument in arguments]
        if call.of_module:
            return Text(self._called(f"self.{self._names.modules[call.name]}", written, call.options))
        space, _, name = call.name.rpartition(".")
        if space == "torch.nn.functional":
            return Text(self._called(f"F.{name}", written, _unusual(call.name, call.options)))
        if space == "torch.Tensor":
            return self._method(name, written, call)
        if space.startswith("torch.Tensor.") and name == "__get__":  # a property, such as x.mT
            return Text(f"{_tight(written[0], _ATOM)}.{space.rpartition('.')[2]}")
        return Text(self._called(call.name, written, _unusual(call.name, call.options)))

    def _method(self, name: str, written: list[Text], call: Call) -> Text:
        name = {"__add__": "add", "__mul__": "mul", "__sub__": "sub", "__truediv__": "div"}.get(name, name)
        first, *others = written
        if len(others) == 1 and not call.options and (sign := _INFIX.get(name)):
            return _binary(first, sign, others[0])
        if len(others) == 1 and (sign := _SWAPPED.get(name)):
            return _binary(others[0], sign, first)
        if len(others) == 1 and (sign := _COMPARED.get(name)):
            return Text(f"{_tight(first, 1)} {sign} {_tight(others[0], 1)}", 0)
        if name == "neg" and not others:
            return Text(f"-{_tight(first, 3)}", 2)
        if name in ("__getitem__", "__setitem__"):
            place = self._index(call.arguments[1])
            got = Text(f"{_tight(first, _ATOM)}[{place}]")
            return got if name == "__getitem__" else Text(f"{got.code} = {written[2].code}")
        return Text(self._called(f"{_tight(first, _ATOM)}.{name}", others, _unusual(call.name, call.options)))

    def _called(self, function: str, written: list[Text], options: Mapping[str, Argument]) -> str:
        named = [f"{key}={self._text(value).code}" for key, value in options.items()]
        return f"{function}({', '.join([text.code for text in written] + named)})"

    def _index(self, index: Argument) -> str:
        """Return what stands between the brackets."""
        if isinstance(index, tuple) and index:
            return ", ".join(self._text(item).code for item in index) + ("," if len(index) == 1 else "")
        return self._text(index).code

    def _text(self, argument: Argument) -> Text:
        match argument:
            case Value():
                text = self._waiting.get(argument.number)
                text = text or Text(self._held[argument.number])
                return text if argument.item is None else Text(f"{_tight(text, _ATOM)}[{argument.item}]")
            case _ if argument is Ellipsis:
                return Text("...")
            case Member() | Constant():
                return Text(f"self.{self._names.of(argument)}")
            case Batch():
                return Text("batch") if argument.factor == 1 else Text(f"{argument.factor} * batch", 2)
            case tuple():
                parts = [self._text(item).code for item in argument]
                return Text(f"({', '.join(parts)}{',' if len(parts) == 1 else ''})")
            case list():
                return Text(f"[{', '.join(self._text(item).code for item in argument)}]")
            case slice():
                ends = (argument.start, argument.stop, argument.step)
                start, stop, step = ("" if end is None else self._text(end).code for end in ends)
                return Text(f"{start}:{stop}" + (f":{step}" if step else ""))
            case torch.dtype() | torch.memory_format() | torch.layout():
                return Text(str(argument))
            case torch.device():
                return Text("x.device" if self._held.get(0) == "x" else repr(argument.type))
            case float() if argument in (float("inf"), float("-inf")):
                return Text(f'float("{argument}")')
            case int() | float():
                return Text(repr(argument), _ATOM if argument >= 0 else _TIGHT["*"])
            case str() | None:
                return Text(repr(argument))
        raise Refused(
            f"a call of this network takes a {type(argument).__name__}, which has no plain form in code: "
            "export it as a packed file"
        )


def _binary(left: Text, sign: str, right: Text) -> Text:
    binds = _TIGHT[sign]
    return Text(f"{_tight(left, binds)} {sign} {_tight(right, binds + 1)}", binds)


def _tight(text: Text, binds: int) -> str:
    return text.code if text.binds >= binds else f"({text.code})"


def _unusual(name: str, options: Mapping[str, Argument]) -> dict[str, Argument]:
    """Return the options that are not what the function takes anyway."""
    usual = _defaults(name)
    return {key: value for key, value in options.items() if key not in usual or usual[key] is not value != usual[key]}


def _defaults(name: str) -> dict[str, Any]:
    space, _, own = name.rpartition(".")
    if space != "torch.nn.functional":
        return {}
    for function in (getattr(F, own, None), getattr(F, f"_{own}", None)):
        try:
            parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if found := {p.name: p.default for p in parameters if p.default is not p.empty}:
            return found
    return {}


def _leaves(argument: Argument) -> Iterator[Argument]:
    """Yield what an argument is made of, in the order in which Python works it out."""
    match argument:
        case tuple() | list():
            for item in argument:
                yield from _leaves(item)
        case dict():
            for item in argument.values():
                yield from _leaves(item)
        case slice():
            yield from _leaves((argument.start, argument.stop, argument.step))
        case _:
            yield argument


def _values(argument: Argument) -> list[Value]:
    return [leaf for leaf in _leaves(argument) if isinstance(leaf, Value)]


def _words(code: str) -> set[str]:
    return {*re.findall(r"(?<![\w.])[A-Za-z_]\w*", code)}


def _endless() -> Iterator[str]:
    yield from _NAMES
    number = 1
    while True:
        yield f"x{number}"
        number += 1


def plain(text: str) -> str:
    """Return a text that can stand in a comment: names of layers come from anybody."""
    return re.sub(r"[^\w. -]", "_", text, flags=re.ASCII)
