"""What a packed file says of its network: checked when it is read, since files come from anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.export._container import damaged
from workbench.export._tensors import DTYPES
from workbench.grid import GridSpec

KINDS = ("words", "codes", "halves")
"""How a tensor of its own is stored: bits of its type, codes of its grid, or float32 values as halves."""
POOLS = ("norms", "biases")
"""Short float32 tensors of a kind are stored as one long array: together they compress, one by one they do not."""
GRID_POOLS = ("scales", "zeros")
"""The same for the scales and the zero points of all grids."""
_LONGEST_ARCHITECTURE = 1000
_BITS = (*range(1, 9), 16)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One distinct tensor: the names that share it, and where its values are."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    pool: str = ""
    kind: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    grid: GridSpec | None = None
    masked: bool = False

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @property
    def scales(self) -> int:
        """How many scales, and as many zero points, its grid has."""
        if self.grid is None or self.grid.bits == 16:
            return 0
        return self.shape[0] if self.grid.per_channel else 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, without what is as usual."""
        plain: dict[str, Any] = {"name": self.names[0], "shape": list(self.shape)}
        if len(self.names) > 1:
            plain["also"] = list(self.names[1:])
        if self.dtype != torch.float32:
            plain["dtype"] = str(self.dtype).removeprefix("torch.")
        if self.grid is not None:
            plain["grid"] = [self.grid.bits, self.grid.per_channel, self.grid.symmetric]
        if self.masked:
            plain["masked"] = True
        return plain | ({"pool": self.pool} if self.pool else {self.kind: dict(self.spec)})

    @classmethod
    def from_json(cls, plain: Any) -> Entry:
        """Read the JSON form; raises `Refused` for anything that `to_json` does not write."""
        if not isinstance(plain, dict):
            raise damaged("its list of tensors holds something else")
        names = (plain.get("name"), *_items(plain.get("also", [])))
        shape = _items(plain.get("shape"))
        dtype = plain.get("dtype", "float32")
        pool = plain.get("pool", "")
        kinds = [kind for kind in KINDS if isinstance(plain.get(kind), dict)]
        if not all(isinstance(name, str) and name for name in names):
            raise damaged("a tensor has no name")
        shown = str(names[0])[:80]
        if len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
            raise damaged(f"{shown} has an impossible shape")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise damaged(f"{shown} is of the unknown type {str(dtype)[:40]}")
        pooled = pool in POOLS and dtype == "float32"
        if len(kinds) + bool(pool) != 1 or (pool and not pooled):
            raise damaged(f"{shown} is stored in an unknown way")
        return cls(
            names=names,
            shape=shape,
            dtype=DTYPES[dtype],
            pool=pool,
            kind=kinds[0] if kinds else "",
            spec=plain[kinds[0]] if kinds else {},
            grid=_grid(shown, plain, shape, kinds),
            masked=plain.get("masked") is True,
        )


def _grid(shown: str, plain: Mapping[str, Any], shape: tuple[int, ...], kinds: list[str]) -> GridSpec | None:
    match plain.get("grid"):
        case None if kinds in ([], ["words"]):
            return None
        case [int(bits), bool(per_channel), bool(symmetric)] if bits in _BITS and len(shape) >= 2:
            if kinds != ["words"] and kinds != ["halves" if bits == 16 else "codes"]:
                raise damaged(f"{shown} does not go with its grid of {bits} bits")
            return GridSpec(bits=bits, per_channel=per_channel, symmetric=symmetric)
    raise damaged(f"{shown} has no known grid")


@dataclass(frozen=True, kw_only=True)
class Header:
    """All that a file says besides its bytes."""

    architecture: str
    about: Mapping[str, Any]
    entries: tuple[Entry, ...]
    pools: Mapping[str, Any]
    """The stream of each pool, by name."""
    groups: Mapping[str, int]
    """Groups of grouped convolutions by module name."""
    batches: int = 0
    """How many batches the batch norms have seen that have no count of their own."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "architecture": self.architecture,
            "about": dict(self.about),
            "tensors": [entry.to_json() for entry in self.entries],
            "pools": dict(self.pools),
            "groups": dict(self.groups),
            "batches": self.batches,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Header:
        """Read the JSON form; raises `Refused` for anything that `to_json` does not write."""
        architecture, about, pools = plain.get("architecture"), plain.get("about"), plain.get("pools")
        groups, batches = plain.get("groups"), plain.get("batches")
        if not isinstance(architecture, str) or len(architecture) > _LONGEST_ARCHITECTURE:
            raise damaged("it does not say which architecture it is for")
        if not isinstance(about, dict) or not isinstance(pools, dict) or not isinstance(groups, dict):
            raise damaged("its header lacks a part")
        if not all(type(n) is int and 1 < n < 2**31 for n in groups.values()):
            raise damaged("a convolution has an impossible number of groups")
        if type(batches) is not int or not 0 <= batches < 2**63:
            raise damaged("its count of batches is impossible")
        entries = tuple(Entry.from_json(item) for item in _items(plain.get("tensors")))
        names = [name for entry in entries for name in entry.names]
        if len(set(names)) != len(names):
            raise damaged("it holds two tensors of one name")
        return cls(architecture=architecture, about=about, entries=entries, pools=pools, groups=groups, batches=batches)


def _items(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise damaged("a list is missing from its header")
    return tuple(value)
