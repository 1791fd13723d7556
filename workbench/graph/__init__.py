"""The graph of a network, and what can be read from it without running the network again.

`trace` makes it from one forward pass, `operators` says what each operator does. `liveness` counts the memory of its
activations, `workload` what it asks of a device, and `onnx_drawing` writes it down to be looked at.
"""

from workbench.graph.trace import Graph, Op, Value, graph_of

__all__ = ["Graph", "Op", "Value", "graph_of"]
