"""Applying a recipe: steps in order, one progress for all, and a result of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, final

import pytest
import torch
from torch import nn

from workbench.compress import compress
from workbench.context import Context, Progress, fingerprint
from workbench.errors import Cancelled
from workbench.images import Preprocess, TensorImages, View
from workbench.network import architecture, name_architecture_
from workbench.recipe import Range, Recipe, Step


@final
@dataclass(frozen=True, kw_only=True)
class Shift(Step):
    """Multiply the weights by a factor and then add one, reporting twice; leaves the network in training mode."""

    name, title, summary, paper, hurts_when, order = "shift", "Shift", "", "", "", 0
    factor: Annotated[float, Range(0, 10, 0.1)] = 2.0

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        ctx.note(f"times {self.factor:g}")
        ctx.report(Progress(0.5, "half", {"curve": (0.0, self.factor)}))
        assert not model.training
        model.weight.data = model.weight.data * self.factor + 1  # in place: what it is given is a copy already
        ctx.report(Progress(1.0, "done"))
        return model.train()


def context(**changes: Any) -> Context:
    def none(name: str) -> NoReturn:
        raise NotImplementedError(name)

    view = View(TensorImages(torch.zeros(2, 1, 1, 1).byte(), torch.zeros(2)), Preprocess((1, 1, 1), (0.0,), (1.0,)))
    usual = {"original": nn.Identity(), "train": view, "validation": view, "calibration": view}
    return Context(**(usual | {"build": none, "load": none} | changes))


def one(value: float = 1.0) -> nn.Linear:
    model = nn.Linear(1, 1)
    model.weight.data.fill_(value)
    return model


def test_the_steps_are_applied_in_turn() -> None:
    assert compress(one(), Recipe((Shift(factor=2), Shift(factor=5))), context()).weight.item() == (1 * 2 + 1) * 5 + 1
    assert compress(one(), Recipe((Shift(factor=5), Shift(factor=2))), context()).weight.item() == (1 * 5 + 1) * 2 + 1


@pytest.mark.parametrize("recipe", [Recipe(), Recipe((Shift(),))], ids=["original", "one step"])
def test_the_input_is_not_touched_and_the_result_is_ready(recipe: Recipe) -> None:
    model = one().train()
    before = fingerprint(model)
    result = compress(model, recipe, context())
    assert result is not model
    assert not result.training
    assert model.training
    assert fingerprint(model) == before
    result.weight.data.fill_(9)
    assert fingerprint(model) == before


def test_the_empty_recipe_is_a_copy() -> None:
    model = name_architecture_(one(), "mine")
    result = compress(model, Recipe(), context())
    assert fingerprint(result) == fingerprint(model)
    assert architecture(result) == "mine"


def test_progress_is_that_of_the_whole_recipe() -> None:
    seen: list[Progress] = []
    compress(one(), Recipe((Shift(factor=2), Shift(factor=3))), context(report=seen.append))
    assert [(progress.fraction, progress.message) for progress in seen] == [
        (0.25, "half"),
        (0.5, "done"),
        (0.75, "half"),
        (1.0, "done"),
    ]
    assert seen[2].curves == {"curve": (0.0, 3.0)}


def test_notes_are_those_of_all_steps() -> None:
    ctx = context()
    compress(one(), Recipe((Shift(factor=2), Shift(factor=3))), ctx)
    assert ctx.notes == ["times 2", "times 3"]


@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt])
def test_stopping_leaves_the_input_alone(error: type[BaseException]) -> None:
    def stop(progress: Progress) -> None:
        if progress.fraction == 0.75:
            raise error

    model = one()
    with pytest.raises(error):
        compress(model, Recipe((Shift(), Shift())), context(report=stop))
    assert model.weight.item() == 1
