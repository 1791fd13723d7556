"""The workbench against other libraries: same networks, same calibration images, same test images, one run.

    pip install --group peers -c constraints.txt   # pip 25.1 or newer

A library that is missing has a row that says so. Files are the contender's own: packed, ONNX, or the state dict as
safetensors; since ours is entropy-coded, those of others are given after zstd as well. Preparation and speed are in
seconds of one core; a float32 ONNX file is where the quantizers of ONNX start, so its making is not counted.

Who is ahead in accuracy is read from the paired difference on the same images, peer less workbench, where its 95 %
interval leaves out zero. The workbench's preview multiplies rounded numbers in float32; its file of integers, exported
as `onnx-int8`, runs in onnxruntime as theirs do.

`WORKBENCH_BENCH_IMAGES=500` asks for so many test images only; `WORKBENCH_BENCH_NETWORKS=digits` for the networks whose
name holds this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import _jobs
import _peer_neural_compressor as inc
import _peer_nncf as nncf
import _peer_onnxruntime as ort
import _peer_torch_pruning as tp
import _peer_torchao as torchao
from _peer_case import Case, exported, ours
from _peer_contest import contest
from torch import nn

from workbench.models._train import train
from workbench.models._weights import save
from workbench.registry import techniques
from workbench.resources import cache_home
from workbench.result import DataRef, Job, ModelRef

NETWORKS = os.environ.get("WORKBENCH_BENCH_NETWORKS", "")
PEERS = ("onnx", "onnxruntime", "nncf", "neural-compressor", "torchao", "torch-pruning")
Rows = Iterator[tuple[str, str]]


def digits(name: str) -> Job:
    """Return a digits network with its shipped weights."""
    return Job(model=ModelRef(name=name), data=DataRef(name="digits"))


def measure() -> Rows:
    """Yield the rows of all contests."""
    yield "peers", ", ".join(map(_version, PEERS))
    jobs = {
        "digits-mlp": (lambda: digits("digits-mlp"), (weights,)),
        "digits-cnn": (lambda: digits("digits-cnn"), (weights, pruned, channels)),
    }
    if _jobs.SHARED.is_dir():
        jobs |= {
            "LeNet-300-100": (lenet_300_100, (weights,)),
            "LeNet-5": (_jobs.lenet5, (weights, channels)),
            "ResNet-20": (_jobs.resnet20, (weights, pruned)),  # its channels: bench_channels
        }
    elif os.environ.get("CI"):
        raise FileNotFoundError(_jobs.SHARED)
    else:
        yield "LeNets and ResNet-20 against peers", f"not measured: there are no data in {_jobs.SHARED}"
    for title, (job, contests) in jobs.items():
        if NETWORKS in title:
            case = Case.of(title, job())
            for rows in (original, activations, *contests):
                yield from rows(case)


def lenet_300_100() -> Job:
    """Return LeNet-300-100 on MNIST, trained when it is first asked for."""
    path = cache_home() / "bench" / "lenet-300-100.safetensors"
    data = DataRef(name="mnist", root=str(_jobs.SHARED))
    if not path.is_file():
        save(train("lenet-300-100", data), path, {"model": "lenet-300-100"})
    return Job(model=ModelRef(name="lenet-300-100", checkpoint=str(path)), data=data)


def original(case: Case) -> Rows:
    """Yield the network as it is, in both formats."""
    yield from contest(case, "as it is", ours(), ort.FLOAT)


def activations(case: Case) -> Rows:
    """Yield weights and activations of eight bits, ranges from calibration images."""
    bits, activations = techniques.get("weight_bits"), techniques.get("activation_bits")(bits=8)
    integers = exported("onnx-int8", bits(bits=8, symmetric=True), activations)
    mine = ours(bits(bits=8), activations)
    yield from contest(case, "W8A8", mine, integers, ort.STATIC, ort.DYNAMIC, nncf.STATIC, inc.STATIC)


def weights(case: Case) -> Rows:
    """Yield weights of eight and of four bits, activations free. Most libraries know linear layers only."""
    bits = techniques.get("weight_bits")
    eight = [nncf.WEIGHTS, ort.blocks(8), torchao.INT8, inc.weights(8)]
    if any(isinstance(module, nn.Conv2d) for module in case.model.modules()):
        eight.append(torchao.CONVOLUTIONS)
    yield from contest(case, "8-bit weights", ours(bits(bits=8)), *eight)
    four = (ort.blocks(4), torchao.INT4, torchao.INTX, inc.weights(4))
    yield from contest(case, "4-bit weights", ours(bits(bits=4)), *four)


def pruned(case: Case) -> Rows:
    """Yield single weights at matched sparsity."""
    for ratio in (0.5, 0.8):
        mine = ours(techniques.get("magnitude")(ratio=ratio))
        yield from contest(case, f"{ratio:.0%} of the weights pruned", mine, nncf.prune(ratio))


def channels(case: Case) -> Rows:
    """Yield whole channels, the MACs of each at most the same share of the original's."""
    norms = any(isinstance(module, nn.BatchNorm2d) for module in case.model.modules())
    for share in (0.7, 0.5):
        mine = ours(techniques.get("channels")(ratio=round(1 - share, 2), by="macs"))
        theirs = [tp.channels("magnitude", share), tp.channels("Taylor", share)]
        if norms:
            theirs += [tp.channels("magnitude", share, norms=True), tp.channels("Taylor", share, norms=True)]
        yield from contest(case, f"at most {share:.0%} of the MACs", mine, *theirs)


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"
