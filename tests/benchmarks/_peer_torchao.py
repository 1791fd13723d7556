"""torchao: weight-only quantization of the linear layers of a torch network (https://github.com/pytorch/ao)."""

from __future__ import annotations

import copy
import logging

from _peer_case import Case, Clock, Contender, Made, NotRun, reached
from _peer_tensors import written
from torch import nn


def _torchao():
    logging.getLogger("torchao").setLevel(logging.CRITICAL)  # it tells of each kernel for a GPU that is not there
    try:
        import torchao.quantization
    except ImportError as error:
        raise NotRun(f"not installed ({error.name}): pip install torchao") from None
    return torchao.quantization


def _int8(case: Case) -> Made:
    torchao = _torchao()
    return _quantized(case, torchao.Int8WeightOnlyConfig(), (nn.Linear,))


def _int4(case: Case) -> Made:
    torchao = _torchao()
    return _quantized(case, torchao.Int4WeightOnlyConfig(group_size=32), (nn.Linear,))


def _intx(case: Case) -> Made:
    torchao = _torchao()
    import torch

    config = torchao.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=torchao.PerAxis(0))
    return _quantized(case, config, (nn.Linear,))


def _convolutions(case: Case) -> Made:
    torchao = _torchao()
    return _quantized(case, torchao.Int8WeightOnlyConfig(), (nn.Conv2d, nn.Linear))


def _quantized(case: Case, config: object, kinds: tuple[type, ...]) -> Made:
    """Return the network with all layers of these kinds quantized; the library's own choice are linear ones."""
    quantize_, model = _torchao().quantize_, copy.deepcopy(case.model)
    clock = Clock()
    quantize_(model, config, filter_fn=lambda layer, name: isinstance(layer, kinds))
    file, seconds = written(model), clock.seconds
    count = sum(hasattr(layer.weight, "__tensor_flatten__") for layer in model.modules() if isinstance(layer, kinds))
    return Made(forward=model, file=file, seconds=seconds, note=reached(case, count))


INT8 = Contender(who="torchao", how="int8 weight-only", make=_int8)
INT4 = Contender(who="torchao", how="int4 weight-only in groups of 32", make=_int4)
INTX = Contender(who="torchao", how="intx weight-only, 4 bits per channel", make=_intx)
CONVOLUTIONS = Contender(who="torchao", how="int8 weight-only, told to take convolutions too", make=_convolutions)
