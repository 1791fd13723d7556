"""Jobs and rows: their JSON comes back as the same value, and the key names the content of a run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.result import DataRef, Estimate, Job, ModelRef, Result, Status
from workbench.techniques.magnitude import Magnitude

JOB = Job(model=ModelRef(name="m"), data=DataRef(name="d"))
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
refs = st.builds(DataRef, name=st.text(), root=st.text())
jobs = st.builds(
    Job,
    model=st.builds(
        ModelRef,
        name=st.text(),
        checkpoint=st.text(),
        mean=st.lists(finite).map(tuple),
        std=st.lists(finite).map(tuple),
    ),
    data=refs,
    recipe=st.lists(st.builds(Magnitude, ratio=st.floats(0, 0.99)), max_size=2).map(Recipe),
    test_data=st.none() | refs,
    device=st.text(),
    seed=st.integers(0, 2**63 - 1),
)
estimates = st.builds(
    Estimate,
    value=finite,
    low=finite,
    high=finite,
    how=st.sampled_from(["measured", "counted", "modelled"]),
    unit=st.text(),
    n=st.none() | st.integers(),
)
results = st.builds(
    Result,
    job=jobs,
    key=st.text(),
    status=st.sampled_from(Status),
    message=st.text(),
    estimates=st.dictionaries(st.text(), estimates, max_size=3),
    final=st.booleans(),
    notes=st.lists(st.text(), max_size=3).map(tuple),
    details=st.dictionaries(st.text(), plain, max_size=3),
    environment=st.dictionaries(st.text(), st.text(), max_size=3),
)


@given(jobs)
def test_a_job_comes_back_from_json(job: Job) -> None:
    again = Job.from_dict(json.loads(json.dumps(job.to_dict())))
    assert again == job
    assert again.key("x") == job.key("x")


@given(results)
def test_a_row_comes_back_from_json(row: Result) -> None:
    assert Result.from_dict(json.loads(json.dumps(row.to_dict()))) == row


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.pop("model"),
        lambda c: c.pop("seed"),
        lambda c: c.update(seed="one"),
        lambda c: c.update(seed=float("inf")),
        lambda c: c.update(model="m"),
        lambda c: c.update(model={"name": "m", "weights": 1}),
        lambda c: c.update(model={"name": "m", "mean": ["x"]}),
        lambda c: c.update(model={"name": "m", "mean": 3}),
        lambda c: c.update(data=None),
        lambda c: c.update(test_data=[]),
    ],
)
def test_a_broken_job_is_refused(spoil: Callable[[dict], object]) -> None:
    content = JOB.to_dict()
    spoil(content)
    with pytest.raises(Refused, match="^a job names model, data, recipe, test_data, device and seed: "):
        Job.from_dict(content)


def test_a_broken_recipe_in_a_job_keeps_its_own_sentence() -> None:
    with pytest.raises(Refused, match="^this recipe has format 9"):
        Job.from_dict(JOB.to_dict() | {"recipe": {"format": 9, "steps": []}})


def test_no_job_at_all_is_refused() -> None:
    for content in (None, [], 3, "job"):
        with pytest.raises(Refused, match="^a job names "):
            Job.from_dict(content)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_preprocessing_is_finite(bad: float) -> None:
    for field in ("mean", "std"):
        with pytest.raises(Refused, match="^mean and std must be finite numbers, got "):
            ModelRef(name="m", **{field: (0.5, bad)})


OTHERS = {
    "model": dataclasses.replace(JOB, model=ModelRef(name="n")),
    "mean": dataclasses.replace(JOB, model=ModelRef(name="m", mean=(0.5,))),
    "std": dataclasses.replace(JOB, model=ModelRef(name="m", std=(0.5,))),
    "data": dataclasses.replace(JOB, data=DataRef(name="e")),
    "test data": dataclasses.replace(JOB, test_data=DataRef(name="d")),
    "recipe": dataclasses.replace(JOB, recipe=Recipe((Magnitude(),))),
    "another ratio": dataclasses.replace(JOB, recipe=Recipe((Magnitude(ratio=0.51),))),
    "order": dataclasses.replace(JOB, recipe=Recipe((Magnitude(), Magnitude(ratio=0.51)))),
    "other order": dataclasses.replace(JOB, recipe=Recipe((Magnitude(ratio=0.51), Magnitude()))),
    "device": dataclasses.replace(JOB, device="cuda"),
    "seed": dataclasses.replace(JOB, seed=1),
}


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "0", None])
def test_a_seed_is_a_whole_number_that_fits(seed: object) -> None:
    assert Job(model=JOB.model, data=JOB.data, seed=2**63 - 1).seed == 2**63 - 1
    with pytest.raises(Refused, match=r"the seed must be a whole number in \[0, 2\^63\), got "):
        Job(model=JOB.model, data=JOB.data, seed=seed)  # type: ignore[arg-type]


def test_the_key_changes_with_everything_that_counts() -> None:
    keys = {job.key("weights", "images") for job in (JOB, *OTHERS.values())}
    keys |= {JOB.key(*contents) for contents in ((), ("weights",), ("images", "weights"), ("weightsimages",))}
    assert len(keys) == 1 + len(OTHERS) + 4


def test_the_key_does_not_change_with_where_files_lie() -> None:
    job = dataclasses.replace(JOB, test_data=DataRef(name="d"))
    moved = Job(
        model=ModelRef(name="m", checkpoint="/elsewhere/w.safetensors"),
        data=DataRef(name="d", root="/a"),
        test_data=DataRef(name="d", root="/b"),
    )
    assert moved.key("weights") == job.key("weights")


def test_the_key_does_not_change_with_where_a_folder_lies() -> None:
    one, other = (
        Job(model=ModelRef(name="m"), data=DataRef(name=f"folder:{path}"), test_data=DataRef(name=f"folder:{path}/t"))
        for path in ("/a", "C:\\b")
    )
    assert one.key("images") == other.key("images")
    assert one.key("images") != one.key("other images")
    assert one.key("images") != dataclasses.replace(one, test_data=None).key("images")


def test_the_key_is_short_and_does_not_depend_on_the_process() -> None:
    # worked out once; another value means that every stored row is orphaned
    assert JOB.key("weights", "images") == "934d1cf57937b22b28d57d963c0bef03"


def test_a_flat_row_has_the_names_of_the_command_line() -> None:
    row = Result(
        job=JOB,
        key="k",
        estimates={
            "accuracy": Estimate(value=0.9, low=0.8, high=0.95, how="measured", unit="fraction", n=600),
            "size_bytes": Estimate.counted(1234, "B"),
        },
        notes=("a note",),
    )
    assert row.flat() == {
        "status": "ok",
        "message": "",
        "key": "k",
        "model": "m",
        "data": "d",
        "recipe": {"format": 1, "steps": []},
        "accuracy": 0.9,
        "accuracy_low": 0.8,
        "accuracy_high": 0.95,
        "images": 600,
        "size_bytes": 1234,
        "notes": ["a note"],
    }


def test_a_counted_number_has_a_point_for_an_interval() -> None:
    estimate = Estimate.counted(7, "B")
    assert (estimate.low, estimate.value, estimate.high, estimate.how) == (7, 7, 7, "counted")
