"""The graph of a subject, traced once however many measures ask for it."""

from __future__ import annotations

import torch

from workbench.graph import Graph, graph_of
from workbench.measuring import Subject


def graph(subject: Subject) -> Graph:
    """Return what the network runs on one test image."""
    return subject.shared.get("graph", lambda: graph_of(subject.model, subject.test.inputs(torch.arange(1))))
