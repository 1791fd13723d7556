"""What a packed file says of its network: checked when it is read, since files come from anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from workbench.export._container import damaged
from workbench.export._tensors import DTYPES
from workbench.grid import GridSpec

KINDS = ("words", "codes", "halves")
"""How a tensor of its own is stored: bits of its type, codes of its grid, or float32 values as halves."""
POOLS = ("norms", "biases")
"""Short float32 tensors of a kind are stored as one long array: together they compress, one by one they do not."""
GRID_POOLS = ("scales", "zeros", "levels")
"""The same for the scales, the zero points and the codebooks of all grids."""
_LONGEST_ARCHITECTURE = 1000
_BITS = (*range(1, 9), 16)
_MOST_LEVELS = 255


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
    levels: int = 0
    """How many levels its codebook has."""
    masked: bool = False

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    def pooled(self, pool: str) -> int:
        """Return how many values of a pool are its own, or those of its grid."""
        if pool in POOLS:
            return self.size if self.pool == pool else 0
        if self.grid is None:
            return 0
        return self.levels if pool == "levels" else self.grid.scales(self.shape[0])

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, without what is as usual."""
        plain: dict[str, Any] = {"name": self.names[0], "shape": list(self.shape)}
        if len(self.names) > 1:
            plain["also"] = list(self.names[1:])
        if self.dtype != torch.float32:
            plain["dtype"] = str(self.dtype).removeprefix("torch.")
        if self.grid is not None:
            plain["grid"] = [self.grid.bits, self.grid.per_channel, self.grid.symmetric, *self._kind()]
        if self.masked:
            plain["masked"] = True
        return plain | ({"pool": self.pool} if self.pool else {self.kind: dict(self.spec)})

    def _kind(self) -> list[Any]:
        match self.grid:
            case GridSpec(kind="codebook"):
                return ["codebook", self.levels]
            case GridSpec(kind="powers"):
                return ["powers"]
        return []

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
        grid, levels = _grid(shown, plain, shape, kinds)
        return cls(
            names=names,
            shape=shape,
            dtype=DTYPES[dtype],
            pool=pool,
            kind=kinds[0] if kinds else "",
            spec=plain[kinds[0]] if kinds else {},
            grid=grid,
            levels=levels,
            masked=plain.get("masked") is True,
        )


def _grid(
    shown: str, plain: Mapping[str, Any], shape: tuple[int, ...], kinds: list[str]
) -> tuple[GridSpec | None, int]:
    """Return the grid of an entry and how many levels its codebook has."""
    match plain.get("grid"):
        case None if kinds in ([], ["words"]):
            return None, 0
        case [int(bits), bool(per_channel), bool(symmetric), *rest] if bits in _BITS and len(shape) >= 2:
            if kinds != ["words"] and kinds != ["halves" if bits == 16 else "codes"]:
                raise damaged(f"{shown} does not go with its grid of {bits} bits")
            spec = GridSpec(bits=bits, per_channel=per_channel, symmetric=symmetric)
            match rest:
                case []:
                    return spec, 0
                case ["powers"]:
                    return replace(spec, kind="powers"), 0
                case ["codebook", int(levels)] if 0 <= levels <= (0 if bits == 16 else _MOST_LEVELS):
                    return replace(spec, kind="codebook"), int(levels)
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
    activations: Mapping[str, Any] = field(default_factory=dict)
    """What the inputs of layers are rounded to, by module name (see `_activations`)."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "architecture": self.architecture,
            "about": dict(self.about),
            "tensors": [entry.to_json() for entry in self.entries],
            "pools": dict(self.pools),
            "groups": dict(self.groups),
            "batches": self.batches,
            **({"activations": dict(self.activations)} if self.activations else {}),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Header:
        """Read the JSON form; raises `Refused` for anything that `to_json` does not write."""
        architecture, about, pools = plain.get("architecture"), plain.get("about"), plain.get("pools")
        groups, batches, activations = plain.get("groups"), plain.get("batches"), plain.get("activations", {})
        if not isinstance(architecture, str) or len(architecture) > _LONGEST_ARCHITECTURE:
            raise damaged("it does not say which architecture it is for")
        if not isinstance(about, dict) or not isinstance(pools, dict):
            raise damaged("its header lacks a part")
        if not isinstance(groups, dict) or not isinstance(activations, dict):
            raise damaged("its header lacks a part")
        if not all(type(n) is int and 1 < n < 2**31 for n in groups.values()):
            raise damaged("a convolution has an impossible number of groups")
        if type(batches) is not int or not 0 <= batches < 2**63:
            raise damaged("its count of batches is impossible")
        entries = tuple(Entry.from_json(item) for item in _items(plain.get("tensors")))
        names = [name for entry in entries for name in entry.names]
        if len(set(names)) != len(names):
            raise damaged("it holds two tensors of one name")
        return cls(
            architecture=architecture,
            about=about,
            entries=entries,
            pools=pools,
            groups=groups,
            batches=batches,
            activations=activations,
        )


def _items(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise damaged("a list is missing from its header")
    return tuple(value)
