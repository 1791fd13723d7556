"""The roofline on small networks, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from workbench.activations import ActivationFormat, round_inputs_
from workbench.devices import shelf
from workbench.devices._reading import read_profile
from workbench.devices.footprint import cost_per_million, grams_per_million, intensity
from workbench.devices.profile import Efficiency, Figure, Profile
from workbench.devices.roofline import Forecast, forecast
from workbench.errors import Refused
from workbench.graph import graph_of
from workbench.graph.workload import workload
from workbench.grid import Grid, GridSpec
from workbench.loads import Workload
from workbench.network import hold_


def figure(value: float) -> Figure:
    return Figure(value=value, source="assumption", note="made up")


@pytest.fixture
def profile() -> Profile:
    """A million multiply-adds of floats a second, four of int8; a million bytes; half of it reached as a rule."""
    base = read_profile(Path(shelf.__file__).parent / "cortex_m4.toml")
    return replace(
        base,
        rates={"float32": figure(1e6), "int8": figure(4e6)},
        energy_pj={"float32": figure(8e6), "int8": figure(2e6)},
        efficiency=Efficiency(low=figure(0.25), typical=figure(0.5), high=figure(1)),
        bandwidth_bytes_s=figure(1e6),
        overhead_s=figure(0.001),
        start_s=figure(0.01),
        byte_pj=figure(0),
        idle_w=figure(0),
    )


def work(model: nn.Module, *shape: int) -> Workload:
    return workload(model.eval(), graph_of(model.eval(), torch.ones(1, *shape)))


def held(layer: nn.Module, bits: int, kind: str = "uniform") -> nn.Module:
    hold_(layer, grid=Grid.fit(layer.weight.detach(), GridSpec(bits=bits, kind=kind)))
    round_inputs_(layer, ActivationFormat(bits=8))
    return layer


def milliseconds(found: Forecast) -> list[float]:
    assert found.latency_ms is not None
    return [found.latency_ms.low, found.latency_ms.value, found.latency_ms.high]


def test_work_or_bytes_whichever_takes_longer(profile: Profile) -> None:
    conv = nn.Conv2d(2, 8, 3, bias=False)  # 8 x 18 weights at 64 positions: 9,216 multiply-adds
    found = forecast(work(conv, 2, 10, 10), profile)
    assert milliseconds(found) == pytest.approx([10 + 1 + part * 9.216 for part in (1, 2, 4)])
    assert [(op.bound, op.type) for op in found.ops] == [("compute", "float32")]
    linear = nn.Linear(100, 10)  # 1,000 multiply-adds, and 4 bytes for each of 1,000 + 10 + 110 numbers
    found = forecast(work(linear, 100), profile)
    assert milliseconds(found) == pytest.approx([10 + 1 + part * 4.48 for part in (1, 2, 4)])
    assert found.ops[0].bound == "memory"


def test_norms_and_activation_functions_are_folded_and_sums_are_not(profile: Profile) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.norm(self.conv(x))) + x

    found = forecast(work(Block(), 4, 5, 5), profile)
    assert [op.name for op in found.ops] == ["convolution", "add"]


def test_integers_are_for_weights_and_activations_that_both_are(profile: Profile) -> None:
    def kind(layer: nn.Module) -> str:
        return forecast(work(layer, 16), profile).ops[0].type

    weights_alone = nn.Linear(16, 16)
    hold_(weights_alone, grid=Grid.fit(weights_alone.weight.detach(), GridSpec(bits=8)))
    assert kind(weights_alone) == "float32"
    assert kind(held(nn.Linear(16, 16), 8)) == "int8"
    assert kind(held(nn.Linear(16, 16), 3)) == "int8"  # there is no narrower type
    assert kind(held(nn.Linear(16, 16), 4, "codebook")) == "float32"


def test_flash_holds_plain_arrays_and_ram_the_peak(profile: Profile) -> None:
    net = nn.Sequential(held(nn.Linear(16, 32, bias=False), 8), nn.ReLU(), held(nn.Linear(32, 8), 4))
    found = forecast(work(net, 16), profile)
    assert found.flash is not None
    assert found.flash.needed_bytes == 16 * 32 + 32 * 8 + 4 * 8  # 4 bits take a byte, biases 4
    assert found.ram.needed_bytes == 32 + 4 * 8  # the last layer reads bytes and puts out floats
    small = replace(profile, flash_bytes=figure(700), ram_bytes=figure(64))
    found = forecast(work(net, 16), small)
    assert (found.flash is not None and found.flash.ok, found.ram.ok, found.runs) == (False, True, False)
    in_ram = replace(profile, weights="ram", flash_bytes=None)
    assert forecast(work(net, 16), in_ram).ram.needed_bytes == 64 + 16 * 32 + 32 * 8 + 4 * 8


def test_a_layer_that_runs_twice_is_stored_once(profile: Profile) -> None:
    layer = nn.Linear(8, 8, bias=False)
    found = forecast(work(nn.Sequential(layer, layer), 8), profile)
    assert found.flash is not None
    assert found.flash.needed_bytes == 4 * 64
    assert len(found.ops) == 2


def test_zeros_do_not_pay_but_in_patterns_where_the_device_says_so(profile: Profile) -> None:
    layer = nn.Conv2d(4, 8, 3, bias=False)
    dense = work(layer, 4, 9, 9)
    hold_(layer, mask=torch.tensor([1, 0, 1, 0]).bool().view(1, 4, 1, 1).expand(8, 4, 3, 3).clone())
    sparse = work(layer, 4, 9, 9)
    assert milliseconds(forecast(sparse, profile)) == milliseconds(forecast(dense, profile))
    paying = replace(profile, two_four=figure(2))
    work_ms = 2 * 8 * 36 * 49 / 1000
    assert milliseconds(forecast(sparse, paying))[1] == pytest.approx(11 + work_ms / 2)
    assert milliseconds(forecast(dense, paying))[1] == pytest.approx(11 + work_ms)


def test_what_does_not_run_is_said_with_the_way_out(profile: Profile) -> None:
    integers = replace(profile, rates={"int8": figure(1e6)}, energy_pj={"int8": figure(1)})
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    found = forecast(work(net, 8), integers)
    assert found.latency_ms is None
    assert found.energy_mj is None
    assert not found.runs
    assert found.refused == (
        "it computes in int8 only, and 0 and 1 more would not: set Activation bits and Weight bits to 8",
    )
    for layer in (net[0], net[2]):
        held(layer, 8)
    assert forecast(work(net, 8), integers).runs
    no_linear = replace(profile, runs=frozenset({"conv", "elementwise"}))
    assert forecast(work(net, 8), no_linear).refused == ("addmm does not run there (0 and 1 more)",)


def test_energy_is_work_bytes_and_time(profile: Profile) -> None:
    linear = nn.Linear(100, 10, bias=False)  # 1,000 multiply-adds, 4,440 bytes
    bare = forecast(work(linear, 100), profile).energy_mj
    assert bare is not None
    assert (bare.low, bare.value, bare.high) == pytest.approx((4, 8, 16))  # 8 microjoules each, by the efficiency
    found = forecast(work(linear, 100), replace(profile, byte_pj=figure(1e6), idle_w=figure(2))).energy_mj
    assert found is not None
    assert found.value == pytest.approx(8 + 4.44 + 2 * (10 + 1 + 2 * 4.44))
    assert found.how == "modelled"


def test_a_million_inferences() -> None:
    base = read_profile(Path(shelf.__file__).parent / "t4.toml")
    found = forecast(work(nn.Linear(8, 8), 8), base)
    assert found.energy_mj is not None
    assert found.latency_ms is not None
    energy, latency = replace(found.energy_mj, value=36.0), replace(found.latency_ms, value=7.2)
    assert grams_per_million(energy, 500).value == pytest.approx(5)  # 36 kJ are 0.01 kWh
    assert cost_per_million(latency, 3).value == pytest.approx(6)  # 7,200 seconds are 2 hours
    assert intensity("France") < intensity("world") == intensity("481")
    for wrong in ("Atlantis", "-1", "nan"):
        with pytest.raises(Refused, match="grams of CO2 a kWh"):
            intensity(wrong)
