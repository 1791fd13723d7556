"""What several benchmarks ask of: the same networks, the same images, the same words for numbers."""

from __future__ import annotations

import dataclasses
import tarfile
import time
from pathlib import Path

from workbench.models._train import varied
from workbench.models._weights import save
from workbench.recipe import Recipe
from workbench.resources import cache_home
from workbench.result import DataRef, Estimate, Job, ModelRef, Result
from workbench.run import prepare, run
from workbench.training import Schedule, fit

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data"
RESNET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def cifar() -> DataRef:
    """Return the JPEG images of CIFAR-10, unpacked once into the cache folder; its test split has 5,000 images."""
    folder = cache_home() / "bench"
    if not (folder / "cifar10").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(SHARED / "cifar10-jpeg.tar") as tar:
            tar.extractall(folder, filter="data")
    return DataRef(name=f"folder:{folder / 'cifar10'}")


def resnet20() -> Job:
    """Return ResNet-20 as it was fine-tuned on the JPEG images."""
    model = ModelRef(name="resnet20", checkpoint=str(SHARED / "resnet20-cifar10-jpeg.pt"), **RESNET)
    return Job(model=model, data=cifar())


def own(function: str, epochs: float = 1) -> Job:
    """Return a network of `networks.py`, trained on the CIFAR images when it is first asked for."""
    path = cache_home() / "bench" / f"{function}.safetensors"
    job = Job(model=ModelRef(name=f"user:{HERE / 'networks.py'}:{function}", **RESNET), data=cifar())
    if not path.is_file():
        save(_trained(job, epochs, 0.1), path, {"model": function})
    return dataclasses.replace(job, model=dataclasses.replace(job.model, checkpoint=str(path)))


def lenet5() -> Job:
    """Return LeNet-5 on MNIST, trained when it is first asked for."""
    path = cache_home() / "bench" / "lenet5.safetensors"
    job = Job(model=ModelRef(name="lenet5", checkpoint=str(path)), data=DataRef(name="mnist", root=str(SHARED)))
    if not path.is_file():
        from workbench.models._train import train

        save(train("lenet5", job.data), path, {"model": "lenet5"})
    return job


def _trained(job: Job, epochs: float, lr: float):
    ctx = prepare(job).context
    augment = varied(prepare(job).test._preprocess, mirror=True)
    return fit(ctx.original, ctx, Schedule(epochs=epochs, lr=lr, batch=128), title="training", augment=augment)


def last(job: Job, *steps) -> tuple[Result, float]:
    """Return the final row of a job with these steps, and the seconds until its first row."""
    start = time.perf_counter()
    rows = run(dataclasses.replace(job, recipe=Recipe(steps)))
    row = next(rows)
    took = time.perf_counter() - start
    *_, row = (row, *rows)
    if row.message:
        raise SystemExit(row.message)
    return row, took


def points(estimate: Estimate) -> str:
    """Return a fraction with its interval in percent."""
    return f"{100 * estimate.value:.2f} % [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def change(row: Result) -> str:
    """Return the paired difference to the original with its interval, in points."""
    found = row.estimates["change"]
    return f"{100 * found.value:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
