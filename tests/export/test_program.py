"""The torch.export program: any number of images, rounded activations, and no file that runs code when it is loaded."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from workbench.activations import ActivationFormat, round_inputs_, round_outputs_
from workbench.errors import Refused
from workbench.export.program import Program, check_harmless
from workbench.exporting import Source
from workbench.network import layers


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("1 / 0",))


class Gate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, :2] if x.mean() > 0.5 else x[:, 0, 1, :2]


@pytest.fixture
def file(padded, images, tmp_path: Path) -> tuple[Path, nn.Module, Source]:
    model = padded(5, 9)
    for layer in layers(model).values():
        round_inputs_(layer, ActivationFormat.spanning(-0.5, 2, 4))
    for block in model.blocks:  # as Activation bits does before an addition
        round_outputs_(block.bn2, ActivationFormat.spanning(-1, 3, 5))
    source = Source(model=model, example=images[:2], build=lambda name: model)
    Program().write(source, tmp_path / "net.pt2")
    return tmp_path / "net.pt2", model, source


def test_it_rounds_as_the_network_does_for_any_number_of_images(file, images) -> None:
    path, model, source = file
    run = Program().load(path, source)
    with torch.no_grad():
        for count in (1, 2, 3):
            assert torch.equal(run(images[:count]), model(images[:count]))


def test_the_only_pickle_is_the_example(file) -> None:
    path, _, _ = file
    check_harmless(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith((".pt", ".pkl", ".pth"))]
    assert [name.partition("/")[2] for name in pickles] == ["data/sample_inputs/model.pt"]


def changed(path: Path, ending: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith(ending) else old.read(name))
    return buffer.getvalue()


def test_a_file_that_would_run_code_is_not_loaded(file) -> None:
    path, _, source = file
    buffer = io.BytesIO()
    torch.save(Evil(), buffer)
    config = {"config": {"fc.weight": {"path_name": "weight_0", "use_pickle": True}}}
    attacks = {
        "sample_inputs/model.pt": (buffer.getvalue(), "without running code"),
        "model_weights_config.json": (json.dumps(config).encode(), "fc.weight is a pickle"),
    }
    clean = path.read_bytes()
    for ending, (content, said) in attacks.items():
        path.write_bytes(clean)
        path.write_bytes(changed(path, ending, content))
        with pytest.raises(Refused, match=said):
            Program().load(path, source)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(Refused, match="no torch.export program"):
        Program().load(path, source)


def test_a_path_that_depends_on_the_images_is_refused(images, tmp_path) -> None:
    model = Gate()
    with pytest.raises(Refused, match="torch.export finds no program"):
        Program().write(Source(model=model, example=images[:2], build=lambda name: model), tmp_path / "net.pt2")
