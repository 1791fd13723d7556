"""One layer as two thinner ones: which two shapes that can be, and the pair of layers itself.

With `rank` channels in between, a weight [O, I, kh, kw] becomes one of

    channel   [rank, I, kh, kw] then [O, rank, 1, 1]    (Zhang et al. 2016, https://arxiv.org/abs/1505.06798)
    spatial   [rank, I, kh, 1] then [O, rank, 1, kw]    (Jaderberg et al. 2014, https://arxiv.org/abs/1405.3866)

and the weight [O, I] of a linear layer [rank, I] then [O, rank], which counts as `channel`. The factors of `conv1` are
the layers `conv1.0` and `conv1.1`, and whatever works on layers works on them. The shapes of their weights say all that
there is to know of a pair, so a file needs to store nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from torch import nn

from workbench.errors import Refused
from workbench.network import Layer

FORMS = CHANNEL, SPATIAL = "channel", "spatial"
_KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@final
class Pair(nn.Sequential):
    """Two layers in the place of one."""

    @property
    def parts(self) -> tuple[Layer, Layer]:
        """The layer that reads, and the one that puts out."""
        first, second = self
        return first, second  # type: ignore[return-value]


def plain(layer: nn.Module) -> bool:
    """Return whether the layer does what its kind does, ungrouped: only then two others can stand in for it."""
    kind = next((kind for kind in _KINDS if isinstance(layer, kind)), None)
    return kind is not None and type(layer).forward is kind.forward and getattr(layer, "groups", 1) == 1


def forms(layer: Layer) -> tuple[str, ...]:
    """Return in which forms the layer can be factored: kernels of height or width 1 have nothing to split in space."""
    return (CHANNEL, SPATIAL) if isinstance(layer, nn.Conv2d) and min(layer.kernel_size) > 1 else (CHANNEL,)


def shapes(layer: Layer, form: str, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of both weights."""
    outputs, inputs, *kernel = layer.weight.shape
    if form == SPATIAL:
        return (rank, inputs, kernel[0], 1), (outputs, rank, 1, kernel[1])
    return (rank, inputs, *kernel), (outputs, rank, *(1 for _ in kernel))


def full_rank(layer: Layer, form: str) -> int:
    """Return the smallest rank at which the pair can be whatever the layer is."""
    outputs, inputs, *kernel = layer.weight.shape
    if form == SPATIAL:
        return min(inputs * kernel[0], outputs * kernel[1])
    return min(outputs, layer.weight[0].numel())


def pair(layer: Layer, form: str, rank: int) -> Pair:
    """Return the two layers in place of one, on its device and of its type; what their weights hold is undefined.

    Stride, padding and dilation go with the axis that a factor works along, so that both together read what the one
    layer reads. Only the second has a bias, if the layer has one.
    """
    outputs, inputs, *_ = layer.weight.shape
    first, second = shapes(layer, form, rank)
    along = [form == CHANNEL or axis == 0 for axis in range(len(first) - 2)]
    made = Pair(
        _part(layer, inputs, rank, first[2:], along, bias=False),
        _part(layer, rank, outputs, second[2:], [not own for own in along], bias=layer.bias is not None),
    )
    made = made.to_empty(device=layer.weight.device).to(layer.weight.dtype).train(layer.training)
    for name, parameter in made.named_parameters():
        source = layer.bias if name == "1.bias" else layer.weight
        parameter.requires_grad_(source is not None and source.requires_grad)
    return made


def _part(layer: Layer, inputs: int, outputs: int, kernel: tuple[int, ...], along: list[bool], *, bias: bool) -> Layer:
    if isinstance(layer, nn.Linear):
        return nn.Linear(inputs, outputs, bias=bias, device="meta")
    kind: Any = next(kind for kind in _KINDS if isinstance(layer, kind))

    def own(values: tuple[int, ...], other: int) -> tuple[int, ...]:
        return tuple(value if mine else other for value, mine in zip(values, along, strict=True))

    made: Layer = kind(
        inputs,
        outputs,
        kernel,
        stride=own(layer.stride, 1),
        padding=layer.padding if isinstance(layer.padding, str) else own(layer.padding, 0),
        dilation=own(layer.dilation, 1),
        padding_mode=layer.padding_mode,
        bias=bias,
        device="meta",
    )
    return made


def replace_(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of another, in place; `name` must not be that of the model itself."""
    parent, _, key = name.rpartition(".")
    model.get_submodule(parent)._modules[key] = module


def pair_up_(model: nn.Module, stored: Mapping[str, tuple[int, ...]]) -> None:
    """Put pairs in the place of layers where tensors of these names and shapes ask for them, in place.

    Other tensors of a pair may be narrower than the layer, as channel pruning leaves them. Raises `Refused` for factors
    that no pair of this layer can have, and so allocates no more than a multiple of what the network takes.
    """
    for name, layer in list(model.named_modules()):
        shape = [stored.get(f"{name}.{part}.weight", ()) for part in (0, 1)]
        if not isinstance(layer, Layer) or not name or not all(shape) or f"{name}.weight" in stored:
            continue
        rank = shape[0][0]
        form = next((form for form in forms(layer) if _kernels(shape) == _kernels(shapes(layer, form, 1))), None)
        if form is None or not plain(layer) or not 1 <= rank <= full_rank(layer, form):
            raise Refused(
                f"the file does not fit: no factors of {name} {list(layer.weight.shape)} can have the shapes "
                f"{list(shape[0])} and {list(shape[1])}"
            )
        replace_(model, name, pair(layer, form, rank))


def _kernels(shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [(len(shape), *shape[2:]) for shape in shapes]
