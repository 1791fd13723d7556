"""Fine-tuning: train the compressed network on, in the format that it is compressed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

from torch import nn

from workbench.context import Context
from workbench.recipe import Range, Step
from workbench.registry import techniques
from workbench.training import Schedule, fit


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Finetune(Step):
    """Train on the labels of the training images; pruned weights stay zero and quantized ones on their grid.

    The state that does best on the validation images is kept, which may be the one before training.
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

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        return fit(model, ctx, Schedule(epochs=self.epochs, lr=self.lr), title="fine-tuning")
