"""Traces: what a step has made of a network, kept small, so that a slider that comes back finds it ready.

A trace holds what differs from the network that the step was given: codes where a weight lies on a grid, the values
that are left where it is pruned. Putting it onto the network again gives every bit back. Traces are found by a key of
all that they depend on: the network, the reference, the calibration images, the settings, and the source of the
methods. So a trace of other weights or of another version is never found. They are kept in memory up to a limit, the
oldest dropped, and in a folder, as safetensors, up to another one. A second folder, which a class shares, is only read.
What comes from there may be damaged or made up: it is put onto the network once to see that it fits, and is not used
otherwise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

import workbench
from workbench.context import Context, Patience
from workbench.errors import Refused, reason
from workbench.files import write_whole
from workbench.grid import Grid, GridSpec
from workbench.network import FREE, WeightFormat, clone, layers, set_format_, weight_format
from workbench.recipe import Step, digest

_log = logging.getLogger(__name__)
FOLDER_BYTES = 2**30
"""What the folder may hold; the files that were not used for longest are removed."""
SHARED_BYTES = 256 * 2**20
"""What one file of somebody else may take."""
_ABANDONED_S = 3600.0
"""A file that has not been finished for so long will not be."""


@dataclass(frozen=True)
class Trace:
    """Tensors by name, and plain JSON that says what they are."""

    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was said while it was solved, for everyone who is shown it."""
        return tuple(self.about["notes"])

    @classmethod
    def between(cls, before: nn.Module, after: nn.Module, notes: Iterable[str] = ()) -> Trace:
        """Return what has changed from one network to another of the same layers."""
        tensors: dict[str, Tensor] = {}
        forms: dict[str, Any] = {}
        old, new = before.state_dict(), after.state_dict()
        known = layers(before)
        for name, layer in layers(after).items():
            form, weight = weight_format(layer), layer.weight.detach()
            if form is not FREE and (form is not weight_format(known[name])):
                forms[name] = _stored(f"{name}.weight", weight, form, tensors)
                old.pop(f"{name}.weight"), new.pop(f"{name}.weight")
        plain = [name for name, tensor in new.items() if not torch.equal(tensor, old[name])]
        return cls(
            tensors | {name: new[name].clone().contiguous() for name in plain},
            {"forms": forms, "plain": plain, "notes": [*notes]},
        )

    def with_layer(self, layer: str, other: Trace) -> Trace:
        """Return the trace with one layer as another trace has it."""
        prefix = f"{layer}.weight"
        mine = {name: tensor for name, tensor in self.tensors.items() if name.partition(" ")[0] != prefix}
        theirs = {name: tensor for name, tensor in other.tensors.items() if name.partition(" ")[0] == prefix}
        forms = {name: form for name, form in self.about["forms"].items() if name != layer}
        forms |= {name: form for name, form in other.about["forms"].items() if name == layer}
        plain = [name for name in self.about["plain"] if name != prefix] + [n for n in theirs if n == prefix]
        return replace(self, tensors=mine | theirs, about={**self.about, "forms": forms, "plain": plain})

    def on(self, model: nn.Module) -> nn.Module:
        """Return a copy of the network that it was taken from, with the change made."""
        result = clone(model).eval()
        state, found = result.state_dict(), layers(result)
        with torch.no_grad():
            for name in self.about["plain"]:
                state[name].copy_(self.tensors[name])
            for name, kept in self.about["forms"].items():
                layer = found[name]
                weight, form = _loaded(f"{name}.weight", layer.weight, kept, self.tensors)
                layer.weight.copy_(weight)
                set_format_(layer, form)
        return result


@dataclass(frozen=True)
class Whole:
    """The network of a step that changes layers, as it is; kept in memory alone."""

    network: nn.Module
    notes: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return sum(tensor.nbytes for tensor in self.network.state_dict().values())

    def on(self, _model: nn.Module) -> nn.Module:
        """Return a copy of the network."""
        return clone(self.network).eval()


Make = Callable[[nn.Module, Context], nn.Module]


def traced(step: Step, model: nn.Module, ctx: Context, solve: Make, plain: Make) -> nn.Module:
    """Return what a step makes of a network: by its trace where there is one, or solved now and kept.

    Where the patience is for a slider only, and there is no trace, it is the trace of the nearest prepared position
    (`Step.positions`), or what `plain` makes; both are told as provisional.
    """

    def made() -> Trace | Whole:
        notes: list[str] = []
        result = solve(model, dataclasses.replace(ctx, notes=notes))
        return (
            _kept(Trace.between(model, result, notes), key, ctx) if step.approximates else Whole(result, tuple(notes))
        )

    key = _key(step, model, ctx)
    found = _known(key, model, ctx)
    if found is None and ctx.patience > Patience.NOW:
        found = ctx.traces.get(key, made)
    if found is None:
        near = _nearest(step, model, ctx)
        if near is None:
            ctx.provisional.append(f"{step.title.lower()} by the simple method")
            return plain(model, ctx)
        ctx.provisional.append(f"{near[0]} is shown, the nearest that is prepared")
        found = near[1]
    for sentence in found.notes:
        ctx.note(sentence)
    return found.on(model)


def _nearest(step: Step, model: nn.Module, ctx: Context) -> tuple[str, Trace | Whole] | None:
    """Return words and trace of the nearest prepared position; layers with a setting of their own take theirs."""
    own = dict(getattr(step, "layers", ()))
    general = dataclasses.replace(step, layers=()) if own else step  # type: ignore[call-arg]
    found = _nearest_alike(general, model, ctx)
    if found is None or not own:
        return found and (str(found[0]), found[1])
    trace = found[1]
    for layer, value in own.items():
        other = _nearest_alike(dataclasses.replace(general, **{step.slider: value}), model, ctx)
        if other is None or isinstance(trace, Whole) or isinstance(other[1], Whole):
            return None
        trace = trace.with_layer(layer, other[1])
    return f"{found[0]} with layers of other prepared positions", trace


def _nearest_alike(step: Step, model: nn.Module, ctx: Context) -> tuple[Step, Trace | Whole] | None:
    for other in (step, *step.neighbours()):
        if (trace := _known(_key(other, model, ctx), model, ctx)) is not None:
            return other, trace
    return None


def _key(step: Step, model: nn.Module, ctx: Context) -> str:
    return digest([sources(), step.to_dict(), ctx.key_of(model), ctx.reference_key, ctx.seed])


def _known(key: str, model: nn.Module, ctx: Context) -> Trace | Whole | None:
    found: Trace | Whole | None = ctx.traces.peek(key)
    if found is None:
        loaded = _own(key, model, ctx) or _others(key, model, ctx)
        found = loaded and ctx.traces.get(key, lambda: loaded)
    return found


def _own(key: str, model: nn.Module, ctx: Context) -> Trace | None:
    if ctx.folder is None:
        return None
    path = ctx.folder / f"{key}.safetensors"
    found = _checked(path, model, ctx.device, SHARED_BYTES if ctx.filling else FOLDER_BYTES)
    if found is not None:
        with contextlib.suppress(OSError):
            os.utime(path)
    return found


def _others(key: str, model: nn.Module, ctx: Context) -> Trace | None:
    if ctx.shared is None:
        return None
    return _checked(ctx.shared / f"{key}.safetensors", model, ctx.device, SHARED_BYTES)


def _checked(path: Path, model: nn.Module, device: str, most_bytes: int) -> Trace | None:
    """Return a trace that is there and can be put onto the network: whatever is wrong with another, it is not used.

    What lies in a folder may have been cut short, or made up by somebody who may write there.
    """
    try:
        if not path.is_file() or path.stat().st_size > most_bytes:
            return None
        loaded = _read(path, device)
        for sentence in loaded.notes:
            if not isinstance(sentence, str):
                return None
        made = loaded.on(model)
        again = Trace.between(model, made).tensors  # torch would stretch a tensor of another shape
        fits = {name: tensor.shape for name, tensor in again.items()} == {
            name: tensor.shape for name, tensor in loaded.tensors.items()
        }
        state = made.state_dict()
        changed = (state[name] for name in (*loaded.about["plain"], *(f"{n}.weight" for n in loaded.about["forms"])))
        fits = fits and all(bool(torch.isfinite(tensor).all()) for tensor in changed if tensor.is_floating_point())
    except Exception:  # it may hold anything: names, shapes and types that nobody thought of
        _log.warning("the trace %s does not fit its network and is not used", path)
        return None
    return loaded if fits else None


def _read(path: Path, device: str) -> Trace:
    with safetensors.safe_open(path, "pt") as file:
        about = json.loads((file.metadata() or {})["about"])
        tensors = {name: file.get_tensor(name).to(device) for name in file.keys()}  # noqa: SIM118  # it is no mapping
    return Trace(tensors, about)


def _kept(trace: Trace, key: str, ctx: Context) -> Trace:
    """Write a trace into the folder, whole or not at all, and return it; without room it is solved again later.

    Raises `Refused` in a folder that is being filled for others.
    """
    if ctx.folder is None:
        return trace
    try:
        ctx.folder.mkdir(parents=True, exist_ok=True)
        _make_room(ctx.folder, trace.size_bytes, remove=not ctx.filling)
        content = safetensors.torch.save(dict(trace.tensors), {"about": json.dumps(dict(trace.about))})
        # others may write into the folder of a class: what they link to is not ours to overwrite
        write_whole(ctx.folder / f"{key}.safetensors", content, follow=False)
    except (OSError, Refused) as error:
        why = str(error) if isinstance(error, Refused) else f"{ctx.folder} cannot be written: {reason(error)}"
        if ctx.filling:
            raise Refused(why) from None
        ctx.note(f"traces are not kept for the next time: {why}")
    return trace


def _make_room(folder: Path, needed: int, *, remove: bool) -> None:
    """Remove the files that were not used for longest, and what is left of writers that were killed.

    Other processes do the same: a file that one of them has removed meanwhile is no error. With `remove=False`
    nothing is removed, and where there is no room it raises `Refused`.
    """
    files, room = [], FOLDER_BYTES - needed
    for path in folder.glob("*.safetensors*"):
        with contextlib.suppress(FileNotFoundError):
            files.append((path.lstat(), path))
    if not remove:
        held = sum(stat.st_size for stat, _ in files)
        if held > room:
            raise Refused(
                f"{folder} holds {held:,} bytes, and the next position takes {needed:,} more: up to {FOLDER_BYTES:,} "
                "are kept there; remove the folder, where it is of an older version, or prepare fewer lessons"
            )
        return
    for stat, path in sorted(files, key=lambda file: -file[0].st_mtime):
        room -= stat.st_size
        finished = path.suffix == ".safetensors"
        if room < 0 if finished else time.time() - stat.st_mtime > _ABANDONED_S:
            path.unlink(missing_ok=True)


@functools.cache
def sources() -> str:
    """Return a hash of the source of everything that traces depend on: another version's traces are never used."""
    found = hashlib.sha256(torch.__version__.encode())
    home = Path(workbench.__file__).parent
    parts = ("*.py", "models/*.py", "reconstruction/**/*.py", "techniques/*.py")
    for path in sorted(path for part in parts for path in home.glob(part)):
        found.update(path.read_bytes())
    return found.hexdigest()


def _stored(name: str, weight: Tensor, form: WeightFormat, into: dict[str, Tensor]) -> dict[str, Any]:
    about: dict[str, Any] = {"mask": form.mask is not None, "grid": None}
    if form.mask is not None:
        into[f"{name} mask"] = torch.from_numpy(np.packbits(form.mask.cpu().numpy()))
    if form.grid is not None:
        grid = form.grid
        about["grid"] = asdict(grid.spec)
        into |= {f"{name} {part}": getattr(grid, part).clone() for part in ("scale", "zero", "levels")}
        codes = grid.encode(weight)
        narrow = grid.spec.bits <= 8
        into[f"{name} codes"] = (codes - grid.spec.lowest).to(torch.uint8) if narrow else codes
    else:
        into[f"{name} values"] = weight[form.mask] if form.mask is not None else weight.clone().contiguous()
    return about


def _loaded(
    name: str, like: Tensor, about: Mapping[str, Any], kept: Mapping[str, Tensor]
) -> tuple[Tensor, WeightFormat]:
    mask = None
    if about["mask"]:
        bits = np.unpackbits(kept[f"{name} mask"].cpu().numpy(), count=like.numel())
        mask = torch.from_numpy(bits.astype(bool)).view_as(like).to(like.device)
    if about["grid"] is None:
        if mask is None:
            return kept[f"{name} values"], FREE
        weight = torch.zeros_like(like)
        weight[mask] = kept[f"{name} values"]
        return weight, WeightFormat(mask)
    spec = GridSpec(**about["grid"])
    grid = Grid(spec, *(kept[f"{name} {part}"] for part in ("scale", "zero", "levels")))
    codes = kept[f"{name} codes"].to(torch.int16)
    weight = grid.decode(codes + spec.lowest if spec.bits <= 8 else codes)
    return (weight if mask is None else weight * mask) + 0.0, WeightFormat(mask, grid)
