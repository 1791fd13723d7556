"""Checkpoints: what is read, and what is refused with which sentence."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as to_safetensors
from torch import nn

from workbench.errors import Refused
from workbench.models._checkpoint import load_into_, read


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"echo caught > {self.path}",)


@given(
    wrapper=st.sampled_from(["", "state_dict", "model", "model_state_dict"]),
    prefixes=st.lists(st.sampled_from(["module.", "_orig_mod."]), max_size=2),
    zipped=st.booleans(),
)
@settings(max_examples=20)
def test_wrappers_and_prefixes_are_undone(
    tmp_path_factory: pytest.TempPathFactory, wrapper: str, prefixes: list[str], zipped: bool
) -> None:
    state = dict(network().state_dict())
    content: Any = {"".join(prefixes) + name: value for name, value in state.items()}
    if wrapper:
        content = {wrapper: content, "epoch": 3, "optimizer": {"lr": 0.1}}
    path = tmp_path_factory.mktemp("checkpoint") / "any.bin"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert same(read(path), state)


def test_safetensors_are_known_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    state = dict(network().state_dict())
    path.write_bytes(to_safetensors(state))
    assert same(read(path), state)


def test_a_layer_that_is_called_module_keeps_its_name(tmp_path: Path) -> None:
    state = {"module.weight": torch.ones(1), "head.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "a.pt")
    assert same(read(tmp_path / "a.pt"), state)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    caught = tmp_path / "caught"
    torch.save({"weight": Trap(caught)}, tmp_path / "zip.pt")
    torch.save({"weight": Trap(caught)}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    for name in ("zip.pt", "legacy.pt"):
        with pytest.raises(Refused, match=r"holds the Python object (posix|nt)\.system, which could run code"):
            read(tmp_path / name)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Trap(caught)))
    with pytest.raises(Refused, match="is no checkpoint"):
        read(tmp_path / "plain.pkl")
    assert not caught.exists()
    pickle.loads((tmp_path / "plain.pkl").read_bytes())  # noqa: S301
    assert caught.exists()  # the trap does work


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "network.pt")
    with pytest.raises(Refused, match=r"torch\.nn\.modules.*save only model\.state_dict\(\)"):
        read(tmp_path / "network.pt")


@given(share=st.floats(0, 0.999), safe=st.booleans())
@settings(max_examples=40)
def test_a_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, share: float, safe: bool) -> None:
    path = tmp_path_factory.mktemp("cut") / "cut"
    if safe:
        path.write_bytes(to_safetensors(dict(network().state_dict())))
    else:
        torch.save(network().state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Refused, match=str(path)):
        read(path)


@given(content=st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"\x80\x02" + rest))
@settings(max_examples=100)
def test_any_other_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "junk"
    path.write_bytes(content)
    with pytest.raises(Refused, match="junk"):
        read(path)


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, {"a": torch.ones(1), "b": 2}, torch.ones(2)])
def test_a_torch_file_without_a_state_dict_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(Refused, match="state dict"):
        read(tmp_path / "other.pt")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(Refused, match="cannot be read"):
            read(path)


def test_weights_are_copied_in() -> None:
    source, target = network(), network()
    load_into_(target, dict(source.state_dict()), "a.pt")
    assert same(dict(target.state_dict()), dict(source.state_dict()))


def test_a_checkpoint_from_before_torch_041_loads() -> None:
    state = dict(network().state_dict())
    del state["1.num_batches_tracked"]
    load_into_(network(), state, "old.pt")


def test_half_precision_is_widened() -> None:
    state = {
        name: value.half() if value.is_floating_point() else value for name, value in network().state_dict().items()
    }
    target = network()
    load_into_(target, state, "half.pt")
    assert target[0].weight.dtype == torch.float32
    assert torch.equal(target[0].weight, state["0.weight"].float())


def changed(**changes: Any) -> dict[str, torch.Tensor]:
    state = dict(network().state_dict())
    for name, value in changes.items():
        state[name.replace("_", ".", 1)] = value
    return {name: value for name, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (changed(**{"0_weight": None}), "a.pt does not fit this network: it lacks 0.weight"),
        (changed(**{"2_weight": torch.ones(1)}), "a.pt does not fit this network: it adds 2.weight"),
        (
            changed(**{"0_bias": None, "2_weight": torch.ones(1)}),
            "a.pt does not fit this network: it lacks 0.bias and adds 2.weight",
        ),
        ({}, "a.pt does not fit this network: it lacks 0.weight, 0.bias, 1.weight and 3 more"),
        (
            changed(**{"0_weight": torch.ones(5, 3), "0_bias": torch.ones(5)}),
            "a.pt does not fit this network: 0.weight is [5, 3] and should be [2, 3], 0.bias is [5] and should be [2]",
        ),
        (
            changed(**{"0_bias": torch.tensor([1.0, float("nan")]), "1_weight": torch.tensor([float("inf"), 1.0])}),
            "a.pt holds values that are NaN or infinite in 0.bias, 1.weight: use a checkpoint from before",
        ),
    ],
)
def test_what_does_not_fit_is_said_by_name(state: dict[str, torch.Tensor], sentence: str) -> None:
    target = network()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(Refused) as caught:
        load_into_(target, state, "a.pt")
    assert str(caught.value) == sentence
    assert same(dict(target.state_dict()), before)
