"""What ONNX cannot say is refused with the place and the way out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.export import _onnx_packages
from workbench.exporting import Source
from workbench.registry import exports


def source(model: nn.Module) -> Source:
    return Source(model=model, example=torch.ones(2, 4, 6, 6), build=lambda _: nn.Module())


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 0 else x


class Bessel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


class TwoImages(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, -1)


class Counting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[number].flatten() for number in range(len(x))])


class WidthByValue(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, : int(x.abs().max() * 3) + 1]


class ThroughNumpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy() * 2)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (Branches(), r"module 0\.1 decides by the values of the images.*torch\.where"),
        (WidthByValue(), r"module 0\.1 decides by the values of the images"),
        (Bessel(), r"module 0\.1 computes bessel_j0, which ONNX has no operator for"),
        (TwoImages(), "one number of images only"),
        (Counting(), "one number of images only"),
        (ThroughNumpy(), r"module 0\.1 cannot be traced for ONNX \(RuntimeError: .*numpy"),
    ],
)
def test_modules_that_onnx_cannot_hold(module: nn.Module, sentence: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Sequential(nn.ReLU(), module)).eval()
    with pytest.raises(Refused, match=sentence):
        exports.get("onnx").write(source(model), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_an_old_onnxruntime_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_onnx_packages, "_imported", lambda name: SimpleNamespace(__version__="1.17.3"))
    with pytest.raises(Refused, match=r"onnxruntime 1\.22 or newer.*found 1\.17\.3"):
        exports.get("onnx").load(tmp_path / "a.onnx", source(nn.Flatten()))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(_onnx_packages.importlib, "import_module", missing)
    with pytest.raises(Refused, match=r"need the package onnx, which is not installed: pip install"):
        exports.get("onnx").write(source(nn.Flatten()), tmp_path / "a.onnx")


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(Refused, match="cannot run this file"):
        exports.get("onnx").load(tmp_path / "a.onnx", source(nn.Flatten()))


def test_a_module_whose_name_is_no_name_is_named(tmp_path: Path) -> None:
    model = nn.Sequential()
    model.add_module('a b"c', nn.Flatten())
    with pytest.raises(Refused, match="""module 'a b"c' cannot be written as ONNX: expected letters"""):
        exports.get("onnx").write(source(model), tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_nothing_of_what_the_exporter_says_to_itself_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refused):
        exports.get("onnx").write(source(Branches()), tmp_path / "net.onnx")
    assert capsys.readouterr() == ("", "")
