"""Fine-tuning: train the compressed network on, in the format that it is compressed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

from torch import nn

from workbench.context import Context
from workbench.recipe import Choice, Range, Step
from workbench.registry import techniques
from workbench.techniques._whole_biases import round_biases_
from workbench.training import Schedule, fit


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Finetune(Step):
    """Train on the labels of the training images; pruned weights stay zero and quantized ones on their grid.

    The state that does best on the validation images is kept, which may be the one before training; or the last one, at
    the lowest learning rate, where differences are too small for those images to tell.
    """

    name = "finetune"
    title = "Fine-tuning"
    summary = "Trains the compressed network on the labels, so that what is left makes up for what was taken."
    paper = "Han et al. 2015, https://arxiv.org/abs/1506.02626; through the grid: https://arxiv.org/abs/1308.3432"
    hurts_when = "The learning rate is high for a network that is hardly damaged, or there are few training images."
    order = 50
    trains = True
    flags = {"epochs": "epochs"}

    epochs: Annotated[float, Range(0.5, 50, 0.5, "passes over the training images")] = 5.0
    lr: Annotated[float, Range(0.0001, 0.2, 0.0001, "highest learning rate", log=True)] = 0.02

    keep: Annotated[str, Choice("best", "last", help="the state that is kept: best on validation images, or last")] = (
        "best"
    )

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        schedule = Schedule(epochs=self.epochs, lr=self.lr)
        result = fit(model, ctx, schedule, title="fine-tuning", keep_best=self.keep == "best")
        round_biases_(result, ctx.example)
        return result
