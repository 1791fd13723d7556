"""ONNX files: the numbers of the network, whatever techniques made of it, and names that lead back to its layers."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import workbench  # noqa: F401  # before onnxruntime, which asks the environment once
from workbench.activations import ActivationFormat, round_inputs_, round_outputs_
from workbench.context import Progress, Report, fingerprint, ignore
from workbench.errors import Cancelled, Refused
from workbench.export._onnx_edit import Editor
from workbench.export._onnx_weights import code_weights_, coded_weights
from workbench.exporting import Source
from workbench.grid import Grid, GridSpec
from workbench.network import hold_, layers
from workbench.registry import exports
from workbench.techniques._whole_biases import round_biases_

IMAGES = torch.rand(7, 4, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1

KINDS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3)),
    "norm": lambda: nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, bias=False), nn.BatchNorm2d(6), nn.ReLU6(), nn.Flatten(), nn.Linear(24, 3)
    ),
    "depthwise": lambda: nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=4), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "grouped": lambda: nn.Sequential(nn.Conv2d(4, 8, 1, groups=2, bias=False), nn.MaxPool2d(2), nn.Flatten()),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 9), nn.ReLU(), nn.Linear(9, 3, bias=False)),
    "tokens": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(36, 5), nn.LayerNorm(5), nn.GELU(), nn.Flatten()),
    "factors": lambda: nn.Sequential(
        nn.Conv2d(4, 2, (3, 1), padding=(1, 0), bias=False), nn.Conv2d(2, 6, (1, 3), padding=(0, 1)), nn.Flatten()
    ),
}


def slow(kind: str, bits: int) -> Any:
    """Return parameters that need not run each time: each file takes the better part of a second."""
    return pytest.param(kind, bits, marks=pytest.mark.slow)


def made(kind: str, seed: int = 0) -> nn.Module:
    """Return a network with values of its own everywhere, negative gains of batch norms included."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = KINDS[kind]()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean):
                    assert tensor is not None
                    tensor.data.normal_()
                assert module.running_var is not None
                module.running_var.uniform_(0.5, 2)
    return model.eval()


def on_grids(model: nn.Module, bits: int, **spec: Any) -> nn.Module:
    """Put the weights of all layers on grids, in place."""
    for layer in layers(model).values():
        hold_(layer, grid=Grid.fit(layer.weight, GridSpec(bits=bits, **spec)))
    return model


def rounding(model: nn.Module, bits: int) -> nn.Module:
    """Let all layers round what they read, in place."""
    for layer in layers(model).values():
        round_inputs_(layer, ActivationFormat.spanning(-1.5, 2.0, bits))
    return model


def no_zoo(name: str) -> nn.Module:
    raise Refused(f"there is no {name}")


def source(model: nn.Module, images: Tensor = IMAGES, report: Report = ignore) -> Source:
    return Source(model=model, example=images[:2], build=no_zoo, report=report, recipe={"steps": []}, about={"a": 1})


def through(name: str, model: nn.Module, path: Path, images: Tensor = IMAGES) -> Tensor:
    """Return the scores of the file that a format writes."""
    form = exports.get(name)
    form.write(source(model, images), path)
    return form.load(path, source(model, images))(images)


def answers(model: nn.Module, images: Tensor = IMAGES) -> Tensor:
    with torch.no_grad():
        return model(images)


def weights_in(path: Path) -> dict[str, Tensor]:
    """Return the weights that the layers of a file compute with, by layer: what its operators decode, unoptimised."""
    import onnxruntime

    proto = onnx.load(path)
    users = [node for node in proto.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    wanted = {node.name.split("/")[1]: node.input[1] for node in users}
    for name in {name for name in wanted.values() if name not in constants}:
        proto.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: IMAGES.numpy()}
    computed = {name: np.asarray(session.run([name], feed)[0]) for name in wanted.values() if name not in constants}
    return {layer: torch.from_numpy((constants | computed)[name].copy()) for layer, name in wanted.items()}


FORMATS = ("onnx", "onnx-int8")
GRIDS = st.one_of(
    st.builds(GridSpec, bits=st.sampled_from([*range(1, 9), 16]), per_channel=st.booleans(), symmetric=st.booleans()),
    st.builds(GridSpec, bits=st.integers(1, 8), kind=st.just("codebook")),
    st.builds(GridSpec, bits=st.integers(2, 8), per_channel=st.booleans(), kind=st.just("powers")),
)


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_answers_are_those_of_torch(kind: str, tmp_path: Path) -> None:
    model = made(kind)
    torch.testing.assert_close(through("onnx", model, tmp_path / "a.onnx"), answers(model), rtol=1e-5, atol=1e-5)
    assert not {"BatchNormalization", "QuantizeLinear", "DequantizeLinear"} & set(operators(tmp_path / "a.onnx"))


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        *(("norm", 3), ("grouped", 4), ("linear", 8)),
        *(slow("convolution", 8), slow("depthwise", 1), slow("tokens", 4), slow("factors", 16)),
    ],
)
def test_rounded_weights_keep_their_answers(kind: str, bits: int, tmp_path: Path) -> None:
    model = on_grids(made(kind), bits)
    torch.testing.assert_close(through("onnx-int8", model, tmp_path / "a.onnx"), answers(model), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("kind", "bits"), [("linear", 2), ("norm", 8), slow("linear", 16), slow("norm", 4), slow("tokens", 8)]
)
def test_rounded_activations_keep_their_answers(kind: str, name: str, bits: int, tmp_path: Path) -> None:
    model = rounding(on_grids(made(kind), 8, symmetric=True), bits)
    round_biases_(model, IMAGES)
    found, wanted = through(name, model, tmp_path / "a.onnx"), answers(model)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(wanted, answers(on_grids(made(kind), 8, symmetric=True)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weights", [{"bits": 32}, {"bits": 16}, {"bits": 4, "kind": "codebook"}])
@pytest.mark.parametrize("name", FORMATS)
def test_a_runtime_rounds_no_weights_of_its_own(name: str, weights: dict[str, Any], tmp_path: Path) -> None:
    # onnxruntime does, wherever it finds a QuantizeLinear before and behind a layer with float32 weights
    model = made("linear") if weights["bits"] == 32 else on_grids(made("linear"), **weights)
    found = through(name, rounding(model, 8), tmp_path / "a.onnx")
    torch.testing.assert_close(found, answers(model), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_codes_of_eight_bits_saturate_where_fewer_are_asked_for(name: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    model[1].weight.data = torch.eye(2)
    round_inputs_(model[1], ActivationFormat(bits=2, scale=1.0, zero=1))  # the values -1, 0, 1, 2
    images = torch.tensor([[-9.0, 0.4], [9.0, 1.5], [0.5, 200.0]])
    assert through(name, model.eval(), tmp_path / "a.onnx", images).tolist() == [[-1, 0], [2, 2], [0, 2]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grids")


@settings(max_examples=60)
@given(spec=GRIDS, seed=st.integers(0, 2**31), pruned=st.booleans())
def test_what_the_file_decodes_is_what_the_grid_decodes(folder: Path, spec: GridSpec, seed: int, pruned: bool) -> None:
    layer = nn.Conv2d(4, 5, 2, bias=False)
    layer.weight.data = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(seed))
    if pruned:
        hold_(layer, mask=layer.weight.abs() > 0.5)
    hold_(layer, grid=Grid.fit(layer.weight, spec))
    model = graph_of_one(layer)
    assert code_weights_(model.graph, coded_weights(nn.Sequential(layer)), {}) == ["0.weight"]
    model.graph.sort()
    onnx_ir.save(model, folder / "a.onnx")
    assert torch.equal(weights_in(folder / "a.onnx")["0"], layer.weight)
    assert set(operators(folder / "a.onnx")) & {"DequantizeLinear", "Cast", "Gather"}


def graph_of_one(layer: nn.Conv2d) -> onnx_ir.Model:
    """Return the graph of one convolution, called 0."""
    kind = onnx_ir.TensorType(onnx_ir.DataType.FLOAT)
    images = onnx_ir.Value(name="images", shape=onnx_ir.Shape(["batch", 4, 6, 6]), type=kind)
    weight = Editor(graph := onnx_ir.Graph([images], [], nodes=[], opset_imports={"": 21}, name="g")).constant(
        "0.weight", layer.weight
    )
    graph.append(onnx_ir.node("Conv", [images, weight], name="/0/Conv", metadata_props={"layer": "0"}))
    graph.outputs.append(graph[0].outputs[0])
    graph.outputs[0].name, graph.outputs[0].type = "scores", kind
    return onnx_ir.Model(graph, ir_version=10)


def test_gains_of_norms_go_into_scales(tmp_path: Path) -> None:
    # gains -2 and 0: the codes of the first channel change their sign, those of the second are gone
    model = nn.Sequential(nn.Conv2d(4, 2, 1, bias=False), nn.BatchNorm2d(2, eps=0.0), nn.Flatten()).eval()
    model[1].weight.data = torch.tensor([-2.0, 0.0])
    model[1].running_var = torch.tensor([1.0, 1.0])
    for symmetric in (True, False):
        on_grids(model, 4, symmetric=symmetric)
        exports.get("onnx-int8").write(source(model), tmp_path / "a.onnx")
        weight = model[0].weight.detach()
        found = weights_in(tmp_path / "a.onnx")["0"]
        assert torch.equal(found, torch.stack([-2 * weight[0], 0 * weight[1]]))
        scales = [t for t in onnx.load(tmp_path / "a.onnx").graph.initializer if t.name.endswith(".scale")]
        assert all((onnx.numpy_helper.to_array(scale) > 0).all() for scale in scales)


def test_four_bits_take_half_a_byte(tmp_path: Path) -> None:
    sizes = {}
    for bits in (8, 4, 2):
        model = on_grids(nn.Sequential(nn.Flatten(), nn.Linear(144, 400, bias=False)).eval(), bits)
        exports.get("onnx-int8").write(source(model), tmp_path / "a.onnx")
        sizes[bits] = (tmp_path / "a.onnx").stat().st_size
    assert sizes[8] - sizes[4] > 144 * 400 * 0.49
    assert abs(sizes[4] - sizes[2]) < 300


def test_layers_that_share_a_weight_share_its_codes(tmp_path: Path) -> None:
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    model = on_grids(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), first, nn.ReLU(), second).eval(), 8)
    torch.testing.assert_close(through("onnx-int8", model, tmp_path / "a.onnx"), answers(model))
    codes = [t for t in onnx.load(tmp_path / "a.onnx").graph.initializer if t.name.endswith(".codes")]
    assert len(codes) == 1


class Residual(nn.Module):
    """A block whose shortcut is rounded like what its convolution reads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.shortcut = nn.Conv2d(4, 4, 3, padding=1), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.conv(x) + self.shortcut(x)).relu().flatten(1)


def test_readers_of_one_value_share_its_codes(tmp_path: Path) -> None:
    model = Residual().eval()
    form = ActivationFormat.spanning(-1, 1, 8)
    round_inputs_(model.conv, form)
    round_outputs_(model.shortcut, form)
    round_outputs_(model.conv, ActivationFormat.spanning(-2, 2, 8))
    found = through("onnx", model, tmp_path / "a.onnx")
    assert operators(tmp_path / "a.onnx")["Round"] == 2
    torch.testing.assert_close(found, answers(model), rtol=1e-5, atol=1e-5)
    exports.get("onnx-int8").write(source(on_grids(model, 8)), tmp_path / "a.onnx")
    assert operators(tmp_path / "a.onnx")["QuantizeLinear"] == 2


@pytest.mark.parametrize("name", FORMATS)
def test_the_file_says_what_it_is(name: str, tmp_path: Path) -> None:
    model = rounding(on_grids(made("norm"), 8), 8)
    before = fingerprint(model)
    exports.get(name).write(source(model), tmp_path / "a.onnx")
    assert fingerprint(model) == before
    proto = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert proto.producer_name == "Downsizing Workbench"
    about = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    assert about == {"about": {"a": 1}, "recipe": {"steps": []}}
    names = {node.name for node in proto.graph.node}
    assert {"/0/Conv", "/4/Gemm"} <= names
    assert len(names) == len(proto.graph.node)
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert b"/" + Path(__file__).parent.name.encode() + b"/" not in proto.SerializeToString()  # no path of a source


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    model = rounding(on_grids(made("norm"), 8), 8)
    for path in (tmp_path / "a", tmp_path / "b"):
        exports.get("onnx-int8").write(source(copy.deepcopy(model)), path)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_number_of_images(tmp_path: Path) -> None:
    model, form = made("norm"), exports.get("onnx")
    form.write(source(model), tmp_path / "a.onnx")
    run = form.load(tmp_path / "a.onnx", source(model))
    for count in (1, 2, 5):
        torch.testing.assert_close(run(IMAGES[:count]), answers(model, IMAGES[:count]), rtol=1e-5, atol=1e-5)


def test_what_is_not_quantized_has_no_whole_numbers(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"nothing in this network is quantized.*add the steps Weight bits"):
        exports.get("onnx-int8").write(source(made("linear")), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_it_can_be_cancelled_between_stages(tmp_path: Path) -> None:
    told: list[str] = []

    def report(progress: Progress) -> None:
        told.append(progress.message)
        if len(told) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        exports.get("onnx").write(source(made("linear"), report=report), tmp_path / "a.onnx")
    assert len(told) == 2
    assert not list(tmp_path.iterdir())


def test_layers_of_one_width_have_zero_points_of_their_own(tmp_path: Path) -> None:
    layers = [nn.Linear(4, 4) for _ in range(3)]
    model = on_grids(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *layers).eval(), 8)
    torch.testing.assert_close(through("onnx-int8", model, tmp_path / "a.onnx"), answers(model))
    graph = onnx.load(tmp_path / "a.onnx").graph
    zeros = [node.input[2] for node in graph.node if node.op_type == "DequantizeLinear"]
    assert len(zeros) == len(set(zeros)) == len(layers)
