"""A network of the user's own, as `user:path.py:function`: the function returns an `nn.Module`.

Its file is a program, and building the network runs it. So it runs only when the network is built or loaded, never
when its card is read; and a dashboard never builds one (`workbench.run.prepare`).

The name of a run holds a hash of that file, so that a stored result does not outlive an edit of it. Modules which the
file imports are not tracked: after an edit of those, old results still count as results of this network.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from torch import nn

from workbench.cards import Model, ModelCard
from workbench.errors import Refused
from workbench.registry import models


def member(address: str) -> Model:
    """Return the entry of `path.py:function`, running nothing; raises `Refused` where there is no such file."""
    path, function = source(f"user:{address}"), address.rpartition(":")[2]
    if path is None or not function.isidentifier():
        raise Refused(f"a network of your own is named user:path.py:function, got 'user:{address}'")
    if not path.is_file():
        raise Refused(f"there is no file {path}, expected the Python file of 'user:{address}'")
    build = functools.partial(_build, path.resolve(), function)
    card = ModelCard(
        name=f"user:{address}",
        title=f"{function} from {path.name}",
        summary="Your own network, which reads images as the data set has them, scaled to [0, 1]: with mean 0 and "
        "standard deviation 1, unless --mean and --std say otherwise.",
        input_shape=None,
        mean=(),
        std=(),
        classes=None,
        parameters=None,
        data=(),
        licence="your own",
        paper="your own",
    )
    return Model(card=card, build=build, pretrained=build)


def source(name: str) -> Path | None:
    """Return the Python file of a `user:` model; None for the name of any other model, or where it names no file."""
    # from the right: a Windows path has a colon of its own
    text = name.removeprefix("user:").rpartition(":")[0] if name.startswith("user:") else ""
    return Path(text).expanduser() if text else None


def not_run(name: str) -> Refused:
    """Return why a dashboard refuses a network of the user's own."""
    return Refused(
        f"{name[:200]} is code from a file, which a dashboard does not run: "
        "use `workbench run` or name it in a notebook of your own"
    )


def _build(path: Path, function: str) -> nn.Module:
    with _folder_importable(path.parent):
        module = _executed(path)
        make = vars(module).get(function)
        if not callable(make):
            raise Refused(f"{path} defines no function {function!r}")
        try:
            network = make()
        except Exception as error:  # whatever the user's code raises is for the user to read
            raise Refused(f"{function}() in {path} failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise Refused(f"{function}() in {path} must return a torch.nn.Module, got a {type(network).__name__}")
    return network


def _executed(path: Path) -> ModuleType:
    name = f"_user_model_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Refused(f"{path} is no Python file: its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up by name
    try:
        # not `exec_module`: it may run what it compiled before an edit within the same second
        exec(compile(path.read_bytes(), path, "exec"), vars(module))  # noqa: S102  # the person asked for it
    except Exception as error:  # whatever the user's code raises is for the user to read
        del sys.modules[name]
        raise Refused(f"{path} failed: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def _folder_importable(folder: Path) -> Iterator[None]:
    """Let the file import its neighbours, as it could if Python had been started with it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have tidied up itself
            sys.path.remove(str(folder))


models.register_family("user", member)
