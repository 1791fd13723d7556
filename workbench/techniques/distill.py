"""Knowledge distillation: a student learns the scores of a teacher, not only the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.context import Context, Progress, fingerprint
from workbench.errors import Refused
from workbench.network import architecture, check, clone
from workbench.recipe import Control, ModelName, Range, Step
from workbench.registry import techniques
from workbench.techniques._whole_biases import round_biases_
from workbench.training import Loss, Schedule, cross_entropy, fit, logits


@techniques.register
@final
@dataclass(frozen=True, kw_only=True)
class Distill(Step):
    """Train a student with the loss alpha T^2 KL(teacher || student at temperature T) + (1 - alpha) CE(labels).

    The teacher's scores on the training images are computed once and kept, so another temperature costs no pass of
    the teacher. `alpha = 0` is the control: the same student, the same time, no teacher.
    """

    name = "distill"
    title = "Distillation"
    summary = "Trains the compressed network, or another small one, to give the same scores as a teacher."
    paper = "Hinton et al. 2015, https://arxiv.org/abs/1503.02531"
    hurts_when = (
        "The student is very small or trained briefly: then it often learns less than from the labels alone, above all "
        "at high temperature. Look at the student without teacher beside it."
    )
    order = 60
    trains = True
    control = Control("no teacher", {"alpha": 0.0})
    flags = {"temperature": "temperature", "alpha": "alpha"}

    temperature: Annotated[float, Range(1, 20, 0.5, "how much the teacher's scores are softened")] = 4.0
    alpha: Annotated[float, Range(0, 1, 0.05, "weight of the teacher against the labels")] = 0.9
    epochs: Annotated[float, Range(0.5, 50, 0.5, "passes over the training images")] = 5.0
    lr: Annotated[float, Range(0.0001, 0.2, 0.0001, "highest learning rate", log=True)] = 0.02
    teacher: Annotated[str, ModelName(("original",), "who is imitated: the original, or a model of the zoo")] = (
        "original"
    )
    student: Annotated[
        str, ModelName(("compressed",), "who learns: the compressed network, or a fresh model of the zoo")
    ] = "compressed"

    def apply(self, model: nn.Module, ctx: Context) -> nn.Module:
        student = clone(model)
        if self.student != "compressed":
            student = self._fitting(ctx.build(self.student), ctx)
            ctx.note(f"the student is a fresh {self.student}: steps before the distillation left no trace in it")
        loss = cross_entropy if self.alpha == 0 else softened(self._scores(ctx), self.temperature, self.alpha)
        # one title for both arms: it salts the order of the images, which must not differ between them
        result = fit(student, ctx, Schedule(epochs=self.epochs, lr=self.lr), loss, title="training the student")
        round_biases_(result, ctx.example)
        return result

    def _scores(self, ctx: Context) -> Tensor:
        teacher = ctx.original if self.teacher == "original" else self._fitting(ctx.load(self.teacher), ctx)

        def compute() -> Tensor:
            ctx.report(Progress(0.0, "asking the teacher"))
            return logits(teacher, ctx.train, ctx, "asking the teacher")

        return ctx.cache.get(f"teacher/{fingerprint(teacher)}", compute)

    def _fitting(self, other: nn.Module, ctx: Context) -> nn.Module:
        """Return a network of the zoo in evaluation mode; raises `Refused` unless it maps these images to scores."""
        with torch.no_grad():
            classes = ctx.original(ctx.example).shape[1]
        try:
            check(other, ctx.example, classes)
        except Refused as refusal:
            raise Refused(f"{architecture(other) or 'the other network'} cannot be used here: {refusal}") from None
        return other.eval()


def softened(teacher: Tensor, temperature: float, alpha: float) -> Loss:
    """Return the distillation loss for teacher logits [N, K] on all training images.

    The factor T^2 keeps the gradients of both terms comparable when the temperature changes (Hinton et al., section 2).
    """

    def loss(student: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        soft = F.kl_div(
            F.log_softmax(student / temperature, 1),
            F.log_softmax(teacher[indices] / temperature, 1),
            reduction="batchmean",
            log_target=True,
        )
        return alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(student, labels)

    return loss
