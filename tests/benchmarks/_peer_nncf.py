"""NNCF: static quantization of ONNX, weight-only quantization and pruning of torch (https://github.com/openvinotoolkit/nncf)."""

from __future__ import annotations

import copy
import os

from _peer_case import Case, Clock, Contender, Made, NotRun
from _peer_onnxruntime import INPUT, exported, library, session
from _peer_tensors import written
from torch import Tensor, nn


class Whole(nn.Module):
    """A network inside of another: NNCF hangs its hooks on as a child, which a sequence would run as its last layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def _nncf():
    """Import NNCF, which is not to tell anybody; raises `NotRun`."""
    os.environ["NNCF_CI"] = "1"
    try:
        import nncf
        import nncf.torch
    except ImportError as error:
        raise NotRun(f"not installed ({error.name}): pip install nncf") from None
    return nncf


def _static(case: Case) -> Made:
    nncf = _nncf()
    library()
    import onnx

    float32 = onnx.load_from_string(exported(case))
    batches = nncf.Dataset([{INPUT: batch.numpy()} for batch in case.calibration])
    clock = Clock()
    quantized = nncf.quantize(float32, batches, subset_size=len(case.calibration))
    file, seconds = quantized.SerializeToString(), clock.seconds
    return Made(forward=session(file), file=file, seconds=seconds)


def _weights(case: Case) -> Made:
    nncf = _nncf()
    data = nncf.Dataset(list(case.calibration[:1]))  # only to follow the network: eight bits look at no data
    clock = Clock()
    model = nncf.compress_weights(Whole(case.model).eval(), mode=nncf.CompressWeightsMode.INT8_SYM, dataset=data)
    file = written(model)
    return Made(forward=model, file=file, seconds=clock.seconds)


def _prune(case: Case, ratio: float) -> Made:
    nncf = _nncf()
    mode = nncf.PruneMode.UNSTRUCTURED_MAGNITUDE_GLOBAL
    clock = Clock()
    model = nncf.prune(Whole(case.model).eval(), mode=mode, ratio=ratio, examples_inputs=case.calibration[0])
    batches = nncf.Dataset(list(case.calibration))
    model = nncf.batch_norm_adaptation(model, batches, num_iterations=len(case.calibration))
    model = nncf.strip(model, strip_format=nncf.StripFormat.IN_PLACE, example_input=case.calibration[0]).eval()
    file = written(model)
    return Made(forward=model, file=file, seconds=clock.seconds)


STATIC = Contender(who="nncf", how="W8A8 of the ONNX file, run by onnxruntime", make=_static)
WEIGHTS = Contender(who="nncf", how="compress_weights, 8 bits, symmetric", make=_weights)


def prune(ratio: float) -> Contender:
    """Return global magnitude pruning, with the statistics of batch norms taken anew."""
    how = f"{ratio:.0%} by global magnitude, batch norms adapted"
    return Contender(who="nncf", how=how, make=lambda case: _prune(case, ratio))
