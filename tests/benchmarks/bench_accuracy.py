"""How sure a few images make us, and how fast images are run: ResNet-20 on real CIFAR-10 images.

Sampling is repeated with the answers of networks that were asked once: the same network, another random order.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import _jobs
import torch
from torch import Tensor, nn

from workbench.compress import compress
from workbench.forward import _folded, _pairs, _twin
from workbench.images import Preprocess, TensorImages, View
from workbench.measure._answers import answers
from workbench.measure._intervals import finite
from workbench.measure._look import Look
from workbench.measure._stream import stream
from workbench.measuring import Subject
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.run import Prepared, prepare

ORDERS = 200
STAGES = (128, 256, 512, 1024)
IMAGES, TURNS = 512, 5


class Table(nn.Module):
    """Answers from scores [N, classes] that are known; an image is its number."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, x: Tensor) -> Tensor:
        return self.scores[(x[:, :, 0, 0] * 255).round().long() @ torch.tensor([65536, 256, 1])]


def numbered(labels: Tensor) -> View:
    numbers = torch.arange(len(labels))
    pixels = torch.stack([numbers // 65536, numbers // 256 % 256, numbers % 256], 1).to(torch.uint8)
    return View(TensorImages(pixels.view(-1, 3, 1, 1), labels), Preprocess((3, 1, 1), (0.0,) * 3, (1.0,) * 3))


def scores(model: nn.Module, test: View) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model(inputs) for _, inputs, _ in test.batches(64)])


def looks(original: Tensor, compressed: Tensor, test: View, seed: int) -> list[Look]:
    """Return the looks at every stage when images are drawn in the order of the seed."""
    before = Subject(model=Table(original), test=test, seed=seed)
    answers(before).ask(torch.arange(len(test)))
    subject = Subject(model=Table(compressed), test=test, seed=seed, original=before)
    return list(itertools.islice(stream(subject), len(STAGES)))


def sampling(name: str, original: Tensor, compressed: Tensor, test: View) -> Iterator[tuple[str, str]]:
    right = compressed.argmax(1) == test.labels
    truth, total = float(right.double().mean()), len(test)
    flips = float((right != (original.argmax(1) == test.labels)).double().mean())
    streams = [looks(original, compressed, test, seed) for seed in range(ORDERS)]
    orders = [torch.randperm(total, generator=torch.Generator().manual_seed(seed)) for seed in range(ORDERS)]
    for stage, n in enumerate(STAGES):
        ours = [stages[stage].accuracy for stages in streams]
        hits = [int(right[order[:n]].sum()) for order in orders]
        plain = [finite(k, n, total) for k in hits]
        held = sum(known.whole[0] <= truth <= known.whole[1] for known in ours)
        told = (
            f"± {_half([known.whole for known in ours])} points, held by {held / ORDERS:.1%}, "
            f"95 % of errors below {_error([known.value - truth for known in ours])}; "
            f"in a random order ± {_half(plain)}, errors below {_error([k / n - truth for k in hits])}"
        )
        yield f"{name}: {100 * truth:.2f} %, {flips:.1%} flipped: {n} of {total:,} images, {ORDERS} orders", told


def _half(intervals: list[tuple[float, float]]) -> str:
    return f"{50 * statistics.mean(high - low for low, high in intervals):.2f}"


def _error(errors: list[float]) -> str:
    return f"{100 * sorted(map(abs, errors))[int(0.95 * len(errors))]:.2f}"


def damages(prepared: Prepared) -> dict[str, nn.Module]:
    bits, prune = techniques.get("weight_bits"), techniques.get("magnitude")
    steps = {
        "4 bits": bits(bits=4),
        "3 bits": bits(bits=3),
        "2 bits": bits(bits=2),
        "4 bits, round to nearest": bits(bits=4, method="nearest", correct=False),
        "90 % pruned by magnitude alone": prune(ratio=0.9, method="mask", score="magnitude"),
    }
    return {name: compress(prepared.model, Recipe((step,)), prepared.context) for name, step in steps.items()}


def paths(model: nn.Module, inputs: Tensor) -> Iterator[tuple[str, str]]:
    """Time ways to ask the network. bfloat16 changes answers near the boundary, and is never what is shown."""
    pairs = _pairs(model, inputs)
    last, folded = _twin(model, ()), _twin(model, pairs)
    found: dict[str, tuple[Callable[[Tensor], Tensor], Tensor]] = {
        "as it is": (model, inputs),
        "channels last": (last, inputs),
        "channels last, batch norm folded (taken where 15 % faster)": (folded, inputs),
        "the same in bfloat16": (_half_precision(model, pairs), inputs),
    }
    skipped = {}
    for name, make in (("torch.compile", _compiled), ("onnxruntime", _onnx)):
        try:
            start = time.perf_counter()
            forward = make(model, inputs)
            forward(inputs[:64])
            found[f"{name}, after {time.perf_counter() - start:.1f} s for each network"] = (forward, inputs)
        except Exception as error:  # missing compiler or library; whatever it is, it is told
            skipped[name] = f"not measured: {type(error).__name__}: {str(error).splitlines()[0]}"
    with torch.inference_mode():
        expected = model(inputs).argmax(1)
        for name, (forward, x) in found.items():
            sizes = (32, 64, 128, 256) if name == "as it is" else (64,)
            for size in sizes:
                took = min(_seconds(forward, x, size) for _ in range(TURNS))
                given = torch.cat([forward(batch) for batch in x.split(64)]).argmax(1)
                other = f"{int((given != expected).sum())} of {len(x)} answers differ"
                yield f"ResNet-20 {name}, batches of {size}", f"{1e6 * took / len(x):.0f} µs an image, {other}"
    for name, why in skipped.items():
        yield f"ResNet-20 {name}", why


def _seconds(forward: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> float:
    start = time.perf_counter()
    for batch in inputs.split(size):
        forward(batch)
    return time.perf_counter() - start


def _half_precision(model: nn.Module, pairs: tuple[tuple[str, str], ...]) -> Callable[[Tensor], Tensor]:
    network = _folded(model, pairs).bfloat16()
    return lambda x: network(x.bfloat16().contiguous(memory_format=torch.channels_last)).float()


def _compiled(model: nn.Module, inputs: Tensor) -> Callable[[Tensor], Tensor]:
    compiled = torch.compile(model)
    with torch.inference_mode():
        compiled(inputs[:64])
    return compiled


def _onnx(model: nn.Module, inputs: Tensor) -> Callable[[Tensor], Tensor]:
    import io

    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(model, (inputs[:64],), file, dynamo=False, dynamic_axes={"x": {0: "n"}}, input_names=["x"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"x": x.numpy()})[0])


def measure() -> Iterator[tuple[str, str]]:
    if not _jobs.SHARED.is_dir():
        yield "images for certainty, evaluation paths", f"not measured: there are no data in {_jobs.SHARED}"
        return
    prepared = prepare(_jobs.resnet20())
    yield from paths(prepared.model, prepared.test.inputs(torch.arange(IMAGES)))
    original, test = scores(prepared.model, prepared.test), numbered(prepared.test.labels)
    for name, model in damages(prepared).items():
        yield from sampling(f"ResNet-20, {name}", original, scores(model, prepared.test), test)
