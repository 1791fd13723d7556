"""The graphs of the network that a job makes and of its original, to be looked at side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from workbench.activations import activation_format
from workbench.context import Report, ignore
from workbench.graph import Graph, graph_of
from workbench.graph.onnx_drawing import onnx_drawing
from workbench.layerwise.rows import layer_facts
from workbench.network import layers
from workbench.recipe import Recipe
from workbench.result import Job
from workbench.run import made, prepare
from workbench.store import Store


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The graph of one network."""

    content: bytes
    """An ONNX file without weights, which Netron draws."""
    operators: int


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The network that a job makes, and its original."""

    job: Job
    compressed: Sheet
    base: Sheet


def drawn(job: Job, *, report: Report = ignore, store: Store | None = None, user_code: bool = True) -> Drawing:
    """Return the graphs of the network that a job makes and of its original. Raises `Refused`.

    A network that was trained comes from the store where that holds its file; otherwise it is trained now.
    """
    prepared = prepare(job, report=report, user_code=user_code)

    def sheet(asked: Job) -> Sheet:
        network, sizes = made(asked, report=report, store=store, user_code=user_code)
        return _sheet(network, prepared.context.example[:1], sizes, job.model.name)

    base = prepared.known.get("drawing", lambda: sheet(dataclasses.replace(job, recipe=Recipe())))
    return Drawing(job=job, compressed=sheet(job) if job.recipe.steps else base, base=base)


def _sheet(network: nn.Module, image: Tensor, sizes: Mapping[str, int], title: str) -> Sheet:
    graph = graph_of(network, image)
    content = onnx_drawing(network, graph, _notes(network, graph, sizes), title)
    return Sheet(content=content, operators=len(graph.ops))


def _notes(network: nn.Module, graph: Graph, sizes: Mapping[str, int]) -> dict[str, dict[str, int | str]]:
    """Return what a reader of the graph wants to know of each layer besides its settings."""
    macs = graph.macs
    found: dict[str, dict[str, int | str]] = {}
    for name, layer in layers(network).items():
        facts, inputs = layer_facts(name, layer, sizes, macs[name]), activation_format(layer)
        found[name] = {
            "bytes_in_file": facts.size_bytes,
            "MACs": facts.macs,
            "weight_bits": facts.bits,
            "zero_weights": f"{100 * facts.sparsity:.1f} %",
        }
        if inputs is not None:
            found[name]["input_bits"] = inputs.bits
    return found
