"""What a network asks of a device: its operators, in the bits that its weights and activations are held to.

These are values that lie beside results; `workbench.graph.workload` makes them. Reading them needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["conv", "depthwise", "linear", "attention", "norm", "pool", "elementwise", "move", "unknown"]
"""`linear` is any matrix product, `norm` includes softmax, `pool` all sums over positions and resampling, `move` what
computes nothing: views, copies, padding, gathering; `unknown` may do work, but nobody has given a formula for it."""
KINDS: tuple[Kind, ...] = get_args(Kind)
PRODUCTS: frozenset[Kind] = frozenset(("conv", "depthwise", "linear", "attention"))


@dataclass(frozen=True, kw_only=True)
class Load:
    """One operator, without what it reads or writes."""

    name: str
    kind: Kind
    layer: str
    macs: int
    elements: int
    """Numbers that it reads or writes, the more of the two: its work where it has no multiply-adds."""
    padded_macs: int
    """Multiply-adds, with channels rounded up to what vector units take at a time."""
    bytes_moved: int
    """Of the activations that it reads and writes."""
    parameters: tuple[str, ...]
    """Names of what it reads: a layer that runs twice has its weights once."""
    weights: int
    """Numbers in its weight."""
    other_weights: int
    """Numbers in biases and the like, which stay wide."""
    weight_bits: int
    whole_codes: bool
    """Whether the weight is free or on a uniform grid, whose codes integer arithmetic can multiply."""
    activation_bits: int
    """Of what it reads."""
    two_four: bool
    """Whether of any 4 weights that follow each other among the inputs of an output 2 are zero."""
    folded: bool
    """Whether runtimes fold it into the operator before: norms, activation functions, views."""

    @classmethod
    def nothing(cls) -> Load:
        """Return an operator that asks for nothing."""
        return cls(
            name="",
            kind="move",
            layer="",
            macs=0,
            elements=0,
            padded_macs=0,
            bytes_moved=0,
            parameters=(),
            weights=0,
            other_weights=0,
            weight_bits=32,
            whole_codes=True,
            activation_bits=32,
            two_four=False,
            folded=True,
        )


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One inference of one image."""

    loads: tuple[Load, ...]
    peak_bytes: int
    """Of activations (see `workbench.graph.liveness`)."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with a column for each field of the operators."""
        columns = {field.name: [getattr(load, field.name) for load in self.loads] for field in fields(Load)}
        columns["parameters"] = [list(names) for names in columns["parameters"]]
        return {"operators": columns, "peak_bytes": self.peak_bytes}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Workload:
        """Read the JSON form."""
        columns = {**content["operators"], "parameters": map(tuple, content["operators"]["parameters"])}
        loads = (Load(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))
        return cls(loads=tuple(loads), peak_bytes=content["peak_bytes"])
