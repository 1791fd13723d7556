"""Trials on validation images: what is measured, worked by hand, and what is kept."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import workbench.search.trial as module
from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.export.packed import pack
from workbench.images import Preprocess, TensorImages, View
from workbench.measure._intervals import paired, wilson
from workbench.measuring import Subject
from workbench.recipe import Recipe
from workbench.registry import measures
from workbench.run import Prepared
from workbench.search.trial import Trials
from workbench.techniques.channels import Channels
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits


class Says(nn.Module):
    """Gives each image the scores of its brightness, a row of a table."""

    def __init__(self, rows: list[list[float]]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(rows))

    def forward(self, x: Tensor) -> Tensor:
        return self.table[(x.amax((1, 2, 3)) * 255).round().long()]


def numbered(labels: list[int]) -> View:
    """Return images that are their own number, with these labels."""
    pixels = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()
    return View(TensorImages(pixels, torch.tensor(labels)), Preprocess((1, 2, 2), (0.0,), (1.0,)))


@pytest.fixture
def four(make_prepared: Callable[..., Prepared]) -> Trials:
    """Four images; the original says class 0 with probability 0.8 to each, and is right on three."""
    view = numbered([0, 0, 0, 1])
    row = [math.log(0.8), math.log(0.2)]
    return Trials(make_prepared(Says([row] * 4), validation=view, calibration=view, train=view))


def test_divergence_and_drop_are_those_worked_by_hand(four: Trials) -> None:
    turned, even = [math.log(0.2), math.log(0.8)], [0.0, 0.0]
    said = four.judge(Says([turned, even, even, turned]))
    # 0.8 ln(0.8 / 0.2) + 0.2 ln(0.2 / 0.8) twice, and 0.8 ln(0.8 / 0.5) + 0.2 ln(0.2 / 0.5) twice
    expected = (2 * 0.6 * math.log(4) + 2 * (0.8 * math.log(1.6) + 0.2 * math.log(0.4))) / 4
    assert said.divergence.value == pytest.approx(expected, rel=1e-6)
    assert said.divergence.low <= expected <= said.divergence.high
    assert said.divergence.unit == "nats"
    # the first image is lost, the last is won; of a tie the first class is the answer
    assert said.drop.value == 0
    assert (said.drop.low, said.drop.high) == pytest.approx(paired(0.25, 0.25, 4))
    assert said.accuracy.value == 0.75
    assert (said.accuracy.low, said.accuracy.high) == pytest.approx(wilson(3, 4))
    assert {e.how for e in (said.divergence, said.drop, said.accuracy)} == {"measured"}
    assert said.drop.n == 4


def test_a_loss_is_above_zero_and_its_interval_is_paired(four: Trials) -> None:
    turned = [math.log(0.2), math.log(0.8)]
    rows = [[math.log(0.8), math.log(0.2)]] * 4
    said = four.judge(Says([turned, turned, *rows[2:]]))
    low, high = paired(0.0, 0.5, 4)
    assert (said.drop.low, said.drop.value, said.drop.high) == pytest.approx((-high, 0.5, -low))


def test_the_original_differs_by_nothing(four: Trials) -> None:
    said = four.judge(four.prepared.model)
    assert (said.divergence.value, said.divergence.low, said.divergence.high) == (0, 0, 0)
    assert said.drop.value == 0


@pytest.mark.parametrize("broken", [1, 4])
def test_scores_that_are_nan_are_wrong_and_infinitely_far(four: Trials, broken: int) -> None:
    rows = [[math.nan, 0.0]] * broken + [[1.0, 0.0]] * (4 - broken)
    said = four.judge(Says(rows))
    assert said.divergence.value == said.divergence.low == said.divergence.high == math.inf
    assert said.drop.value == min(broken, 3) / 4
    assert said.accuracy.value == 0.75 - min(broken, 3) / 4


def test_a_trial_counts_as_the_measures_do(prepared: Prepared) -> None:
    trials = Trials(prepared)
    recipe = Recipe((Channels(ratio=0.3), Magnitude(ratio=0.5, method="mask", score="magnitude")))
    trial = trials.of(recipe)
    network = trials.network(recipe)
    reading = next(measures.get("macs").read(Subject(model=network, test=prepared.test)))
    assert trial.recipe == recipe
    assert trial.macs == reading.estimate.value
    assert trial.macs < trials.of(Recipe()).macs
    assert trial.size_bytes == len(pack(network, prepared.about).data)
    assert trial.judgement == trials.judge(network)
    assert trial.judgement.accuracy.n == 90


def test_each_recipe_is_tried_once(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe((WeightBits(bits=3, method="nearest"),))
    trials = Trials(prepared)
    assert not trials.known(recipe)
    first = trials.of(recipe)
    monkeypatch.setattr(module, "compress", lambda *_: pytest.fail("it was tried again"))
    assert trials.of(recipe) is first
    assert Trials(prepared).of(Recipe((WeightBits(bits=3, method="nearest"),))) is first, "another one finds it"
    assert Trials(prepared).known(recipe)
    with pytest.raises(pytest.fail.Exception):
        Trials(prepared, images=30).of(Recipe((WeightBits(bits=2, method="nearest"),)))


def test_fewer_images_are_other_trials(prepared: Prepared) -> None:
    recipe = Recipe((WeightBits(bits=2, method="nearest"),))
    assert Trials(prepared, images=30).of(recipe).judgement.drop.n == 30
    assert Trials(prepared).of(recipe).judgement.drop.n == 90


def test_what_a_step_refuses_is_passed_on(prepared: Prepared) -> None:
    trials = Trials(prepared)
    with pytest.raises(Refused, match="nowhere"):
        trials.of(Recipe((WeightBits(bits=4, layers={"nowhere": 2}),)))


def test_it_stops_between_batches(prepared: Prepared) -> None:
    told: list[Progress] = []

    def report(progress: Progress) -> None:
        told.append(progress)
        raise Cancelled

    trials = Trials(prepared, report=report)
    with pytest.raises(Cancelled):
        trials.judge(prepared.model)
    assert told[0].message == "judged by 64 of 90 validation images"
    again = Trials(prepared)
    assert again.judge(prepared.model).divergence.value == 0, "nothing half done is kept"


def test_trials_need_validation_images(make_prepared: Callable[..., Prepared]) -> None:
    nobody = View(
        TensorImages(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), torch.zeros(0)), Preprocess((1, 8, 8), (0,), (1,))
    )
    with pytest.raises(Refused, match=r"^a trial needs validation images, got none$"):
        Trials(make_prepared(validation=nobody))
