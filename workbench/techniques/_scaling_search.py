"""What can be scaled in a network, proposed and then tried.

Proposals come from the labels of `_channel_labels`. Whether they hold is not taken for granted: networks of random
weights must answer the same with random scales, to 1e-9 in double precision. A sigmoid in between, a ReLU6, which clips
at 6 whatever the scale, or a second reader that the labels do not show, rule a proposal out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from workbench.activations import exact_activations
from workbench.context import Context
from workbench.network import Layer, clone
from workbench.techniques._channel_groups import generic, largest_passing, outline
from workbench.techniques._channel_labels import Labelling, Ports, label_channels
from workbench.techniques._scalings import Link, Row, layer, scaled

_TRIALS = 2


def scalings(model: nn.Module, ctx: Context) -> list[Link | Row]:
    """Return what can be scaled in networks of this architecture; kept in the context's cache.

    Empty where the network cannot be followed.
    """
    example = ctx.example
    return ctx.cache.get(
        f"scalings/{outline(model, example)}", lambda: _found(model, example, ctx.generator("scalings"))
    )


@torch.no_grad()
def answer(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the scores of a network."""
    scores: Tensor = model(inputs)
    return scores


def differs(tensor: Tensor, wanted: Tensor) -> float:
    """Return the largest difference, as a share of the largest value; NaN where either has one."""
    return float((tensor - wanted).abs().max() / wanted.abs().max().clamp(min=torch.finfo(wanted.dtype).tiny))


@exact_activations()
def _found(model: nn.Module, example: Tensor, generator: torch.Generator) -> list[Link | Row]:
    try:
        labelling = label_channels(clone(model).eval(), example, grouped=False)
    except Exception:  # labels may be inputs that a user's network cannot stand
        return []
    places: list[Link | Row] = [*_rows(model, labelling), *_links(model, labelling)]
    for _ in range(_TRIALS):
        trial, inputs = generic(model, example, generator)
        links = _homogeneous(trial, inputs, [place for place in places if isinstance(place, Link)], generator)
        places = [place for place in places if isinstance(place, Row) or place in links]
        places = _passing(trial, inputs, places, generator)
    return places


def _passing(
    trial: nn.Module, inputs: Tensor, places: Sequence[Link | Row], generator: torch.Generator
) -> list[Link | Row]:
    """Return the places with which the trial network still answers the same."""
    wanted = answer(trial, inputs)
    factors = {place: _random(trial, place, generator) for place in places}

    def passes(chosen: Sequence[Link | Row]) -> bool:
        got = answer(scaled(trial, [(place, factors[place]) for place in chosen]), inputs)
        return differs(got, wanted) <= _tolerance(inputs)

    return largest_passing(places, passes)


def _homogeneous(model: nn.Module, inputs: Tensor, links: Sequence[Link], generator: torch.Generator) -> list[Link]:
    """Return the links through which a scaled channel arrives scaled.

    Two passes try all of them, because each reader goes on with what it would have read unscaled. Trials of the whole
    network would take several for each link that fails, and a network full of ReLU6 is full of them.
    """
    factors = {link: _random(model, link, generator) for link in links}
    arrived: dict[Link, Tensor] = {}
    failed: set[Link] = set()

    def keep(link: Link, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        arrived.setdefault(link, inputs[0])

    def divide(link: Link, module: nn.Module, output: Tensor) -> Tensor:
        return output / _wide(module, factors[link], output)

    def compare(link: Link, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        scale = _wide(module, factors[link][link.columns], inputs[0])
        if not differs(inputs[0] * scale, arrived[link]) <= _tolerance(inputs[0]):
            failed.add(link)
        return (arrived[link], *inputs[1:])

    def on_readers(visit: Callable[[Link, nn.Module, Any], Any]) -> list[Any]:
        def hook(link: Link) -> Callable[[nn.Module, Any], Any]:
            return lambda module, inputs: visit(link, module, inputs)

        return [layer(model, link.reader).register_forward_pre_hook(hook(link)) for link in links]

    def on_writers(visit: Callable[[Link, nn.Module, Any], Any]) -> list[Any]:
        def hook(link: Link) -> Callable[[nn.Module, Any, Any], Any]:
            return lambda module, _, output: visit(link, module, output)

        return [model.get_submodule(link.norm or link.writer).register_forward_hook(hook(link)) for link in links]

    for hooks in ((on_readers, keep),), ((on_writers, divide), (on_readers, compare)):
        handles = [handle for place, visit in hooks for handle in place(visit)]
        answer(model, inputs)
        for handle in handles:
            handle.remove()
    return [link for link in links if link not in failed]


def _tolerance(like: Tensor) -> float:
    return 1e-9 if like.dtype == torch.float64 else 1e-4


def _wide(module: nn.Module, values: Tensor, like: Tensor) -> Tensor:
    """Return one value for each channel [C] in the shape that broadcasts to what the module reads or writes."""
    return values if isinstance(module, nn.Linear) else values.view(-1, *[1] * (like.ndim - 2))


def _random(model: nn.Module, place: Link | Row, generator: torch.Generator) -> Tensor:
    weight = layer(model, place.writer).weight
    return (torch.rand(len(weight), generator=generator) * 1.5 + 0.5).to(weight)


def _rows(model: nn.Module, labelling: Labelling) -> list[Row]:
    norms = {name: _norms(model, labelling.untied, name) for name in labelling.untied if _is_layer(model, name)}
    return [Row(writer, found[0]) for writer, found in norms.items() if len(found) == 1]


def _links(model: nn.Module, labelling: Labelling) -> list[Link]:
    ports, tied = labelling.untied, labelling.ports
    names = [name for name in ports if _is_layer(model, name)]
    found = []
    for writer in names:
        out = ports[writer].out
        readers = [name for name in names if torch.isin(ports[name].into, out).all()]
        others = [name for name in names if name != writer and torch.isin(tied[name].out, tied[writer].out).any()]
        norms = _norms(model, ports, writer)
        if len(readers) == 1 and not others and len(norms) <= 1:
            columns = ports[readers[0]].into - out[0]  # labels of a layer are consecutive numbers
            found.append(Link(writer, norms[0] if norms else "", readers[0], columns))
    return found


def _norms(model: nn.Module, ports: Mapping[str, Ports], writer: str) -> list[str]:
    """Return the batch norms, with statistics and scales, that read the channels of a layer."""
    return [
        name
        for name, port in ports.items()
        if isinstance(norm := model.get_submodule(name), _BatchNorm)
        and norm.running_var is not None
        and norm.weight is not None
        and torch.equal(port.out, ports[writer].out)
    ]


def _is_layer(model: nn.Module, name: str) -> bool:
    return isinstance(model.get_submodule(name), Layer)
