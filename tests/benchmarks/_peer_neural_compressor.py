"""Intel Neural Compressor: what its torch part still offers on a CPU (https://github.com/intel/neural-compressor)."""

from __future__ import annotations

import copy

import torch
from _peer_case import Case, Clock, Contender, Made, NotRun, reached
from _peer_tensors import written


def _library():
    try:
        import neural_compressor.torch.quantization
    except ImportError as error:
        raise NotRun(f"not installed ({error.name}): pip install 'neural-compressor[pt]' accelerate") from None
    return neural_compressor.torch.quantization


def _weights(case: Case, bits: int) -> Made:
    library = _library()
    config = library.RTNConfig(bits=bits, group_size=32, use_layer_wise=False)
    clock = Clock()
    model = library.convert(library.prepare(copy.deepcopy(case.model), config))
    file, seconds = written(model), clock.seconds
    count = sum("WeightOnly" in type(module).__name__ for module in model.modules())
    return Made(forward=model, file=file, seconds=seconds, note=reached(case, count))


def _static(case: Case) -> Made:
    library = _library()
    import neural_compressor.torch.algorithms.pt2e_quant.core  # noqa: F401  # not to count its import
    from neural_compressor.torch.export import export

    batch = {0: torch.export.Dim("n", min=2, max=1024)}
    clock = Clock()
    graph = export(copy.deepcopy(case.model), example_inputs=(case.calibration[0],), dynamic_shapes=(batch,))
    prepared = library.prepare(graph, library.get_default_static_config())
    for batch in case.calibration:
        prepared(batch)
    model = library.convert(prepared)
    file, note = written(model), "weights rounded but kept in float32"
    return Made(forward=model, file=file, seconds=clock.seconds, note=note)


STATIC = Contender(who="neural-compressor", how="static W8A8 (PT2E)", make=_static)


def weights(bits: int) -> Contender:
    """Return round to nearest, linear layers only."""
    return Contender(
        who="neural-compressor", how=f"RTN, {bits} bits in groups of 32", make=lambda case: _weights(case, bits)
    )
