"""Which channels of a network must go together, found by running the network on labels instead of on images.

Every channel that a layer puts out gets a label, a number of its own, and that number fills the channel in place of its
values. Whatever only moves values about (slicing, padding, concatenation, shuffling, flattening) then moves the labels
by itself, so the next layer reads in its inputs which channel arrives where. Two labels that meet, in a sum or in a
product, are tied: those channels can only go together. The label 0 is what must stay: input channels, classes, padded
zeros, constants, and all that passes through an operation that is not followed.

The dependencies between layers are those of DepGraph (Fang et al. 2023, https://arxiv.org/abs/2301.12900).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from workbench.network import Layer

Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.GroupNorm
"""Normalisations that treat a channel, or a few, on their own. Layer norm does not: it mixes all of them."""

_FOLLOWED = {
    kind.forward
    for kind in (
        *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.PReLU),
        *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm),
    )
}

_ELEMENTWISE = frozenset(
    "relu hardtanh hardswish hardsigmoid sigmoid silu gelu tanh leaky_relu elu celu selu softplus mish neg abs exp "
    "sqrt square pow clamp clamp_min clamp_max add sub mul div maximum minimum _to_copy clone alias detach".split()
)
_MOVES = frozenset(
    "view _unsafe_view permute transpose t slice select split split_with_sizes unbind cat stack expand squeeze "
    "unsqueeze index_select roll flip repeat pixel_shuffle pixel_unshuffle constant_pad_nd reflection_pad2d "
    "replication_pad2d upsample_nearest2d".split()
)
_POOLS = frozenset(
    "avg_pool2d max_pool2d_with_indices _adaptive_avg_pool2d adaptive_max_pool2d upsample_bilinear2d "
    "upsample_bicubic2d _upsample_bilinear2d_aa".split()
)
_REDUCTIONS = frozenset(("mean", "sum", "amax", "amin"))


@dataclass(frozen=True)
class Ports:
    """The labels of the channels that a module puts out [C] and reads [D]; int64. A norm reads what it puts out."""

    out: Tensor
    into: Tensor


@dataclass(frozen=True)
class Labelling:
    """The ports of the modules that were followed, by name; equal labels go together, the label 0 stays."""

    ports: Mapping[str, Ports]
    count: int
    """Labels are below this number."""
    last: frozenset[str]
    """Layers whose channels are the scores of the network themselves."""


def label_channels(model: nn.Module, example: Tensor) -> Labelling:
    """Run the network, in evaluation mode, on labels of the example's shape.

    Hooks are put on the model while it runs. What the network itself raises passes through.
    """
    follower = _Follower()
    hooks = []
    for name, module in model.named_modules():
        if name in _followable(model):
            hooks += [
                module.register_forward_pre_hook(follower.enter),
                module.register_forward_hook(follower.leaving(name)),
            ]
    try:
        with torch.no_grad(), follower:
            scores = model(follower.labels(torch.zeros_like(example)))
    finally:
        for hook in hooks:
            hook.remove()
    return follower.finish(tree_leaves(scores))


def _followable(model: nn.Module) -> frozenset[str]:
    owners: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    return frozenset(
        name
        for name, module in model.named_modules()
        if type(module).forward in _FOLLOWED
        and not isinstance(getattr(module, "weight", None), nn.UninitializedParameter)
        and set(module._parameters) >= {"weight"}  # else the weight is computed, from parameters of another shape
        and all(owners[id(parameter)] == 1 for parameter in module.parameters(recurse=False))
    )


class _Follower(TorchDispatchMode):
    """Gives labels to what layers put out, and carries them through the operations between the layers."""

    def __init__(self) -> None:
        super().__init__()
        self._inside = False
        self._known: dict[int, Tensor] = {}  # strong references, so that no id is used twice
        self._ties: list[Tensor] = []
        self._ports: dict[str, Ports] = {}
        self._layers: set[str] = set()
        self._count = 1

    def labels(self, value: Any) -> Any:
        """Remember that the tensors in `value` hold labels."""
        for tensor in tree_leaves(value):
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                self._known[id(tensor)] = tensor
        return value

    def enter(self, _module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        """Let a module run on whatever it gets, for the shape of its output only."""
        self._inside = True

    def leaving(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        """Return the hook that replaces what the module `name` puts out by labels."""

        def leave(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            result = self._layer(name, module, inputs[0], output)
            self._inside = False
            return self.labels(result)

        return leave

    def finish(self, scores: Iterable[Tensor]) -> Labelling:
        """Return all labels, with those that are tied made equal and those of the scores made 0."""
        final = torch.cat([_distinct(x) for x in scores if isinstance(x, Tensor)] or [torch.zeros(1)]).long()
        last = frozenset(n for n in self._layers if torch.isin(self._ports[n].out, final[final > 0]).any())
        self._tie(final, torch.zeros_like(final))
        root = _components(torch.cat([torch.zeros(1, 2, dtype=torch.long), *self._ties]), self._count)
        ports = {name: Ports(root[p.out], root[p.into]) for name, p in self._ports.items()}
        return Labelling(ports, self._count, last)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        labelled = [x for x in tensors if id(x) in self._known]
        if self._inside or not labelled:
            return func(*args, **kwargs)
        name = func.overloadpacket.__name__
        plain = name.removesuffix("_")
        if plain in _ELEMENTWISE:
            result = self._elementwise(tensors)
            return args[0] if plain != name else self.labels(result)
        if name in _MOVES:
            return self.labels(self._move(name, func, args, kwargs))
        output = func(*args, **kwargs)
        if name in _POOLS:
            return self.labels(self._pool(labelled[0], output))
        if name in _REDUCTIONS:
            return self.labels(self._reduce(labelled[0], output, *args[1:2]))
        for tensor in labelled:
            self._fix(tensor)
        return self.labels(tree_map(_zeros, output))

    def _layer(self, name: str, module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
        if id(x) not in self._known:
            return _zeros(output)
        if not isinstance(module, Layer):
            self._channelwise(name, module, x)
            return x
        dim = -1 if isinstance(module, nn.Linear) else -1 - len(module.kernel_size)
        into = self._read(x, dim)
        if name in self._ports:  # called before: the same weights, so the same channels
            self._tie(into, self._ports[name].into)
        else:
            fresh = torch.arange(self._count, self._count + len(module.weight))
            self._count += len(fresh)
            self._layers.add(name)
            self._ports[name] = Ports(fresh, into)
            groups = 1 if isinstance(module, nn.Linear) else module.groups
            if groups > 1:  # a group of a convolution goes as a whole, with all that it reads and puts out
                self._tie_rows(torch.cat([fresh.view(groups, -1), into.view(groups, -1)], 1))
        shape = [1] * output.ndim
        shape[dim] = -1
        return self._ports[name].out.to(output).view(shape).expand(output.shape)

    def _channelwise(self, name: str, module: nn.Module, x: Tensor) -> None:
        if isinstance(module, nn.PReLU) and module.num_parameters == 1:
            return
        labels = self._read(x, 1)
        if name in self._ports:
            self._tie(labels, self._ports[name].out)
        self._ports.setdefault(name, Ports(labels, labels))
        if isinstance(module, nn.GroupNorm):
            self._tie_rows(labels.view(module.num_groups, -1))

    def _elementwise(self, tensors: list[Tensor]) -> Tensor:
        result = tensors[0] if id(tensors[0]) in self._known else _zeros(tensors[0])
        for other in tensors[1:]:
            if id(other) not in self._known:
                other = _zeros(other)
            wide = torch.broadcast_shapes(result.shape, other.shape)
            both = [x.expand(wide) for x in (result, other)]
            if _vary_together(*both):
                self._tie(*both)
            result = torch.maximum(*_compact(*both)).expand(wide)
        return result

    def _move(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        args = tree_map(lambda x: _zeros(x) if isinstance(x, Tensor) and id(x) not in self._known else x, args)
        if name in {"view", "_unsafe_view"}:
            return args[0].reshape(args[1])
        if name == "constant_pad_nd":
            return func(*args[:2], 0)
        if name == "index_select":
            return func(*args, **kwargs)
        return func(*args, **kwargs)

    def _pool(self, x: Tensor, output: Any) -> Any:
        planes = self._shared(x, [-2, -1])
        return tree_map(lambda y: planes.expand(y.shape) if y.is_floating_point() else y, output)

    def _reduce(self, x: Tensor, output: Tensor, dims: list[int] | None = None) -> Tensor:
        return self._shared(x, list(dims or range(x.ndim))).reshape(output.shape)

    def _shared(self, x: Tensor, dims: list[int]) -> Tensor:
        """Return the one label along `dims`, kept with size 1; different ones are fixed, for they get mixed."""
        top = x.amax(dims, keepdim=True)
        if ((x != 0) & (x != top)).any():
            self._fix(x)
            return torch.zeros_like(top)
        return top

    def _read(self, x: Tensor, dim: int) -> Tensor:
        rows = _compact(x, but=dim)[0].movedim(dim, 0).flatten(1).long()
        self._tie_rows(rows)
        return rows.amax(1)

    def _tie_rows(self, rows: Tensor) -> None:
        """Tie all labels in each row; zeros beside a label are a padded border and do not count."""
        top = rows.amax(1, keepdim=True).expand_as(rows)
        self._tie(top[rows != 0], rows[rows != 0])

    def _fix(self, x: Tensor) -> None:
        labels = _distinct(x)
        self._tie(labels, torch.zeros_like(labels))

    def _tie(self, a: Tensor, b: Tensor) -> None:
        a, b = (x.long().flatten() for x in _compact(a, b))
        codes = (a * self._count + b)[a != b].unique()
        if len(codes):
            self._ties.append(torch.stack([codes // self._count, codes % self._count], 1).cpu())
