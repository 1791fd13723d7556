"""What the history finds is what plain Python finds, whatever is in it."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import history
from workbench.errors import Refused
from workbench.history import ORDERS, Query, documents, entry, front, key_of, names, page, points
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result
from workbench.store import Store

MAGNITUDE = techniques.get("magnitude")


def row(
    key: str,
    model: str = "m",
    data: str = "d",
    accuracy: float | None = 0.5,
    size: float | None = 100.0,
    ratio: float | None = None,
) -> Result:
    estimates = {}
    if accuracy is not None:
        ends = {"low": accuracy - 0.1, "high": accuracy + 0.1}
        estimates["accuracy"] = Estimate(value=accuracy, **ends, how="measured", unit="fraction", n=600)
    if size is not None:
        estimates["size_bytes"] = Estimate.counted(size, "bytes")
    steps = () if ratio is None else (MAGNITUDE(ratio=ratio),)
    job = Job(model=ModelRef(name=model), data=DataRef(name=data), recipe=Recipe(steps))
    return Result(job=job, key=key, estimates=estimates, final=True, details={"macs": {"layers": [1, 2]}})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "results.sqlite3") as store:
        yield store


NAMES = st.sampled_from(["net", "Net_2", "100%", "a\\b", "É"])
NUMBERS = st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75])
MADE = st.lists(
    st.tuples(NAMES, NAMES, NUMBERS, NUMBERS, st.sampled_from([None, 0.25, 0.5]), st.booleans(), NAMES | st.just("")),
    max_size=12,
)
QUERIES = st.builds(
    Query,
    text=st.lists(NAMES | st.sampled_from(["NET", "_", "%", "pruning", "25", "k1", "é"]), max_size=2).map(" ".join),
    model=st.none() | NAMES,
    data=st.none() | NAMES,
    starred=st.booleans(),
    order=st.sampled_from(ORDERS),
    descending=st.booleans(),
    limit=st.none() | st.integers(0, 5),
    offset=st.integers(0, 5),
)


def lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def found(entries: list[history.Entry], query: Query) -> list[str]:
    """The same in plain Python; `entries` are in the order of time."""

    def wanted(each: history.Entry) -> bool:
        hay = lower("\n".join([each.model, each.data, each.recipe or "", each.note, each.key]))
        return (
            all(lower(word) in hay for word in query.text.split())
            and query.model in (None, each.model)
            and query.data in (None, each.data)
            and (each.star or not query.starred)
        )

    newest = [each for each in reversed(entries) if wanted(each)]
    known = [each for each in newest if getattr(each, query.order) is not None]
    rest = [each for each in newest if getattr(each, query.order) is None]

    def value(each: history.Entry):
        compared = getattr(each, query.order)
        return compared.encode() if isinstance(compared, str) else compared

    known.sort(key=value, reverse=query.descending)  # stable, also in reverse
    return [each.key for each in [*known, *rest]]


@settings(max_examples=40)
@given(made=MADE, queries=st.lists(QUERIES, min_size=4, max_size=8))
def test_a_query_finds_what_plain_python_finds(made, queries) -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s") as store:
        for number, (model, data, accuracy, size, ratio, star, note) in enumerate(made):
            store.add(row(f"k{number}", model, data, accuracy, size, ratio))
            store.set_star(f"k{number}", star)
            store.set_note(f"k{number}", note)
        entries = [entry(store, f"k{number}") for number in range(len(made))]
        for query in queries:
            expected = found(entries, query)
            end = None if query.limit is None else query.offset + query.limit
            got = page(store, query)
            assert [each.key for each in got.entries] == expected[query.offset : end]
            assert got.total == len(expected)


def test_an_entry_tells_what_the_row_has(store: Store) -> None:
    store.add(row("a", "net", "set", 0.75, 1234, 0.5))
    store.set_note("a", "words")
    told = dataclasses.asdict(entry(store, "a"))
    assert told.pop("measured_at") > 1_600_000_000
    assert told == {
        "key": "a",
        "model": "net",
        "data": "set",
        "recipe": "weight pruning (ratio 50 %)",
        "accuracy": 0.75,
        "low": 0.65,
        "high": 0.85,
        "images": 600,
        "size_bytes": 1234.0,
        "macs": None,
        "star": False,
        "note": "words",
        "kept": True,
    }
    assert entry(store, "b") is None


def test_names_are_those_that_there_are(store: Store) -> None:
    for number, (model, data) in enumerate([("b", "y"), ("a", "y"), ("b", "x")]):
        store.add(row(str(number), model, data))
    assert names(store) == (("a", "b"), ("x", "y"))


@pytest.mark.parametrize("bad", [{"order": "key; DROP TABLE results"}, {"offset": -1}, {"limit": -1}])
def test_a_query_that_nobody_can_mean_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(Refused):
        Query(**bad)


@pytest.mark.parametrize("text", ["'; DROP TABLE results; --", "\0", "\ud800", "%" * 100_000, '"', "a " * 5000])
def test_any_text_can_be_looked_for(store: Store, text: str) -> None:
    store.add(row("k"))
    assert page(store, Query(text=text, model=None)).total in (0, 1)
    assert page(store, Query(model=text)).total == 0
    assert store.has("k")


def test_a_key_is_named_by_its_beginning(store: Store) -> None:
    store.add(row("abc"))
    store.add(row("abd"))
    assert key_of(store, "abc") == "abc"
    for start in ("ab", "x", "", "a%"):
        with pytest.raises(Refused, match="expected the beginning"):
            key_of(store, start)


def test_documents_are_rows_without_their_details(store: Store) -> None:
    store.add(row("a", ratio=0.5), b"file")
    store.set_star("a", True)
    (found,) = json.loads(json.dumps(list(documents(store, Query()))))
    assert found["star"] is True
    only = {name: value for name, value in found.items() if name not in ("star", "note", "measured_at")}
    assert Result.from_dict(only) == dataclasses.replace(row("a", ratio=0.5), details={})


def test_few_points_are_all_drawn(store: Store) -> None:
    for key, accuracy, size in [("a", 0.5, 10), ("b", 0.4, 20), ("c", 0.9, 30), ("d", 0.9, 31), ("e", None, 1)]:
        store.add(row(key, accuracy=accuracy, size=size))
    got = points(store, Query(limit=1, offset=3))
    assert got.keys == ("a", "b", "c", "d")
    assert (got.x.tolist(), got.y.tolist()) == ([10, 20, 30, 31], [0.5, 0.4, 0.9, 0.9])
    assert got.front.tolist() == [True, False, True, False]
    assert got.total == 4
    assert points(store, Query(), "macs").total == 0


def test_many_points_are_thinned_and_the_front_stays() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random(20_000), rng.random(20_000)
    drawn = history._thinned(x, y)
    assert 1500 < drawn.sum() <= 1600
    cells = {(int(40 * a), int(40 * b)) for a, b in zip(x[drawn], y[drawn], strict=True)}
    assert len(cells) > 1500  # they are spread as the points are


def test_equal_points_are_thinned() -> None:
    drawn = history._thinned(np.full(5000, 2.0), np.full(5000, 0.5))
    assert np.flatnonzero(drawn).tolist() == [4999]  # the newest


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_the_front_is_what_nothing_beats(made: list[tuple[int, int]]) -> None:
    x, y = np.array(made, dtype=float).reshape(-1, 2).T
    expected = [
        not any(
            (p <= a and q > b) or (p < a and q >= b) or ((p, q) == (a, b) and j < i) for j, (p, q) in enumerate(made)
        )
        for i, (a, b) in enumerate(made)
    ]
    assert front(x, y).tolist() == expected
