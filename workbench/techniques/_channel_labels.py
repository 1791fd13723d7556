"""Which channels of a network must go together, found by running the network on labels instead of on images.

Every channel that a layer puts out gets a label, a number of its own, and that number fills the channel in place of its
values. Whatever only moves values about (slicing, padding, concatenation, shuffling, flattening) then moves the labels
by itself, so the next layer reads in its inputs which channel arrives where. Two labels that meet, in a sum or in a
product, are tied: those channels can only go together. The label 0 is what must stay: input channels, classes, padded
zeros, constants, and all that passes through an operation that is not followed.

The dependencies between layers are those of DepGraph (Fang et al. 2023, https://arxiv.org/abs/2301.12900).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from workbench.network import Layer

_FOLLOWED = {
    kind.forward
    for kind in (
        *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.PReLU),
        *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm),
    )
}
"""Modules that know their channels. Layer norm is not among them: it mixes all channels, so none can leave."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTWISE = _names(
    "relu hardtanh hardswish hardsigmoid sigmoid silu gelu tanh leaky_relu elu celu selu softplus mish neg abs exp erf "
    "log sqrt rsqrt square pow reciprocal clamp clamp_min clamp_max add sub rsub mul div maximum minimum "
    "_to_copy clone alias detach"
)
_MOVES = _names(
    "view _unsafe_view permute transpose t cat stack expand squeeze unsqueeze roll flip repeat pixel_shuffle "
    "pixel_unshuffle constant_pad_nd reflection_pad2d replication_pad2d upsample_nearest2d"
)
_PICKS = _names("slice select split split_with_sizes unbind index_select")
_POOLS = _names(
    "avg_pool2d max_pool2d_with_indices _adaptive_avg_pool2d adaptive_max_pool2d upsample_bilinear2d "
    "upsample_bicubic2d _upsample_bilinear2d_aa"
)
_REDUCTIONS = _names("mean sum amax amin")


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
    untied: Mapping[str, Ports]
    """The same ports before labels that meet were made equal: where a label that is read comes from."""


def label_channels(model: nn.Module, example: Tensor, *, grouped: bool = True) -> Labelling:
    """Run the network, in evaluation mode, on labels of the example's shape.

    `grouped` ties all channels that a group of a convolution reads and puts out, since they can only leave together.
    Hooks are on the model while it runs. What the network itself raises passes through.
    """
    follower = _Follower(grouped=grouped)
    hooks = []
    for name, module in _followable(model).items():
        hooks.append(module.register_forward_pre_hook(follower.enter))
        hooks.append(module.register_forward_hook(follower.leave(name)))
    try:
        with torch.no_grad(), follower:
            scores = model(follower.labels(torch.zeros_like(example)))
    finally:
        for hook in hooks:
            hook.remove()
    return follower.finish(tree_leaves(scores))


def _followable(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules whose channels are understood; not those that share a parameter, or compute their weight."""
    owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    return {
        name: module
        for name, module in model.named_modules()
        if type(module).forward in _FOLLOWED
        and "weight" in module._parameters
        and all(owners[id(p)] == 1 for p in module.parameters(recurse=False))
    }


class _Follower(TorchDispatchMode):
    """Gives labels to what layers put out, and carries them through the operations between the layers."""

    def __init__(self, *, grouped: bool) -> None:
        super().__init__()
        self._grouped = grouped
        self._inside = False
        self._known: dict[int, Tensor] = {}  # strong references, so that no id is used twice
        self._ties: list[Tensor] = []
        self._ports: dict[str, Ports] = {}
        self._layers: set[str] = set()
        self._count = 1

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to skip it, torch would import its whole compiler, for a second; nobody compiles this

    def labels(self, value: Any) -> Any:
        """Remember that the tensors in `value` hold labels."""
        for tensor in tree_leaves(value):
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                self._known[id(tensor)] = tensor
        return value

    def enter(self, _module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        """Let a module run on whatever it gets, for the shape of its output only."""
        self._inside = True

    def leave(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        """Return the hook that replaces what the module `name` puts out by labels."""

        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            result = self._layer(name, module, inputs[0], output)
            self._inside = False
            self.labels(result)
            return result

        return hook

    def finish(self, scores: Iterable[Tensor]) -> Labelling:
        """Return all labels, with those that are tied made equal and those of the scores made 0."""
        final = torch.cat([torch.zeros(1), *(x.cpu().flatten() for x in scores if id(x) in self._known)])
        last = frozenset(name for name in self._layers if torch.isin(self._ports[name].out, final).any())
        self._fix(final)
        root = _components(torch.cat([torch.zeros(1, 2, dtype=torch.long), *self._ties]), self._count)
        ports = {name: Ports(root[p.out], root[p.into]) for name, p in self._ports.items()}
        return Labelling(ports, self._count, last, self._ports)

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
        if name in _PICKS:
            return self.labels(self._pick(labelled[0], func(*args, **kwargs)))
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
            return torch.zeros_like(output)
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
            if (
                groups > 1 and self._grouped
            ):  # a group of a convolution goes as a whole, with all that it reads and puts out
                self._join(torch.cat([fresh.view(groups, -1), into.view(groups, -1)], 1))
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
            self._join(labels.view(module.num_groups, -1))

    def _elementwise(self, tensors: list[Tensor]) -> Tensor:
        wide = torch.broadcast_shapes(*(x.shape for x in tensors))
        known = [x.expand(wide) for x in tensors if id(x) in self._known]
        result = known[0]
        for other in known[1:]:
            self._tie(result, other)
            result = torch.maximum(*_compact(result, other)).expand(wide)
        for constant in (x for x in tensors if id(x) not in self._known):
            if any(size > 1 and _varies(result, dim - constant.ndim) for dim, size in enumerate(constant.shape)):
                self._fix(result)  # a number of its own for each channel, which nobody would slice
        return result

    def _move(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        args = tree_map(lambda x: torch.zeros_like(x) if self._constant(x) else x, args)
        if name in {"view", "_unsafe_view"}:
            return args[0].reshape(args[1])  # labels are expanded, which a view would refuse
        if name == "constant_pad_nd":
            return func(*args[:2], 0)
        return func(*args, **kwargs)

    def _pick(self, x: Tensor, output: Any) -> Any:
        every = len(_compact(x)[0].unique())
        if any(len(_compact(part)[0].unique()) < every for part in tree_leaves(output)):
            self._fix(x)  # some channels are picked by their position, which others must not change
        return output

    def _constant(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.is_floating_point() and id(value) not in self._known

    def _pool(self, x: Tensor, output: Any) -> Any:
        planes = self._shared(x, [-2, -1])
        return tree_map(lambda y: planes.expand(y.shape) if y.is_floating_point() else y, output)

    def _reduce(self, x: Tensor, output: Tensor, dims: list[int] | None = None) -> Tensor:
        return self._shared(x, list(dims or range(x.ndim))).reshape(output.shape)

    def _shared(self, x: Tensor, dims: list[int]) -> Tensor:
        """Return the one label along `dims`, kept with size 1; where labels differ they get mixed, so all are fixed."""
        shape = list(x.shape)
        for dim in dims:
            shape[dim] = 1
        (x,) = _compact(x)
        top = x.amax(dims, keepdim=True)
        if ((x != 0) & (x != top)).any():
            self._fix(x)
        return top.expand(shape)

    def _read(self, x: Tensor, dim: int) -> Tensor:
        (x,) = _compact(x, but=dim)
        rows = x.movedim(dim, 0).flatten(1).long().cpu()
        labels = rows.amax(1)
        self._join(torch.where(rows == 0, labels[:, None], rows))  # a zero beside a label is a padded border
        return labels

    def _join(self, rows: Tensor) -> None:
        """Tie all labels in a row, for each row."""
        self._tie(rows[:, :1].expand_as(rows), rows)

    def _fix(self, x: Tensor) -> None:
        self._tie(x, x.new_zeros(()).expand_as(x))

    def _tie(self, a: Tensor, b: Tensor) -> None:
        a, b = (x.long().flatten() for x in _compact(a, b))
        codes = (a * self._count + b)[a != b].unique()
        self._ties.append(torch.stack([codes // self._count, codes % self._count], 1).cpu())


def _compact(*tensors: Tensor, but: int | None = None) -> list[Tensor]:
    """Return tensors of one shape, cut to size 1 along the dimensions in which none of them changes."""
    found = list(tensors)
    for dim in range(tensors[0].ndim):
        if all(x.stride(dim) == 0 for x in found) and (but is None or dim != but % tensors[0].ndim):
            found = [x.narrow(dim, 0, 1) for x in found]
    return found


def _varies(labels: Tensor, dim: int) -> bool:
    (labels,) = _compact(labels, but=dim)
    return bool((labels != labels.narrow(dim, 0, 1)).any())


def _zeros(value: Any) -> Any:
    return torch.zeros_like(value) if isinstance(value, Tensor) else value


def _components(ties: Tensor, count: int) -> Tensor:
    """Return for each of `count` labels the lowest one that it is tied to, by way of others or directly."""
    root = torch.arange(count)
    while True:
        low = root[ties].amin(1)
        lower = root.scatter_reduce(0, ties[:, 0], low, "amin").scatter_reduce(0, ties[:, 1], low, "amin")
        lower = lower.scatter_reduce(0, root, lower, "amin")[lower]
        if torch.equal(lower, root):
            return root
        root = lower
