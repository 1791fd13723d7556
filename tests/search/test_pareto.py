"""The front: worked by hand, and compared with the definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.recipe import Recipe
from workbench.registry import techniques
from workbench.result import DataRef, Estimate, Job, ModelRef, Result, Status
from workbench.search.pareto import front, unbeaten

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


def row(key: str, size: float | None, accuracy: float, recipe: Recipe | None = None, **changes: object) -> Result:
    job = Job(model=ModelRef(name="m"), data=DataRef(name="d"), recipe=recipe or Recipe())
    found = {"accuracy": Estimate(value=accuracy, low=0, high=1, how="measured")}
    found |= {} if size is None else {"size_bytes": Estimate.counted(size)}
    return Result(**({"job": job, "key": key, "estimates": found, "final": True} | changes))


def test_rows_that_nothing_beats() -> None:
    control = Recipe((techniques.get("magnitude")(ratio=0.5, score="random"),))
    rows = [
        row("large", 90, 0.9),
        row("small", 10, 0.5),
        row("middle", 50, 0.8),
        row("beaten", 60, 0.8),
        row("as large", 50, 0.7),
        row("control", 1, 0.99, control),
        row("failed", 1, 0.99, status=Status.FAILED),
        row("unknown", None, 0.99),
    ]
    assert [found.key for found in front(rows)] == ["small", "middle", "large"]


def test_none_and_nan() -> None:
    assert front([]) == ()
    assert unbeaten([(1.0, float("nan")), (2.0, 0.5)], lambda point: point) == ((2.0, 0.5),)


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    def beats(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a != b and a[0] <= b[0] and a[1] >= b[1]

    expected = {point for point in points if not any(beats(other, point) for other in points)}
    found = unbeaten(points, lambda point: point)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert list(found) == sorted(found)
