"""The walk: what it solves, what it meets, and what it refuses."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from workbench.context import Context, Progress, fingerprint
from workbench.errors import Cancelled, Refused
from workbench.images import Preprocess, TensorImages, View
from workbench.network import Layer, layers
from workbench.reconstruction import patches
from workbench.reconstruction.problem import Problem
from workbench.reconstruction.sequence import Calibration, walk


def same(_name: str, layer: Layer, _problem: Problem) -> Tensor:
    return layer.weight


def halved(_name: str, layer: Layer, _problem: Problem) -> Tensor:
    return 0.5 * layer.weight


def best(_name: str, layer: Layer, problem: Problem) -> Tensor:
    return problem.best.reshape(layer.weight.shape)


def test_unchanged_weights_leave_the_network_as_it_is(net: nn.Module, ctx: Context) -> None:
    before = fingerprint(net)
    result = walk(net, ctx, same, Calibration(positions=10**6))
    for (name, a), b in zip(net.state_dict().items(), result.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4, msg=name)
    assert fingerprint(net) == before


def test_layers_are_solved_in_the_order_in_which_they_run(net: nn.Module, ctx: Context) -> None:
    seen = []

    def note(name: str, layer: Layer, _problem: Problem) -> Tensor:
        seen.append(name)
        return layer.weight

    walk(net, ctx, note)
    assert seen == ["conv1", "conv2", "fc"]


def test_layers_that_are_not_named_keep_every_bit_and_the_pass_ends_with_the_last(net: nn.Module, ctx: Context) -> None:
    seen: list[str] = []

    def solve(name: str, layer: Layer, problem: Problem) -> Tensor:
        seen.append(name)
        return halved(name, layer, problem)

    after: list[str] = []
    net.fc.register_forward_hook(lambda *_: after.append("fc"))
    walk(net, ctx, solve, only=[])
    calls = len(after)  # those of the look at what fits into memory
    result = walk(net, ctx, solve, only=["conv1"])
    assert seen == ["conv1"]
    assert len(after) == 2 * calls, "nothing ran after the last layer"
    changed = {name for name, a in result.state_dict().items() if not torch.equal(a, net.state_dict()[name])}
    assert changed == {"conv1.weight", "bn1.running_mean"}


def test_a_layer_on_its_own_is_solved_as_the_walk_through_all_solves_it(net: nn.Module, ctx: Context) -> None:
    """Up to it nothing has changed, so it reads the same; what the walk through all does later is not asked for."""

    def solve(name: str, layer: Layer, problem: Problem) -> Tensor:
        return halved(name, layer, problem) if name == "conv1" else layer.weight

    whole, alone = walk(net, ctx, solve), walk(net, ctx, solve, only=["conv1"])
    for name in ("conv1.weight", "bn1.running_mean"):
        assert torch.equal(whole.state_dict()[name], alone.state_dict()[name])


def test_what_a_layer_alone_reads_is_looked_at_once(net: nn.Module, make_ctx: Callable[..., Context]) -> None:
    ctx = make_ctx()
    first = walk(net, ctx, best, only=["conv2"])
    seen: list[int] = []
    net.conv2.register_forward_hook(lambda _m, _x, y: seen.append(len(y)))
    walk(net, ctx, best, only=["conv2"])
    assert max(seen) == 1, "only the image that says how many fit into memory"
    again = make_ctx()
    walk(net, again, halved, only=["conv2"])
    second = walk(net, again, best, only=["conv2"])
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_a_named_layer_that_does_not_run_is_told(make_ctx: Callable[..., Context]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = Odd().eval()
    ctx = make_ctx(original=net)
    result = walk(net, ctx, halved, only=["unused"])
    assert fingerprint(result) == fingerprint(net)
    assert any("unused" in note for note in ctx.notes)


def test_the_free_solution_makes_up_for_what_came_before(net: nn.Module, ctx: Context) -> None:
    """Half of conv1 is lost: conv2, solved for what it then reads, gives back most of it."""
    images = ctx.calibration.inputs(torch.arange(96))

    def first(name: str, layer: Layer, problem: Problem) -> Tensor:
        return halved(name, layer, problem) if name == "conv1" else layer.weight

    def rest(name: str, layer: Layer, problem: Problem) -> Tensor:
        return halved(name, layer, problem) if name == "conv1" else best(name, layer, problem)

    def error(solve: Callable[[str, Layer, Problem], Tensor]) -> float:
        return float((walk(net, ctx, solve)(images) - net(images)).detach().square().mean())

    assert error(rest) < 0.3 * error(first)


def test_means_are_met_by_bias_and_by_batch_norm(net: nn.Module, ctx: Context) -> None:
    every = Calibration(images=96, positions=10**6)
    result = walk(net, ctx, halved, every)
    images = ctx.calibration.inputs(torch.arange(96))
    for name in ("bn1", "bn2", "fc"):  # conv1 has no bias, conv2 and fc have one
        wanted, got = _output(net, name, images), _output(result, name, images)
        dims = [d for d in range(wanted.ndim) if d != 1]
        torch.testing.assert_close(wanted.mean(dims), got.mean(dims), rtol=1e-3, atol=1e-3)


def test_a_second_walk_does_not_shift_twice(net: nn.Module, ctx: Context) -> None:
    every = Calibration(images=96, positions=10**6)
    result = walk(walk(net, ctx, halved, every), ctx, halved, every)
    images = ctx.calibration.inputs(torch.arange(96))
    for name in ("bn1", "bn2", "fc"):
        wanted, got = _output(net, name, images), _output(result, name, images)
        dims = [d for d in range(wanted.ndim) if d != 1]
        torch.testing.assert_close(wanted.mean(dims), got.mean(dims), rtol=1e-3, atol=1e-3)


def test_a_problem_is_that_of_numpy_on_the_inputs_that_arrive(net: nn.Module, ctx: Context) -> None:
    problems = {}

    def keep(name: str, layer: Layer, problem: Problem) -> Tensor:
        problems[name] = problem
        return layer.weight

    walk(net, ctx, keep, Calibration(images=96, positions=10**6, damping=0))
    images = ctx.calibration.inputs(torch.arange(96))
    rows = patches.inputs_at(net.conv2, _input(net, "conv2", images), torch.arange(64))[0]
    centred = (rows - rows.mean(0)).double()
    torch.testing.assert_close(
        problems["conv2"].hessian[0].double(), centred.T @ centred / len(rows), rtol=1e-3, atol=1e-4
    )
    torch.testing.assert_close(problems["conv2"].power_x[0], rows.square().mean(0), rtol=1e-4, atol=1e-5)


class Odd(nn.Module):
    """A layer that never runs, one that runs twice, one weight under two names, one norm after two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(4, 4)
        self.twice = nn.Linear(64, 64)
        self.tied = nn.Linear(64, 64)
        self.tied.weight = self.twice.weight
        self.a, self.b = nn.Linear(64, 8, bias=False), nn.Linear(64, 8, bias=False)
        self.norm = nn.BatchNorm1d(8)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(x.flatten(1)))
        return self.out(self.norm(self.a(x)) + self.norm(self.b(x)))


def test_odd_networks_are_walked_and_what_is_left_is_named(make_ctx: Callable[..., Context]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        net = Odd().train()
    ctx = make_ctx(original=net)
    result = walk(net, ctx, halved)
    assert torch.equal(result.norm.running_mean, net.norm.running_mean), "one norm cannot shift for two layers"
    assert torch.equal(result.unused.weight, net.unused.weight)
    assert torch.equal(result.twice.weight, 0.5 * net.twice.weight)
    assert result.tied.weight is result.twice.weight
    assert any("unused" in note for note in ctx.notes)
    assert net.training, "the network in training mode is not touched"
    assert not result.training


def test_two_images_are_needed(net: nn.Module, make_ctx: Callable[..., Context]) -> None:
    one = View(
        TensorImages(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.zeros(1)), Preprocess((1, 8, 8), (0,), (1,))
    )
    with pytest.raises(Refused, match="^reconstruction needs at least 2 calibration images, got 1$"):
        walk(net, make_ctx(calibration=one), same)


def test_activations_that_are_not_finite_are_refused(net: nn.Module, make_ctx: Callable[..., Context]) -> None:
    net.conv2.bias.data[0] = float("inf")
    with pytest.raises(Refused, match="NaN or infinite"):
        walk(net, make_ctx(original=net), same)


def test_constant_images_are_no_problem(net: nn.Module, make_ctx: Callable[..., Context]) -> None:
    images = TensorImages(torch.full((20, 1, 8, 8), 7, dtype=torch.uint8), torch.zeros(20))
    ctx = make_ctx(calibration=View(images, Preprocess((1, 8, 8), (0.3,), (0.25,))))
    result = walk(net, ctx, best)
    assert all(torch.isfinite(x).all() for x in result.state_dict().values())
    torch.testing.assert_close(result.conv1.weight, net.conv1.weight, rtol=0.1, atol=0.05)


def test_it_stops_in_the_middle_and_leaves_nothing_behind(net: nn.Module, ctx: Context) -> None:
    def stop(news: Progress) -> None:
        if "conv2" in news.message and "solving" in news.message:
            raise Cancelled

    before = copy.deepcopy(net)
    with pytest.raises(Cancelled):
        walk(net, dataclasses.replace(ctx, report=stop), halved)
    assert fingerprint(before) == fingerprint(net)
    assert not any(layer._forward_pre_hooks for layer in layers(net).values())


def test_few_images_where_many_do_not_fit(net: nn.Module, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.reconstruction.sequence._BYTES", 8 * 900 * 10)
    walk(net, ctx, same)
    assert any(note.startswith("calibrated on ") for note in ctx.notes)


def _output(model: nn.Module, name: str, images: Tensor) -> Tensor:
    found: list[Tensor] = []
    module = dict(model.named_modules())[name]
    handle = module.register_forward_hook(lambda _m, _i, y: found.append(y.detach()))
    model(images)
    handle.remove()
    return found[0]


def _input(model: nn.Module, name: str, images: Tensor) -> Tensor:
    found: list[Tensor] = []
    module = dict(model.named_modules())[name]
    handle = module.register_forward_pre_hook(lambda _m, x: found.append(x[0].detach()))
    model(images)
    handle.remove()
    return found[0]
