"""Files of every format answer like the preview: shipped networks, LeNet-5 and ResNet-20, at five recipes each."""

from __future__ import annotations

import dataclasses
import importlib.util
import tarfile
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from workbench.activations import activation_formats
from workbench.compress import compress
from workbench.errors import Refused
from workbench.export._onnx_weights import coded_weights
from workbench.exporting import Source
from workbench.models._train import train
from workbench.models._weights import save
from workbench.recipe import Recipe, Step
from workbench.registry import exports
from workbench.resources import cache_home
from workbench.result import DataRef, Job, ModelRef
from workbench.run import Prepared, prepare
from workbench.techniques.activation_bits import ActivationBits
from workbench.techniques.channels import Channels
from workbench.techniques.low_rank import LowRank
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.n_m import NM
from workbench.techniques.vector_bits import VectorBits
from workbench.techniques.weight_bits import WeightBits

AGREEMENT = 0.999
NEAR = 0.998
"""For ResNet-20 with rounded activations in onnxruntime: torch and onnxruntime add float32 numbers in other orders, and
sums that differ in their last bit fall on other sides of a tie, layer after layer. Measured were 99.88 to 99.94 % of
5,000 images, so that the bar above would be met or missed by one image."""
CHUNK = 100
FEW = 500
"""Images for a recipe, whose network is read from the very bytes of the packed file, which answers for all of them."""
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
RECIPES: dict[str, tuple[Step, ...]] = {
    "four bits": (WeightBits(bits=4, method="nearest"),),
    "pruned codebook": (Magnitude(ratio=0.5), WeightBits(bits=4, method="kmeans", correct=False)),
    "narrow factors": (Channels(ratio=0.3, score="magnitude", refit=False), LowRank(keep=0.7, method="plain")),
    "integers": (WeightBits(bits=8, symmetric=True, method="nearest"), ActivationBits(bits=8)),
    "composed": (
        Channels(ratio=0.2, score="magnitude", refit=False),
        NM(method="magnitude"),
        WeightBits(bits=6, method="nearest"),
        ActivationBits(bits=7),
        VectorBits(),
    ),
}
EXTRAS = {"executorch": "executorch", "litert": "litert_torch"}
"""Packages without which a format does not run: the one reason to skip it."""


def digits(name: str, _shared: Path) -> Job:
    return Job(model=ModelRef(name=name), data=DataRef(name="digits"))


def lenet5(name: str, shared: Path) -> Job:
    job = Job(model=ModelRef(name=name), data=DataRef(name="mnist", root=str(shared)))
    path = cache_home() / "agreement" / "lenet5.safetensors"
    if not path.is_file():
        save(train(name, job.data, epochs=0.5), path, {"model": name})
    return Job(model=ModelRef(name=name, checkpoint=str(path)), data=job.data)


def resnet20(name: str, shared: Path) -> Job:
    folder = cache_home() / "agreement"
    if not (folder / "cifar10").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(shared / "cifar10-jpeg.tar") as tar:
            tar.extractall(folder, filter="data")
    model = ModelRef(name=name, checkpoint=str(shared / "resnet20-cifar10-jpeg.pt"), **IMAGENET)
    return Job(model=model, data=DataRef(name=f"folder:{folder / 'cifar10'}"))


JOBS: dict[str, Callable[[str, Path], Job]] = {
    **dict.fromkeys(("digits-mlp", "digits-cnn", "digits-resnet"), digits),
    "lenet5": lenet5,
    "resnet20": resnet20,
}


def scores(run: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([run(chunk) for chunk in inputs.split(CHUNK)])


@cache
def prepared(name: str, shared: Path) -> tuple[Prepared, Tensor]:
    """Return a network with its data, and all test images."""
    found = prepare(JOBS[name](name, shared))
    return found, found.test.inputs(torch.arange(len(found.test)))


@lru_cache(maxsize=1)  # tests come network by network, recipe by recipe
def preview(name: str, recipe: str, shared: Path) -> tuple[Source, Tensor]:
    """Return the compressed network and its answers, once for all formats."""
    found, images = prepared(name, shared)
    steps = Recipe(RECIPES[recipe])
    model = compress(found.model, steps, found.context)
    job = dataclasses.replace(JOBS[name](name, shared), recipe=steps)
    source = Source(
        model=model,
        example=found.context.example,
        build=found.context.build,
        about=found.about,
        recipe={"job": job.to_dict(), "hashes": {}},
    )
    return source, scores(model, images)


@pytest.mark.slow
@pytest.mark.parametrize("form", exports.names())
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", JOBS)
def test_the_file_answers_like_the_preview(
    name: str,
    recipe: str,
    form: str,
    shared_data: Path,
    tmp_path: Path,
) -> None:
    if (package := EXTRAS.get(form)) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{form} needs the package {package}, which is not installed")
    (source, shown), (job, images) = preview(name, recipe, shared_data), prepared(name, shared_data)
    writer, path = exports.get(form), tmp_path / f"file{exports.get(form).suffix}"
    if form == "onnx-int8" and not coded_weights(source.model) and not activation_formats(source.model):
        with pytest.raises(Refused, match="nothing in this network is quantized"):
            writer.write(source, path)
        return
    writer.write(source, path)
    count = FEW if form == "recipe" else len(images)
    wanted, labels = shown[:count], job.test.labels[:count]
    found = scores(writer.load(path, source), images[:count])
    agreement = (found.argmax(1) == wanted.argmax(1)).double().mean().item()
    accuracies = [(each.argmax(1) == labels).double().mean().item() for each in (found, wanted)]
    near = name == "resnet20" and form.startswith("onnx") and activation_formats(source.model)
    bar = NEAR if near else AGREEMENT
    assert agreement >= bar, f"{agreement:.4f}, largest difference {(found - wanted).abs().max():.3g}"
    assert abs(accuracies[0] - accuracies[1]) <= 1 - bar
    if writer.exact:
        assert torch.equal(found, wanted)
