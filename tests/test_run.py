"""The one way in, end to end on the shipped digits: rows that tighten, and a sentence for whatever goes wrong."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import workbench.run as engine
from workbench.context import Cache, Progress, fingerprint
from workbench.errors import Cancelled, Refused
from workbench.export.packed import unpack
from workbench.images import Splits
from workbench.measure import _answers
from workbench.models import _weights
from workbench.models._load import build
from workbench.recipe import Recipe
from workbench.registry import data, measures
from workbench.result import DataRef, Estimate, Job, ModelRef, Result, Status
from workbench.run import Prepared, compressed, contest, packed_file, pictures, prepare, run, settled
from workbench.store import Store
from workbench.techniques.distill import Distill
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits

BASE = Job(model=ModelRef(name="digits-cnn"), data=DataRef(name="digits"))
SMALL = dataclasses.replace(BASE, recipe=Recipe((Magnitude(ratio=0.6), WeightBits(bits=4))))
TRAINED = dataclasses.replace(BASE, recipe=Recipe((Magnitude(ratio=0.95), Finetune(epochs=0.5))))

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.linear, self.answer = nn.Linear(64, 10), answer
        self.linear.weight.data = torch.arange(640.0).view(10, 64).sin() * FACTOR
        self.linear.bias.data.zero_()

    def forward(self, x):
        return self.answer(self.linear(x.flatten(1)))

def plain():
    return Net(nn.Identity())

def pair():
    return Net(lambda scores: (scores, scores))

def broken():
    net = plain()
    net.linear.weight.data[0, 0] = float("nan")
    return net

def normed():
    net = plain()
    nn.utils.weight_norm(net.linear)
    net(torch.zeros(2, 1, 8, 8))
    return net
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Begins with nothing kept in memory; call it to forget again."""

    def forget() -> None:
        monkeypatch.setattr(engine, "_prepared", Cache(limit=4))
        monkeypatch.setattr(engine, "_files", Cache(limit=16))

    forget()
    return forget


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "results.sqlite3") as store:
        yield store


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(CODE.replace("FACTOR", "1"))
    return path


def last(job: Job, **options: Any) -> Result:
    *_, row = run(job, **options)
    return row


def stop_at(fraction: float, word: str, error: type[BaseException]) -> Callable[[Progress], None]:
    """Return a report that raises once a message with the word has reached the fraction."""

    def report(progress: Progress) -> None:
        if word in progress.message and progress.fraction >= fraction:
            raise error

    return report


# rows


def test_rows_tighten_until_one_is_final() -> None:
    rows = list(run(SMALL))
    assert [row.estimates["accuracy"].n for row in rows] == [128, 256, 512, 600]
    assert [row.final for row in rows] == [False, False, False, True]
    widths = [row.estimates["accuracy"].high - row.estimates["accuracy"].low for row in rows]
    assert widths == sorted(widths, reverse=True)
    assert all(row.status is Status.OK and not row.message and row.job == SMALL for row in rows)
    assert len({row.key for row in rows}) == 1
    assert all(row.estimates.keys() == {measure.name for measure in measures} for row in rows), "size is there at once"
    assert rows[-1].environment["torch"] == torch.__version__


def test_the_recipe_makes_it_smaller_and_costs_little() -> None:
    base, small = last(BASE), last(SMALL)
    assert base.estimates["accuracy"].value > 0.98
    assert 0.9 < small.estimates["accuracy"].value <= base.estimates["accuracy"].value
    assert small.estimates["size_bytes"].value < base.estimates["size_bytes"].value / 8
    assert small.estimates["nonzeros"].value < base.estimates["nonzeros"].value / 2
    assert small.estimates["parameters"].value == base.estimates["parameters"].value == 41_074
    assert small.key != base.key


def test_what_is_measured_is_what_is_made(fresh: Callable[[], None]) -> None:
    model, prepared = compressed(SMALL), prepare(SMALL)
    test = prepared.test
    with torch.no_grad():
        hits = int((model(test.inputs(torch.arange(len(test)))).argmax(1) == test.labels).sum())
    fresh()
    assert last(SMALL).estimates["accuracy"].value == hits / 600
    assert sum(int((p != 0).sum()) for p in model.parameters()) == last(SMALL).estimates["nonzeros"].value


def test_the_change_is_against_the_original_on_the_same_images(fresh: Callable[[], None]) -> None:
    alone = last(SMALL)
    fresh()
    base, small = last(BASE), last(SMALL)
    assert small == alone, "it does not matter whether the original was measured before"
    change, accuracies = small.estimates["change"], [row.estimates["accuracy"] for row in (base, small)]
    assert change.value == pytest.approx(accuracies[1].value - accuracies[0].value, abs=1e-12)
    assert change.low < change.value < change.high
    assert change.high - change.low < sum(accuracy.high - accuracy.low for accuracy in accuracies)
    assert base.estimates["change"] == Estimate.counted(0.0, "fraction")


def test_the_original_is_asked_once_for_all_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(BASE)
    asked = []

    def counting(network: nn.Module, _: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        def forward(inputs: torch.Tensor) -> torch.Tensor:
            asked.extend([network is prepared.model] * len(inputs))
            return network(inputs)

        return forward

    monkeypatch.setattr(_answers, "quickest", counting)
    last(SMALL)
    assert sum(asked) == len(prepared.test), "each test image once"
    last(dataclasses.replace(SMALL, recipe=Recipe((WeightBits(bits=3),))))
    last(BASE)
    assert sum(asked) == len(prepared.test)
    assert not all(asked), "the compressed ones are asked, too"


def test_flips_come_with_their_pictures() -> None:
    last(BASE)
    *_, row = run(dataclasses.replace(BASE, recipe=Recipe((Magnitude(ratio=0.9, method="mask"),))))
    flips = row.details["accuracy"]["flips"]
    shown = pictures(row.job, [flip["index"] for flip in flips])
    assert shown.shape == (len(flips), 8, 8, 1)
    assert shown.dtype == "uint8"
    test = data.get("digits").open(BASE.data).test
    for flip, picture in zip(flips, shown, strict=True):
        assert int(test.labels[flip["index"]]) == flip["label"]
        assert (picture[..., 0] == test.pixels(torch.tensor([flip["index"]]))[0, 0].numpy()).all()


def test_pictures_that_are_not_there_are_refused() -> None:
    assert pictures(BASE, []).shape == (0, 8, 8, 1)
    for index in (-1, 600):
        with pytest.raises(Refused, match="numbered from 0 to 599"):
            pictures(BASE, [index])


def test_the_size_is_the_length_of_the_file() -> None:
    for job in (BASE, SMALL, TRAINED):
        row = last(job)
        assert row.estimates["size_bytes"].value == len(packed_file(job))
        assert sum(row.details["size_bytes"]["ledger"].values()) == len(packed_file(job))


def test_the_file_loads_back_to_the_same_answers() -> None:
    row, test = last(SMALL), prepare(SMALL).test
    model = unpack(packed_file(SMALL), lambda name: build(name, 10))
    with torch.no_grad():
        scores = model(test.inputs(torch.arange(len(test))))
        assert torch.equal(scores, compressed(SMALL)(test.inputs(torch.arange(len(test)))))
    assert int((scores.argmax(1) == test.labels).sum()) / 600 == row.estimates["accuracy"].value


@pytest.mark.parametrize("job", [SMALL, TRAINED], ids=["at once", "trained"])
def test_the_same_job_is_the_same_key_the_same_numbers_and_the_same_bytes(job: Job, fresh: Callable[[], None]) -> None:
    first, file = last(job), packed_file(job)
    fresh()
    torch.rand(5)
    assert packed_file(job) == file  # now before it is measured
    assert last(job) == first


def test_the_seed_is_part_of_the_key_and_of_the_training() -> None:
    other = dataclasses.replace(TRAINED, seed=1)
    assert last(other).key != last(TRAINED).key
    assert packed_file(other) != packed_file(TRAINED)


def test_a_fresh_student_depends_on_the_seed() -> None:
    ctx = prepare(BASE).context
    assert fingerprint(ctx.build("digits-mlp")) == fingerprint(ctx.build("digits-mlp"))
    other = prepare(dataclasses.replace(BASE, seed=1)).context
    assert fingerprint(ctx.build("digits-mlp")) != fingerprint(other.build("digits-mlp"))


def test_a_student_of_the_zoo_is_what_is_measured() -> None:
    job = dataclasses.replace(BASE, recipe=Recipe((Distill(student="digits-mlp", epochs=0.5),)))
    assert last(job).estimates["parameters"].value == 17_226


def test_other_test_data_have_a_key_of_their_own() -> None:
    same = dataclasses.replace(SMALL, test_data=DataRef(name="digits"))
    one, other = last(SMALL), last(same)
    assert one.estimates == other.estimates
    assert one.key != other.key


def folders(tmp_path: Path, *names: str) -> DataRef:
    """Make image folders with classes of these names."""
    root = tmp_path / "-".join(names)
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for image in range(10):
            Image.new("RGB", (8, 8), (100 * number, image, 0)).save(root / name / f"{image}.png")
    return DataRef(name=f"folder:{root}")


def test_other_test_data_with_classes_of_other_names_leave_a_note(tmp_path: Path) -> None:
    code = tmp_path / "net.py"
    code.write_text("from torch import nn\ndef make(): return nn.Sequential(nn.Flatten(), nn.Linear(192, 2))")
    job = Job(model=ModelRef(name=f"user:{code}:make"), data=folders(tmp_path, "cat", "dog"))
    row = last(dataclasses.replace(job, test_data=folders(tmp_path, "cat", "wolf")))
    assert row.status is Status.OK
    (note,) = row.notes
    assert note.startswith("the test data name their classes differently, and are taken in order: class 1 is 'dog' in")
    same = folders(tmp_path / "elsewhere", "cat", "dog")
    assert last(dataclasses.replace(job, test_data=same)).notes == ()
    three = last(dataclasses.replace(job, test_data=folders(tmp_path, "cat", "dog", "emu")))
    assert three.message.endswith(", got 3")


def test_the_same_classes_in_another_order_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = dataclasses.replace(data.get("digits"), open=lambda ref: swapped(data.get("digits").open(ref)))
    monkeypatch.setitem(data._entries, "turned", turned)
    row = last(dataclasses.replace(BASE, test_data=DataRef(name="turned")))
    assert row.status is Status.FAILED
    assert row.message == (
        "test data need the classes of digits in the same order: class 0 is '0' in digits and '1' in turned"
    )


def swapped(splits: Splits) -> Splits:
    first, second, *rest = splits.classes
    return dataclasses.replace(splits, classes=(second, first, *rest))


def test_notes_reach_the_row() -> None:
    row = last(dataclasses.replace(BASE, recipe=Recipe.from_json('{"format": 1, "steps": [{"step": "batchnorm"}]}')))
    assert any("agreement with the original" in note for note in row.notes)


# preparing


def test_jobs_that_differ_in_their_recipe_share_model_and_data() -> None:
    def shared(job: Job) -> Prepared:
        return prepare(job)

    assert shared(BASE) is shared(SMALL) is shared(TRAINED)
    assert shared(BASE) is not shared(dataclasses.replace(BASE, seed=1))
    assert shared(BASE).layers == ("conv1", "conv2", "conv3", "linear")
    assert not shared(BASE).model.training


def test_the_shared_model_is_not_changed_by_a_run() -> None:
    prepared = prepare(BASE)
    before = fingerprint(prepared.model)
    last(SMALL)
    last(TRAINED)
    assert fingerprint(prepared.model) == before
    assert prepared.context.notes == []


def test_a_checkpoint_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    job = dataclasses.replace(BASE, model=ModelRef(name="digits-mlp", checkpoint=str(path)))
    keys = []
    for number, factor in enumerate((1.0, 0.5)):
        save_file({k: v * factor for k, v in build("digits-mlp", 10).state_dict().items()}, path)
        os.utime(path, (number, number))
        keys.append(last(job).key)
    assert keys[0] != keys[1]


def test_a_users_file_that_is_written_anew_is_read_anew(user_file: Path) -> None:
    job = dataclasses.replace(BASE, model=ModelRef(name=f"user:{user_file}:plain"))
    first = last(job)
    assert first.status is Status.OK
    user_file.write_text(CODE.replace("FACTOR", "-1"))
    os.utime(user_file, (1, 1))
    assert last(job).estimates["accuracy"].value != first.estimates["accuracy"].value


def test_weights_that_are_trained_anew_are_read_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    job = Job(model=ModelRef(name="digits-mlp"), data=DataRef(name="digits"))
    monkeypatch.setattr(_weights, "shipped", lambda _: tmp_path / "none")
    path = _weights.trained("digits-mlp", "digits")
    keys = []
    for number in (1, 2):
        _weights.save(build("digits-mlp", 10, seed=number), path, {})
        os.utime(path, (number, number))
        keys.append(prepare(job).key(job))
    assert keys[0] != keys[1]


def test_a_stored_row_does_not_outlive_an_edit_of_forward(
    user_file: Path, store: Store, fresh: Callable[[], None]
) -> None:
    job = dataclasses.replace(BASE, model=ModelRef(name=f"user:{user_file}:plain"))
    first = last(job, store=store)
    written = user_file.stat().st_mtime_ns
    user_file.write_text(CODE.replace("FACTOR", "1").replace("self.linear(x.", "self.linear(-x."))
    os.utime(user_file, ns=(written + 1, written + 1))  # a second has not passed
    second = last(job, store=store)
    assert second.key != first.key
    assert second.estimates["accuracy"].value != first.estimates["accuracy"].value
    fresh()
    user_file.write_text(CODE.replace("FACTOR", "1"))
    assert last(job, store=store) == first, "what is undone is known again"


def test_a_folder_that_changed_is_read_anew(tmp_path: Path) -> None:
    for name, value in (("cat", 10), ("dog", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), value + number).save(tmp_path / "images" / name / f"{number}.png")
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef make(): return nn.Sequential(nn.Flatten(), nn.Linear(192, 2))"
    )
    job = Job(
        model=ModelRef(name=f"user:{tmp_path / 'net.py'}:make"), data=DataRef(name=f"folder:{tmp_path / 'images'}")
    )
    first = prepare(job)
    assert prepare(job) is first
    Image.new("L", (8, 8), 99).save(tmp_path / "images" / "cat" / "0.png")
    assert prepare(job).key(job) != first.key(job)


# refusals


def with_model(**changes: Any) -> Job:
    return dataclasses.replace(BASE, model=ModelRef(**({"name": "digits-cnn"} | changes)))


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (with_model(name="digits-cn"), "there is no model called 'digits-cn': did you mean 'digits-cnn'?"),
        (dataclasses.replace(BASE, data=DataRef(name="digit")), "there is no data set called 'digit'"),
        (with_model(checkpoint="/nowhere/w.safetensors"), "/nowhere/w.safetensors"),
        (with_model(mean=(0.5, 0.5)), "mean and std need one number for each of the 1 input channels, got 2 and 1"),
        (with_model(std=(-1.0,)), "std must be above zero, got -1.0"),
        (dataclasses.replace(BASE, device="gpu"), "the device 'gpu' cannot be used here (found: cpu"),
        (dataclasses.replace(BASE, device="meta"), "expected cpu, cuda, cuda:NUMBER or mps"),
        (dataclasses.replace(BASE, device="cuda:-1"), "expected cpu, cuda, cuda:NUMBER or mps"),
        (dataclasses.replace(BASE, device="cuda:99"), "the device 'cuda:99' cannot be used here"),
        (
            dataclasses.replace(BASE, recipe=Recipe((Magnitude(layers={"conv9": 0.5}),))),
            "magnitude: no layer is called 'conv9'; layers are conv1, conv2, conv3, linear",
        ),
        (
            dataclasses.replace(BASE, recipe=Recipe((Distill(student="lenet5"),))),
            "lenet5 cannot be used here: this network failed on an input of shape (2, 1, 8, 8)",
        ),
        (dataclasses.replace(BASE, recipe=Recipe((Distill(teacher="lenet6"),))), "no model called 'lenet6'"),
    ],
)
def test_an_expected_failure_is_one_final_row_with_a_sentence(job: Job, sentence: str) -> None:
    (row,) = run(job)
    assert row.final
    assert row.status is Status.FAILED
    assert sentence in row.message
    assert "\n" not in row.message
    assert row.estimates == {}
    assert row.job == job
    with pytest.raises(Refused):
        packed_file(job)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("pair", "the network must return one tensor of scores [N, 10], got a tuple"),
        ("broken", "linear.weight holds 1 values that are NaN or infinite"),
        ("nothing", "defines no function 'nothing'"),
    ],
)
def test_a_network_of_the_users_that_cannot_be_used(function: str, sentence: str, user_file: Path) -> None:
    (row,) = run(with_model(name=f"user:{user_file}:{function}"))
    assert row.status is Status.FAILED
    assert sentence in row.message


def test_the_old_weight_norm_is_refused_with_its_remedy(user_file: Path) -> None:
    with pytest.warns(FutureWarning, match="weight_norm"):
        (row,) = run(with_model(name=f"user:{user_file}:normed"))
    assert row.status is Status.FAILED
    assert "parametrizations.weight_norm" in row.message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a checkpoint", b"\x80\x04cos\nsystem\n(S'touch x'\ntR."])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint_that_is_none_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    (row,) = run(with_model(checkpoint=str(path)))
    assert row.status is Status.FAILED
    assert path.name in row.message


def test_a_dashboard_runs_no_code_of_the_users(user_file: Path) -> None:
    job = with_model(name=f"user:{user_file}:plain")
    assert last(job).status is Status.OK
    ran = user_file.with_suffix(".ran")
    user_file.write_text(CODE.replace("FACTOR", "1") + f"\nfrom pathlib import Path\nPath({str(ran)!r}).touch()\n")
    (row,) = run(job, user_code=False)  # also where it is in memory already
    assert row.status is Status.FAILED
    assert "which a dashboard does not run" in row.message
    for call in (packed_file, prepare):
        with pytest.raises(Refused, match="which a dashboard does not run"):
            call(job, user_code=False)
    assert not ran.exists()
    last(job)
    assert ran.exists(), "the test can fail"


def test_a_bug_is_not_hidden_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: Any) -> nn.Module:
        raise ZeroDivisionError

    monkeypatch.setattr(Magnitude, "apply", bug)
    with pytest.raises(ZeroDivisionError):
        last(SMALL)


# stopping


@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt])
@pytest.mark.parametrize(
    ("fraction", "word"), [(0.0, "reading"), (0.5, "loading"), (0.6, "fine-tuning"), (0.5, "accuracy")]
)
def test_stopping_keeps_nothing_and_breaks_nothing(
    fraction: float, word: str, error: type[BaseException], fresh: Callable[[], None], store: Store
) -> None:
    undisturbed = last(TRAINED)
    fresh()
    with pytest.raises(error):
        last(TRAINED, report=stop_at(fraction, word, error), store=store)
    assert store.query() == []
    assert last(TRAINED, store=store) == undisturbed
    assert len(store.query()) == 1


def test_stopping_a_training_leaves_the_model_as_it_was() -> None:
    prepared = prepare(BASE)
    before = fingerprint(prepared.model)
    job = dataclasses.replace(BASE, recipe=Recipe((Magnitude(ratio=0.9), Distill(epochs=1))))
    for word in ("asking the teacher", "training the student"):
        with pytest.raises(KeyboardInterrupt):
            last(job, report=stop_at(0.7, word, KeyboardInterrupt))
    assert prepare(BASE) is prepared
    assert fingerprint(prepared.model) == before
    assert not any(module.training for module in prepared.model.modules())


def test_rows_that_nobody_asks_for_are_not_measured() -> None:
    seen: list[str] = []
    rows = run(SMALL, report=lambda progress: seen.append(progress.message))
    next(rows)
    asked = len(seen)
    rows.close()  # type: ignore[attr-defined]
    assert len(seen) == asked
    assert not any("600 of 600" in message for message in seen)


# the store


def test_the_store_is_given_the_final_row_and_its_file(store: Store) -> None:
    row = last(SMALL, store=store)
    assert store.get(row.key) == row
    assert store.packed(row.key) == packed_file(SMALL)


def test_the_store_answers_for_a_job_that_it_knows(store: Store, fresh: Callable[[], None]) -> None:
    row = last(TRAINED, store=store)
    fresh()
    seen: list[str] = []
    assert list(run(TRAINED, store=store, report=lambda progress: seen.append(progress.message))) == [row]
    assert not any("fine-tuning" in message or "accuracy" in message for message in seen)
    assert len(store.query()) == 1


def test_a_stored_file_is_not_made_again(
    store: Store, fresh: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, file = last(SMALL, store=store), packed_file(SMALL)
    fresh()
    monkeypatch.setattr(engine, "compress", lambda *_: pytest.fail("it was made again"))
    assert packed_file(SMALL, store=store) == file
    store.remove(row.key)
    with pytest.raises(pytest.fail.Exception):
        packed_file(SMALL, store=store)


def test_a_refusal_is_not_stored(store: Store) -> None:
    last(dataclasses.replace(BASE, recipe=Recipe((Magnitude(layers={"conv9": 0.5}),))), store=store)
    assert store.query() == []


def test_a_row_that_finds_no_room_is_not_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise Refused("there is no room for the result")

    monkeypatch.setattr(store, "add", full)
    row = last(SMALL, store=store)
    assert row.status is Status.OK
    assert row.final
    assert row.notes[-1] == "this result was not saved: there is no room for the result"
    assert row.estimates == last(SMALL).estimates


def test_auto_stands_for_the_rival_that_wins_its_bout() -> None:
    job = dataclasses.replace(BASE, recipe=Recipe((WeightBits(bits=2, method="nearest"),)))
    best = min(contest(job, 0), key=lambda entry: entry.divergence if _rival(entry.step) else float("inf"))
    assert settled(job, 0) == best.step, "the bout is at 2 bits, as this step is"


def _rival(step: object) -> bool:
    return step in [dataclasses.replace(WeightBits(bits=2), **rival) for rival in WeightBits.rivals]


@pytest.mark.parametrize("number", [-1, 2, 1])
def test_a_step_without_several_methods_has_no_contest(number: int) -> None:
    job = dataclasses.replace(BASE, recipe=Recipe((WeightBits(), Finetune())))
    with pytest.raises(Refused, match="several methods"):
        settled(job, number)
    with pytest.raises(Refused, match="several methods"):
        list(contest(job, number))


def test_the_curves_of_a_training_are_kept_with_its_result(store: Store) -> None:
    curves = last(TRAINED, store=store).details["curves"]
    assert set(curves) == {"loss", "validation accuracy"}
    assert all(len(curve) > 1 and curve[-1][0] == pytest.approx(0.5, abs=0.05) for curve in curves.values())
    assert "curves" not in last(SMALL).details
