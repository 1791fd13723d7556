"""Rows of layers: names, counts and bytes, worked by hand or by the packed file."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from workbench import factors
from workbench.context import Context, fingerprint
from workbench.export.packed import pack
from workbench.grid import Grid, GridSpec
from workbench.layerwise.rows import LayerRow, LayerView, layer_rows
from workbench.network import hold_
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Job, ModelRef
from workbench.run import layer_view, packed_file, run
from workbench.store import Store


def rows(original: nn.Module, model: nn.Module, ctx: Context) -> dict[str, LayerRow]:
    sizes = {"original_bytes": pack(original).tensors, "model_bytes": pack(model).tensors}
    return {row.name: row for row in layer_rows(original, model, ctx.calibration, **sizes)}


def test_what_a_layer_is_and_takes(net: nn.Module, ctx: Context) -> None:
    model = copy.deepcopy(net)
    mask = torch.arange(54).reshape(model.conv1.weight.shape) % 9 < 6
    hold_(model.conv1, mask=mask)
    hold_(model.fc, grid=Grid.fit(model.fc.weight, GridSpec(bits=4)))
    found = rows(net, model, ctx)
    assert list(found) == ["conv1", "conv2", "fc"]
    conv1, fc = found["conv1"], found["fc"]
    assert (conv1.kind, conv1.shape) == ("Conv2d 3x3", (6, 1, 3, 3))
    assert (conv1.now.parameters, conv1.now.macs) == (54, 8 * 8 * 54)
    assert conv1.now.sparsity == pytest.approx(1 / 3)
    assert (conv1.before.sparsity, conv1.before.bits, conv1.now.bits) == (0, 32, 32)
    assert (fc.kind, fc.now.bits, fc.before.bits, fc.now.parameters) == ("Linear", 4, 32, 3 * 128 + 3)
    assert 3.2 * 387 < fc.before.size_bytes <= 4 * 387  # the exponents of floats compress a little
    assert fc.now.size_bytes < 0.5 * 384 + 4 * (3 + 3) + 20  # codes, scales and biases
    assert found["conv2"].now == found["conv2"].before
    assert 0 < conv1.error.low < conv1.error.value < conv1.error.high
    assert conv1.error.n == 64


def test_bytes_of_layers_and_of_the_rest_sum_to_the_file(net: nn.Module) -> None:
    packed = pack(net)
    assert sum(packed.tensors.values()) + packed.ledger["header"] == len(packed.data)
    norms = sum(size for name, size in packed.tensors.items() if name.startswith("bn"))
    assert norms == packed.ledger["norms"]


def test_the_factors_of_a_layer_share_its_error(net: nn.Module, ctx: Context) -> None:
    model = copy.deepcopy(net)
    pair = factors.pair(model.conv2, factors.CHANNEL, 2)
    with torch.no_grad():
        for parameter in pair.parameters():
            parameter.zero_()
    factors.replace_(model, "conv2", pair)
    found = rows(net, model, ctx)
    assert list(found) == ["conv1", "conv2.0", "conv2.1", "fc"]
    assert "first of two factors of conv2: see conv2.1" in found["conv2.0"].reason
    assert found["conv2.1"].error.value > 0.5
    assert found["conv2.1"].before is None


def test_a_layer_of_fewer_channels_says_so(net: nn.Module, ctx: Context) -> None:
    model = copy.deepcopy(net)
    model.conv1, model.bn1, conv2 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), model.conv2
    model.conv2 = nn.Conv2d(4, 8, 3, padding=1)
    model.eval()
    found = rows(net, model, ctx)
    assert found["conv1"].error is None
    assert "4 outputs, and 6 in the original" in found["conv1"].reason
    assert found["conv2"].error.value > 0
    assert found["conv2"].now.parameters < found["conv2"].before.parameters == conv2.weight.numel() + 8


def test_a_layer_that_does_not_run_comes_last_and_says_so(net: nn.Module, ctx: Context) -> None:
    net.add_module("aside", nn.Linear(2, 2))
    net.forward = lambda x: nn.Sequential.forward(net[:-1], x)
    found = rows(net, copy.deepcopy(net), ctx)
    assert list(found) == ["conv1", "conv2", "fc", "aside"]
    assert "do not reach" in found["aside"].reason
    assert found["aside"].now.macs == 0


# the same for a job

MAGNITUDE, BITS = techniques.get("magnitude"), techniques.get("weight_bits")


def view(*steps: object, **options: object) -> LayerView:
    return layer_view(job(*steps), **options)


def job(*steps: object) -> Job:
    return Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"), recipe=Recipe(steps))


def test_the_original_has_lost_nothing() -> None:
    found = view()
    assert [row.name for row in found.rows] == ["fc1", "fc2", "fc3"]
    assert all(row.error.value == 0 and row.now == row.before for row in found.rows)
    assert found.images == 64


def test_a_layer_with_settings_of_its_own_shows_them() -> None:
    found = view(MAGNITUDE(ratio=0.0, layers={"fc2": 0.75}), BITS(bits=32, layers={"fc3": 2}))
    assert [row.now.bits for row in found.rows] == [32, 32, 2]
    assert found.row("fc2").now.sparsity == pytest.approx(0.75, abs=0.01)
    assert found.row("fc1").now.sparsity == pytest.approx(0, abs=0.01)
    assert found.row("fc1").error.value == pytest.approx(0, abs=1e-6)
    assert found.row("fc3").error.value > found.row("fc1").error.value
    assert found.row("nope") is None
    assert found.job == job(MAGNITUDE(ratio=0.0, layers={"fc2": 0.75}), BITS(bits=32, layers={"fc3": 2}))


@pytest.mark.parametrize("technique", [t for t in techniques if t.neutral is not None], ids=lambda t: t.name)
def test_a_step_at_its_neutral_value_changes_nothing(technique: type, net: nn.Module, ctx: Context) -> None:
    result = technique(**{technique.slider: technique.neutral}).apply(net, ctx)
    assert fingerprint(result) == fingerprint(net)


def test_what_only_rewrites_the_network_is_no_loss() -> None:
    equalised = techniques.get("equalize")()
    assert equalised.rewrites
    found = view(equalised)
    assert all(row.error.value == 0 for row in found.rows)
    rounded = view(equalised, BITS(bits=8))
    assert 0 < max(row.error.value for row in rounded.rows) < 0.01


def test_bytes_are_those_of_the_file() -> None:
    found = view(BITS(bits=4))
    header = len(packed_file(job(BITS(bits=4)))) - sum(row.now.size_bytes for row in found.rows)
    assert 0 < header < 600


def test_a_trained_network_comes_from_the_store(tmp_path: object) -> None:
    store = Store(tmp_path / "results.sqlite3")
    trained = (techniques.get("finetune")(epochs=0.5), BITS(bits=4))
    *_, row = run(job(*trained), store=store)
    assert row.final
    told = []
    found = view(*trained, store=store, report=lambda news: told.append(news.message))
    assert [row.now.bits for row in found.rows] == [4, 4, 4]
    assert not any("epoch" in words or "step" in words for words in told), "it is not trained again"
    store.close()
