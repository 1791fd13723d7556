"""Traces: kept small, found again bit for bit, and never where they do not belong."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import safetensors.torch
import torch
from torch import nn

from workbench.context import Cache, Context, Patience, fingerprint
from workbench.errors import Refused
from workbench.network import layers, weight_format
from workbench.reconstruction import contest as contests
from workbench.reconstruction import traces
from workbench.reconstruction.contest import chosen
from workbench.reconstruction.traces import Trace, traced
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

STEPS = (
    Magnitude(ratio=0.7, score="magnitude"),
    WeightBits(bits=3, method="descent"),
    WeightBits(bits=1, method="descent"),
    WeightBits(bits=8, method="kmeans"),
    WeightBits(bits=4, method="powers"),
    WeightBits(bits=4, method="nearest", layers={"fc": 16, "conv1": 32}),
)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_trace_gives_every_bit_back(step: Magnitude | WeightBits, net: nn.Module, ctx: Context) -> None:
    solved = step.apply(net, ctx)
    trace = Trace.between(net, solved)
    again = trace.on(net)
    assert fingerprint(again) == fingerprint(solved)
    for name, layer in layers(solved).items():
        assert torch.equal(layers(again)[name].weight, layer.weight)
        assert (weight_format(layers(again)[name]).mask is None) == (weight_format(layer).mask is None)


def test_traces_are_small(net: nn.Module, ctx: Context) -> None:
    full = sum(x.nbytes for x in net.state_dict().values())
    assert Trace.between(net, Magnitude(ratio=0.9, score="magnitude").apply(net, ctx)).size_bytes < 0.4 * full
    assert Trace.between(net, WeightBits(bits=4, method="descent").apply(net, ctx)).size_bytes < 0.5 * full


def never(*_: object) -> NoReturn:
    raise AssertionError("solved again")


def ask(net: nn.Module, ctx: Context, step: Magnitude = STEPS[0]) -> nn.Module:  # type: ignore[assignment]
    return traced(step, net, ctx, lambda *given: step._refitted(*given), never)


def test_it_is_solved_once_and_found_in_another_process(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(net, make_ctx(folder=tmp_path))
    monkeypatch.setattr(Magnitude, "_refitted", lambda *_: never())
    later = make_ctx(folder=tmp_path)
    assert fingerprint(ask(net, later)) == fingerprint(first)
    assert not later.notes


@pytest.mark.parametrize("change", ["weights", "reference", "settings", "seed", "version"])
def test_a_trace_of_something_else_is_never_used(
    change: str, net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(net, make_ctx(folder=tmp_path))
    step, ctx = STEPS[0], make_ctx(folder=tmp_path)
    match change:
        case "weights":
            net.fc.weight.data[0, 0] += 1e-6
        case "reference":
            ctx = dataclasses.replace(ctx, reference_key="other images")
        case "settings":
            step = dataclasses.replace(step, scope="layer")
        case "seed":
            ctx = make_ctx(folder=tmp_path, seed=1)
        case "version":
            monkeypatch.setattr(traces, "sources", lambda: "another version")
    solved = []
    monkeypatch.setattr(Magnitude, "_refitted", lambda *_: solved.append(1) or net)
    ask(net, ctx, step)  # type: ignore[arg-type]
    assert solved == [1]


def test_damaged_files_are_solved_again(net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path) -> None:
    first = ask(net, make_ctx(folder=tmp_path))
    (file,) = tmp_path.iterdir()
    other = safetensors.torch.save({"x": torch.ones(1)}, {"about": '{"plain": ["x"], "forms": {}, "notes": []}'})
    for content in (b"", b"junk" * 100, file.read_bytes()[:-10], other):
        file.write_bytes(content)
        assert fingerprint(ask(net, make_ctx(folder=tmp_path))) == fingerprint(first)


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_nothing_is_written_through_a_link(net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path) -> None:
    """The names of traces can be computed by everybody, so a link may wait where one will be written."""
    precious, folder = tmp_path / "thesis.tex", tmp_path / "class"
    precious.write_text("mine")
    ask(net, make_ctx(folder=folder))
    (file,) = folder.iterdir()
    file.unlink()
    file.symlink_to(precious)
    ask(net, make_ctx(folder=folder))
    assert precious.read_text() == "mine"
    assert not file.is_symlink()


def test_a_full_disk_costs_nothing_but_a_note(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    ctx = make_ctx(folder=tmp_path)
    assert (ask(net, ctx).conv1.weight == 0).any()
    (note,) = ctx.notes
    assert note.startswith("traces are not kept for the next time: ")
    assert note.endswith("No space left on device")
    assert list(tmp_path.iterdir()) == [], "nothing half-written stays"


def test_a_folder_that_cannot_be_made_is_named_in_plain_words(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path
) -> None:
    (tmp_path / "home").touch()
    ctx = make_ctx(folder=tmp_path / "home" / "traces")
    ask(net, ctx)
    told = f"traces are not kept for the next time: {tmp_path}/home/traces cannot be written: Not a directory"
    assert ctx.notes == [told]


def test_the_folder_is_bounded(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(net, make_ctx(folder=tmp_path))
    (oldest,) = tmp_path.iterdir()
    monkeypatch.setattr(traces, "FOLDER_BYTES", int(2.5 * oldest.stat().st_size))
    for ratio in (0.6, 0.72):
        ask(net, make_ctx(folder=tmp_path), Magnitude(ratio=ratio, score="magnitude"))
    assert not oldest.exists()
    assert len(list(tmp_path.iterdir())) >= 1


def test_what_another_process_removes_meanwhile_or_has_left_behind_is_no_error(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")  # listed, and not there when it is looked at
    left, begun = tmp_path / ".k.safetensors-left", tmp_path / ".k.safetensors-begun"
    for path in (left, begun):
        path.touch()
    os.utime(left, (0, 0))
    ctx = make_ctx(folder=tmp_path)
    monkeypatch.setattr(traces, "FOLDER_BYTES", 0)
    ask(net, ctx)
    assert ctx.notes == []
    assert not left.exists()
    assert begun.exists()


def test_memory_is_bounded_and_the_oldest_is_dropped(net: nn.Module, make_ctx: Callable[..., Context]) -> None:
    ctx = make_ctx(traces=Cache(6000, lambda trace: trace.size_bytes))
    for ratio in (0.3, 0.5, 0.7, 0.9):
        ask(net, ctx, Magnitude(ratio=ratio, score="magnitude"))
        assert ctx.traces.weight <= 6000
    for ratio, provisional in ((0.9, 0), (0.3, 1)):
        quick = dataclasses.replace(ctx, patience=Patience.NOW, provisional=[])
        Magnitude(ratio=ratio, score="magnitude").apply(net, quick)
        assert len(quick.provisional) == provisional


def test_a_trace_of_a_class_is_read_and_its_folder_never_written(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path
) -> None:
    first = ask(net, make_ctx(folder=tmp_path / "class"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "class").iterdir()}
    own = tmp_path / "own"
    ctx = make_ctx(folder=own, shared=tmp_path / "class")
    again = traced(STEPS[0], net, ctx, never, never)
    assert fingerprint(again) == fingerprint(first)
    assert not own.exists()
    ask(net, make_ctx(folder=own, shared=tmp_path / "class"), Magnitude(ratio=0.6, score="magnitude"))
    assert len([*own.iterdir()]) == 1
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "class").iterdir()} == before


@pytest.mark.parametrize(
    "what", ["junk", "other layers", "other shapes", "not finite", "no notes", "too large", "folder"]
)
def test_a_trace_that_somebody_made_up_is_not_used(
    what: str, net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(net, make_ctx(folder=tmp_path))
    (file,) = tmp_path.iterdir()
    found = traces._read(file, "cpu")
    tensors, about = dict(found.tensors), dict(found.about)
    match what:
        case "other layers":
            about["forms"] = {"evil": next(iter(about["forms"].values()))}
        case "other shapes":
            tensors = {name: tensor[:1] for name, tensor in tensors.items()}
        case "not finite":
            values = [name for name in tensors if name.endswith("values")]
            tensors |= {name: tensors[name] * float("nan") for name in values}
        case "no notes":
            about["notes"] = [1]
        case "too large":
            monkeypatch.setattr(traces, "SHARED_BYTES", 10)
    content = safetensors.torch.save(tensors, {"about": json.dumps(about)})
    if what == "folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(b"junk" * 100 if what == "junk" else content)
    assert fingerprint(ask(net, make_ctx(shared=tmp_path))) == fingerprint(first), "it is solved instead"


def test_in_a_folder_that_is_filled_nothing_makes_room(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(net, make_ctx().apart(tmp_path))
    (first,) = tmp_path.iterdir()
    size = first.stat().st_size
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    monkeypatch.setattr(traces, "FOLDER_BYTES", int(1.5 * size))
    with pytest.raises(Refused, match=r"holds [\d,]+ bytes, and the next position takes [\d,]+ more"):
        ask(net, make_ctx().apart(tmp_path), Magnitude(ratio=0.6, score="magnitude"))
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [first]

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(traces, "FOLDER_BYTES", 2**30)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Refused, match="No space left on device"):
        ask(net, make_ctx().apart(tmp_path), Magnitude(ratio=0.6, score="magnitude"))


def test_apart_from_a_class_nothing_of_it_is_known(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Magnitude(ratio=0.7)
    chosen(step, make_ctx(folder=tmp_path / "class"))
    ctx = make_ctx(folder=tmp_path / "own", shared=tmp_path / "class")
    chosen(step, ctx)
    ask(net, ctx)
    assert ctx.decisions._values
    assert ctx.traces._values
    alone = ctx.apart()
    assert (alone.folder, alone.shared, alone.filling) == (tmp_path / "own", None, False)
    monkeypatch.setattr(contests, "contest", lambda *_: never())
    assert chosen(step, ctx)
    with pytest.raises(AssertionError, match="solved again"):
        chosen(step, alone)
    for cache in (alone.traces, alone.cache, alone.targets, alone.problems, alone.decisions):
        assert not cache._values


def test_a_contest_is_decided_once_for_a_class(
    net: nn.Module, make_ctx: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Magnitude(ratio=0.7)
    winner = chosen(step, make_ctx(folder=tmp_path))
    (kept,) = tmp_path.glob("*.contest.json")
    monkeypatch.setattr(contests, "contest", lambda *_: never())
    assert chosen(step, make_ctx(shared=tmp_path)) == winner
    assert chosen(step, make_ctx(shared=tmp_path, patience=Patience.NOW)) == winner
    for content in ("", "{", '{"winner": 99}', '{"winner": true}', '{"winner": -1}', "[]", "[" * 900):
        kept.write_text(content)
        with pytest.raises(AssertionError, match="solved again"):
            chosen(step, make_ctx(shared=tmp_path))
