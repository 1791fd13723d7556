"""The tensors of a network as a reader without this project can take them: whole numbers with their scale, or as is.

A weight on a grid is kept under four names, of which the last two are there where they are needed:

    NAME.codes  [out, ...]   whole numbers, int8 or uint8
    NAME.scale  [out] or [1] float32
    NAME.zero   [out] or [1] float32, the code of 0.0
    NAME.values [K]          float32: the code k stands for value k of them

weight = (codes - zero) * scale, or values[codes]; `DECODER` does it, to the same bits. Codes are one to a byte: the
archive around them is deflated, which takes a weight of four bits to four bits or less.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.export._tensors import same_bits
from workbench.grid import Grid
from workbench.network import Layer, weight_format

DECODER = '''
def decoded(stored):
    """Return the weights: some are kept as small whole numbers, with a scale for each output channel."""
    tensors = {}
    for name, tensor in stored.items():
        weight, _, kind = name.rpartition(".")
        if kind not in ("codes", "scale", "zero", "values"):
            tensors[name] = tensor.float() if tensor.dtype == torch.float16 else tensor
        elif kind == "codes" and f"{weight}.values" in stored:
            tensors[weight] = stored[f"{weight}.values"][tensor.long()]
        elif kind == "codes":
            shape = (-1, *[1] * (tensor.ndim - 1))
            zero = stored.get(f"{weight}.zero", torch.zeros(1))
            tensors[weight] = (tensor.float() - zero.view(shape)) * stored[f"{weight}.scale"].view(shape)
    return tensors
'''


def stored(module: nn.Module, key: str, tensor: Tensor) -> dict[str, Tensor]:
    """Return what is kept of a tensor of a module, by what follows its name: at most its own bytes, bit for bit."""
    tensor = tensor.detach().cpu().contiguous().clone()
    grid = weight_format(module).grid if isinstance(module, Layer) and key == "weight" else None
    if grid is None or tensor.dtype != torch.float32:
        return {"": tensor}
    if grid.spec.bits == 16:
        half = tensor.half()
        return {"": half if same_bits(half.float(), tensor) else tensor}
    kept = _coded(tensor, grid.to("cpu"))
    return kept if same_bits(_decoded(kept), tensor) else {"": tensor}


def _coded(weight: Tensor, grid: Grid) -> dict[str, Tensor]:
    codes = grid.encode(weight)
    if grid.spec.kind == "codebook":
        return {".codes": codes.to(torch.uint8), ".values": torch.cat((torch.zeros(1), grid.levels))}
    if grid.spec.kind == "powers":
        values, places = weight.unique(return_inverse=True)
        few = len(values) <= 256
        return {".codes": places.to(torch.uint8), ".values": values} if few else {"": weight}
    kind = torch.uint8 if grid.spec.lowest == 0 else torch.int8
    kept = {".codes": codes.to(kind), ".scale": grid.scale.clone()}
    return kept | {".zero": grid.zero.clone()} if grid.zero.any() else kept


def _decoded(kept: dict[str, Tensor]) -> Tensor:
    """Do what `DECODER` does."""
    if ".codes" not in kept:
        return kept[""]
    codes = kept[".codes"]
    if ".values" in kept:
        return kept[".values"][codes.long()]
    shape = (-1, *[1] * (codes.ndim - 1))
    zero = kept.get(".zero", torch.zeros(1))
    return (codes.float() - zero.view(shape)) * kept[".scale"].view(shape)
