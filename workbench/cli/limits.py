"""The options that say what a person can afford, shared by `search budget` and `auto`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

_OPTIONS = {
    "size": ("size_bytes", "The packed file takes at most this, such as 60kB."),
    "macs": ("macs", "At most so many multiply-adds for one image, such as 20M."),
    "memory": ("peak_memory", "Activations take at most this, such as 64kB."),
    "latency": ("latency_ms", "One image takes at most this on the device of --on, modelled, such as 2ms."),
    "lose": ("drop", "At most so many points of accuracy are lost, such as 0.5."),
}


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command so that it takes `limits` from its options."""

    @click.option("--on", "runs_on", default="", metavar="DEVICE", help="It has to run there; see `workbench devices`.")
    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        from workbench.search.limits import Limits, amount

        found = {name: given.pop(name) for name in _OPTIONS}
        values = {
            _OPTIONS[name][0]: amount(_OPTIONS[name][0], text, f"--{name}")
            for name, text in found.items()
            if text is not None
        }
        return command(limits=Limits(**values, device=given.pop("runs_on")), **given)

    for name, (_, told) in reversed(_OPTIONS.items()):
        wrapped = click.option(f"--{name}", metavar="LIMIT", help=told)(wrapped)
    return wrapped
