"""Peak activation memory: the bytes that a runtime needs besides the weights, for one image.

On a microcontroller it decides whether a network runs at all. The conventions are those of `workbench.graph.liveness`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

from workbench.graph.liveness import liveness
from workbench.graph.workload import workload
from workbench.measure._graph import graph
from workbench.measuring import Measure, Reading, Subject
from workbench.registry import measures
from workbench.result import Estimate


@final
class PeakMemory(Measure):
    """The most bytes of activations that live at the same time while one image goes through the network.

    The details name the operator and the layer where that is, list the bytes at each operator in order, and say what
    each operator asks of a device (`workbench.graph.workload`), from which a row is forecast on any.
    """

    name = "peak_memory"
    title = "Peak memory"
    summary = "The most bytes of activations in memory at once for one image, by the liveness of the graph."
    better = "lower"
    unit = "bytes"

    def read(self, subject: Subject) -> Iterator[Reading]:
        ops = graph(subject).ops
        found = liveness(graph(subject))
        details: dict[str, Any] = {
            "live_bytes": list(found.live_bytes),
            "workload": workload(subject.model, graph(subject)).to_dict(),
        }
        if found.peak is not None:
            details["peak"] = {"number": found.peak, "layer": ops[found.peak].layer, "op": ops[found.peak].name}
        yield Reading(Estimate.counted(found.peak_bytes, self.unit), details)


measures.register(PeakMemory())
