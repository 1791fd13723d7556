"""Files are handed over only after they were run on all test images, and nothing half-written stays."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import pytest
import torch
from torch import Tensor

from workbench.context import Progress, ignore
from workbench.delivery import deliver, replay, warm
from workbench.errors import Cancelled, Refused
from workbench.export.packed import pack, unpack
from workbench.export.recipe import read
from workbench.exporting import Format, Runner, Source
from workbench.recipe import Recipe
from workbench.registry import exports
from workbench.result import DataRef, Job, ModelRef
from workbench.run import packed_file, prepare, run
from workbench.store import Store
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits
from workbench.timing.turn import turn

PLAIN = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
SMALL = dataclasses.replace(PLAIN, recipe=Recipe((Magnitude(ratio=0.6), WeightBits(bits=4, method="nearest"))))
TEST_IMAGES = 600


def _nothing(path: Path) -> None:
    path.write_bytes(b"a file")


def _true(scores: Tensor) -> Tensor:
    return scores


@final
class Toy(Format):
    """Writes what it is told to, and answers with the scores of the network after `change`."""

    name = "toy"
    title = "Toy"
    summary = "For tests."
    suffix = ".toy"
    runtime = "the test"

    def __init__(self, write: Callable[[Path], None] = _nothing, change: Callable[[Tensor], Tensor] = _true) -> None:
        self._write, self._change, self.seen = write, change, 0

    def write(self, source: Source, path: Path) -> None:
        self._write(path)

    def load(self, path: Path, source: Source) -> Runner:
        def answer(images: Tensor) -> Tensor:
            self.seen += len(images)
            with torch.no_grad():
                return self._change(source.model(images))

        return answer


class Wrong:
    """Gives another answer for the first `count` images."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, scores: Tensor) -> Tensor:
        scores = scores.clone()
        for row in scores[: self.left]:
            row[row.argmin()] = row.max() + 1
        self.left -= min(self.left, len(scores))
        return scores


def test_a_file_is_there_with_what_it_was_found_to_do(tmp_path: Path) -> None:
    format, path = Toy(change=lambda scores: scores + 0.25), tmp_path / "net.toy"
    found = deliver(PLAIN, format, path)
    assert format.seen == TEST_IMAGES
    assert (found.path.read_bytes(), found.size_bytes) == (b"a file", 6)
    assert os.listdir(tmp_path) == ["net.toy"]
    assert (found.agreement.value, found.agreement.n, found.agreement.how) == (1.0, TEST_IMAGES, "measured")
    assert found.agreement.low == pytest.approx(600 / (600 + 1.959964**2))  # Wilson's interval where all agree
    assert found.difference == pytest.approx(0.25, abs=1e-5)
    *_, row = run(PLAIN)
    assert found.accuracy.value == found.preview_accuracy == row.estimates["accuracy"].value
    assert found.faithful
    assert found.notes == ()


def test_every_answer_that_differs_is_counted_and_said(tmp_path: Path) -> None:
    found = deliver(PLAIN, Toy(change=Wrong(3)), tmp_path / "net.toy")
    assert found.agreement.value == 597 / 600
    assert not found.faithful
    assert "3 of 600 test images" in found.notes[0]
    assert found.accuracy.value < found.preview_accuracy


@pytest.mark.parametrize(
    ("format", "said"),
    [
        (Toy(change=Wrong(61)), "same answer on 539 of 600 test images"),
        (Toy(change=lambda scores: scores[:, :4]), r"gives scores \[100, 4\], expected \[100, 10\]"),
        (Toy(change=lambda scores: scores * float("nan")), "NaN"),
    ],
)
def test_garbage_is_refused_and_the_old_file_stays(format: Format, said: str, tmp_path: Path) -> None:
    path = tmp_path / "net.toy"
    path.write_bytes(b"old")
    with pytest.raises(Refused, match=said):
        deliver(PLAIN, format, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net.toy"]


def test_an_exact_format_may_not_differ_in_one_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    format = Toy(change=lambda scores: scores * 1.000001)
    deliver(PLAIN, format, tmp_path / "net.toy")
    monkeypatch.setattr(Toy, "exact", True)
    with pytest.raises(Refused, match="same answer on 600 of 600"):
        deliver(PLAIN, format, tmp_path / "other.toy")
    assert os.listdir(tmp_path) == ["net.toy"]


def _full(path: Path) -> None:
    path.write_bytes(b"half")
    (path.parent / "weights.bin").write_bytes(b"beside it")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _refuses(path: Path) -> None:
    path.write_bytes(b"half")
    raise Refused("this format has no operator 'erf' of layer act1: choose another")


@pytest.mark.parametrize(("write", "said"), [(_full, "cannot be written: No space left"), (_refuses, "layer act1")])
def test_a_write_that_fails_leaves_nothing(write: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=said):
        deliver(PLAIN, Toy(write), tmp_path / "net.toy")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("word", ["writing", "loading", "checking the file: 300"])
def test_a_cancel_leaves_nothing(word: str, tmp_path: Path) -> None:
    def report(news: Progress) -> None:
        if word in news.message:
            raise Cancelled

    format = Toy()
    with pytest.raises(Cancelled):
        deliver(PLAIN, format, tmp_path / "net.toy", report=report)
    assert os.listdir(tmp_path) == []
    assert format.seen < TEST_IMAGES


def test_a_folder_that_is_missing_or_closed_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    def report(_: Progress) -> None:
        pytest.fail("something was computed")

    (tmp_path / "file").write_bytes(b"")
    for path, said in (
        (tmp_path / "missing" / "net.toy", "cannot be written: No such file"),
        (tmp_path / "file" / "net.toy", "cannot be written: Not a directory"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(Refused, match=said):
            deliver(PLAIN, Toy(), path, report=report)


def test_code_from_a_file_is_not_run_for_a_dashboard(tmp_path: Path) -> None:
    job = dataclasses.replace(PLAIN, model=ModelRef(name="user:net.py:build"))
    with pytest.raises(Refused, match="does not run"):
        deliver(job, Toy(), tmp_path / "net.toy", user_code=False)


def test_what_was_trained_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = dataclasses.replace(PLAIN, recipe=Recipe((Magnitude(ratio=0.9), Finetune(epochs=0.5))))
    with Store(tmp_path / "results.sqlite3") as store:
        *_, row = run(job, store=store)
        monkeypatch.setattr("workbench.techniques.finetune.fit", lambda *_, **__: pytest.fail("it was trained again"))
        monkeypatch.setattr("workbench.run._files", type(prepare(job).known)(limit=1))
        found = deliver(job, "packed", tmp_path / "net.dsw", store=store)
    assert found.accuracy.value == row.estimates["accuracy"].value
    assert found.size_bytes == row.estimates["size_bytes"].value


@pytest.mark.parametrize("name", ["packed", "code", "program", "recipe"])
def test_the_formats_that_need_nothing_else_are_bit_for_bit(name: str, tmp_path: Path) -> None:
    found = deliver(SMALL, name, tmp_path / f"net{exports.get(name).suffix}")
    assert (found.agreement.value, found.difference) == (1.0, 0.0)
    assert found.size_bytes == found.path.stat().st_size


# recorded jobs


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, Any]:
    deliver(SMALL, "recipe", tmp_path / "job.json")
    return read((tmp_path / "job.json").read_text())


def test_a_recorded_job_gives_the_same_bytes(recorded: dict[str, Any]) -> None:
    job = Job.from_dict(recorded["job"])
    assert job == SMALL
    content = replay(recorded, job)
    assert content == packed_file(SMALL)
    assert hashlib.sha256(content).hexdigest() == recorded["packed"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("weights", "the weights of digits-mlp are not those of the recorded job: expected SHA-256 0000"),
        ("data", "the images of digits are not"),
        ("test_data", "the test images of digits are not"),
    ],
)
def test_other_weights_or_data_are_named(recorded: dict[str, Any], name: str, said: str) -> None:
    other = recorded | {"hashes": recorded["hashes"] | {name: "0" * 64}}
    with pytest.raises(Refused, match=said):
        replay(other, SMALL)


def test_another_result_is_explained(recorded: dict[str, Any]) -> None:
    other = recorded | {"packed": "0" * 64, "versions": recorded["versions"] | {"torch": "1.0"}}
    with pytest.raises(
        Refused, match=rf"another packed file here \(torch {torch.__version__.split('+')[0]}.* of 1.0\)"
    ):
        replay(other, SMALL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "got something else"),
        ('{"kind": "downsizing-workbench job"}', "format None"),
        ('{"kind": "downsizing-workbench job", "format": 99}', "format 99"),
        ('{"kind": "downsizing-workbench job", "format": 1}', "names `hashes`"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_recorded_job_is_refused(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        read(text)


def test_packing_what_was_unpacked_gives_the_same_bytes() -> None:
    """Or a recipe could not name the packed file of a network that comes from a store."""
    prepared = prepare(SMALL)
    content = packed_file(SMALL)
    assert pack(unpack(content, prepared.context.build), json.loads(json.dumps(prepared.about))).data == content


def test_a_device_is_not_written_over(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.toy"
    os.mkfifo(pipe)
    with pytest.raises(Refused, match="is no plain file"):
        deliver(PLAIN, Toy(), pipe)
    assert not pipe.is_file()
    assert os.listdir(tmp_path) == ["pipe.toy"]


def test_a_network_that_answers_differently_each_time_is_told_apart_from_a_wrong_file(tmp_path: Path) -> None:
    code = tmp_path / "net.py"
    code.write_text(
        "from torch import nn\nfrom torch.nn import functional as F\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(64, 10)\n"
        "    def forward(self, x):\n        return self.fc(F.dropout(x.flatten(1), 0.9, training=True))\n"
        "def net():\n    return Net()\n"
    )
    job = Job(model=ModelRef(name=f"user:{code}:net"), data=DataRef(name="digits"))
    with pytest.raises(Refused, match="answers differently each time"):
        deliver(job, exports.get("packed"), tmp_path / "net.dsw")


def test_exports_wait_for_measurements_and_for_each_other(tmp_path: Path) -> None:
    told: list[str] = []

    def cancel(news: Progress) -> None:
        told.append(news.message)
        if "waiting" in news.message and len(told) > 3:
            raise Cancelled

    with turn(ignore), pytest.raises(Cancelled):
        deliver(PLAIN, Toy(), tmp_path / "net.toy", report=cancel)
    assert set(told) == {"waiting for another measurement on this machine"}
    assert os.listdir(tmp_path) == []


def test_warming_loads_the_exporter_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    warm()
    assert "torch.onnx._internal.exporter._core" in sys.modules
    assert not list(tmp_path.rglob("*.onnx"))
