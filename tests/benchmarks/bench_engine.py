"""From a recipe to rows, without a browser: the digits networks, and ResNet-20 on real CIFAR-10 images."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.resources import cache_home
from workbench.result import DataRef, Job, ModelRef
from workbench.run import run

SHARED = Path(__file__).parents[3] / "shared" / "data"
TURNS = 15


def spread(times: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(times)
    return f"median {1000 * statistics.median(ordered):.0f} ms, 95 % {1000 * ordered[int(0.95 * len(ordered))]:.0f} ms"


def moves(model: ModelRef, data: DataRef) -> Iterator[tuple[str, str]]:
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    firsts, finals, images = [], [], 0
    for turn in range(TURNS + 1):
        recipe = Recipe((prune(ratio=0.5 + turn / 100), bits(bits=4)))
        start = time.perf_counter()
        first = None
        for row in run(Job(model=model, data=data, recipe=recipe)):
            first = first or time.perf_counter() - start
            images = row.estimates["accuracy"].n
        if turn:  # the first one also loads
            firsts.append(first)
            finals.append(time.perf_counter() - start)
    yield f"{model.name}: recipe to first row with interval and bytes", spread(firsts)
    yield f"{model.name}: recipe to final row, {images:,} images", spread(finals)


def cifar() -> DataRef:
    """The JPEG images of CIFAR-10, unpacked once into the cache folder."""
    folder = cache_home() / "bench"
    if not (folder / "cifar10").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(SHARED / "cifar10-jpeg.tar") as tar:
            tar.extractall(folder, filter="data")
    return DataRef(name=f"folder:{folder / 'cifar10'}")


RESNET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def measure() -> Iterator[tuple[str, str]]:
    imports = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import workbench"], check=True)
        imports.append(time.perf_counter() - start)
    bare = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        bare.append(time.perf_counter() - start)
    took = statistics.median(imports) - statistics.median(bare)
    yield "`import workbench`, beyond starting Python", f"median {1000 * took:.0f} ms"
    for name in ("digits-mlp", "digits-cnn", "digits-resnet"):
        yield from moves(ModelRef(name=name), DataRef(name="digits"))
    if SHARED.is_dir():
        model = ModelRef(name="resnet20", checkpoint=str(SHARED / "resnet20-cifar10-jpeg.pt"), **RESNET)
        yield from moves(model, cifar())
    else:
        yield "resnet20 on CIFAR-10", f"not measured: there are no data in {SHARED}"
