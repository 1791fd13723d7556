"""Plans over tables that were made by hand."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.registry import techniques
from workbench.result import Status
from workbench.search.limits import Limits
from workbench.search.options import dials
from workbench.search.plan import front, plan
from workbench.search.table import Option, Table

VECTOR = techniques.get("vector_bits")()


def option(size, loss, *settings, macs=0.0):
    return Option(settings=settings, loss=loss, costs={"size_bytes": size, "macs": macs})


@pytest.fixture
def table():
    """Two layers at 8, 4 and 2 bits, of which the second minds more; a header; biases that may be rounded."""

    def layer(size, loss):
        bits = [option(size * b, loss * each, ("weight_bits", b)) for b, each in ((8, 0.01), (4, 0.16), (2, 2.56))]
        return (option(size * 32, 0.0), *bits)

    return Table(
        base=(),
        base_loss=0.0,
        dials=dials(("weight_bits",)),
        layers={"one": layer(10, 1), "two": layer(10, 3)},
        extras={VECTOR: option(-30, 0.001)},
        rest={"size_bytes": 50, "macs": 100},
    )


def test_it_gives_the_bits_to_the_layer_that_minds(table):
    found = plan([table], Limits(size_bytes=50 + 40 + 80 - 30))
    assert found.status is Status.OK
    (bits, vector) = found.recipe.steps
    assert dict(bits.layers) == {"one": 4, "two": 8}
    assert vector == VECTOR
    assert found.costs["size_bytes"] == 140
    assert found.loss == pytest.approx(0.16 + 0.03 + 0.001)
    assert found.gap == pytest.approx(0)


def test_a_loose_limit_leaves_the_original(table):
    assert plan([table], Limits(size_bytes=1e6)).recipe.steps == ()


def test_what_cannot_be_reached_says_what_can(table):
    found = plan([table], Limits(size_bytes=59))
    assert found.status is Status.INFEASIBLE
    assert found.smallest["size_bytes"] == 50 + 20 + 20 - 30
    assert "the smallest file that can be reached takes about 60 bytes" in found.message
    assert plan([table], Limits(size_bytes=60)).status is Status.OK


def test_the_base_of_least_loss_is_taken(table):
    narrow = dataclasses.replace(
        table, base=(techniques.get("channels")(ratio=0.3),), base_loss=0.5, rest={"size_bytes": 20, "macs": 40}
    )
    assert plan([table, narrow], Limits(macs=100)).recipe.steps == ()
    found = plan([table, narrow], Limits(macs=60))
    assert found.recipe.steps[0].name == "channels"
    assert found.loss == pytest.approx(0.5)
    none = plan([table, narrow], Limits(macs=30))
    assert "the least work that can be reached is 40 multiply-adds" in none.message


def test_memory_is_the_base_s_and_no_layer_s(table):
    measured = dataclasses.replace(table, peak_memory=500)
    assert plan([measured], Limits(peak_memory=500)).status is Status.OK
    none = plan([measured], Limits(peak_memory=499))
    assert "activations take 500 bytes at the least" in none.message


def test_a_layer_without_options_runs_nowhere(table):
    broken = dataclasses.replace(table, layers={**table.layers, "two": ()})
    assert "does not run on edge-tpu" in plan([broken], Limits(device="edge-tpu")).message


def test_the_front_goes_from_the_smallest_to_the_original(table):
    plans = front([table], 9)
    sizes = [each.costs["size_bytes"] for each in plans]
    losses = [each.loss for each in plans]
    assert sizes[0] == 60
    assert sizes[-1] == 690
    assert sizes == sorted(sizes)
    assert losses == sorted(losses, reverse=True)
