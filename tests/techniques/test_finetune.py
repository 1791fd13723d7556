"""Fine-tuning: it mends what pruning and rounding broke, in the format they left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from workbench.compress import compress
from workbench.context import Context, fingerprint
from workbench.errors import Cancelled
from workbench.network import layers, weight_format
from workbench.recipe import Recipe
from workbench.techniques.finetune import Finetune
from workbench.techniques.magnitude import Magnitude
from workbench.techniques.weight_bits import WeightBits
from workbench.training import Schedule, fit

MakeCtx = Callable[..., Context]


@torch.no_grad()
def accuracy(model: nn.Module, ctx: Context) -> float:
    scores = model.eval()(ctx.validation.inputs(torch.arange(len(ctx.validation))))
    return float((scores.argmax(1) == ctx.validation.labels).float().mean())


def test_it_mends_a_damaged_network(net: nn.Module, ctx: Context) -> None:
    damage = (
        Magnitude(ratio=0.7, method="mask", score="random"),
        WeightBits(bits=2, method="nearest", symmetric=True, correct=False),
    )
    broken = compress(net, Recipe(damage), ctx)
    mended = compress(net, Recipe((*damage, Finetune(epochs=4))), ctx)
    assert accuracy(broken, ctx) < 0.8
    assert accuracy(mended, ctx) > 0.95
    for name, layer in layers(mended).items():
        form = weight_format(layer)
        assert torch.equal(form.mask, weight_format(layers(broken)[name]).mask)
        assert not layer.weight[~form.mask].any()
        assert set(form.grid.encode(layer.weight).unique().tolist()) <= {-1, 0, 1}


def test_it_is_the_plain_training_loop(net: nn.Module, make_ctx: MakeCtx) -> None:
    tuned = Finetune(epochs=1, lr=0.01).apply(net, make_ctx())
    plain = fit(net, make_ctx(), Schedule(epochs=1, lr=0.01), title="fine-tuning")
    assert fingerprint(tuned) == fingerprint(plain)
    assert fingerprint(tuned) != fingerprint(net)


def test_the_last_state_may_be_kept_whatever_the_validation_images_say(net: nn.Module, make_ctx: MakeCtx) -> None:
    wild = {"epochs": 0.5, "lr": 0.2}
    last = Finetune(keep="last", **wild).apply(net, make_ctx())
    plain = fit(net, make_ctx(), Schedule(**wild), title="fine-tuning", keep_best=False)
    assert fingerprint(last) == fingerprint(plain)
    assert fingerprint(last) != fingerprint(net)


def test_another_seed_is_another_order(fresh: Callable[..., nn.Module], make_ctx: MakeCtx) -> None:
    one, other = (Finetune(epochs=1).apply(fresh(), make_ctx(seed=seed)) for seed in (0, 1))
    assert fingerprint(one) != fingerprint(other)


def test_cancelling_leaves_everything_as_it_was(net: nn.Module, make_ctx: MakeCtx) -> None:
    def stop(_: object) -> None:
        raise Cancelled

    before = fingerprint(net)
    ctx = make_ctx(report=stop)
    with pytest.raises(Cancelled):
        Finetune().apply(net, ctx)
    assert fingerprint(net) == before
    assert ctx.notes == []
