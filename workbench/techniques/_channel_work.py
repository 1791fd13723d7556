"""The multiply-adds of a network as its channels leave, without running it again for each of them.

One multiply-add of a linear layer or a convolution counts as one, other operators count as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.network import Layer, clone
from workbench.techniques._channel_labels import Labelling


@dataclass(frozen=True)
class Work:
    """The multiply-adds of one image; S counts layers that were followed, L labels."""

    each: Tensor
    """float64 [S]: multiply-adds for every pair of a channel put out and a channel read."""
    outs: Tensor
    """float64 [S, L]: how often each label is put out."""
    ins: Tensor
    """float64 [S, L]: how often each label is read, one column at a time; 0 in grouped convolutions."""
    fixed_ins: Tensor
    """float64 [S]: 1 in grouped convolutions, where each channel reads as many however many others there are, or 0."""
    fixed: float
    """Multiply-adds of layers that were not followed, so that all their channels stay."""
    positions: Mapping[str, int]
    """At how many positions of an image each layer puts out its channels."""

    @property
    def count(self) -> int:
        """How many labels there are."""
        return self.outs.shape[1]

    @property
    def total(self) -> float:
        """The multiply-adds of the network as it is."""
        return self.of(torch.ones(self.count, dtype=torch.bool))

    def of(self, keep: Tensor) -> float:
        """Return the multiply-adds of the network that keeps these labels, bool [L]."""
        return self.fixed + float((self.each * self._put_out(keep) * self._read(keep)).sum())

    def saved(self, keep: Tensor, labels: Tensor) -> Tensor:
        """Return for each of some labels [K] the multiply-adds that go when it leaves next; float64 [K]."""
        out, into = self._put_out(keep)[:, None], self._read(keep)[:, None]
        left = (out - self.outs[:, labels]) * (into - self.ins[:, labels])
        return self.each @ (out * into - left)

    def _put_out(self, keep: Tensor) -> Tensor:
        return self.outs @ keep.double()

    def _read(self, keep: Tensor) -> Tensor:
        return self.ins @ keep.double() + self.fixed_ins


def work(model: nn.Module, labelling: Labelling, example: Tensor) -> Work:
    """Return the work of a network, from the shapes of one forward pass."""
    probe = clone(model).eval()
    positions: dict[str, int] = {}

    def counted(name: str) -> Callable[[Layer, Any, Tensor], None]:
        def after(layer: Layer, _inputs: Any, output: Tensor) -> None:
            positions[name] = positions.get(name, 0) + output.numel() // len(output) // len(layer.weight)

        return after

    found = {name: module for name, module in probe.named_modules() if isinstance(module, Layer)}
    for name, layer in found.items():
        layer.register_forward_hook(counted(name))
    with torch.no_grad():
        probe(example)
    followed = [name for name in positions if name in labelling.ports]
    fixed = sum(positions[name] * found[name].weight.numel() for name in positions.keys() - set(followed))
    each, outs, ins, fixed_ins = [], [], [], []
    for name in followed:
        layer, port = found[name], labelling.ports[name]
        grouped = not isinstance(layer, nn.Linear) and layer.groups > 1
        outs.append(torch.bincount(port.out, minlength=labelling.count))
        ins.append(torch.bincount(port.into, minlength=labelling.count) * (not grouped))
        fixed_ins.append(float(grouped))
        pairs = len(port.out) * (1 if grouped else len(port.into))
        each.append(positions[name] * layer.weight.numel() / pairs)
    return Work(
        torch.tensor(each, dtype=torch.float64),
        torch.stack(outs).double(),
        torch.stack(ins).double(),
        torch.tensor(fixed_ins, dtype=torch.float64),
        float(fixed),
        positions,
    )
