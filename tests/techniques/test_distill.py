"""Distillation: the loss by hand, one pass of the teacher, and who may teach whom."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.context import Context, fingerprint
from workbench.errors import Refused
from workbench.recipe import Recipe
from workbench.techniques.distill import Distill, softened
from workbench.training import Schedule, fit

MakeCtx = Callable[..., Context]
QUICK = {"epochs": 0.5}


class Counting(nn.Module):
    """Wraps a network and counts the images that it sees."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.images = inner, 0

    def forward(self, x: Tensor) -> Tensor:
        self.images += len(x)
        scores: Tensor = self.inner(x)
        return scores


def test_the_loss_by_hand() -> None:
    # teacher scores (2 ln 3, 0) at temperature 2 are (3/4, 1/4); student scores (0, 0) are (1/2, 1/2)
    teacher = torch.tensor([[9.0, 9.0], [2 * math.log(3), 0.0]])
    student, labels, indices = torch.zeros(1, 2), torch.tensor([0]), torch.tensor([1])
    divergence = 3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1 / 2)
    loss = softened(teacher, temperature=2, alpha=0.9)(student, labels, indices)
    assert loss.item() == pytest.approx(0.9 * 4 * divergence + 0.1 * math.log(2))


def test_the_divergence_is_a_mean_over_images_and_zero_for_the_teacher_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    labels, indices = torch.zeros(5, dtype=torch.long), torch.arange(5)
    loss = softened(teacher, temperature=3, alpha=1)
    p, q = (teacher / 3).softmax(1).double(), (student / 3).softmax(1).double()
    wanted = 9 * (p * (p / q).log()).sum(1).mean()
    assert loss(student, labels, indices).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert loss(teacher, labels, indices).item() == pytest.approx(0, abs=1e-5)


def test_alpha_zero_is_cross_entropy_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(6, 4, generator=generator), torch.tensor([0, 1, 2, 3, 0, 1])
    loss = softened(torch.randn(6, 4, generator=generator), temperature=4, alpha=0)
    assert loss(scores, labels, torch.arange(6)).item() == F.cross_entropy(scores, labels).item()


def test_without_a_teacher_it_is_plain_training(net: nn.Module, make_ctx: MakeCtx) -> None:
    ctx = make_ctx()
    counting = Counting(ctx.original)
    alone = Distill(alpha=0, **QUICK).apply(net, dataclasses.replace(ctx, original=counting))
    plain = fit(net, make_ctx(), Schedule(epochs=0.5, lr=0.02), title="training the student")
    assert fingerprint(alone) == fingerprint(plain)
    assert counting.images == 0


def test_the_control_arm_sees_the_same_images_in_the_same_order(net: nn.Module, make_ctx: MakeCtx) -> None:
    def order(alpha: float) -> list[int]:
        ctx, seen = make_ctx(), []
        read = ctx.train.inputs
        ctx.train.inputs = lambda indices: seen.append(indices.tolist()) or read(indices)  # type: ignore[method-assign]
        Distill(alpha=alpha, **QUICK).apply(net, ctx)
        return [batch for batch in seen if batch != sorted(batch)]  # the teacher reads them in order

    assert order(0.9) == order(0) != []


def test_the_control_arm_is_the_same_step_without_a_teacher() -> None:
    title, recipe = Recipe((Distill(temperature=6, epochs=3),)).control() or ("", Recipe())
    assert title == "no teacher"
    assert recipe == Recipe((Distill(temperature=6, epochs=3, alpha=0),))
    assert recipe.control() is None


def test_the_teacher_is_asked_once_for_all_temperatures(net: nn.Module, make_ctx: MakeCtx) -> None:
    ctx = make_ctx()
    ctx = dataclasses.replace(ctx, original=Counting(ctx.original))
    results = [Distill(temperature=t, **QUICK).apply(net, ctx) for t in (1, 4, 16)]
    assert ctx.original.images == len(ctx.train)
    assert len({fingerprint(result) for result in results}) == 3


def test_a_teacher_that_was_not_heard_to_the_end_is_not_kept(net: nn.Module, make_ctx: MakeCtx) -> None:
    calls = []

    def interrupt(_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    ctx = make_ctx(report=interrupt)
    ctx = dataclasses.replace(ctx, original=Counting(ctx.original))
    with pytest.raises(KeyboardInterrupt):
        Distill(**QUICK).apply(net, ctx)
    heard = ctx.original.images
    Distill(**QUICK).apply(net, dataclasses.replace(ctx, report=lambda _: None))
    assert ctx.original.images == heard + len(ctx.train)


def test_a_fresh_student_of_the_zoo_learns(net: nn.Module, fresh: Callable[..., nn.Module], ctx: Context) -> None:
    student = Distill(student="toy", epochs=4, lr=0.1).apply(net, ctx)
    view = ctx.validation
    with torch.no_grad():
        scores = student(view.inputs(torch.arange(len(view))))
    assert float((scores.argmax(1) == view.labels).float().mean()) > 0.9
    assert fingerprint(student) not in {fingerprint(net), fingerprint(fresh(seed=7))}


def test_a_teacher_of_the_zoo_is_imitated(net: nn.Module, fresh: Callable[..., nn.Module], ctx: Context) -> None:
    ctx = dataclasses.replace(ctx, original=Counting(ctx.original))
    Distill(teacher="toy", **QUICK).apply(net, ctx)
    assert ctx.original.images == len(ctx.example), "the original is asked for its classes only"


@pytest.mark.parametrize("who", ["student", "teacher"])
def test_a_network_that_does_not_fit_is_refused(who: str, net: nn.Module, make_ctx: MakeCtx) -> None:
    unknown = Distill(**{who: "toi"}, **QUICK)
    with pytest.raises(Refused, match="no model called 'toi'.*toy"):
        unknown.apply(net, make_ctx())
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 7))
    ctx = make_ctx(build=lambda _: wide, load=lambda _: wide)
    with pytest.raises(Refused, match=r"cannot be used here: .* \[N, 3\].*got \[2, 7\]"):
        Distill(**{who: "wide"}, **QUICK).apply(net, ctx)
    large = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    ctx = make_ctx(build=lambda _: large, load=lambda _: large)
    with pytest.raises(Refused, match="cannot be used here: .*input of shape"):
        Distill(**{who: "large"}, **QUICK).apply(net, ctx)
