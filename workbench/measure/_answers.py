"""What a network answers on the test images, each asked once."""

from __future__ import annotations

import threading

import torch
from torch import Tensor, nn

from workbench.forward import Forward, quickest
from workbench.images import View
from workbench.measuring import Subject


class Answers:
    """Answers of one network by test image [N]; meaningless where `known` is False. Safe between threads.

    A score that is NaN counts as wrong, and ties go to the first class.
    """

    def __init__(self, model: nn.Module, test: View) -> None:
        self._model, self._test = model, test
        self._forward: Forward | None = None
        self._lock = threading.Lock()
        total = len(test)
        self.labels = test.labels.cpu()
        self.known = torch.zeros(total, dtype=torch.bool)
        self.right = torch.zeros(total, dtype=torch.bool)
        self.broken = torch.zeros(total, dtype=torch.bool)
        """Whether there is a NaN among the scores."""
        self.answer = torch.zeros(total, dtype=torch.long)
        """The class with the highest score."""
        self.confidence = torch.zeros(total)
        """Its probability; 0 where there is a NaN among the scores."""
        self.margin = torch.zeros(total)
        """Its probability less that of the second: how far the image is from the decision boundary."""

    def ask(self, indices: Tensor) -> None:
        """Run the network on those of the images that it was not run on before."""
        with self._lock:
            indices = indices[~self.known[indices]]
            if len(indices):
                self._note_(indices)

    def _note_(self, indices: Tensor) -> None:
        inputs = self._test.inputs(indices)
        if self._forward is None:
            self._forward = quickest(self._model, inputs)
        with torch.inference_mode():
            scores = self._forward(inputs).float().cpu()
        nan = scores.isnan().any(1)
        top = torch.softmax(scores, 1).topk(min(2, scores.shape[1])).values
        self.answer[indices] = scores.argmax(1)
        self.broken[indices] = nan
        self.right[indices] = (scores.argmax(1) == self.labels[indices]) & ~nan
        self.confidence[indices] = torch.nan_to_num(top[:, 0])
        self.margin[indices] = torch.nan_to_num(top[:, 0] - top[:, 1:].sum(1))
        self.known[indices] = True


def answers(subject: Subject) -> Answers:
    """Return the answers of a subject, the same to all who ask."""
    return subject.shared.get("answers", lambda: Answers(subject.model, subject.test))
