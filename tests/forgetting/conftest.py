"""Two networks whose answers are given."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch


@pytest.fixture
def say():
    """Makes the answers of a network: its classes, and how sure it is of each."""

    def make(labels, answers, sure=None):
        labels, answers = torch.tensor(labels), torch.tensor(answers)
        return SimpleNamespace(
            labels=labels,
            answer=answers,
            right=labels == answers,
            broken=torch.zeros(len(labels), dtype=torch.bool),
            confidence=torch.full((len(labels),), 0.9) if sure is None else torch.tensor(sure),
        )

    return make


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
