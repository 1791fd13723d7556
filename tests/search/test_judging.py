"""What judges say: counted by hand, and one real short training and one real search."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from workbench.context import ignore
from workbench.errors import Refused
from workbench.images import Preprocess, TensorImages, View
from workbench.measure._intervals import wilson
from workbench.models._train import lesson
from workbench.registry import spaces
from workbench.result import DataRef, Status
from workbench.search.finish import finished
from workbench.search.judging import Brief, verdict
from workbench.search.nas import search_architectures
from workbench.search.nas_plan import Plan
from workbench.search.outcome import outcome

DIGITS = DataRef(name="digits")


class Fixed(nn.Module):
    """Gives every image the same scores."""

    def __init__(self, *scores):
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, x):
        return self.scores.expand(len(x), -1)


def view(*labels):
    pixels = torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8)
    return View(TensorImages(pixels, torch.tensor(labels, dtype=torch.long)), Preprocess((1, 8, 8), (0.0,), (1.0,)))


def test_a_verdict_by_hand():
    found = verdict(Fixed(math.log(3.0), 0.0), view(0, 0, 1, 0))
    assert found.right == (True, True, False, True)
    assert (found.accuracy.value, found.accuracy.n) == (0.75, 4)
    assert (found.accuracy.low, found.accuracy.high) == wilson(3, 4)
    losses = [math.log(4 / 3)] * 3 + [math.log(4)]
    assert found.cross_entropy.value == pytest.approx(sum(losses) / 4)
    assert found.cross_entropy.low < found.cross_entropy.value < found.cross_entropy.high


def test_scores_that_are_no_numbers_count_as_wrong():
    found = verdict(Fixed(float("nan"), 0.0), view(0, 1))
    assert found.right == (False, False)
    assert found.cross_entropy.value == 100.0


def test_without_images_nothing_can_be_judged():
    with pytest.raises(Refused, match="there are no validation images to judge by"):
        verdict(Fixed(0.0, 1.0), view())


def test_a_short_training_is_the_same_each_time():
    point = spaces.get("digits-space")(depth=1, width=4, kernel=3, expansion=1)
    course = lesson(point.spelled, DIGITS)
    first, again = (Brief(course, 0.5, 10)(point, ignore) for _ in range(2))
    assert first == again
    assert first.cross_entropy.value < 2.5


@pytest.mark.slow
def test_a_search_from_end_to_end(monkeypatch, tmp_path):
    """A supernet, fifty candidates without training, and the best of them trained and measured as a model like any."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    plan = Plan(space="digits-space", data=DIGITS, strategy="supernet", trials=25, limits=(("macs", 300_000),))
    found = outcome(plan, list(search_architectures(plan)))
    assert found.ahead is not None
    best = found.front[-1]
    assert best.estimates["macs"].value <= 300_000
    row = finished(best.name, DIGITS)
    assert row.status is Status.OK
    assert row.estimates["macs"].value == best.estimates["macs"].value
    assert row.estimates["size_bytes"].value == pytest.approx(best.estimates["size_bytes"].value, rel=0.03)
    assert row.estimates["accuracy"].value > 0.9
