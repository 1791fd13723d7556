"""The training loop on a toy that a linear network can learn."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.context import Context, Progress, fingerprint, lent_generator
from workbench.errors import Cancelled, Refused
from workbench.grid import Grid, GridSpec
from workbench.images import Preprocess, TensorImages, View
from workbench.models._load import build
from workbench.network import hold_, layers, weight_format
from workbench.training import Schedule, cross_entropy, fit, logits

SCHEDULE = Schedule(epochs=3, lr=0.1, batch=16)


def view(count: int, seed: int) -> View:
    """Return noise of 2x3 pixels in which the columns of the class are bright."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    pixels = torch.randint(0, 120, (count, 1, 2, 3), generator=generator)
    pixels[torch.arange(count), :, :, labels] += 100
    return View(TensorImages(pixels.to(torch.uint8), labels), Preprocess((1, 2, 3), (0.3,), (0.25,)))


def context(**changes: Any) -> Context:
    def none(name: str) -> NoReturn:
        raise NotImplementedError(name)

    usual = {"train": view(160, 1), "validation": view(60, 2), "calibration": view(40, 3)}
    return Context(**({"original": nn.Identity(), "build": none, "load": none} | usual | changes))


def network(*, dropout: float = 0.0) -> nn.Module:
    """Return a small perceptron with fixed weights; like any network that is handed on, in evaluation mode."""
    with lent_generator(0):
        hidden = [nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 3)]
        return nn.Sequential(nn.Flatten(), *hidden).eval()


def accuracy(model: nn.Module, images: View) -> float:
    with torch.no_grad():
        hits = model(images.inputs(torch.arange(len(images)))).argmax(1) == images.labels
    return int(hits.sum()) / len(images)


def trained(model: nn.Module | None = None, ctx: Context | None = None, **changes: Any) -> nn.Module:
    schedule = dataclasses.replace(SCHEDULE, **changes)
    return fit(model or network(), ctx or context(), schedule, title="training")


def test_it_learns_a_toy() -> None:
    model = trained()
    assert accuracy(network(), view(300, 9)) < 0.6
    assert accuracy(model, view(300, 9)) > 0.97
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_input_is_not_touched() -> None:
    model = network()
    before = fingerprint(model)
    trained(model)
    assert fingerprint(model) == before
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_seed_decides_everything(dropout: float) -> None:
    first = fingerprint(trained(network(dropout=dropout)))
    torch.rand(7)
    assert fingerprint(trained(network(dropout=dropout))) == first
    assert fingerprint(trained(network(dropout=dropout), context(seed=1))) != first


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_global_randomness_is_left_alone(dropout: float) -> None:
    before = torch.get_rng_state()
    trained(network(dropout=dropout))
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_that_train_and_build_do_not_disturb_each_other() -> None:
    jobs = [lambda: trained(network(dropout=0.5)), lambda: build("digits-cnn", 10), lambda: build("lenet5", 10)] * 4
    alone = [fingerprint(job()) for job in jobs]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        assert [fingerprint(model) for model in pool.map(lambda job: job(), jobs)] == alone
    assert torch.equal(torch.get_rng_state(), before)


def test_global_randomness_is_left_alone_where_the_network_fails() -> None:
    class Failing(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                torch.rand(3)
                raise RuntimeError("mine")
            return super().forward(x)

    model = nn.Sequential(nn.Flatten(), Failing(6, 3))
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="mine"):
        trained(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_differs_from_step_to_step() -> None:
    seen: list[Tensor] = []

    class Spy(nn.Dropout):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            if self.training:
                seen.append(y == 0)
            return y

    trained(nn.Sequential(nn.Flatten(), Spy(0.5), nn.Linear(6, 3)))
    assert not torch.equal(seen[0], seen[1])


# formats


@pytest.mark.parametrize("bits", [1, 2, 4, 16])
def test_weights_end_in_the_format_they_began_in(bits: int) -> None:
    model = network()
    for layer in layers(model).values():
        mask = torch.rand(layer.weight.shape, generator=torch.Generator().manual_seed(1)) > 0.4
        hold_(layer, mask=mask)
        hold_(layer, grid=Grid.fit(layer.weight, GridSpec(bits=bits)))
    result = trained(model)
    assert accuracy(result, view(300, 9)) > 0.9
    for name, layer in layers(result).items():
        form, before = weight_format(layer), layers(model)[name]
        assert torch.equal(form.mask, weight_format(before).mask)
        assert not layer.weight[~form.mask].any()
        assert form.grid.spec == GridSpec(bits=bits)
        assert torch.equal(form.grid.decode(form.grid.encode(layer.weight)) * form.mask, layer.weight)
        assert not torch.equal(layer.weight, before.weight)


def test_the_grid_widens_with_the_weights() -> None:
    model = network()
    last = layers(model)["5"]
    hold_(last, grid=Grid.fit(last.weight * 0.01, GridSpec(bits=4)))
    result = trained(model)
    scale = weight_format(layers(result)["5"]).grid.scale
    assert float(scale.min()) > 2 * float(weight_format(last).grid.scale.max())


def test_a_codebook_moves_along_with_the_weights() -> None:
    model = network()
    last = layers(model)["5"]
    hold_(last, grid=Grid.fit(last.weight * 0.01, GridSpec(bits=3, kind="codebook")))
    result = trained(model)
    layer = layers(result)["5"]
    grid = weight_format(layer).grid
    assert accuracy(result, view(300, 9)) > 0.9
    assert float(grid.levels.abs().max()) > 20 * float(weight_format(last).grid.levels.abs().max())
    assert torch.equal(grid.decode(grid.encode(layer.weight)), layer.weight)
    assert len(layer.weight.unique()) > 4


def test_masked_weights_are_as_good_as_not_there() -> None:
    # a loss so steep that its gradients are clipped: those of masked weights must not count towards their norm
    def steep(scores: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        return 50 * cross_entropy(scores, labels, indices)

    model = network()
    mask = torch.rand(12, 6, generator=torch.Generator().manual_seed(1)) > 0.6
    hold_(model[1], mask=mask)
    schedule = Schedule(epochs=0.5, lr=0.05, batch=16)
    found = fit(model, context(), schedule, steep, title="t", keep_best=False)

    class Masked(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight * mask, self.bias)

    by_hand = network()
    by_hand[1].__class__ = Masked
    by_hand[1].weight.data *= mask
    wanted = fit(by_hand, context(), schedule, steep, title="t", keep_best=False)
    assert torch.equal(found[1].weight, wanted[1].weight * mask)
    assert torch.equal(found[5].weight, wanted[5].weight)


def test_gradients_pass_straight_through_the_grid() -> None:
    # with one step, the weights behind the grid move by the gradient at the weights on the grid
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
    hold_(model[1], grid=Grid.fit(model[1].weight, GridSpec(bits=2)))
    seen: list[Tensor] = []

    def loss(scores: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        free = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
        free.load_state_dict(model.state_dict())
        cross_entropy(free(context().train.inputs(indices)), labels, indices).backward()
        moved = free[1].weight.detach() - 0.02 * 1.95 * free[1].weight.grad  # Nesterov: 1 + 0.95 times the gradient
        seen.append(Grid.fit(moved, GridSpec(bits=2)).decode(Grid.fit(moved, GridSpec(bits=2)).encode(moved)))
        return cross_entropy(scores, labels, indices)

    schedule = Schedule(epochs=0.1, lr=0.1, batch=16, weight_decay=0.0)
    result = fit(model, context(), schedule, loss, title="t", keep_best=False)
    assert len(seen) == 1
    torch.testing.assert_close(result[1].weight.detach(), seen[0])


def test_a_shared_weight_is_trained_in_its_format() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.eye(6))
            self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 3)
            self.first.weight = self.matrix  # under two names, of which only the second is a layer's

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.last(self.first(x.flatten(1)).relu())
            return scores

    model = Shared()
    mask = torch.eye(6, dtype=torch.bool)
    hold_(model.first, mask=mask)
    result = trained(model)
    assert not result.matrix[~mask].any()
    assert result.first.weight is result.matrix
    assert not torch.equal(result.matrix, model.matrix)


# what is kept


def test_a_destructive_rate_returns_no_worse_than_the_start() -> None:
    ctx = context()
    good = trained(ctx=ctx)
    bad = trained(good, ctx, lr=50.0, batch=4)
    assert accuracy(bad, ctx.validation) >= accuracy(good, ctx.validation)


def test_the_state_that_is_best_on_validation_images_is_kept() -> None:
    seen: list[float] = []

    def watch(progress: Progress) -> None:
        seen.extend(y for name, (_, y) in progress.curves.items() if name == "validation accuracy")

    ctx = context(report=watch)
    result = trained(ctx=ctx, lr=3.0, batch=4)
    assert accuracy(result, ctx.validation) == max(seen)
    assert min(seen) < max(seen)


def test_the_last_state_is_returned_where_asked_for() -> None:
    good = trained()
    last = fit(good, context(), Schedule(epochs=2, lr=1e-4), title="t", keep_best=False)
    assert fingerprint(last) != fingerprint(good)
    curves: list[str] = []
    ctx = context(report=lambda progress: curves.extend(progress.curves))
    fit(good, ctx, Schedule(epochs=0.5, lr=1e-4), title="t", keep_best=False)
    assert set(curves) == {"loss"}


@pytest.mark.parametrize("epochs", [1.0, 1.9, 2.1, 3.9, 4.1, 7.0])
def test_validation_is_looked_at_no_more_often_than_allowed(epochs: float) -> None:
    looks: list[float] = []

    def watch(progress: Progress) -> None:
        looks.extend(x for name, (x, _) in progress.curves.items() if name == "validation accuracy")

    trained(ctx=context(report=watch), epochs=epochs, checks=20)
    assert 1 <= len(looks) <= 20
    assert looks[-1] == pytest.approx(epochs, abs=0.06)


# progress


def test_progress_rises_to_one_and_says_how_long() -> None:
    seen: list[Progress] = []
    trained(ctx=context(report=seen.append))
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    steps = [progress for progress in seen if progress.curves]
    assert len(steps) == 30
    for number, progress in enumerate(steps, 1):
        assert progress.fraction == number / 30
        assert re.fullmatch(rf"training: step {number} of 30, \d+ s left", progress.message)
        epoch, loss = progress.curves["loss"]
        assert epoch == pytest.approx(number / 10)
        assert loss > 0
    assert "0 s left" in steps[-1].message


@pytest.mark.parametrize("after", [1, 2, 5])
def test_cancelling_stops_within_a_batch(after: int) -> None:
    class Spy(nn.Linear):
        batches = 0

        def forward(self, x: Tensor) -> Tensor:
            Spy.batches += 1
            return super().forward(x)

    Spy.batches = 0
    calls: list[int] = []

    def stop(_: Progress) -> None:
        calls.append(Spy.batches)
        if len(calls) == after:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained(nn.Sequential(nn.Flatten(), Spy(6, 3)), context(report=stop))
    assert len(calls) == after, "nothing is reported after it"
    assert Spy.batches == calls[-1], "nothing is computed after it"
    assert all(later - earlier <= 2 for earlier, later in itertools.pairwise(calls))


def test_looking_at_many_validation_images_can_be_cancelled() -> None:
    def stop(_: Progress) -> None:
        raise Cancelled

    class Counting(nn.Linear):
        images = 0

        def forward(self, x: Tensor) -> Tensor:
            Counting.images += len(x)
            return super().forward(x)

    with pytest.raises(Cancelled):
        trained(nn.Sequential(nn.Flatten(), Counting(6, 3)), context(validation=view(1000, 2), report=stop))
    assert Counting.images == 250


# the loop against torch


def test_it_is_what_torch_does_by_hand() -> None:
    schedule = Schedule(epochs=2, lr=0.1, batch=16, weight_decay=1e-3)
    found = fit(network(), context(), schedule, title="t", keep_best=False)

    model, images = network().train(), context().train
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
    anneal = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=21, pct_start=0.2, div_factor=5)
    generator = context().generator("fit", "t")
    for _ in range(2):
        for indices in torch.randperm(160, generator=generator).split(16):
            optimizer.zero_grad()
            F.cross_entropy(model(images.inputs(indices)), images.labels[indices]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            anneal.step()
    assert fingerprint(found) == fingerprint(model)


@pytest.mark.parametrize("images", [2, 3, 16, 17, 40, 58, 64])
@pytest.mark.parametrize("epochs", [0.5, 1.0, 2.0, 4.0, 5.0, 10.0])
def test_any_number_of_images_and_epochs_will_do(images: int, epochs: float) -> None:
    seen: list[Progress] = []
    fit(network(), context(train=view(images, 1), report=seen.append), Schedule(epochs=epochs, lr=0.01), title="t")
    steps = sum("loss" in progress.curves for progress in seen)
    assert steps == max(1, round(epochs * images / min(64, images)))
    assert all(math.isfinite(progress.curves["loss"][1]) for progress in seen if progress.curves)


def test_each_image_is_seen_once_an_epoch() -> None:
    seen: list[int] = []

    def loss(scores: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        seen.extend(indices.tolist())
        return cross_entropy(scores, labels, indices)

    fit(network(), context(), Schedule(epochs=2, lr=0.01, batch=32), loss, title="t")
    assert sorted(seen[:160]) == sorted(seen[160:]) == list(range(160))
    assert seen[:160] != seen[160:]


def test_augmentation_sees_training_batches_only_and_a_generator() -> None:
    shapes: list[tuple[int, ...]] = []

    def augment(inputs: Tensor, generator: torch.Generator) -> Tensor:
        shapes.append(tuple(inputs.shape))
        return inputs + torch.rand(inputs.shape, generator=generator) / 10

    one, other = (fit(network(), context(), SCHEDULE, title="t", augment=augment) for _ in range(2))
    assert fingerprint(one) == fingerprint(other)
    assert shapes == [(16, 1, 2, 3)] * 60


def test_frozen_parameters_stay() -> None:
    model = network()
    model[1].weight.requires_grad_(False)
    result = trained(model)
    assert torch.equal(result[1].weight, model[1].weight)
    assert not torch.equal(result[5].weight, model[5].weight)


# refusals


def test_a_loss_that_is_no_number_is_refused() -> None:
    def loss(scores: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        return cross_entropy(scores, labels, indices) * float("nan")

    with pytest.raises(Refused) as refusal:
        fit(network(), context(), SCHEDULE, loss, title="training")
    assert str(refusal.value) == "training: the loss became nan in step 1; a lower learning rate helps"


@pytest.mark.parametrize(
    ("model", "changes", "sentence"),
    [
        (nn.Flatten, {}, "training: there are no parameters that require a gradient, expected at least one"),
        (network, {"train": view(0, 1)}, "training: there are no training images, expected at least one"),
    ],
)
def test_nothing_to_train_is_refused(model: Callable[[], nn.Module], changes: dict, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        trained(model(), context(**changes))
    assert str(refusal.value) == sentence


def test_auxiliary_outputs_are_refused() -> None:
    class Auxiliary(nn.Linear):
        def forward(self, x: Tensor) -> Any:
            scores = super().forward(x)
            return (scores, scores) if self.training else scores

    with pytest.raises(Refused, match="in training mode this network returns a tuple, expected one tensor of scores"):
        trained(nn.Sequential(nn.Flatten(), Auxiliary(6, 3)))


# logits


def test_logits_are_in_the_order_of_the_view() -> None:
    seen: list[float] = []
    ctx, images, model = context(report=lambda progress: seen.append(progress.fraction)), view(620, 4), network()
    found = logits(model, images, ctx, "asking")
    with torch.no_grad():
        torch.testing.assert_close(found, model(images.inputs(torch.arange(620))))
    assert seen == [250 / 620, 500 / 620, 1]
    assert not found.requires_grad
