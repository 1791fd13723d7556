from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from workbench.errors import Refused
from workbench.export._container import USUAL
from workbench.export.packed import CATEGORIES, describe, pack, unpack
from workbench.grid import Grid, GridSpec
from workbench.network import FREE, hold_, layers, name_architecture_, weight_format

Build = Callable[..., nn.Module]


def bits(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    """Every parameter and buffer, as bytes."""
    held = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {
        name: (tensor.dtype, tuple(tensor.shape), tensor.detach().contiguous().flatten().view(torch.uint8).tolist())
        for name, tensor in held
    }


def test_a_dense_network_comes_back_bit_for_bit(plain: Build, images: Tensor) -> None:
    model = plain()
    loaded = unpack(pack(model).data, plain)
    assert bits(loaded) == bits(model)
    assert torch.equal(loaded(images), model(images))
    assert not loaded.training


@pytest.mark.parametrize("bits_per_weight", [1, 2, 3, 4, 5, 6, 7, 8, 16, 32])
@pytest.mark.parametrize("prune", [0.0, 0.5, 0.95])
@pytest.mark.parametrize(
    "grid",
    [{}, {"symmetric": False}, {"per_channel": False}, {"kind": "codebook"}, {"kind": "powers"}],
    ids=["channel", "zero", "tensor", "codebook", "powers"],
)
def test_compressed_networks_come_back_bit_for_bit(
    plain: Build, compressed: Build, images: Tensor, bits_per_weight: int, prune: float, grid: dict[str, Any]
) -> None:
    model = compressed(plain(), bits=bits_per_weight, prune=prune, **grid)
    packed = pack(model)
    loaded = unpack(packed.data, plain)
    assert bits(loaded) == bits(model)
    assert torch.equal(loaded(images), model(images))
    assert pack(loaded).data == packed.data


def test_fewer_bits_and_more_zeros_make_a_smaller_file(plain: Build, compressed: Build) -> None:
    sizes = [len(pack(compressed(plain(), bits=b)).data) for b in (32, 16, 8, 4, 2, 1)]
    assert sizes == sorted(sizes, reverse=True)
    sizes = [len(pack(compressed(plain(), bits=32, prune=p)).data) for p in (0.0, 0.3, 0.6, 0.9)]
    assert sizes == sorted(sizes, reverse=True)


def test_four_bits_a_weight_take_at_most_half_a_byte_each(plain: Build, compressed: Build) -> None:
    weights = 8 * 9 + 16 * 8 * 9 + 2560
    ledger = pack(compressed(plain(), bits=4)).ledger
    assert 0 < ledger["weights"] + ledger["indices"] + ledger["tables"] <= weights / 2
    assert 0 < ledger["scales"] <= 4 * (8 + 16 + 10) + 10


@given(
    st.integers(0, 2**31),
    st.sampled_from([1, 2, 3, 4, 8, 16, 32]),
    st.sampled_from([0.0, 0.5, 0.97]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ledger_sums_to_the_file(
    compressed: Build, seed: int, bits_per_weight: int, prune: float, symmetric: bool, per_channel: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(7, 13), nn.BatchNorm1d(13), nn.Linear(13, 3, bias=False)).eval()
    model.register_buffer("extra", torch.randint(0, 9, (5,), generator=generator))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    compressed(model, bits=bits_per_weight, prune=prune, symmetric=symmetric, per_channel=per_channel)
    packed = pack(model, {"seed": seed})
    assert tuple(packed.ledger) == CATEGORIES
    assert sum(packed.ledger.values()) == len(packed.data)
    assert min(packed.ledger.values()) >= 0
    assert sum(packed.tensors.values()) + packed.ledger["header"] == len(packed.data)
    assert min(packed.tensors.values()) >= 0


def test_the_ledger_of_an_incompressible_network_is_worked_by_hand() -> None:
    linear = nn.Linear(2, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.1, -2.2], [3.3e5, -4.4e-7]]))
        linear.bias.copy_(torch.tensor([0.7, -1.9e9]))
    packed = pack(linear)
    header = len(packed.data) - 4 * 4 - 2 * 4
    assert packed.ledger == dict.fromkeys(CATEGORIES, 0) | {"header": header, "weights": 16, "biases": 8}
    assert packed.tensors == {"weight": 16, "bias": 8}


def test_equal_networks_have_equal_files_and_packing_changes_nothing(plain: Build, compressed: Build) -> None:
    first, second = (compressed(plain(), bits=3, prune=0.4) for _ in range(2))
    before = bits(first)
    assert (
        pack(first, {"b": 1, "a": 2}).data == pack(second, {"a": 2, "b": 1}).data == pack(first, {"a": 2, "b": 1}).data
    )
    assert bits(first) == before


def test_nan_infinity_and_negative_zero_survive(plain: Build) -> None:
    model = plain()
    odd = torch.tensor([float("nan"), -0.0, 0.0, float("inf"), -float("inf"), 1e-45])
    with torch.no_grad():
        model[7].weight.zero_()  # a sparse weight with odd values in it
        model[7].weight[0, :6] = odd
        model[7].bias[:6] = odd
        model[1].running_var[:6] = odd
    assert bits(unpack(pack(model).data, plain)) == bits(model)


def test_a_weight_that_left_its_grid_is_stored_as_it_is(plain: Build, compressed: Build) -> None:
    model = compressed(plain(), bits=4)
    with torch.no_grad():
        model[3].weight[0, 0, 0, 0] += 1e-6
        model[7].weight[0, 0] = float("nan")
    packed = pack(model)
    kinds = {tensor["name"]: "codes" in tensor for tensor in describe(packed.data)["tensors"]}
    assert (kinds["0.weight"], kinds["3.weight"], kinds["7.weight"]) == (True, False, False)
    loaded = unpack(packed.data, plain)
    assert bits(loaded) == bits(model)
    assert weight_format(loaded[3]).grid is not None


@pytest.mark.parametrize(
    "spec",
    [
        GridSpec(bits=4),
        GridSpec(bits=3, symmetric=False),
        GridSpec(bits=16),
        GridSpec(bits=3, kind="codebook"),
        GridSpec(bits=1, kind="codebook"),
        GridSpec(bits=16, kind="codebook"),
        GridSpec(bits=4, kind="powers"),
    ],
    ids=str,
)
def test_formats_come_back_so_that_training_can_go_on(plain: Build, compressed: Build, spec: GridSpec) -> None:
    model = compressed(plain(), bits=spec.bits, symmetric=spec.symmetric, kind=spec.kind, prune=0.5)
    loaded = unpack(pack(model).data, plain)
    for old, new in zip(layers(model).values(), layers(loaded).values(), strict=True):
        form = weight_format(new)
        assert form.grid is not None
        assert form.grid.spec == spec
        assert torch.equal(form.grid.scale, weight_format(old).grid.scale)
        assert torch.equal(form.grid.zero, weight_format(old).grid.zero)
        assert torch.equal(form.grid.levels, weight_format(old).grid.levels)
        assert torch.equal(form.mask, old.weight != 0)
    assert weight_format(unpack(pack(plain()).data, plain)[0]) is FREE


def test_a_grid_that_no_file_holds_costs_bytes_but_no_bits(plain: Build) -> None:
    model = plain()
    grid = Grid(GridSpec(bits=4, per_channel=False), torch.tensor([0.125]), torch.tensor([0.5]))
    with torch.no_grad():
        model[0].weight.copy_(grid.decode(grid.encode(model[0].weight)))
    model[0].__dict__["_weight_format"] = type(FREE)(grid=grid)
    assert bits(unpack(pack(model).data, plain)) == bits(model)


def test_shared_tensors_are_stored_once_and_stay_shared() -> None:
    def build(_: str) -> nn.Module:
        return nn.Sequential(nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 30), nn.Linear(30, 30))

    single, tied = build(""), build("")
    tied[2].weight = tied[0].weight
    tied[3].weight = nn.Parameter(tied[0].weight.data)  # another object in the same memory
    packed = pack(tied)
    assert packed.ledger["weights"] < 0.4 * pack(single).ledger["weights"]
    loaded = unpack(packed.data, build)
    assert loaded[2].weight is loaded[0].weight
    assert loaded[3].weight is loaded[0].weight
    assert bits(loaded) == bits(tied)


def test_a_module_used_twice_is_stored_once() -> None:
    def build(_: str) -> nn.Module:
        layer = nn.Linear(9, 9)
        return nn.Sequential(layer, nn.ReLU(), layer)

    model = build("")
    loaded = unpack(pack(model).data, build)
    assert loaded[0] is loaded[2]
    assert bits(loaded) == bits(model)


def test_counts_of_batches_are_kept_even_where_they_differ(plain: Build) -> None:
    model = plain()
    model[1].num_batches_tracked.fill_(1170)
    same = len(pack(model).data)
    model[4].num_batches_tracked.fill_(9)
    packed = pack(model)
    loaded = unpack(packed.data, plain)
    assert (int(loaded[1].num_batches_tracked), int(loaded[4].num_batches_tracked)) == (1170, 9)
    assert len(packed.data) > same - 40


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_float_types_come_back(plain: Build, dtype: torch.dtype) -> None:
    model = plain().to(dtype)
    assert bits(unpack(pack(model).data, plain)) == bits(model)


def test_buffers_of_every_type_come_back_even_those_outside_the_state_dict() -> None:
    class Buffers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, dtype in {"a": torch.int64, "b": torch.bool, "c": torch.uint8, "d": torch.int16}.items():
                self.register_buffer(name, torch.tensor([[0, 1], [1, 1]], dtype=dtype), persistent=name != "a")
            self.register_buffer("scalar", torch.tensor(2.5))
            self.register_buffer("empty", torch.empty(0, 3))
            self.register_buffer("none", None)

    model = Buffers()
    model.a.mul_(-7)
    assert bits(unpack(pack(model).data, lambda _: Buffers())) == bits(model)


def test_frozen_parameters_stay_frozen(plain: Build) -> None:
    def build(name: str) -> nn.Module:
        model = plain(name)
        model[0].weight.requires_grad_(False)
        return model

    loaded = unpack(pack(build("")).data, build)
    assert [p.requires_grad for p in loaded[0].parameters()] == [False, True]


def test_the_architecture_is_built_by_its_name_and_written_on_the_network(plain: Build) -> None:
    asked = []
    model = name_architecture_(plain(), "small-cnn")
    packed = pack(model)
    loaded = unpack(packed.data, lambda name: asked.append(name) or plain())  # type: ignore[func-returns-value]
    assert asked == ["small-cnn"]
    assert pack(loaded).data == packed.data


def test_a_file_without_architecture_needs_a_build_function_that_knows_it(plain: Build) -> None:
    def zoo(name: str) -> nn.Module:
        raise Refused(f"there is no model called {name!r}")

    with pytest.raises(Refused, match="does not name its architecture"):
        unpack(pack(plain()).data, zoo)
    with pytest.raises(Refused, match="no model called 'resnet7'"):
        unpack(pack(name_architecture_(plain(), "resnet7")).data, zoo)


def test_no_file_names_code_to_be_run(plain: Build) -> None:
    assert describe(pack(name_architecture_(plain(), "user:evil.py:make")).data)["architecture"] == ""


def test_about_and_tensors_are_described(plain: Build, compressed: Build) -> None:
    about = {"classes": ["a", "ü"], "input": {"mean": [0.5], "shape": [1, 8, 8]}}
    model = name_architecture_(compressed(plain(), bits=4, prune=0.5), "small-cnn")
    found = describe(pack(model, about).data)
    assert (found["format"], found["architecture"], found["about"]) == (2, "small-cnn", about)
    assert [tensor["name"] for tensor in found["tensors"]][:3] == ["0.weight", "0.bias", "1.weight"]
    first = found["tensors"][0]
    assert (first["shape"], first["grid"], first["masked"]) == ([8, 1, 3, 3], [4, True, True], True)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(2, dtype=torch.complex64), torch.eye(2).to_sparse(), torch.ones(2, device="meta")],
    ids=["complex", "sparse", "meta"],
)
def test_a_tensor_that_no_file_holds_is_named(tensor: Tensor) -> None:
    model = nn.Linear(2, 2)
    model.register_buffer("odd", tensor)
    with pytest.raises(Refused, match="odd cannot be written to a packed file"):
        pack(model)


def test_a_lazy_layer_must_have_run() -> None:
    with pytest.raises(Refused, match=r"0\.weight has no values yet"):
        pack(nn.Sequential(nn.LazyLinear(3)))


def test_a_file_written_by_hand_is_read() -> None:
    header = {
        "architecture": "hand",
        "about": {"made": "by hand"},
        "batches": 0,
        "groups": {},
        "pools": {"scales": ["raw"], "zeros": ["packed-not-used"], "norms": ["constant", 0], "biases": ["raw"]},
        "tensors": [
            {
                "name": "0.weight",
                "shape": [2, 3],
                "grid": [3, True, True],
                "masked": True,
                "codes": {"positions": ["gaps", 3, 3, ["packed", 0, 1, 2]], "values": ["packed", -3, 1, 3]},
            },
            {"name": "0.bias", "shape": [2], "pool": "biases"},
            {"name": "1.weight", "shape": [1, 2], "words": {"values": ["raw"]}},
        ],
    }
    header["pools"]["zeros"] = ["constant", 0]
    frame = zstandard.compress(json.dumps(header).encode())
    body = struct.pack("<2f", 0.5, 0.25)  # a scale for each output channel
    body += struct.pack("<2f", 1.0, -2.0)  # biases
    body += bytes([0b00_11_00])  # gaps 0; 3 zeros and on; 0: positions 0 and 4
    body += bytes([0b001_110])  # codes -3 + 6 = 3 and -3 + 1 = -2
    body += struct.pack("<2f", 4.0, -8.0)
    data = b"\x93DSW" + struct.pack("<HI", 1, len(frame)) + frame + body
    data += struct.pack("<I", zlib.crc32(data))

    model = unpack(data, lambda _: nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1, bias=False)))

    assert model[0].weight.tolist() == [[1.5, 0, 0], [0, -0.5, 0]]
    assert model[0].bias.tolist() == [1, -2]
    assert model[1].weight.tolist() == [[4, -8]]
    assert weight_format(model[0]).mask.tolist() == [[True, False, False], [False, True, False]]
    # worked by hand: (1.5 * 2 + 1, -0.5 * 3 - 2) = (4, -3.5), and 4 * 4 + 8 * 3.5 = 44
    assert model(torch.tensor([[2.0, 3.0, 5.0]])).item() == 44


def test_a_codebook_written_by_hand_is_read() -> None:
    header = {
        "architecture": "hand",
        "about": {},
        "batches": 0,
        "groups": {},
        "pools": {"levels": ["fixed", -2, ["packed", -6, 1, 4]], "biases": ["fixed", 1, ["packed", 0, 3, 1]]},
        "tensors": [
            {
                "name": "weight",
                "shape": [2, 3],
                "grid": [2, True, True, "codebook", 3],
                "codes": {
                    "positions": ["csr", 3, 3, ["packed", 1, 1, 1], ["constant", 0]],
                    "values": ["packed", 1, 1, 2],
                },
            },
            {"name": "bias", "shape": [2], "pool": "biases"},
        ],
    }
    frame = zstandard.ZstdCompressor(dict_data=USUAL, write_dict_id=False).compress(json.dumps(header).encode())
    body = bytes([0xA0, 0x0C])  # levels (-6 + 0, -6 + 10, -6 + 12) / 4 = -1.5, 1, 1.5
    body += bytes([0b10])  # biases 0 and 3 times 2
    body += bytes([0b01])  # two values in the first row, one in the second; they lie at the start of their row
    body += bytes([0b01_00_10])  # codes 3, 1, 2
    data = b"\x93DSW" + struct.pack("<HI", 2, len(frame)) + frame + body
    data += struct.pack("<I", zlib.crc32(data))

    layer = unpack(data, lambda _: nn.Linear(3, 2))

    assert layer.weight.tolist() == [[1.5, -1.5, 0], [1, 0, 0]]
    assert layer.bias.tolist() == [0, 6]
    assert weight_format(layer).grid.levels.tolist() == [-1.5, 1, 1.5]


def test_biases_of_few_binary_digits_take_few_bytes() -> None:
    model = nn.Linear(1, 4000)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.bias.copy_(torch.randint(-128, 128, (4000,), generator=generator) * 2.0**-9)
    packed = pack(model)
    assert 3900 < packed.ledger["biases"] <= 4000
    assert bits(unpack(packed.data, lambda _: nn.Linear(1, 4000))) == bits(model)
    with torch.no_grad():
        model.bias.copy_(torch.randn(4000, generator=generator).half())
    assert pack(model).ledger["biases"] < 4000 * 1.85  # halves, and their exponents entropy-coded


def test_a_held_layer_without_other_parameters_shrinks_as_hand_worked() -> None:
    layer = nn.Linear(64, 64, bias=False)
    hold_(layer, grid=Grid.fit(layer.weight, GridSpec(bits=1, per_channel=False)))
    ledger = pack(layer).ledger
    assert (ledger["weights"], ledger["scales"]) == (64 * 64 // 8, 0)  # one scale is a constant of the header
