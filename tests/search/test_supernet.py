"""The supernet: parts are slices, which compute what the slices say, and training makes all of them better."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.errors import Cancelled, Refused
from workbench.models._train import lesson
from workbench.registry import spaces
from workbench.result import DataRef
from workbench.search import supernet as module
from workbench.search.supernet import Sandwich, Supernet, centred, fresh, trained_supernet
from workbench.space import Region
from workbench.techniques.batchnorm import reestimated

DIGITS = DataRef(name="digits")
SPACE = spaces.get("digits-space")
BRIEF = Sandwich(epochs=0.25, batch=64)


@pytest.fixture(scope="module")
def course():
    return lesson(SPACE().spelled, DIGITS)


def whole(classes=10, seed=0):
    largest = fresh(Region.of(SPACE).largest, classes, seed)
    return Supernet(space=SPACE, classes=classes, weights={n: p.detach() for n, p in largest.named_parameters()})


def test_a_part_is_the_first_channels_and_the_centre_of_the_kernel():
    weight = torch.arange(2 * 3 * 5 * 5.0).view(2, 3, 5, 5)
    part = centred(weight, torch.Size((1, 2, 3, 3)))
    assert torch.equal(part, weight[:1, :2, 1:4, 1:4])
    assert torch.equal(centred(weight[0, 0], torch.Size((2, 5))), weight[0, 0, :2])
    assert torch.equal(centred(weight[0, 0, 0], torch.Size((4,))), weight[0, 0, 0, :4])


def test_the_largest_part_is_the_supernet_itself(course):
    net = whole()
    part = net.part(Region.of(SPACE).largest, course.context)
    assert all(torch.equal(parameter, net.weights[name]) for name, parameter in part.named_parameters())


def test_a_part_computes_the_path_through_the_supernet(course):
    """The largest network with everything beyond the part taken out of its way, by masks and not by slices."""
    point = SPACE(depth=1, width=8, growth=2, kernel=3, expansion=2, resolution=8)
    net, ctx = whole(), course.context
    part = net.part(point, ctx)
    path = fresh(Region.of(SPACE).largest, 10)
    with torch.no_grad():
        shapes = {name: parameter.shape for name, parameter in part.named_parameters()}
        for name, parameter in path.named_parameters():
            kept = torch.zeros_like(parameter)
            if name in shapes:  # blocks beyond the depth are 0, so that only their shortcut is left
                pairs = zip(shapes[name][2:], parameter.shape[2:], strict=True)
                middle = [slice((big - size) // 2, (big + size) // 2) for size, big in pairs]
                index = (*(slice(size) for size in shapes[name][:2]), *middle)
                kept[index] = net.weights[name][index]
            parameter.copy_(kept)
    path = reestimated(path, torch.arange(512), ctx)
    inputs = ctx.validation.inputs(torch.arange(len(ctx.validation)))
    with torch.no_grad():
        assert torch.allclose(part(inputs), path(inputs), atol=1e-4)
        assert part(inputs).std() > 0.01


def test_parts_are_plain_and_share_nothing(course):
    net = whole()
    part = net.part(SPACE(), course.context)
    assert type(part) is nn.Sequential
    assert {n: p.shape for n, p in part.named_parameters()} == {
        n: p.shape for n, p in SPACE().build(10).named_parameters()
    }
    before = net.weights["stem.conv.weight"].clone()
    with torch.no_grad():
        part.stem.conv.weight.zero_()
    assert torch.equal(net.weights["stem.conv.weight"], before)


def test_gradients_reach_only_the_slice():
    largest = fresh(Region.of(SPACE).largest, 10).train()
    small = fresh(SPACE(width=4, kernel=3), 10).train()
    parts = {n: centred(dict(largest.named_parameters())[n], p.shape) for n, p in small.named_parameters()}
    F.cross_entropy(
        torch.func.functional_call(small, parts, (torch.randn(4, 1, 8, 8),)), torch.tensor([0, 1, 2, 3])
    ).backward()
    gradient = largest.stem.conv.weight.grad
    assert gradient[:4, :, 1:4, 1:4].abs().sum() > 0
    assert gradient[4:].abs().sum() == 0
    assert gradient[:, :, 0].abs().sum() == 0


def test_it_is_trained_once_and_then_read(course, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    first = trained_supernet(SPACE, course, DIGITS, BRIEF)
    monkeypatch.setattr(module, "_train_", lambda *_: pytest.fail("it was trained again"))
    again = trained_supernet(SPACE, course, DIGITS, BRIEF)
    assert all(torch.equal(again.weights[name], weight) for name, weight in first.weights.items())
    (file,) = (tmp_path / "supernets").iterdir()
    assert file.stat().st_size < 400_000


def test_training_teaches_the_smallest_and_is_the_same_for_a_seed(course, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "a"))
    point = Region.of(SPACE).largest
    first = trained_supernet(SPACE, course, DIGITS, BRIEF)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "b"))
    again = trained_supernet(SPACE, course, DIGITS, BRIEF)
    assert all(torch.equal(again.weights[name], weight) for name, weight in first.weights.items())
    view = course.context.validation
    inputs = view.inputs(torch.arange(len(view)))
    with torch.no_grad():
        before, after = (F.cross_entropy(n.part(point, course.context)(inputs), view.labels) for n in (whole(), first))
    assert after < before


def test_it_stops_between_two_batches(course, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    heard = []

    def report(news):
        heard.append(news)
        if len(heard) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained_supernet(SPACE, course, DIGITS, BRIEF, report)
    assert len(heard) == 2
    assert not (tmp_path / "supernets").exists()


def test_a_space_that_is_not_nested_is_refused(course, monkeypatch):
    monkeypatch.setattr(SPACE, "nested", False)
    with pytest.raises(Refused, match="digits-space has no supernet, its networks are not nested"):
        trained_supernet(SPACE, course, DIGITS, BRIEF)
