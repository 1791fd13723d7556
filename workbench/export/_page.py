"""The page of Python that defines a network, and the page of text beside it. Names in them come from anybody."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from workbench.errors import Refused
from workbench.export._calls import Tape
from workbench.export._script import Names, forward_lines, plain
from workbench.export._slots import Slot, slots
from workbench.export._stored import DECODER, stored
from workbench.export._tape import record
from workbench.exporting import Source

_LONGEST = 116

_HEAD = '''"""{title}

    import model

    network = model.load()  # reads model.safetensors beside this file
    with torch.no_grad():
        scores = network(model.preprocess(pixels))  # from bytes [N, C, H, W] to scores [N, {count}]

It needs torch and safetensors, and nothing else.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

SHAPE = {shape}
"""Channels, height and width of what the network reads."""
MEAN, STD = {mean}, {std}
"""Taken away from the pixels in [0, 1], and what then divides them, by channel."""
CLASSES = {classes}


def preprocess(pixels):
    """Return what the network reads, float32 [N, C, H, W], for images as bytes of any size, grey or colour."""
    x = pixels.float() / 255
    if x.shape[1] != SHAPE[0]:
        x = x.mean(1, keepdim=True).expand(-1, SHAPE[0], -1, -1)
    if x.shape[2:] != SHAPE[1:]:
        x = F.interpolate(x, SHAPE[1:], mode="bilinear", antialias=True, align_corners=False)
    return (x - torch.tensor(MEAN).view(1, -1, 1, 1)) / torch.tensor(STD).view(1, -1, 1, 1)
'''

_ROUNDED = '''

def rounded(x, scale, zero, bits):
    """Return the nearest values (code - zero) * scale with codes in 0 ... 2^bits - 1, as integer runtimes do."""
    scale = x.new_tensor(scale)
    return (x / scale).round().clamp(-zero, 2**bits - 1 - zero) * scale
'''

_HALVED = '''

def rounded_to_half(x):
    """Return the nearest values in half precision."""
    return x.clamp(-65504, 65504).half().float()
'''

_TAIL = '''

def load(path=Path(__file__).with_name("model.safetensors")):
    """Return the network with its weights, in evaluation mode."""
    network = Network()
    network.load_state_dict({state})
    return network.eval()
'''

_README = """# {title}

A network that was made smaller with the Downsizing Workbench.

| file | |
|---|---|
| `model.py` | the network as plain PyTorch code |
| `model.safetensors` | its weights |

Run it where there are torch and safetensors:

```python
import torch

import model

network = model.load()
with torch.no_grad():
    scores = network(model.preprocess(pixels))  # bytes [N, C, H, W] to scores [N, {count}]
best = [model.CLASSES[number] for number in scores.argmax(1)]
```

The input is {shape} (channels, height, width). `preprocess` divides bytes by 255, takes away the mean {mean} and
divides by {std}, channel by channel.
{weights}{recipe}"""


def page(source: Source) -> tuple[str, dict[str, Tensor]]:
    """Return model.py, and the tensors of model.safetensors by name. Raises `Refused`."""
    tape = record(source.model, source.example)
    names = Names(tape)
    found = slots(source.model)
    tensors: dict[str, Tensor] = {}
    for path, attribute in names.modules.items():
        for name, slot in found.items():
            if name.startswith(f"{path}." if path else "") and not slot.counts_batches and _saved(slot):
                tensors |= _kept(f"{attribute}.{name[len(path) + bool(path) :]}", slot)
    for name, attribute in names.tensors.items():
        tensors |= _kept(attribute, found[name])
    for number, attribute in names.constants.items():
        tensors[attribute] = tape.constants[number]
    script = "".join(_parts(source, tape, names, found, tensors))
    try:
        compile(script, "model.py", "exec")
    except SyntaxError as error:
        raise Refused(f"no code was found for this network ({error}): export it as a packed file") from error
    return script, {name: tensor.contiguous() for name, tensor in tensors.items()}


def _saved(slot: Slot) -> bool:
    return slot.learnt or slot.key not in slot.module._non_persistent_buffers_set


def _kept(name: str, slot: Slot) -> dict[str, Tensor]:
    return {f"{name}{ending}": tensor for ending, tensor in stored(slot.module, slot.key, slot.tensor).items()}


def _parts(
    source: Source, tape: Tape, names: Names, found: Mapping[str, Slot], tensors: Mapping[str, Tensor]
) -> list[str]:
    classes = tuple(map(str, source.about.get("classes", ())))
    head = _HEAD.format(title=_title(source), count=len(classes), classes=_wrapped(classes), **_facts(source))
    forms = {call.rounding.bits == 16 for call in tape.calls if call.rounding is not None}
    coded = any(name.endswith(".codes") or tensor.dtype == torch.float16 for name, tensor in tensors.items())
    parts = [
        head,
        _ROUNDED if False in forms else "",
        _HALVED if True in forms else "",
        "\n",
        _class(tape, names, found),
    ]
    if coded:
        parts += ["\n", DECODER]
    return [*parts, _TAIL.format(state="decoded(load_file(path))" if coded else "load_file(path)")]


def _class(tape: Tape, names: Names, found: Mapping[str, Slot]) -> str:
    made, block = ["super().__init__()"], ""
    blocks = {call.name: call.block for call in tape.calls if call.of_module}
    for path, attribute in names.modules.items():
        if blocks[path] != block:
            block = blocks[path]
            made += ["", f"# {plain(block)}"] if block else [""]
        made.append(f"self.{attribute} = {tape.constructors[path]}")
    return "\n".join(
        [
            "",
            "class Network(nn.Module):",
            '    """The network as it was exported: these are its real numbers of channels."""',
            "",
            "    def __init__(self):",
            *_indented(made),
            *_indented(_loose(tape, names, found)),
            "",
            "    def forward(self, x):",
            *_indented(forward_lines(tape, names)),
            "",
        ]
    )


def _loose(tape: Tape, names: Names, found: Mapping[str, Slot]) -> list[str]:
    """Return lines for the tensors that are used without a module."""
    held = [(attribute, found[path].tensor, found[path].learnt) for path, attribute in names.tensors.items()]
    held += [(attribute, tape.constants[number], False) for number, attribute in names.constants.items()]
    lines = [""] if held else []
    for attribute, tensor, learnt in held:
        kind = "" if tensor.dtype == torch.float32 else f", dtype={tensor.dtype}"
        empty = f"torch.empty({', '.join(map(str, tensor.shape)) or '()'}{kind})"
        made = (
            f"self.{attribute} = nn.Parameter({empty})" if learnt else f'self.register_buffer("{attribute}", {empty})'
        )
        lines.append(made)
    return lines


def _indented(lines: list[str]) -> list[str]:
    return [f"        {line}" if line else "" for line in lines]


def _wrapped(words: tuple[str, ...]) -> str:
    """Return the code of a tuple of words, in lines that fit."""
    line = repr(words)
    if len(line) <= _LONGEST - 10:
        return line
    inside = ", ".join(map(repr, words))
    if any("\\" in word or " " in word for word in words):  # where a line may not be broken at each space
        return "(\n" + "".join(f"    {word!r},\n" for word in words) + ")"
    return (
        "(\n"
        + textwrap.indent(textwrap.fill(inside, _LONGEST, break_on_hyphens=False, break_long_words=False), "    ")
        + ",\n)"
    )


def _facts(source: Source) -> dict[str, tuple[Any, ...]]:
    about = source.about.get("input", {})
    return {key: tuple(about.get(key, ())) for key in ("shape", "mean", "std")}


def _title(source: Source) -> str:
    job = source.recipe.get("job", {})
    model = job.get("model", {}).get("name", "a network") if isinstance(job, Mapping) else "a network"
    return re.sub(r"[^\w :.,()-]", "_", f"{model}, made smaller.", flags=re.ASCII)[:100]


def readme(source: Source, script: str) -> str:
    """Return README.md."""
    facts = _facts(source)
    coded = "\nWeights are kept as whole numbers with their scales; `model.py` decodes them when it loads.\n"
    recipe = ""
    if source.recipe:
        job = source.recipe.get("job", {})  # without the folders of whoever made it
        told = {"steps": job.get("recipe", {}).get("steps", []), "hashes": source.recipe.get("hashes", {})}
        text = json.dumps(told, indent=2, ensure_ascii=True)
        recipe = f"\nWhat was done to it, and what it was made from:\n\n{textwrap.indent(text, '    ')}\n"
    return _README.format(
        title=_title(source).removesuffix("."),
        count=len(source.about.get("classes", ())),
        weights=coded if "def decoded" in script else "",
        recipe=recipe,
        **facts,
    )
