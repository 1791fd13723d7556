"""The history of 100,000 results: how long it takes to open, to search, to sort and to draw."""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.history import Query, names, page, points
from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result
from workbench.store import Store

ROWS = 100_000
TURNS = 7


def row(key: str) -> Result:
    """Return a result such as a search makes them: two techniques, and the numbers of a network."""
    prune, bits = techniques.get("magnitude"), techniques.get("weight_bits")
    job = Job(
        model=ModelRef(name="net-0"), data=DataRef(name="digits"), recipe=Recipe((prune(ratio=0.5), bits(bits=4)))
    )
    accuracy = Estimate(value=0.9, low=0.87, high=0.92, how="measured", unit="fraction", n=600)
    estimates = {"accuracy": accuracy, "size_bytes": Estimate.counted(12345, "bytes"), "macs": Estimate.counted(54321)}
    details = {"peak_memory": {"steps": [{"name": f"conv{n}", "bytes": 1000 * n} for n in range(60)]}}
    return Result(job=job, key=key, estimates=estimates, final=True, details=details)


def fill_(path: Path, count: int) -> None:
    """Write rows that differ in all columns, each with a document, past the store, which would take minutes."""
    rng, content = random.Random(0), json.dumps(row("same").to_dict())
    recipes = [f"weight pruning (ratio {r} %) → weight bits (bits {b})" for r in range(10, 90) for b in (2, 3, 4, 6, 8)]

    def line(number: int) -> tuple[object, ...]:
        value = rng.betavariate(8, 2)
        about = (number, f"{number:032x}", f"net-{rng.randrange(5)}", "digits", rng.choice(recipes))
        costs = (rng.randrange(1000, 10**6), rng.randrange(1000, 10**6))
        return (*about, value, value - 0.03, value + 0.03, 600, *costs, 1.7e9 + number)

    columns = "number, key, model, data, recipe, accuracy, low, high, images, size_bytes, macs, measured_at"
    with sqlite3.connect(path) as connection:
        marks = ", ".join("?" * 12)
        connection.executemany(f"INSERT INTO results ({columns}) VALUES ({marks})", map(line, range(1, count + 1)))  # noqa: S608
        connection.execute("INSERT INTO contents SELECT number, ?, x'' FROM results", (content,))
    connection.close()


def took(act: Callable[[], object]) -> str:
    """Median and worst of some turns, in milliseconds."""
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        act()
        times.append(1000 * (time.perf_counter() - start))
    return f"median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms"


def measure() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.sqlite3"
        Store(path).close()
        fill_(path, ROWS)
        yield f"history of {ROWS:,} rows: the file", f"{path.stat().st_size / 1e6:,.0f} MB"

        def opened() -> None:
            with Store(path) as store:
                names(store)
                page(store, Query(limit=50))

        yield f"history of {ROWS:,} rows: open the file, first page", took(opened)
        with Store(path) as store:
            looks = {
                "find two words": Query(text="PRUNING net-3", limit=50),
                "sort by accuracy": Query(order="accuracy", limit=50),
                "sort by recipe": Query(order="recipe", limit=50),
                "one model, smallest file first": Query(model="net-2", order="size_bytes", descending=False, limit=50),
                "the last page": Query(limit=50, offset=ROWS - 50),
            }
            for what, query in looks.items():
                yield f"history of {ROWS:,} rows: {what}", took(lambda query=query: page(store, query))
            drawn = points(store, Query())
            yield (
                f"history of {ROWS:,} rows: points of the plot, {len(drawn.keys):,} drawn",
                took(lambda: points(store, Query())),
            )
            fresh = [row(f"new-{turn}") for turn in range(TURNS)]
            yield "history: remember one more row", took(lambda: store.remember([fresh.pop()]))
