"""Errors of layers, worked by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from workbench.context import Progress
from workbench.errors import Cancelled, Refused
from workbench.images import Preprocess, TensorImages, View
from workbench.layerwise.outputs import output_errors, visits
from workbench.result import Estimate


def view(*images: list[int]) -> View:
    """Images of one row, whose pixels -1, 0 and 1 are what a network reads."""
    pixels = torch.tensor([[[{-1: 0, 1: 255}[value] for value in row]] for row in images], dtype=torch.uint8)
    shape = (1, 1, pixels.shape[-1])
    return View(TensorImages(pixels[:, None], torch.zeros(len(images))), Preprocess(shape, (0.5,), (0.5,)))


BALANCED = view([1, 1], [1, -1], [-1, 1], [-1, -1])


def linear(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    made = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight))
        if bias is not None:
            made.bias.copy_(torch.tensor(bias))
    return made


def errors(before: nn.Module, after: nn.Module, images: View = BALANCED) -> dict[str, Estimate | str]:
    sites = {name: visit.site for name, visit in visits(before, images.inputs(torch.arange(2))).items()}
    return output_errors(before, after, sites, images)


def scaled(model: nn.Module, name: str, factor: float) -> nn.Module:
    result = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in result.get_submodule(name).parameters():
            parameter.mul_(factor)
    return result


def test_a_layer_that_shrank_by_a_tenth_has_lost_a_hundredth() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[3.0, -2.0]]))
    found = errors(model, scaled(model, "1", 0.9))["1"]
    assert (found.value, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01), rel=1e-5)
    assert (found.how, found.n) == ("measured", 4)


def test_nothing_lost_is_zero() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[3.0, -2.0]], [1.0]))
    found = errors(model, copy.deepcopy(model))["1"]
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_means_do_not_count_as_variation_and_the_interval_is_that_of_a_ratio() -> None:
    # outputs 4 and 2 become 3.6 and 1.8: (0.16 + 0.04) of (1 + 1); residuals 0.16 - 0.1 and 0.04 - 0.1
    model = nn.Sequential(nn.Flatten(), linear([[1.0]], [3.0]))
    found = errors(model, scaled(model, "1", 0.9), view([1], [-1]))["1"]
    half = 1.96 * (2 * (0.06**2 + 0.06**2)) ** 0.5 / 2
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0, 0.1 + half), rel=1e-4)


def test_what_a_layer_lost_reaches_the_layers_after_it() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[1.0, 0.0], [0.0, 2.0]]), linear([[1.0, 1.0]]))
    found = errors(model, scaled(model, "1", 0.9))
    assert [found[name].value for name in ("1", "2")] == pytest.approx([0.01, 0.01], rel=1e-4)
    after = errors(model, scaled(model, "2", 0.9))
    assert after["1"].value == 0


def test_a_norm_that_takes_a_scale_back_leaves_no_loss() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.0)).eval()
    model[1].running_var.fill_(4.0)
    other = scaled(model, "0", 0.5)
    assert errors(model, other)["0"].value == pytest.approx(0.25, rel=1e-4)
    other[1].running_var.fill_(1.0)
    assert errors(model, other)["0"].value == pytest.approx(0, abs=1e-9)


def test_a_norm_that_reads_two_layers_stands_for_neither() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.norm = linear([[1.0, 0.0]]), linear([[0.0, 1.0]]), nn.BatchNorm1d(1)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.a(x.flatten(1))) + self.norm(self.b(x.flatten(1)))

    seen = visits(Shared().eval(), BALANCED.inputs(torch.arange(2)))
    assert {name: visit.site for name, visit in seen.items()} == {"a": "a", "b": "b"}


def test_what_follows_in_place_does_not_reach_back() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[3.0, -2.0]]), nn.ReLU(inplace=True))
    assert errors(model, scaled(model, "1", 0.9))["1"].value == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: model._modules.update({"1": linear([[1.0, 0.0]] * 3)}), "3 outputs, and 2 in the original"),
        (lambda model: model[1].weight.data.fill_(float("nan")), "NaN or infinite"),
        (lambda model: model._modules.pop("1"), "not seen"),
    ],
)
def test_a_layer_without_an_error_says_why(change: object, words: str) -> None:
    model = nn.Sequential(nn.Flatten(), linear([[1.0, 0.0], [0.0, 2.0]]))
    other = copy.deepcopy(model)
    change(other)
    assert words in errors(model, other)["1"]


def test_an_output_that_never_changes_has_no_error() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[0.0, 0.0]], [5.0]))
    assert "same for all images" in errors(model, scaled(model, "1", 0.9))["1"]


def test_the_order_is_that_of_running_and_work_is_counted_for_one_image() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.idle, self.first = nn.Linear(8, 3), nn.Linear(2, 2), nn.Conv2d(1, 4, (1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(x).flatten(1))

    seen = visits(Backwards(), BALANCED.inputs(torch.arange(2)))
    assert [(name, visit.macs) for name, visit in seen.items()] == [("first", 8), ("last", 24)]


def test_one_image_is_too_few_and_cancelling_works() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[1.0]]))
    with pytest.raises(Refused, match="at least 2 calibration images, got 1"):
        output_errors(model, model, {"1": "1"}, view([1]))

    def stop(_: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        output_errors(model, model, {"1": "1"}, view([1], [-1]), report=stop)


def test_the_networks_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Flatten(), linear([[1.0, 1.0]])).train()
    errors(model, model)
    assert model.training
    assert not model[1]._forward_hooks
