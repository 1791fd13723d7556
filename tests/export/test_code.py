"""The network as Python: the same bits, from a page that needs torch and safetensors alone, and that is readable."""

from __future__ import annotations

import pickletools
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.activations import ActivationFormat, round_inputs_, round_outputs_
from workbench.errors import Refused
from workbench.export._constructors import constructor
from workbench.export._script import Names, forward_lines
from workbench.export._stored import DECODER, stored
from workbench.export._tape import record
from workbench.export.code import Code
from workbench.exporting import Source
from workbench.grid import Grid, GridSpec
from workbench.network import hold_, layers

ALONE = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"workbench", "widgets", "torchvision", "onnx", "onnxruntime"}:
            raise ImportError(f"{name} is not allowed here")

sys.meta_path.insert(0, Nothing())
sys.path.insert(0, sys.argv[1])
import torch
import model
from safetensors.torch import load_file, save_file

with torch.no_grad():
    save_file({"scores": model.load()(load_file(sys.argv[2])["images"])}, sys.argv[3])
assert "workbench" not in sys.modules
"""


def source(model: nn.Module, images: Tensor, classes: tuple[str, ...] = ("a", "b"), **facts: Any) -> Source:
    shape = list(images.shape[1:])
    about = {"input": {"shape": shape, "mean": [0.5] * shape[0], "std": [0.25] * shape[0]}, "classes": list(classes)}
    return Source(model=model.eval(), example=images[:2], build=lambda name: model, about=about, **facts)


def written(model: nn.Module, images: Tensor, path: Path, **facts: Any) -> tuple[str, Callable[[Tensor], Tensor]]:
    """Return model.py, and what runs it."""
    given = source(model, images, **facts)
    Code().write(given, path)
    with zipfile.ZipFile(path) as archive:
        return archive.read("model.py").decode(), Code().load(path, given)


def same(model: nn.Module, images: Tensor, path: Path) -> str:
    """Check that the code gives the same bits for one, two and many images; return it."""
    code, run = written(model, images, path)
    with torch.no_grad():
        for count in (1, 2, len(images)):
            assert torch.equal(run(images[:count]), model.eval()(images[:count]))
    return code


class Busy(nn.Module):
    """Much of what a network of somebody's own may do between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Conv2d(1, 4, 3, padding=1)  # a name that values have
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 1) for _ in range(2)])
        self.scale = nn.Parameter(torch.rand(4))
        self.register_buffer("shift", torch.rand(4))
        self.offset = torch.arange(4.0)  # neither a parameter nor a buffer
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(16, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.x(x))
        for block in self.blocks:
            x = x + block(self.drop(x))
        x = x * self.scale[None, :, None, None] - self.shift.view(1, -1, 1, 1) + self.offset[:, None, None]
        left, right = x.chunk(2, dim=1)
        x = torch.cat([right * 2, -left], 1)
        x[:, 0] = 0.5
        y = x
        y += 1.0
        x = F.avg_pool2d(F.gelu(x + y), 4).reshape(x.size(0), -1)
        x = x.view(x.shape[0] * 2, 8).view(-1, 16)
        x = F.linear(self.linear(x), self.linear.weight.T) / (1 + x.abs().amax(1, keepdim=True)) ** 2
        return self.head(1 - x)


class Decides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(OrderedDict(gate=Gate()))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.flatten(1))


class Gate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2] if x.mean() > 0.5 else x[:, 2:4]


class Counts(nn.Module):
    """Does for an odd number of images what it does not for an even one."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, : 2 + 3 * (len(x) % 2)]


GRIDS = [
    {"bits": 1},
    {"bits": 2},
    {"bits": 4, "per_channel": False},
    {"bits": 8},
    {"bits": 8, "symmetric": False},
    {"bits": 5, "symmetric": False, "per_channel": False},
    {"bits": 16},
    {"bits": 4, "kind": "codebook"},
    {"bits": 1, "kind": "codebook"},
    {"bits": 3, "kind": "powers"},
    {"bits": 8, "kind": "powers", "per_channel": False},
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("prune", [0.0, 0.6])
def test_every_grid_gives_the_same_bits_in_less_than_half_the_bytes(
    plain, compressed, images, tmp_path, grid, prune
) -> None:
    model, path = plain(), tmp_path / "net.zip"
    same(model, images, path)
    dense = zipfile.ZipFile(path).getinfo("model.safetensors").file_size
    same(compressed(model, prune=prune, **grid), images, path)
    coded = zipfile.ZipFile(path).getinfo("model.safetensors").file_size
    assert coded < (0.6 if grid["bits"] == 16 else 0.45) * dense


def test_a_network_of_somebodys_own(images, tmp_path) -> None:
    code = same(Busy(), images, tmp_path / "net.zip")
    assert "batch = len(x)" in code
    assert "2 * batch" in code
    assert "self.x_ = nn.Conv2d(1, 4, 3, padding=1)" in code
    assert "Dropout" not in code


def test_padded_shortcuts_pair_by_pair(padded, images, tmp_path) -> None:
    code = same(padded(6, 10), images, tmp_path / "net.zip")
    assert "self.blocks_0_conv1 = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False)" in code
    assert "# blocks.1" in code


def test_the_rounding_of_activations_is_plain_code(plain, images, tmp_path) -> None:
    model = plain()
    first, second, third = layers(model).values()
    round_inputs_(first, ActivationFormat.spanning(-0.3, 1.1, 8))
    round_inputs_(second, ActivationFormat.spanning(0, 2, 3))
    round_inputs_(third, ActivationFormat(bits=16))
    round_outputs_(third, ActivationFormat.spanning(-4, 4, 6))
    code = same(model, images, tmp_path / "net.zip")
    assert code.count("rounded(") == 3 + 1  # and its definition
    assert code.count("rounded_to_half(") == 1 + 1


def test_operands_of_additions_are_rounded_where_they_are_put_out(padded, images, tmp_path) -> None:
    model = padded(6, 10)
    for layer in layers(model).values():
        round_inputs_(layer, ActivationFormat.spanning(-0.5, 2, 8))
    before = same(model, images, tmp_path / "net.zip")
    for block in (model.stem, model.blocks[0], *(block.bn2 for block in model.blocks)):
        round_outputs_(block, ActivationFormat.spanning(-1, 3, 5))
    code = same(model, images, tmp_path / "net.zip")
    assert code.count("bits=5") == 4
    assert before.count("bits=8") == code.count("bits=8")


def test_a_person_reads_this() -> None:
    model = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 3, (3, 1), stride=2, bias=False),
            bn1=nn.BatchNorm2d(3, eps=1e-3),
            relu1=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d((1, 1)),
            flatten=nn.Flatten(),
            fc=nn.Linear(3, 2),
        )
    )
    tape = record(model.eval(), torch.rand(2, 1, 8, 8))
    assert tape.constructors == {
        "conv1": "nn.Conv2d(1, 3, (3, 1), stride=2, bias=False)",
        "bn1": "nn.BatchNorm2d(3, eps=0.001)",
        "relu1": "nn.ReLU()",
        "pool": "nn.AdaptiveAvgPool2d((1, 1))",
        "flatten": "nn.Flatten()",
        "fc": "nn.Linear(3, 2)",
    }
    assert forward_lines(tape, Names(tape)) == [
        "x = self.flatten(self.pool(self.relu1(self.bn1(self.conv1(x)))))",
        "return self.fc(x)",
    ]


def test_a_residual_block_keeps_what_it_adds() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.two(F.relu(self.one(x))) + x)

    model = nn.Sequential(OrderedDict(flat=nn.Flatten(), block=Block(), fc=nn.Linear(4, 2)))
    tape = record(model, torch.rand(2, 1, 2, 2))
    assert forward_lines(tape, Names(tape)) == [
        "x = self.flat(x)",
        "",
        "# block",
        "y = F.relu(self.block_one(x))",
        "x = F.relu(self.block_two(y) + x)",
        "",
        "return self.fc(x)",
    ]


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.MaxPool2d(2), "nn.MaxPool2d(2)"),
        (nn.MaxPool2d(3, 2, padding=1), "nn.MaxPool2d(3, stride=2, padding=1)"),
        (nn.Conv2d(4, 8, 3, padding="same", groups=2), "nn.Conv2d(4, 8, 3, padding='same', groups=2)"),
        (nn.ReLU(inplace=True), "nn.ReLU(inplace=True)"),
        (nn.LayerNorm((4,)), "nn.LayerNorm(4)"),
        (nn.MultiheadAttention(8, 2, batch_first=True), "nn.MultiheadAttention(8, 2, batch_first=True)"),
        (nn.Sequential(nn.ReLU()), None),
        (nn.TransformerEncoderLayer(8, 2), None),
        (Busy(), None),
    ],
    ids=str,
)
def test_how_a_module_is_made(module: nn.Module, expected: str | None) -> None:
    found = constructor(module)
    if expected == "nn.LayerNorm(4)":  # both are the same
        assert found in ("nn.LayerNorm(4)", "nn.LayerNorm((4,))")
    else:
        assert found == expected


def test_a_layer_that_was_changed_by_hand_is_not_taken_for_what_it_says() -> None:
    layer = nn.Linear(4, 4)
    layer.weight = nn.Parameter(torch.rand(3, 4))
    assert constructor(layer) is None


def test_it_runs_where_there_is_nothing_else(padded, compressed, images, tmp_path) -> None:
    model = compressed(padded(5, 9), bits=4, prune=0.5)
    for layer in layers(model).values():
        round_inputs_(layer, ActivationFormat.spanning(-1, 3, 8))
    written(model, images, tmp_path / "net.zip")
    with zipfile.ZipFile(tmp_path / "net.zip") as archive:
        archive.extractall(tmp_path)
    from safetensors.torch import load_file, save_file

    save_file({"images": images}, tmp_path / "images")
    arguments = [tmp_path, tmp_path / "images", tmp_path / "scores"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        assert torch.equal(load_file(tmp_path / "scores")["scores"], model(images))


def test_preprocess_is_that_of_the_workbench(plain, images, tmp_path) -> None:
    from workbench.images import Preprocess

    code, _ = written(plain(), images, tmp_path / "net.zip")
    space: dict[str, Any] = {"__file__": "model.py", "__name__": "model"}
    exec(code, space)  # noqa: S102
    pixels = torch.randint(0, 256, (2, 3, 20, 13), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert torch.equal(space["preprocess"](pixels), Preprocess((1, 8, 8), (0.5,), (0.25,))(pixels))


def test_names_from_anybody_are_no_code(images, tmp_path) -> None:
    model = nn.Sequential()
    model.add_module('x"""; raise SystemExit #\n', nn.Flatten())
    model.add_module("class", nn.Sequential(OrderedDict({"a b\nimport os": nn.Linear(64, 2)})))
    bad = ('"""', "'; import os; '", "\n", "\\", "T-shirt and " * 20)
    recipe = {"job": {"model": {"name": '"""\nraise SystemExit\n"""'}, "recipe": {"steps": ['"""']}}}
    code, run = written(model, images, tmp_path / "net.zip", classes=bad, recipe=recipe)
    assert torch.equal(run(images), model(images))
    space: dict[str, Any] = {"__file__": "model.py", "__name__": "model"}
    exec(code, space)  # noqa: S102
    assert space["CLASSES"] == bad


def test_equal_networks_give_equal_bytes_and_no_pickle(plain, images, tmp_path) -> None:
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    written(plain(), images, one)
    written(plain(), images, other)
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert archive.namelist() == ["model.py", "model.safetensors", "README.md"]
        load_tensors(archive.read("model.safetensors"))
        for name in archive.namelist():
            with pytest.raises((ValueError, IndexError, UnicodeDecodeError)):
                list(pickletools.genops(archive.read(name)))


def test_code_that_was_changed_is_not_run(plain, images, tmp_path) -> None:
    model, path = plain(), tmp_path / "net.zip"
    written(model, images, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content + b"\nraise SystemExit\n" if name == "model.py" else content)
    with pytest.raises(Refused, match="not what was written"):
        Code().load(path, source(model, images))
    path.write_bytes(b"no archive")
    with pytest.raises(Refused, match="cannot be read as an archive"):
        Code().load(path, source(model, images))


@pytest.mark.parametrize(
    ("model", "said"),
    [(Decides(), "layer body.gate decides by the values of a tensor"), (Counts(), "for two images and")],
)
def test_a_path_that_depends_on_the_images_is_refused(model, said, images, tmp_path) -> None:
    with pytest.raises(Refused, match=said):
        Code().write(source(model, images), tmp_path / "net.zip")
    assert not (tmp_path / "net.zip").exists()


def test_recording_leaves_the_network_alone(padded, images) -> None:
    model = padded()
    layer = next(iter(layers(model).values()))
    round_inputs_(layer, ActivationFormat.spanning(0, 1, 4))
    with torch.no_grad():
        before = model(images)
        record(model, images[:2])
        assert torch.equal(model(images), before)


@given(data=st.data())
def test_what_is_stored_of_any_weight_is_decoded_to_its_bits(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
    numbers = st.floats(-8, 8, width=32)
    values = data.draw(st.lists(numbers, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    grid = data.draw(st.sampled_from(GRIDS))
    layer = nn.Linear(shape[1], shape[0])
    layer.weight = nn.Parameter(torch.tensor(values).view(shape))
    hold_(layer, grid=Grid.fit(layer.weight, GridSpec(**grid)))
    kept = {f"w{ending}": tensor for ending, tensor in stored(layer, "weight", layer.weight).items()}
    space: dict[str, Any] = {"torch": torch}
    exec(DECODER, space)  # noqa: S102
    decoded = space["decoded"](kept)
    assert list(decoded) == ["w"]
    assert torch.equal(decoded["w"].view(torch.int32), layer.weight.detach().view(torch.int32))
